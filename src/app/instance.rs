//! One instance, from session to session: it waits for the lease and serves, or follows and answers questions.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{Ended, Fault, now};
use crate::api::{self, Api};
use crate::broker::{self, ChangeLog, Lease, Purpose, Session};
use crate::config::Config;
use crate::domain::Role;
use crate::engine::{Engine, FailAt};
use crate::replica::{self, Follower, Replica};

/// A session that lasted this long was a good one: the waits between sessions start small again.
const GOOD_SESSION: Duration = Duration::from_secs(30);

/// An instance that runs.
pub(super) struct Instance<'a> {
    config: &'a Config,
    replica: Replica,
    fail_at: FailAt,
}

impl<'a> Instance<'a> {
    pub(super) fn new(config: &'a Config, engine: &Engine, fail_at: FailAt) -> Self {
        Self {
            config,
            fail_at,
            replica: Replica {
                engine: engine.clone(),
                config: config.replication.clone(),
                instance: config.instance.name.clone(),
                clock: Arc::new(now),
            },
        }
    }

    /// Works until draining is done, or there is no use in going on.
    pub(super) async fn run(&self, role: Role, draining: watch::Receiver<bool>) -> Result<(), Fault> {
        match role {
            Role::Primary => {
                let session =
                    async |session: &Session| Box::pin(self.contend(session, draining.clone())).await;
                self.sessions(Purpose::Serve, draining.clone(), session).await
            }
            Role::Secondary => {
                let source = self.config.replication.source.broker(&self.config.broker);
                let follower = Follower::new(self.replica.clone(), source);
                let api = Api {
                    role: Role::Secondary,
                    ..self.api(&follower)
                };
                let session = async |session: &Session| {
                    tracing::info!(namespace = self.config.broker.namespace, "answering questions");
                    Ok(api.answer(session, draining.clone()).await?)
                };
                tokio::select! {
                    ended = self.sessions(Purpose::Answer, draining.clone(), session) => ended,
                    fault = self.follow(&follower) => Err(fault),
                }
            }
        }
    }

    /// Follows for ever. What cannot be followed any more stays as it is, and goes on answering: a person decides.
    async fn follow(&self, follower: &Follower) -> Fault {
        match follower.run().await {
            Err(fault) if fault.is_permanent() => {
                tracing::error!(
                    fault = &fault as &dyn std::error::Error,
                    "this instance does not follow any more, and answers as of where it is"
                );
                std::future::pending().await
            }
            Err(replica::Fault::Broker(fault)) => fault.into(),
            Err(fault) => Fault::Process(std::io::Error::other(fault)),
            Ok(()) => std::future::pending().await,
        }
    }

    /// One session after the other, until draining is done or there is no use in going on.
    async fn sessions(
        &self,
        purpose: Purpose,
        mut draining: watch::Receiver<bool>,
        work: impl AsyncFn(&Session) -> Result<(), Ended>,
    ) -> Result<(), Fault> {
        let Config { broker, instance, .. } = self.config;
        let mut backoff = broker.backoff();
        loop {
            let session = tokio::select! {
                session = Session::open_with_retry(purpose, broker, &instance.name) => session?,
                _ = draining.wait_for(|draining| *draining) => return Ok(()),
            };
            let began = tokio::time::Instant::now();
            let ended = work(&session).await;
            session.close().await;
            let Err(fault) = ended else { return Ok(()) };
            let fault = self.curable(fault).await?;
            if began.elapsed() >= GOOD_SESSION {
                backoff.reset();
            }
            let Some(wait) = backoff.next() else {
                return Err(match fault {
                    Ended::Api(api::Fault::Broker(fault)) | Ended::Broker(fault) => fault.into(),
                    other => std::io::Error::other(other).into(),
                });
            };
            tracing::warn!(
                fault = &fault as &dyn std::error::Error,
                wait_ms = wait.as_millis(),
                "the session ended"
            );
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = draining.wait_for(|draining| *draining) => return Ok(()),
            }
        }
    }

    /// Gives back what another session may heal.
    async fn curable(&self, fault: Ended) -> Result<Ended, Fault> {
        let engine = &self.replica.engine;
        match fault {
            Ended::Api(api::Fault::Engine(fault)) | Ended::Replica(replica::Fault::Engine(fault)) => {
                Err(Fault::Engine(Arc::new(fault)))
            }
            Ended::Api(api::Fault::Stopped(_)) | Ended::Replica(replica::Fault::Stopped(_)) => {
                Err(Fault::Engine(engine.failed().await))
            }
            // Somebody took a permission away, or changed an object of ours: trying again is of no use.
            Ended::Api(api::Fault::Broker(fault))
            | Ended::Replica(replica::Fault::Broker(fault))
            | Ended::Broker(fault)
                if fault.is_permanent() =>
            {
                Err(fault.into())
            }
            Ended::Replica(fault) if fault.is_permanent() => Err(Fault::Replica(fault)),
            fault => Ok(fault),
        }
    }

    /// One session of an instance that may serve: it waits for the lease of the namespace, and serves.
    async fn contend(&self, session: &Session, draining: watch::Receiver<bool>) -> Result<(), Ended> {
        let broker = &self.config.broker;
        let follower = Follower::new(self.replica.clone(), broker.clone());
        let mut stopping = draining.clone();
        let (mut lease, followed) = tokio::select! {
            lease = self.stand_by(session, &follower, draining.clone()) => lease?,
            fault = session.broken() => return Err(fault.into()),
            _ = stopping.wait_for(|draining| *draining) => return Ok(()),
        };
        let has_streams = broker.change_log == ChangeLog::Stream;
        if has_streams {
            tokio::select! {
                ready = self.replica.take_over(broker, followed) => ready?,
                fault = lease.lost() => return Err(fault.into()),
                _ = stopping.wait_for(|draining| *draining) => return Ok(()),
            }
        }
        tracing::info!(namespace = broker.namespace, "serving");
        let drain = Duration::from_secs(self.config.instance.drain_s);
        let api = self.api(&follower);
        tokio::select! {
            ended = api.run(session, &mut lease, draining, drain) => Ok(ended?),
            ended = self.replica.serve(session), if has_streams => Ok(ended?),
            ended = self.replica.serve_alone(), if !has_streams => Ok(ended?),
        }
    }

    /// Waits for the lease; follows and answers questions meanwhile. Says whether it had to wait.
    async fn stand_by(
        &self,
        session: &Session,
        follower: &Follower,
        draining: watch::Receiver<bool>,
    ) -> Result<(Lease, bool), Ended> {
        if let Some(lease) = session.lease().await? {
            return Ok((lease, false));
        }
        let api = Api {
            role: Role::Secondary,
            ..self.api(follower)
        };
        tokio::select! {
            lease = follower.stand_by(session) => Ok((lease?, true)),
            ended = api.answer(session, draining) => {
                ended?;
                std::future::pending().await
            }
        }
    }

    fn api(&self, follower: &Follower) -> Api {
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
        let (engine, heard) = (self.replica.engine.clone(), follower.heard());
        Api {
            engine: engine.clone(),
            config: self.config.api.clone(),
            bounds: self.config.bounds(),
            acknowledge: self.config.engine.acknowledge,
            instance: instance.name.clone(),
            role: Role::Primary,
            behind: Arc::new(move || {
                let heard = heard.borrow().sequence;
                heard.saturating_sub(engine.committed().borrow().sequence)
            }),
            namespace: namespace.clone(),
            prefetch_commands: *prefetch_commands,
            prefetch_questions: *prefetch_questions,
            clock: Arc::new(now),
            fail_at: self.fail_at.clone(),
        }
    }
}
