//! Two registers of one cluster, both serving, on two brokers: the one of the lower epoch has to stop.
//!
//! An instance that serves and names a source tells whoever serves there which epoch it is in, at once and then again and
//! again, and hears theirs in the answer. So it makes no difference which of the two comes back.

use std::time::Duration;

use super::letter::{Letter, claim};
use super::{Claim, Fault, PRIMARY_KEY, Replica};
use crate::broker::{self, Client, FaultKind, Session};
use crate::domain::Standing;
use crate::engine::Entry;

/// Time between two claims.
const EVERY: Duration = Duration::from_secs(5);
/// How long one may take, with its connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an instance that starts to serve waits for what the other side says, before it serves.
const BEFORE_SERVING: Duration = Duration::from_secs(2);

impl Replica {
    /// Asks the other side before this instance serves, where there is another side. One that cannot be reached in two
    /// seconds is asked again while this instance serves.
    ///
    /// # Errors
    /// [`Fault::Fenced`] where a higher epoch has begun there.
    pub async fn ask_before_serving(&self, source: &broker::Config) -> Result<(), Fault> {
        let asked = tokio::time::timeout(BEFORE_SERVING, self.claim_once(source)).await;
        match asked {
            Ok(Ok(())) => Ok(()),
            Ok(Err(fenced @ Fault::Fenced(_))) => Err(fenced),
            Ok(Err(_)) | Err(_) => {
                tracing::warn!(
                    namespace = source.namespace,
                    "the other side cannot be reached, so it is not known whether an instance was promoted there; \
                     it is asked again and again"
                );
                Ok(())
            }
        }
    }

    /// Tells the other side the epoch of this instance, for as long as it serves.
    ///
    /// # Errors
    /// [`Fault::Fenced`] where a higher epoch has begun there.
    pub async fn claim(&self, source: &broker::Config) -> Result<(), Fault> {
        loop {
            // Whatever else fails there: the other side is away, and is asked again.
            if let Ok(Err(fenced @ Fault::Fenced(_))) =
                tokio::time::timeout(PATIENCE, self.claim_once(source)).await
            {
                return Err(fenced);
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    async fn claim_once(&self, source: &broker::Config) -> Result<(), Fault> {
        let client = Client::connect(source, &format!("{}/claim", self.instance)).await?;
        let control = source.names()?.control();
        let ours = self.heartbeat().await?;
        let answer = client
            .request(&control, PRIMARY_KEY, claim(&ours, PATIENCE), PATIENCE)
            .await;
        client.close().await;
        let answer = match answer {
            // Nobody serves there.
            Err(fault) if matches!(fault.kind(), FaultKind::Unroutable | FaultKind::Missing) => return Ok(()),
            answer => answer?,
        };
        match Letter::read(&answer) {
            Some(Letter::Heartbeat(theirs)) => self.weigh(Claim::of(&theirs)),
            _ => Ok(()),
        }
    }

    /// Fails where a claim is of a higher epoch of this register.
    pub(super) fn weigh(&self, claim: Claim) -> Result<(), Fault> {
        let held = self.engine.committed().borrow().epoch;
        if claim.cluster != self.engine.reads().cluster() || claim.writer == self.engine.reads().instance() {
            return Ok(());
        }
        if claim.epoch > held {
            return Err(Fault::Fenced(Box::new(claim)));
        }
        if claim.epoch == held {
            tracing::error!(
                epoch = held,
                instance = claim.instance,
                "another instance serves the same register in the same epoch; stop one of them, and reseed its copy"
            );
        }
        Ok(())
    }

    /// Stops writing for good: on disk first. Commands are not routed to this namespace any more, so that their senders
    /// are told.
    ///
    /// # Errors
    /// [`Fault`] where the session or the engine failed.
    pub async fn fence(&self, session: &Session, epoch: u64, sequence: u64) -> Result<(), Fault> {
        let entry = Entry {
            standing: Some(Standing::Fenced { epoch, sequence }),
            ..Entry::default()
        };
        self.engine.enter(entry).await?;
        session.refuse_commands().await?;
        let waiting = session.commands_waiting().await?;
        if waiting > 0 {
            tracing::warn!(
                waiting,
                "commands wait in the queue of this namespace that nobody executes, unless an instance serves here again"
            );
        }
        Ok(())
    }
}
