//! Part of the graph, made ready to be drawn: in an order of its own, with edges that know their ends.

use std::collections::HashMap;

use crate::wire::shape::{EdgeBody, NatureWord, NodeBody, SubgraphBody};

/// An edge by the positions of its nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line {
    pub(super) from: usize,
    pub(super) to: usize,
    nature: u8,
    pub(super) group: bool,
}

impl Line {
    /// The word for what is not the usual: `soft`, `startup`.
    pub(super) const fn nature(self) -> Option<&'static str> {
        match self.nature {
            1 => Some("soft"),
            2 => Some("startup"),
            _ => None,
        }
    }

    /// Everything unusual about it, as one text; empty for a plain hard dependency.
    pub(super) fn marks(self) -> String {
        let group = self.group.then_some("group");
        let marks: Vec<&str> = self.nature().into_iter().chain(group).collect();
        marks.join(", ")
    }
}

/// Nodes by distance, then outside last, then by id; edges by the positions of their ends.
pub(super) struct Picture {
    nodes: Vec<NodeBody>,
    lines: Vec<Line>,
    truncated: Option<String>,
}

impl Picture {
    pub(super) fn new(graph: SubgraphBody, truncated: Option<String>) -> Self {
        let SubgraphBody { mut nodes, edges } = graph;
        nodes.sort_by(|a, b| (a.distance, a.external, &a.id).cmp(&(b.distance, b.external, &b.id)));
        let mut lines: Vec<Line> = {
            let places: HashMap<(&str, bool), usize> = nodes
                .iter()
                .enumerate()
                .map(|(place, node)| ((node.id.as_str(), node.external), place))
                .collect();
            edges.iter().filter_map(|edge| line(edge, &places)).collect()
        };
        lines.sort_unstable();
        lines.dedup();
        Self {
            nodes,
            lines,
            truncated,
        }
    }

    pub(super) fn nodes(&self) -> &[NodeBody] {
        &self.nodes
    }

    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Why something is left out.
    pub(super) fn truncated(&self) -> Option<&str> {
        self.truncated.as_deref()
    }
}

fn line(edge: &EdgeBody, places: &HashMap<(&str, bool), usize>) -> Option<Line> {
    Some(Line {
        from: *places.get(&(edge.from.as_str(), false))?,
        to: *places.get(&(edge.to.as_str(), edge.external))?,
        nature: match edge.nature {
            NatureWord::Hard => 0,
            NatureWord::Soft => 1,
            NatureWord::Startup => 2,
        },
        group: edge.group,
    })
}
