//! Answers to questions.

use serde::Serialize;

use crate::domain::{
    Answer, Canary, Dangling, Edge, Findings, Id, Node, Offer, Piece, Pong, Position, Problem, Ruling,
    Subgraph, Target,
};
use crate::wire::shape::{
    AnswerBody, AsOf, Base64Bytes, CanaryBody, ComparisonBody, CyclesBody, DanglingBody, DanglingItem,
    EdgeBody, HistoryBody, HitsBody, ImpactBody, NatureWord, NodeBody, OfferBody, OrderBody, PastBody,
    PathsBody, PieceBody, PongBody, ProblemBody, QuestionProblemBody, RuleBody, RulingBody, SubgraphBody,
    UnsubscribedBody,
};
use crate::wire::to_bytes;

use super::text::format_time;

/// The answer to a question.
pub fn render_answer(answer: &Answer, cluster: &str, took_us: u64) -> Vec<u8> {
    match &answer.findings {
        Findings::Hits(hits) => with_findings(answer, cluster, took_us, HitsBody::from(hits)),
        Findings::Subgraph(subgraph) => with_findings(answer, cluster, took_us, SubgraphBody::from(subgraph)),
        Findings::Paths { paths } => {
            let paths = paths.iter().map(|path| nodes(path)).collect();
            with_findings(answer, cluster, took_us, PathsBody { paths })
        }
        Findings::Impact(impact) => with_findings(answer, cluster, took_us, ImpactBody::from(impact)),
        Findings::Order(order) => with_findings(answer, cluster, took_us, OrderBody::from(order)),
        Findings::History(changes) => {
            let items = changes.iter().map(PastBody::from).collect();
            with_findings(answer, cluster, took_us, HistoryBody { items })
        }
        Findings::Comparison(comparison) => {
            with_findings(answer, cluster, took_us, ComparisonBody::from(&**comparison))
        }
        Findings::Cycles(cycles) => {
            let cycles = cycles.iter().map(|cycle| nodes(cycle)).collect();
            with_findings(answer, cluster, took_us, CyclesBody { cycles })
        }
        Findings::Dangling(dangling) => {
            let dangling = dangling.iter().map(DanglingItem::from).collect();
            with_findings(answer, cluster, took_us, DanglingBody { dangling })
        }
        Findings::Ruling(ruling) => with_findings(answer, cluster, took_us, RulingBody::from(ruling)),
        Findings::Offer(offer) => with_findings(answer, cluster, took_us, OfferBody::from(offer)),
        Findings::Piece(piece) => with_findings(answer, cluster, took_us, PieceBody::from(piece)),
        Findings::Unsubscribed(subscription) => {
            let subscription = subscription.clone();
            with_findings(answer, cluster, took_us, UnsubscribedBody { subscription })
        }
        Findings::Pong(pong) => with_findings(answer, cluster, took_us, PongBody::from(pong)),
    }
}

impl From<&Ruling> for RulingBody {
    fn from(ruling: &Ruling) -> Self {
        let Ruling {
            allowed,
            open,
            decides,
            elsewhere,
        } = ruling;
        let rule = |(number, name): &(usize, String)| RuleBody {
            number: count(*number),
            name: name.clone(),
        };
        Self {
            allowed: *allowed,
            open: *open,
            rule: decides.as_ref().map(rule),
            elsewhere: elsewhere.iter().map(rule).collect(),
        }
    }
}

fn with_findings<F: Serialize>(answer: &Answer, cluster: &str, took_us: u64, findings: F) -> Vec<u8> {
    to_bytes(&answer_body(answer, cluster, took_us, findings))
}

pub(super) fn answer_body<F>(answer: &Answer, cluster: &str, took_us: u64, findings: F) -> AnswerBody<F> {
    let Answer {
        as_of: position,
        findings: _,
        total,
        truncated,
        next,
    } = answer;
    AnswerBody {
        as_of: as_of(*position, cluster),
        findings,
        total: count(*total),
        truncated: truncated.is_some(),
        truncated_because: truncated.clone(),
        next: next.clone(),
        took_us,
    }
}

/// Why a question has no answer.
pub fn render_question_problem(problem: &Problem, position: Position, cluster: &str) -> Vec<u8> {
    to_bytes(&QuestionProblemBody {
        as_of: as_of(position, cluster),
        problem: ProblemBody::from(problem),
    })
}

