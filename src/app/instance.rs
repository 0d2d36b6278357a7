//! One instance, from session to session: it waits for the lease and serves, or follows and answers questions.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::{Ended, Fault, begin, now};
use crate::api::{Api, Notice};
use crate::broker::{self, ChangeLog, Lease, Purpose, Session};
use crate::config::Config;
use crate::domain::{Role, Standing};
use crate::engine::{AccessOfNow, Engine, FailAt};
use crate::replica::{self, Claim, Follower, HandOver, Lookout, Replica, Stage, Turn};

/// The wait after another copy could not be had.
const COPY_WAIT: Duration = Duration::from_mins(1);
/// Between two looks whether the queue of commands is empty.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// An instance that runs.
pub(super) struct Instance<'a> {
    pub(super) config: &'a Config,
    pub(super) replica: Replica,
    fail_at: FailAt,
}

impl<'a> Instance<'a> {
    pub(super) fn new(
        config: &'a Config,
        engine: &Engine,
        (access, fail_at): (&AccessOfNow, &FailAt),
        lookout: Arc<Lookout>,
    ) -> Self {
        Self {
            config,
            fail_at: fail_at.clone(),
            replica: Replica {
                engine: engine.clone(),
                config: config.replication.clone(),
                instance: config.instance.name.clone(),
                access: access.clone(),
                clock: Arc::new(now),
                lookout,
            },
        }
    }

    /// Works until draining is done, another copy is to take the place of this one, or there is no use in going on. Says
    /// which standing the other copy is to have.
    pub(super) async fn run(
        &self,
        flag: Role,
        draining: watch::Receiver<bool>,
    ) -> Result<(Turn, Standing), Fault> {
        let mut role = self.role(flag);
        loop {
            let mut turn = match role {
                Role::Primary => {
                    let session = async |session: &Session, ends| Box::pin(self.contend(session, ends)).await;
                    self.sessions(Purpose::Serve, draining.clone(), session).await?
                }
                Role::Secondary => Box::pin(self.be_secondary(draining.clone())).await?,
            };
            if let Turn::Reseed { keep_old } = turn {
                turn = Box::pin(self.get_another_copy(role, keep_old, draining.clone())).await?;
            }
            role = match turn {
                Turn::Serve => Role::Primary,
                Turn::Follow => Role::Secondary,
                Turn::Done | Turn::Reseed { .. } => {
                    let standing = match role {
                        Role::Primary => Standing::Undecided,
                        Role::Secondary => Standing::Secondary,
                    };
                    return Ok((turn, standing));
                }
            };
        }
    }

    /// What the register says that it is; only one that does not say follows the command line.
    fn role(&self, flag: Role) -> Role {
        let standing = *self.replica.engine.standing().borrow();
        let role = match standing {
            Standing::Undecided => flag,
            Standing::Promoted => Role::Primary,
            Standing::Secondary | Standing::Fenced { .. } => Role::Secondary,
        };
        if role != flag {
            tracing::warn!(
                %standing,
                role = role.as_str(),
                "the register says what it is, and the command line is not obeyed: `domesday promote` and \
                 `domesday switch-over` change it"
            );
        }
        role
    }

    /// Another broker or namespace that is named as the source; where it is our own there is no other side.
    fn other_side(&self) -> Option<broker::Config> {
        let ours = &self.config.broker;
        let theirs = self.config.replication.source.broker(ours);
        (theirs.namespace != ours.namespace || theirs.url().ok() != ours.url().ok()).then_some(theirs)
    }

    async fn be_secondary(&self, draining: watch::Receiver<bool>) -> Result<Turn, Fault> {
        let lookout = &self.replica.lookout;
        let source = self.config.replication.source.broker(&self.config.broker);
        let follower = Follower::new(self.replica.clone(), source).as_secondary();
        let api = Api {
            role: Role::Secondary,
            ..self.api()
        };
        let session = async |session: &Session, ends| {
            tracing::info!(namespace = self.config.broker.namespace, "answering questions");
            tokio::select! {
                ended = api.answer(session, ends) => Ok(ended.map(|()| Turn::Done)?),
                turn = self.replica.obey(session, Some(&follower)) => Ok(turn?),
                fault = self.report(&api, session) => Err(fault),
            }
        };
        let fenced = matches!(*self.replica.engine.standing().borrow(), Standing::Fenced { .. });
        let following = async {
            // One that was replaced and names nobody to follow waits for an operator.
            if fenced && self.other_side().is_none() {
                lookout.enter(Stage::Fenced);
                std::future::pending::<()>().await;
            }
            lookout.enter(Stage::Following);
            self.follow(&follower).await
        };
        let turn = tokio::select! {
            ended = self.sessions(Purpose::Answer, draining.clone(), session) => ended,
            ended = following => ended,
        };
        lookout.reset();
        lookout.enter(Stage::Waiting);
        turn
    }

