//! The beginning of a data directory: whose register it holds, and a copy of that where one is served.

use std::time::Duration;

use super::Fault;
use crate::broker;
use crate::config::Config;
use crate::domain::{Role, Standing};
use crate::engine;
use crate::replica::{self, Served};

/// Time between two questions after the instance that a new secondary is to follow.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// How long those may take who still read a register that is to be replaced.
const LAST_READERS: Duration = Duration::from_secs(30);
/// Between two looks whether they are done.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Sees to it that a new data directory gets a copy of the register that it is to follow, where there is one; gives the
/// cluster that it is to belong to where it stays empty.
pub(super) async fn begin(config: &Config, role: Role) -> Result<String, Fault> {
    let new = uuid::Uuid::now_v7().to_string();
    if !engine::is_new(&config.store) {
        return Ok(new);
    }
    let (source, standing) = match role {
        Role::Primary => (config.broker.clone(), Standing::Undecided),
        Role::Secondary => (
            config.replication.source.broker(&config.broker),
            Standing::Secondary,
        ),
    };
    let Some(Served { cluster, position }) = who_serves(config, &source, role).await? else {
        return Ok(new);
    };
    if position.sequence > 0 {
        let copied = copy(config, &source, &cluster, standing).await;
        if let Err(fault) = copied {
            tracing::warn!(
                fault = &fault as &dyn std::error::Error,
                "no copy of the register could be had, so this instance begins with the first change; that needs all of \
                 them to be there still"
            );
        }
    }
    Ok(cluster)
}

async fn copy(
    config: &Config,
    source: &broker::Config,
    cluster: &str,
    standing: Standing,
) -> Result<(), Fault> {
    fetch(config, source).await.map_err(Fault::Replica)?;
    install(config, cluster, standing, true).await
}

/// Fetches another copy of the register, beside the one that is there.
pub(super) async fn fetch(config: &Config, source: &broker::Config) -> Result<(), replica::Fault> {
    let store = config.store.clone();
    let part = tokio::task::spawn_blocking(move || engine::another_copy(&store)).await?;
    let mut part = part.map_err(replica::Fault::Copy)?;
    replica::fetch(source, &config.instance.name, &mut part).await
}

/// Puts the copy that was fetched in the place of the register of that cluster. Who still reads the old one, after its
/// engine is done, is waited for.
pub(super) async fn install(
    config: &Config,
    cluster: &str,
    standing: Standing,
    keep_old: bool,
) -> Result<(), Fault> {
    let deadline = tokio::time::Instant::now() + LAST_READERS;
    let position = loop {
        let (store, cluster) = (config.store.clone(), cluster.to_owned());
        let installed = tokio::task::spawn_blocking(move || {
            engine::install_another(&store, &cluster, standing, keep_old)
        });
        match installed.await.map_err(std::io::Error::other)? {
            Ok(position) => break position,
            Err(fault) if fault.is_in_use() && tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Err(fault) => return Err(Fault::Install(fault)),
        }
    };
    tracing::info!(
        epoch = position.epoch,
        sequence = position.sequence,
        "a copy of the register is in its place"
    );
    Ok(())
}

/// Whoever serves there. A secondary without data waits until somebody does.
async fn who_serves(config: &Config, source: &broker::Config, role: Role) -> Result<Option<Served>, Fault> {
    let mut told = false;
    loop {
        let fault = match (replica::who_serves(source, &config.instance.name).await, role) {
            (Ok(Some(served)), _) => return Ok(Some(served)),
            // Nobody serves: this is the first. A broker that cannot be reached is waited for later.
            (Ok(None) | Err(_), Role::Primary) => return Ok(None),
            (Ok(None), Role::Secondary) => None,
            (Err(replica::Fault::Broker(fault)), Role::Secondary) if fault.is_permanent() => {
                return Err(fault.into());
            }
            (Err(fault), Role::Secondary) => Some(fault),
        };
        if !told {
            tracing::warn!(
                fault = fault.as_ref().map(|fault| fault as &dyn std::error::Error),
                "no instance serves that this one could follow; waiting for one"
            );
            told = true;
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}