pub(super) fn as_of(position: Position, cluster: &str) -> AsOf {
    let Position { epoch, sequence } = position;
    AsOf {
        cluster: cluster.to_owned(),
        epoch,
        sequence,
    }
}

pub(super) fn count(items: usize) -> u64 {
    u64::try_from(items).unwrap_or(u64::MAX)
}

pub(super) fn nodes(nodes: &[Node]) -> Vec<NodeBody> {
    nodes.iter().map(NodeBody::from).collect()
}

impl From<&Node> for NodeBody {
    fn from(node: &Node) -> Self {
        let Node {
            target,
            registered,
            kind,
            name,
            distance,
        } = node;
        let (id, external) = name_of(target);
        Self {
            id: id.to_owned(),
            registered: *registered,
            external,
            kind: kind.clone(),
            name: name.clone(),
            distance: *distance,
        }
    }
}

/// What a target is called, and whether it is outside.
pub(super) fn name_of(target: &Target) -> (&str, bool) {
    match target {
        Target::Resource(id) => (id.as_str(), false),
        Target::External(uri) => (uri, true),
    }
}

impl From<&Subgraph> for SubgraphBody {
    fn from(subgraph: &Subgraph) -> Self {
        let Subgraph { nodes: all, edges } = subgraph;
        // An edge whose ends are not in the answer says nothing to who reads it.
        let edge = |edge: &Edge| {
            let Edge {
                from,
                to,
                nature,
                grouped,
            } = *edge;
            let (from, to) = (all.get(from)?, all.get(to)?);
            let (from, _) = name_of(&from.target);
            let (to, external) = name_of(&to.target);
            Some(EdgeBody {
                from: from.to_owned(),
                to: to.to_owned(),
                nature: NatureWord::from(nature),
                external,
                group: grouped,
            })
        };
        Self {
            nodes: nodes(all),
            edges: edges.iter().filter_map(edge).collect(),
        }
    }
}

impl From<&Dangling> for DanglingItem {
    fn from(dangling: &Dangling) -> Self {
        let Dangling {
            id,
            dependents,
            total,
        } = dangling;
        Self {
            id: id.to_string(),
            dependents: dependents.iter().map(Id::to_string).collect(),
            dependents_total: count(*total),
        }
    }
}

impl From<&Offer> for OfferBody {
    fn from(offer: &Offer) -> Self {
        let Offer {
            id,
            digest,
            time,
            chunks,
            bytes,
        } = offer;
        Self {
            id: id.clone(),
            digest: digest.clone(),
            time: format_time(*time),
            chunks: *chunks,
            bytes: *bytes,
        }
    }
}

impl From<&Piece> for PieceBody {
    fn from(piece: &Piece) -> Self {
        let Piece {
            id,
            index,
            chunks,
            total_bytes,
            checksum,
            bytes,
        } = piece;
        Self {
            id: id.clone(),
            index: *index,
            chunks: *chunks,
            bytes: *total_bytes,
            checksum: checksum.clone(),
            data: Base64Bytes(bytes.clone()),
        }
    }
}

impl From<&Canary> for CanaryBody {
    fn from(canary: &Canary) -> Self {
        Self {
            entity: canary.key.entity.as_str().to_owned(),
            id: canary.key.id.to_string(),
            hash: canary.hash.clone(),
        }
    }
}

impl From<PieceBody> for Piece {
    fn from(body: PieceBody) -> Self {
        let PieceBody {
            id,
            index,
            chunks,
            bytes,
            checksum,
            data,
        } = body;
        Self {
            id,
            index,
            chunks,
            total_bytes: bytes,
            checksum,
            bytes: data.0,
        }
    }
}

impl From<&Pong> for PongBody {
    fn from(pong: &Pong) -> Self {
        // The cluster is said in `as_of`.
        let Pong {
            instance,
            role,
            version,
            cluster: _,
            lag,
            environments,
            resources,
            dependencies,
        } = pong;
        Self {
            instance: instance.clone(),
            role: role.as_str().to_owned(),
            version: (*version).to_owned(),
            lag: *lag,
            environments: *environments,
            resources: *resources,
            dependencies: *dependencies,
        }
    }
}