    /// Fetches another copy. A secondary answers questions from the old one meanwhile; in a namespace of several instances
    /// the others do that.
    async fn get_another_copy(
        &self,
        role: Role,
        keep_old: bool,
        draining: watch::Receiver<bool>,
    ) -> Result<Turn, Fault> {
        self.replica.lookout.enter(Stage::Seeding);
        let ours = &self.config.broker;
        let (source, otherwise) = match role {
            Role::Primary => (ours.clone(), Turn::Serve),
            Role::Secondary => (self.config.replication.source.broker(ours), Turn::Follow),
        };
        let api = Api {
            role: Role::Secondary,
            ..self.api()
        };
        let session = async |session: &Session, mut ends: watch::Receiver<bool>| {
            let answering = ends.clone();
            tokio::select! {
                ended = api.answer(session, answering), if role == Role::Secondary => {
                    Ok(ended.map(|()| Turn::Done)?)
                }
                _ = ends.wait_for(|ends| *ends), if role == Role::Primary => Ok(Turn::Done),
                turn = self.replica.obey(session, None) => Ok(turn?),
            }
        };
        let fetching = async {
            match begin::fetch(self.config, &source).await {
                Ok(()) => Ok(Turn::Reseed { keep_old }),
                Err(replica::Fault::Broker(fault)) => Err(fault.into()),
                Err(fault) => {
                    tracing::error!(
                        fault = &fault as &dyn std::error::Error,
                        wait_ms = COPY_WAIT.as_millis(),
                        "another copy could not be had; the old one stays"
                    );
                    tokio::time::sleep(COPY_WAIT).await;
                    Ok(otherwise)
                }
            }
        };
        tokio::select! {
            ended = self.sessions(Purpose::Answer, draining.clone(), session) => ended,
            fetched = fetching => fetched,
        }
    }

    /// Tells all who read events what comes of drills, and where this copy is found to be another than the original.
    async fn report(&self, api: &Api, session: &Session) -> Ended {
        let (mut stage, mut drilled) = (self.replica.lookout.stage(), self.replica.lookout.drilled());
        drilled.mark_unchanged();
        let mut told = false;
        loop {
            let notice = tokio::select! {
                diverged = stage.wait_for(|stage| matches!(stage, Stage::Diverged(_))), if !told => {
                    told = true;
                    diverged.ok().and_then(|stage| stage.fault().map(|why| Notice::Diverged(why.to_owned())))
                }
                changed = drilled.changed() => match changed {
                    Ok(()) => drilled.borrow_and_update().clone().map(Notice::Drilled),
                    Err(_) => std::future::pending().await,
                },
            };
            if let Some(notice) = notice
                && let Err(fault) = api.announce(session, &notice).await
            {
                return fault.into();
            }
        }
    }

    /// Follows for ever, or until changes are missing that nobody has any more: then another copy is needed. What cannot
    /// be followed for another reason stays as it is, and goes on answering: a person decides.
    async fn follow(&self, follower: &Follower) -> Result<Turn, Fault> {
        match follower.run().await {
            Err(fault @ replica::Fault::Lost { .. }) => Ok(out_of_reach(&fault)),
            Err(fault) if fault.is_permanent() => {
                tracing::error!(
                    fault = &fault as &dyn std::error::Error,
                    "this instance does not follow any more, and answers as of where it is"
                );
                self.replica.lookout.enter(Stage::after(&fault));
                std::future::pending().await
            }
            Err(replica::Fault::Broker(fault)) => Err(fault.into()),
            Err(fault) => Err(Fault::Process(std::io::Error::other(fault))),
            Ok(()) => std::future::pending().await,
        }
    }

