//! The whole register in memory, as of one moment, and proved: for those who look at it once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::broker::{Client, Consumer};
use crate::domain::EntityKey;
use crate::wire::shape::CursorBody;

use super::super::exit::{Exit, Failure};
use super::super::session::{Session, failure, waits};
use super::copy::{Copy, Deed, News, Step};
use super::heard::Heard;
use super::{SILENCE, ask, refused, unanswered};

/// How often what came may differ from what it should be before that is told.
const DIFFERENT_MAX: u32 = 3;

/// The register as of one moment.
pub(in crate::cli) struct Taken {
    /// As of when.
    pub(in crate::cli) at: CursorBody,
    /// The digest that it was proved by.
    pub(in crate::cli) digest: String,
    /// All that is in it.
    pub(in crate::cli) entities: BTreeMap<EntityKey, Entity>,
}

/// An environment or a resource.
#[derive(Default)]
pub(in crate::cli) struct Entity {
    /// Its document.
    pub(in crate::cli) document: Value,
    /// Of an environment: what is in it.
    pub(in crate::cli) resources: BTreeSet<String>,
}

/// Takes a copy of at most so many environments and resources.
///
/// # Errors
/// The broker or a server cannot be reached, there is more, or what came could not be proved.
pub(in crate::cli) async fn take(session: &Session, limit: u64) -> Result<Taken, Failure> {
    let mut taking = Taking {
        limit,
        copy: Copy::new([], None),
        entities: BTreeMap::new(),
        differed: 0,
    };
    let mut waits = waits();
    let mut is_first = true;
    loop {
        session.touch();
        let (client, generation) = session.client().await?;
        match ask(session, &client, None).await {
            Ok(mut inbox) => match taking.read(&mut inbox, session).await? {
                Ended::Proved(at) => {
                    let digest = taking.copy.digest().to_string();
                    return Ok(Taken {
                        at,
                        digest,
                        entities: taking.entities,
                    });
                }
                Ended::Again => {}
                Ended::Busy => tokio::time::sleep(waits.next().unwrap_or(SILENCE)).await,
                Ended::Broken => let_go(client, generation, session).await,
            },
            Err(fault) if is_first || fault.is_permanent() => return Err(failure(&fault)),
            Err(_) => let_go(client, generation, session).await,
        }
        is_first = false;
        taking.entities.clear();
        taking.copy = Copy::new([], None);
    }
}

async fn let_go(client: Arc<Client>, generation: u64, session: &Session) {
    drop(client);
    session.drop_client(generation).await;
}

/// How one try to get all of it ended.
enum Ended {
    /// All is there.
    Proved(CursorBody),
    /// Something was lost on the way.
    Again,
    /// No server has time for it now.
    Busy,
    /// The connection broke.
    Broken,
}

struct Taking {
    limit: u64,
    copy: Copy,
    entities: BTreeMap<EntityKey, Entity>,
    differed: u32,
}

impl Taking {
    async fn read(&mut self, inbox: &mut Consumer, session: &Session) -> Result<Ended, Failure> {
        let (mut steps, mut news) = (Vec::new(), Vec::new());
        loop {
            let Ok(delivery) = tokio::time::timeout(SILENCE, inbox.next()).await else {
                unanswered(session)?;
                return Ok(Ended::Again);
            };
            let Some(Ok(delivery)) = delivery else {
                return Ok(Ended::Broken);
            };
            // What cannot be read is passed over: if it mattered, the digest will say so.
            let heard = Heard::read(&delivery.message).unwrap_or(Heard::Other);
            // The queue is ours alone, and what is lost is asked for again.
            drop(delivery.ack().await);
            if let Heard::Refused(problem) = &heard {
                refused(problem, session)?;
                return Ok(Ended::Busy);
            }
            session.touch();
            self.copy.hear(heard, &mut steps, &mut news);
            for step in steps.drain(..) {
                self.apply(step)?;
            }
            for news in news.drain(..) {
                match news {
                    News::Began { count, .. } => self.allow(count)?,
                    News::Following => {
                        if let Some(at) = self.copy.cursor() {
                            return Ok(Ended::Proved(at.clone()));
                        }
                    }
                    News::Proved { .. } => {}
                    News::Ask(_) | News::Hopeless { .. } => return self.differs(),
                }
            }
        }
    }

    fn apply(&mut self, step: Step) -> Result<(), Failure> {
        match step.deed {
            Deed::Write {
                document, members, ..
            } => {
                let resources = members.unwrap_or_default();
                self.entities.insert(step.key, Entity { document, resources });
                self.allow(u64::try_from(self.entities.len()).unwrap_or(u64::MAX))?;
            }
            Deed::Link {
                resources, linked, ..
            } => {
                let members = &mut self.entities.entry(step.key).or_default().resources;
                if linked {
                    members.extend(resources);
                } else {
                    members.retain(|member| !resources.contains(member));
                }
            }
            Deed::Delete => {
                self.entities.remove(&step.key);
            }
        }
        Ok(())
    }

    fn allow(&self, count: u64) -> Result<(), Failure> {
        if count <= self.limit {
            return Ok(());
        }
        let what = format!(
            "the register holds {count} environments and resources or more, and at most {} are taken",
            self.limit
        );
        Err(Failure::usage(what).hint(format!("--limit {count} takes them")))
    }

    fn differs(&mut self) -> Result<Ended, Failure> {
        self.differed += 1;
        if self.differed < DIFFERENT_MAX {
            return Ok(Ended::Again);
        }
        let what = format!(
            "{DIFFERENT_MAX} times the copy that came was not the register: its digest is {}",
            self.copy.digest()
        );
        Err(Failure::new(Exit::Refused, what).hint("if it comes again, this is a fault worth reporting"))
    }
}
