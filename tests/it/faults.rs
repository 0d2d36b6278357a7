//! Faults by chance, with clients at work: processes that are killed and stand still, ways that are cut, brokers that go
//! away. Nothing that was answered is lost, done twice or told in another order, and in the end all copies are equal.
//!
//! The seed and the number of rounds are printed, and can be given: see `script/faults`.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use domesday::broker::Config;
use serde_json::Value;

use crate::harness::SOON;
use crate::harness::broker::{TestBroker, eventually};
use crate::harness::cluster::Cluster;
use crate::harness::history::{Happened, Held};
use crate::harness::proxy::Proxy;
use crate::harness::schedule::{Schedule, say};
use crate::harness::server::TestServer;
use crate::harness::witness::{WELL_AGAIN, answered, equal_and_right, history_is_right, pong};
use crate::harness::writers::{Writer, Writers};

/// Clients that write without a pause.
const WRITERS: usize = 3;
/// A connection is dead after a short silence here: it is waited for.
const HEARTBEAT: &str = "broker.heartbeat_s = 2";
/// What an instance says that has another history than the one which serves.
const NOT_FOLLOWING: &str = "this instance does not follow any more";
/// The longest pause between two faults, in milliseconds.
const CALM_MS: u64 = 1_000;

/// What happens to instances of one namespace.
#[derive(Debug, Clone, Copy)]
enum Fault {
    KillServing,
    KillFollower,
    /// It goes on before anybody has missed it.
    PauseServing,
    /// It goes on when another serves.
    StopServing,
    CutServing,
    /// Its way lets nothing through, until another serves.
    SilenceServing,
    StopBroker,
    KillBroker,
}

const FAULTS: [Fault; 8] = [
    Fault::KillServing,
    Fault::KillFollower,
    Fault::PauseServing,
    Fault::StopServing,
    Fault::CutServing,
    Fault::SilenceServing,
    Fault::StopBroker,
    Fault::KillBroker,
];

/// An instance that may serve.
struct Instance {
    server: TestServer,
    /// How often it has said that it does not follow.
    strayed: usize,
}

/// The instances of one namespace.
struct Instances {
    broker: Config,
    all: Vec<Instance>,
    strayed: usize,
}

impl Instances {
    fn new(broker: &TestBroker) -> Self {
        Self {
            broker: broker.config(),
            all: Vec::new(),
            strayed: 0,
        }
    }

    /// Starts one more; it goes by its number.
    async fn add(&mut self, broker: &TestBroker, way: Option<&Proxy>) {
        let settings = format!("instance.name = '{}'\n{HEARTBEAT}", self.all.len());
        let mut server = TestServer::prepare(broker, &settings);
        if let Some(way) = way {
            server.reach(broker, way);
        }
        server.restart().await;
        self.all.push(Instance { server, strayed: 0 });
    }

    fn server(&mut self, number: usize) -> &mut TestServer {
        &mut self.all[number].server
    }

    /// Which one serves.
    async fn serving(&self) -> usize {
        let mut serving = None;
        eventually("an instance says that it serves", SOON * 2, async || {
            let pong = pong(&self.broker).await.unwrap_or_default();
            let name = pong["instance"].as_str().and_then(|name| name.parse().ok());
            serving = name.filter(|_| pong["role"] == "primary");
            serving.is_some()
        })
        .await;
        serving.expect("one serves")
    }

    /// What a person does about an instance that did something on its own: it begins anew with nothing.
    async fn mend(&mut self) {
        for (number, instance) in self.all.iter_mut().enumerate() {
            let log = instance.server.log();
            let said = log.matches(NOT_FOLLOWING).count();
            let ended = !instance.server.is_running();
            if said == instance.strayed && !ended {
                continue;
            }
            instance.strayed = said;
            self.strayed += 1;
            let why = log
                .lines()
                .rfind(|line| line.contains(" ERROR ") || line.starts_with("error"));
            say(&format!("{number} begins anew: {}", why.unwrap_or_default()));
            if ended {
                instance.server.ended().await;
            } else {
                instance.server.kill9().await;
            }
            std::fs::remove_dir_all(instance.server.data()).expect("deleted");
            instance.server.launch();
        }
    }

    /// Waits until every one has come as far as this reply says, by itself or mended.
    async fn all_have(&mut self, last: &Value) {
        let place = |at: &Value| (at["epoch"].as_u64(), at["sequence"].as_u64());
        let deadline = Instant::now() + WELL_AGAIN;
        let mut there = BTreeSet::new();
        while there.len() < self.all.len() {
            assert!(Instant::now() < deadline, "only {there:?} have all");
            self.mend().await;
            let pong = pong(&self.broker).await.unwrap_or_default();
            if place(&pong["as_of"]) >= place(last) {
                there.insert(pong["instance"].to_string());
            }
        }
    }