    /// One session of an instance that may serve: it waits for the lease of the namespace, and serves.
    async fn contend(&self, session: &Session, draining: watch::Receiver<bool>) -> Result<Turn, Ended> {
        let lookout = &self.replica.lookout;
        let engine = &self.replica.engine;
        lookout.enter(Stage::Waiting);
        // Beyond this, nobody was told of what is here: whoever served meanwhile may have gone another way.
        let (shipped, held) = (*engine.shipped().borrow(), engine.committed().borrow().sequence);
        let may_stray = held > shipped;
        let turn = tokio::select! {
            turn = self.wait_and_serve(session, may_stray, draining) => turn,
            turn = self.replica.obey(session, None) => Ok(turn?),
        };
        lookout.enter(Stage::Waiting);
        match turn {
            Err(Ended::Replica(replica::Fault::Fenced(claim))) => self.step_down(session, &claim).await,
            Err(Ended::Replica(fault @ replica::Fault::Lost { .. })) => Ok(out_of_reach(&fault)),
            Err(Ended::Replica(fault)) if may_stray && fault.is_difference() => {
                let file = self.put_aside(shipped).await?;
                tracing::warn!(
                    fault = &fault as &dyn std::error::Error,
                    file,
                    "this instance had done what the one that served after it never heard of; that is in the file, and it \
                     gets another copy"
                );
                Ok(Turn::Reseed { keep_old: false })
            }
            turn => turn,
        }
    }

    async fn wait_and_serve(
        &self,
        session: &Session,
        may_stray: bool,
        draining: watch::Receiver<bool>,
    ) -> Result<Turn, Ended> {
        let broker = &self.config.broker;
        let other_side = self.other_side();
        let mut stopping = draining.clone();
        let (mut lease, followed) = tokio::select! {
            lease = self.stand_by(session, may_stray, draining.clone()) => lease?,
            fault = session.broken() => return Err(fault.into()),
            _ = stopping.wait_for(|draining| *draining) => return Ok(Turn::Done),
        };
        let has_streams = broker.change_log == ChangeLog::Stream;
        let ready = async {
            if let Some(source) = &other_side {
                self.replica.ask_before_serving(source).await?;
            }
            if has_streams {
                self.replica.take_over(broker, followed).await?;
            }
            Ok::<_, replica::Fault>(())
        };
        tokio::select! {
            ready = ready => ready?,
            fault = lease.lost() => return Err(fault.into()),
            _ = stopping.wait_for(|draining| *draining) => return Ok(Turn::Done),
        }
        self.replica.lookout.enter(Stage::Serving);
        tracing::info!(namespace = broker.namespace, "serving");
        let drain = Duration::from_secs(self.config.instance.drain_s);
        let (sender, mut asked) = mpsc::channel(1);
        let (ending, ends) = watch::channel(false);
        let handing_over = async {
            let asked: Option<HandOver> = tokio::select! {
                asked = asked.recv() => asked,
                _ = stopping.wait_for(|draining| *draining) => None,
            };
            if asked.is_some() {
                let emptied = tokio::time::timeout(drain, self.empty_queue(session)).await;
                emptied.unwrap_or(Ok(()))?;
            }
            ending.send_replace(true);
            Ok::<_, broker::Fault>(asked)
        };
        let api = self.api();
        let asked = tokio::select! {
            done = async {
                let running = async { Ok::<_, Ended>(Box::pin(api.run(session, &mut lease, ends, drain)).await?) };
                let handing_over = async { Ok(handing_over.await?) };
                // The first ends after the second.
                tokio::try_join!(running, handing_over)
            } => done?.1,
            ended = self.replica.serve(session, other_side.as_ref(), &sender), if has_streams => {
                ended?;
                None
            }
            ended = self.replica.serve_alone(), if !has_streams => {
                ended?;
                None
            }
        };
        match asked {
            Some(asked) => self.hand_over(session, &asked).await,
            None => Ok(Turn::Done),
        }
    }

