//! A broker of three nodes on this machine, and one way to it that leads to the first node which is up.

use serde_json::Value;
use tempfile::TempDir;

use super::SOON;
use super::broker::{TestBroker, eventually, run, script};
use super::proxy::Proxy;

const NODES: usize = 3;

/// The nodes. Dropped, they are stopped.
pub(crate) struct Cluster {
    /// A namespace on them.
    pub(crate) broker: TestBroker,
    way: Proxy,
    nodes: Nodes,
}

struct Nodes(Vec<(TempDir, String)>);

impl Cluster {
    /// Starts the nodes, and joins them.
    pub(crate) async fn start() -> Self {
        let nodes = tokio::task::block_in_place(Nodes::start);
        let urls: Vec<&str> = nodes.0.iter().map(|(_, url)| &**url).collect();
        let way = Proxy::to_first_of(&urls).await;
        Self {
            broker: TestBroker::at(way.url()),
            way,
            nodes,
        }
    }

    /// The node that leads a queue.
    pub(crate) fn leader(&self, queue: &str) -> usize {
        let leader = self.queues(0..NODES).into_iter().find_map(|row| {
            let leader = row["leader"].as_str().unwrap_or_default().to_owned();
            (row["name"] == queue).then_some(leader)
        });
        let leader = leader.unwrap_or_else(|| panic!("no queue {queue}"));
        let node = self
            .nodes
            .0
            .iter()
            .position(|(_, url)| leader.contains(&port(url)));
        node.unwrap_or_else(|| panic!("{queue} is led by {leader:?}, which is no node"))
    }

    /// Leads all connections to another node than this one.
    pub(crate) fn avoid(&self, node: usize) {
        self.way.turn_to(&self.nodes.0[(node + 1) % NODES].1);
    }

    /// Stops a node in good order.
    pub(crate) fn stop(&self, node: usize) {
        script("stop", self.nodes.0[node].0.path(), &[]);
    }

    /// Ends a node as a crash would.
    pub(crate) fn kill(&self, node: usize) {
        script("kill", self.nodes.0[node].0.path(), &[]);
    }

    /// Starts a node again, and waits until it is a member of all that has members.
    pub(crate) async fn back(&self, node: usize) {
        tokio::task::block_in_place(|| script("start", self.nodes.0[node].0.path(), &[]));
        eventually("all members are back", SOON * 2, async || {
            let rows = tokio::task::block_in_place(|| self.queues(node..=node));
            let whole = |row: &Value| {
                row["online"]
                    .as_array()
                    .is_none_or(|online| online.len() == NODES)
            };
            rows.iter().all(whole)
        })
        .await;
    }

    /// What the first of these nodes that answers says of the queues.
    fn queues(&self, nodes: impl IntoIterator<Item = usize>) -> Vec<Value> {
        let arguments = [
            "-q",
            "--formatter",
            "json",
            "list_queues",
            "name",
            "leader",
            "online",
        ];
        let said = nodes
            .into_iter()
            .find_map(|node| run("ctl", self.nodes.0[node].0.path(), &arguments).ok());
        serde_json::from_str(&said.expect("a node answers")).expect("JSON")
    }
}

impl Nodes {
    fn start() -> Self {
        let mut nodes: Vec<(TempDir, String)> = Vec::new();
        for _ in 0..NODES {
            let folder = tempfile::Builder::new().prefix("domesday-node-").tempdir();
            let folder = folder.expect("a folder for the node");
            let url = match nodes.first() {
                None => script("start", folder.path(), &[]),
                Some((first, _)) => {
                    let first = first.path().display().to_string();
                    script("join", folder.path(), &[&first])
                }
            };
            nodes.push((folder, url));
        }
        Self(nodes)
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for (folder, _) in &self.0 {
            // A failed stop must not hide why the test failed.
            let _ = run("stop", folder.path(), &[]);
        }
    }
}

/// The part of a node's URL that is in its name too.
fn port(url: &str) -> String {
    let port = url.rsplit(':').next().unwrap_or_default();
    format!("-{}@", port.split('/').next().unwrap_or_default())
}