    /// Waits until all have what this reply says, and ends them. All copies are equal, and hold these events.
    async fn are_equal(&mut self, last: &Value, log: &[Happened]) {
        self.all_have(last).await;
        let serving = self.serving().await;
        // It is the last, so that nobody takes over.
        let mut order: Vec<usize> = (0..self.all.len()).collect();
        order.swap_remove(serving);
        order.push(serving);
        for number in order {
            let server = self.server(number);
            assert_eq!(server.terminate().await.code(), Some(0));
        }
        let held: Vec<Held> = self
            .all
            .iter()
            .map(|each| Held::read(&each.server.data()))
            .collect();
        equal_and_right(&held, log);
        say(&format!("{} times an instance had to begin anew", self.strayed));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_on_a_private_broker_lose_nothing_that_was_answered() {
    let broker = tokio::task::block_in_place(TestBroker::private);
    let mut schedule = Schedule::new(&FAULTS, 5);
    let mut instances = Instances::new(&broker);
    let mut ways = Vec::new();
    for _ in 0..3 {
        let way = Proxy::to(broker.url()).await;
        instances.add(&broker, Some(&way)).await;
        ways.push(way);
    }
    let mut writers = Writers::start(WRITERS, &broker.config(), schedule.seed);
    let mut probe = writers.another(&broker.config());
    answered(&mut probe).await;
    for fault in schedule.faults() {
        schedule.pause(CALM_MS).await;
        let serving = instances.serving().await;
        let follower = (serving + 1 + schedule.dice.index(ways.len() - 1)) % ways.len();
        let began = Instant::now();
        let mut took = None;
        match fault {
            Fault::KillServing | Fault::KillFollower => {
                let killed = if matches!(fault, Fault::KillServing) {
                    serving
                } else {
                    follower
                };
                instances.server(killed).kill9().await;
                answered(&mut probe).await;
                took = Some(began.elapsed());
                schedule.pause(CALM_MS).await;
                instances.server(killed).launch();
            }
            Fault::PauseServing => {
                instances.server(serving).signal("STOP");
                schedule.pause(CALM_MS).await;
                instances.server(serving).signal("CONT");
            }
            Fault::StopServing => {
                instances.server(serving).signal("STOP");
                answered(&mut probe).await;
                took = Some(began.elapsed());
                instances.server(serving).signal("CONT");
            }
            Fault::CutServing | Fault::SilenceServing => {
                if matches!(fault, Fault::CutServing) {
                    ways[serving].cut();
                } else {
                    ways[serving].silence();
                }
                answered(&mut probe).await;
                took = Some(began.elapsed());
                ways[serving].restore();
            }
            Fault::StopBroker | Fault::KillBroker => {
                let is_crash = matches!(fault, Fault::KillBroker);
                tokio::task::block_in_place(|| restart(&broker, is_crash));
            }
        }
        let reply = answered(&mut probe).await;
        schedule.took(fault, took.unwrap_or_else(|| began.elapsed()));
        // One fault at a time: the others are well again before the next.
        instances.all_have(&reply).await;
    }
    writers.stop().await;
    let last = answered(&mut probe).await;
    let log = history_is_right(&broker, &writers.history(), &last).await;
    instances.are_equal(&last, &log).await;
    schedule.sum_up();
}

/// Ends a broker, and starts it again.
fn restart(broker: &TestBroker, is_crash: bool) {
    if is_crash {
        broker.kill();
    } else {
        broker.stop();
    }
    broker.start();
}

/// What happens to a primary, and to a secondary on another broker.
#[derive(Debug, Clone, Copy)]
enum SiteFault {
    CutLink,
    SilenceLink,
    SlowLink,
    KillSecondary,
    KillPrimary,
    StopSource,
    KillSource,
}

const SITE_FAULTS: [SiteFault; 7] = [
    SiteFault::CutLink,
    SiteFault::SilenceLink,
    SiteFault::SlowLink,
    SiteFault::KillSecondary,
    SiteFault::KillPrimary,
    SiteFault::StopSource,
    SiteFault::KillSource,
];

/// A primary with its broker, a secondary with another, and the way from one to the other.
struct Sites {
    source: TestBroker,
    broker: TestBroker,
    primary: TestServer,
    secondary: TestServer,
    link: Proxy,
    probe: Writer,
    schedule: Schedule<SiteFault>,
}

impl Sites {
    async fn set() -> (Self, Writers) {
        let source = tokio::task::block_in_place(TestBroker::private);
        let broker = tokio::task::block_in_place(TestBroker::get);
        let schedule = Schedule::new(&SITE_FAULTS, 5);
        let primary = TestServer::start_with(&source, HEARTBEAT).await;
        let link = Proxy::to(source.url()).await;
        let mut secondary = TestServer::prepare_secondary(&broker, &source, HEARTBEAT);
        secondary.reach(&source, &link);
        secondary.restart().await;
        let writers = Writers::start(WRITERS, &source.config(), schedule.seed);
        let mut probe = writers.another(&source.config());
        answered(&mut probe).await;
        let sites = Self {
            source,
            broker,
            primary,
            secondary,
            link,
            probe,
            schedule,
        };
        (sites, writers)
    }

    async fn strike(&mut self, fault: SiteFault) {
        match fault {
            SiteFault::CutLink => {
                self.link.cut();
                self.schedule.pause(CALM_MS).await;
            }
            // Until the broker has given the connection up, or not.
            SiteFault::SilenceLink => {
                self.link.silence();
                self.schedule.pause(8 * CALM_MS).await;
            }
            SiteFault::SlowLink => {
                self.link.slow(Duration::from_millis(50), 20_000);
                self.schedule.pause(3 * CALM_MS).await;
            }
            SiteFault::KillSecondary => {
                self.secondary.kill9().await;
                self.schedule.pause(CALM_MS).await;
                self.secondary.launch();
            }
            SiteFault::KillPrimary => {
                self.primary.kill9().await;
                self.primary.launch();
            }
            SiteFault::StopSource | SiteFault::KillSource => {
                let is_crash = matches!(fault, SiteFault::KillSource);
                tokio::task::block_in_place(|| restart(&self.source, is_crash));
            }
        }
        let began = Instant::now();
        let reply = answered(&mut self.probe).await;
        let took = began.elapsed();
        self.link.restore();
        self.secondary_has(&reply).await;
        say(&format!(
            "commands are answered again after {} ms",
            took.as_millis()
        ));
        self.schedule.took(fault, began.elapsed());
    }

    /// Waits until the secondary is where this reply says, or further.
    async fn secondary_has(&mut self, reply: &Value) {
        let sequence = reply["sequence"].as_u64();
        eventually("the secondary has it", WELL_AGAIN, async || {
            let pong = pong(&self.broker.config()).await.unwrap_or_default();
            assert!(self.secondary.is_running() && !self.secondary.log().contains(NOT_FOLLOWING));
            pong["as_of"]["sequence"].as_u64() >= sequence
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secondary_of_a_private_broker_loses_nothing_that_was_answered() {
    let (mut sites, mut writers) = Sites::set().await;
    for fault in sites.schedule.faults() {
        sites.schedule.pause(CALM_MS).await;
        sites.strike(fault).await;
    }
    writers.stop().await;
    let last = answered(&mut sites.probe).await;
    sites.secondary_has(&last).await;
    let log = history_is_right(&sites.source, &writers.history(), &last).await;
    let mut held = Vec::new();
    for server in [&mut sites.secondary, &mut sites.primary] {
        assert_eq!(server.terminate().await.code(), Some(0));
        held.push(Held::read(&server.data()));
    }
    equal_and_right(&held, &log);
    sites.schedule.sum_up();
}

/// What happens to a node of a broker of three.
#[derive(Debug, Clone, Copy)]
enum NodeFault {
    StopLeaderOfCommands,
    KillLeaderOfChanges,
    KillLeaderOfCommands,
    StopLeaderOfChanges,
}

const NODE_FAULTS: [NodeFault; 4] = [
    NodeFault::StopLeaderOfCommands,
    NodeFault::KillLeaderOfChanges,
    NodeFault::KillLeaderOfCommands,
    NodeFault::StopLeaderOfChanges,
];

#[tokio::test(flavor = "multi_thread")]
async fn instances_on_a_private_broker_of_three_nodes_lose_nothing_that_was_answered() {
    let cluster = Cluster::start().await;
    let broker = &cluster.broker;
    let mut schedule = Schedule::new(&NODE_FAULTS, 1);
    let mut instances = Instances::new(broker);
    for _ in 0..2 {
        instances.add(broker, None).await;
    }
    let mut writers = Writers::start(WRITERS, &broker.config(), schedule.seed);
    let mut probe = writers.another(&broker.config());
    answered(&mut probe).await;
    let names = broker.config().names().unwrap();
    for fault in schedule.faults() {
        schedule.pause(CALM_MS).await;
        let queue = match fault {
            NodeFault::StopLeaderOfCommands | NodeFault::KillLeaderOfCommands => names.commands(),
            NodeFault::StopLeaderOfChanges | NodeFault::KillLeaderOfChanges => names.changes(),
        };
        let leader = tokio::task::block_in_place(|| cluster.leader(&queue));
        // RabbitMQ 3.10 breaks with whoever sends a reply to a client that was connected to a node which is gone.
        cluster.avoid(leader);
        answered(&mut probe).await;
        let began = Instant::now();
        tokio::task::block_in_place(|| match fault {
            NodeFault::StopLeaderOfCommands | NodeFault::StopLeaderOfChanges => cluster.stop(leader),
            NodeFault::KillLeaderOfChanges | NodeFault::KillLeaderOfCommands => cluster.kill(leader),
        });
        answered(&mut probe).await;
        schedule.took(fault, began.elapsed());
        cluster.back(leader).await;
        let reply = answered(&mut probe).await;
        instances.all_have(&reply).await;
    }
    writers.stop().await;
    let last = answered(&mut probe).await;
    let log = history_is_right(broker, &writers.history(), &last).await;
    instances.are_equal(&last, &log).await;
    schedule.sum_up();
}