    /// Sees to it that no more commands come, and waits until those that the broker has taken are being worked on.
    async fn empty_queue(&self, session: &Session) -> Result<(), broker::Fault> {
        session.refuse_commands().await?;
        while session.commands_waiting().await? > 0 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    async fn hand_over(&self, session: &Session, asked: &HandOver) -> Result<Turn, Ended> {
        let engine = &self.replica.engine;
        let (committed, shipped) = (engine.committed().borrow().sequence, *engine.shipped().borrow());
        if shipped < committed {
            tracing::warn!(
                committed,
                shipped,
                "draining took too long to hand over, so this instance goes on serving"
            );
            return Err(Ended::HandOver);
        }
        self.replica.hand_over(session, asked).await?;
        Ok(Turn::Follow)
    }

    /// Another register has taken the place of this one: stops writing, on disk, and puts aside what only this one has.
    async fn step_down(&self, session: &Session, claim: &Claim) -> Result<Turn, Ended> {
        self.replica.fence(session, claim.epoch, claim.began).await?;
        let file = self.put_aside(claim.began).await?;
        let (instance, epoch) = (&claim.instance, claim.epoch);
        tracing::error!(
            instance,
            epoch,
            file,
            "another instance has taken the place of this one, which stops writing; what only this one has is in the file"
        );
        Ok(Turn::Follow)
    }

    /// Writes the changes above a sequence to a file in the data directory, and gives its name; `nothing` where there are
    /// none. One that cannot be written is no reason to go on.
    async fn put_aside(&self, above: u64) -> Result<String, Ended> {
        let held = *self.replica.engine.committed().borrow();
        if held.sequence <= above {
            return Ok("nothing".to_owned());
        }
        let name = format!("unshipped-{}-{}-{}.jsonl", held.epoch, above + 1, held.sequence);
        let file = self.config.store.directory.join(name);
        let (reads, path) = (Arc::clone(self.replica.engine.reads()), file.clone());
        let exported = tokio::task::spawn_blocking(move || replica::export(&reads, above, &path));
        match exported.await.map_err(replica::Fault::from)? {
            Ok(_) => Ok(file.display().to_string()),
            Err(fault) => {
                tracing::error!(
                    fault = &fault as &dyn std::error::Error,
                    "the changes that only this instance has could not be put into a file"
                );
                Ok("missing: `domesday tail export` writes it".to_owned())
            }
        }
    }

    /// Waits for the lease; follows and answers questions meanwhile. Says whether it had to wait.
    async fn stand_by(
        &self,
        session: &Session,
        may_stray: bool,
        draining: watch::Receiver<bool>,
    ) -> Result<(Lease, bool), Ended> {
        if let Some(lease) = session.lease().await? {
            return Ok((lease, false));
        }
        self.replica.lookout.enter(Stage::StandingBy);
        let follower = Follower::new(self.replica.clone(), self.config.broker.clone());
        let api = Api {
            role: Role::Secondary,
            ..self.api()
        };
        tokio::select! {
            lease = follower.stand_by(session, may_stray) => Ok((lease?, true)),
            ended = api.answer(session, draining) => {
                ended?;
                std::future::pending().await
            }
        }
    }

    fn api(&self) -> Api {
        let Config {
            instance,
            broker:
                broker::Config {
                    namespace,
                    prefetch_commands,
                    prefetch_questions,
                    ..
                },
            ..
        } = self.config;
        let replica = self.replica.clone();
        Api {
            engine: replica.engine.clone(),
            config: self.config.api.clone(),
            bounds: self.config.bounds(),
            acknowledge: self.config.engine.acknowledge,
            instance: instance.name.clone(),
            role: Role::Primary,
            namespace: namespace.clone(),
            prefetch_commands: *prefetch_commands,
            prefetch_questions: *prefetch_questions,
            access: replica.access.clone(),
            behind: Arc::new(move || replica.lacks()),
            clock: Arc::new(now),
            fail_at: self.fail_at.clone(),
        }
    }
}

/// What comes after changes are missing that nobody has any more. The old copy has nothing that the new one lacks.
fn out_of_reach(fault: &replica::Fault) -> Turn {
    tracing::warn!(
        fault = fault as &dyn std::error::Error,
        "this instance gets another copy, since it cannot follow from where it is"
    );
    Turn::Reseed { keep_old: false }
}
