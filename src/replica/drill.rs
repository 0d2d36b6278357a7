//! A drill: a secondary proves, without taking over, that it could.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::control::No;
use super::letter::Heartbeat;
use super::lookout::millis;
use super::{Fault, Follower, Replica, chain};
use crate::domain::{Canary, EntityKey, EntityType, Id, Problem, ProblemKind};
use crate::engine::{self, DrillCopy};
use crate::wire::shape::{CanaryBody, DrilledBody};

/// How long a heartbeat with canaries may be waited for that is of the sequence of the copy.
const CANARIES: Duration = Duration::from_secs(30);

/// A copy of the register, and what the original was asked as of the same sequence.
pub(super) struct Caught {
    copy: Result<DrillCopy, engine::Fault>,
    canaries: Vec<Canary>,
    /// The digest of the original.
    digest: String,
}

impl Replica {
    /// Waits for canaries, and asks a copy of this copy the same.
    pub(super) async fn drill(&self) -> Result<DrilledBody, No> {
        let Some(alone) = self.lookout.begin_drill() else {
            let detail = "a drill is on already";
            return Err(Box::new(Problem::new(ProblemKind::Unavailable, detail)).into());
        };
        let stage = self.lookout.stage().borrow().clone();
        if let Some(why) = stage.fault() {
            let detail = format!("this instance does not follow: {why}");
            return Err(Box::new(Problem::new(ProblemKind::Unavailable, detail)).into());
        }
        // What a promotion would lose now.
        let held = *self.engine.committed().borrow();
        let changes = self.lacks();
        let whole = self.lookout.view(held.sequence, Instant::now()).whole;
        let caught = self.lookout.wait_for_canaries();
        let Ok(Ok(caught)) = tokio::time::timeout(CANARIES, caught).await else {
            let detail = "no heartbeat came in time that was of the sequence of this copy";
            let hint =
                "look at `domesday status`: the instance that it follows must be up, and the copy not behind";
            return Err(Box::new(Problem::new(ProblemKind::Unavailable, detail).hint(hint)).into());
        };
        let Caught {
            copy,
            canaries,
            digest,
        } = caught;
        let asked = canaries.len();
        let tried = tokio::task::spawn_blocking(move || {
            // Held to the end, whoever waits for it.
            let _alone = alone;
            let copy = copy?;
            Ok::<_, engine::Fault>((copy.position(), copy.try_out(&canaries, &digest)?))
        })
        .await
        .map_err(Fault::from)?;
        let mut drilled = DrilledBody {
            instance: self.instance.clone(),
            passed: false,
            epoch: held.epoch,
            sequence: held.sequence,
            rpo_changes: changes,
            rpo_ms: whole.map(millis),
            rto_ms: None,
            canaries: u64::try_from(asked).unwrap_or(u64::MAX),
            detail: String::new(),
        };
        match tried {
            Ok((position, tried)) => {
                drilled.passed = tried.differences.is_empty();
                (drilled.epoch, drilled.sequence) = (position.epoch, position.sequence);
                drilled.rto_ms = Some(millis(tried.ready_after));
                drilled.detail = tried.differences.join("; ");
            }
            Err(fault) => drilled.detail = chain(&fault),
        }
        if drilled.passed {
            tracing::info!(
                sequence = drilled.sequence,
                rto_ms = drilled.rto_ms,
                "the drill is passed"
            );
        } else {
            tracing::error!(
                sequence = drilled.sequence,
                detail = drilled.detail,
                "the drill is failed"
            );
        }
        self.lookout.tell_drilled(drilled.clone());
        Ok(drilled)
    }
}

impl Follower {
    /// Where a drill waits, and the copy is where the canaries are: makes a copy of it there. Nothing is taken in meanwhile.
    pub(super) async fn catch(&self, heartbeat: &Heartbeat) -> Result<(), Fault> {
        if heartbeat.body.canaries.is_empty() {
            return Ok(());
        }
        let Some(waiting) = self.replica().lookout.drill() else {
            return Ok(());
        };
        let (reads, now) = (
            Arc::clone(self.replica().engine.reads()),
            (self.replica().clock)(),
        );
        let copy = tokio::task::spawn_blocking(move || reads.copy_for_drill(now)).await?;
        // Whoever asked may have lost patience.
        let _ = waiting.send(Caught {
            copy,
            canaries: heartbeat.body.canaries.iter().filter_map(canary).collect(),
            digest: heartbeat.body.digest.clone(),
        });
        Ok(())
    }
}

fn canary(body: &CanaryBody) -> Option<Canary> {
    Some(Canary {
        key: EntityKey {
            entity: EntityType::parse(&body.entity)?,
            id: Id::parse(&body.id).ok()?,
        },
        hash: body.hash.clone(),
    })
}
