//! A graph as a tree of lines: what comes again is shown once, and then named.

use std::collections::HashSet;
use std::fmt::Write as _;

use crate::wire::shape::NodeBody;

use super::super::output::{FAINT, NAME, NOTICE, one_line};
use super::Way;
use super::picture::{Line, Picture};

/// Levels that are drawn.
const DEPTH_MAX: usize = 100;
/// Lines that are drawn.
const LINES_MAX: usize = 20_000;

struct Drawing<'a> {
    picture: &'a Picture,
    /// For each node what hangs below it.
    below: Vec<Vec<(usize, Line)>>,
    shown: HashSet<usize>,
    text: String,
    lines: usize,
    cut: bool,
}

/// The tree below the resource `root`.
pub(super) fn render(picture: &Picture, root: &str, way: Way) -> String {
    let mut below = vec![Vec::new(); picture.nodes().len()];
    for line in picture.lines() {
        let (parent, child) = match way {
            Way::Dependencies => (line.from, line.to),
            Way::Dependents => (line.to, line.from),
        };
        if let Some(children) = below.get_mut(parent) {
            children.push((child, *line));
        }
    }
    for children in &mut below {
        children.sort_unstable();
    }
    let mut drawing = Drawing {
        picture,
        below,
        shown: HashSet::new(),
        text: String::new(),
        lines: 0,
        cut: false,
    };
    let place = picture
        .nodes()
        .iter()
        .position(|node| node.id == root && !node.external);
    if let Some(place) = place {
        drawing.node(place, None, "", "", "", 0);
    }
    if drawing.cut {
        let _ = writeln!(
            drawing.text,
            "{FAINT}… more than {LINES_MAX} lines: --depth or --format json{FAINT:#}"
        );
    }
    if let Some(reason) = picture.truncated() {
        let _ = writeln!(drawing.text, "{FAINT}… truncated: {reason}{FAINT:#}");
    }
    drawing.text
}

impl Drawing<'_> {
    /// One node and what is below it: `lead` stands before its branch, `indent` before what is below.
    fn node(
        &mut self,
        place: usize,
        line: Option<Line>,
        lead: &str,
        branch: &str,
        below: &str,
        depth: usize,
    ) {
        if self.lines >= LINES_MAX {
            self.cut = true;
            return;
        }
        self.lines += 1;
        let Some(node) = self.picture.nodes().get(place) else {
            return;
        };
        let children = self.below.get(place).cloned().unwrap_or_default();
        let is_new = self.shown.insert(place);
        let _ = write!(self.text, "{FAINT}{lead}{branch}{FAINT:#}{}", label(node));
        if let Some(marks) = line.map(Line::marks).filter(|marks| !marks.is_empty()) {
            let _ = write!(self.text, " {NOTICE}[{marks}]{NOTICE:#}");
        }
        let hidden = if children.is_empty() {
            None
        } else if !is_new {
            Some("(see above)")
        } else if depth >= DEPTH_MAX {
            Some("(deeper levels are not drawn)")
        } else {
            None
        };
        if let Some(hidden) = hidden {
            let _ = writeln!(self.text, " {FAINT}{hidden}{FAINT:#}");
            return;
        }
        self.text.push('\n');
        if !is_new {
            return;
        }
        let lead = format!("{lead}{below}");
        let last = children.len().saturating_sub(1);
        for (i, (child, line)) in children.into_iter().enumerate() {
            let (branch, below) = if i == last {
                ("└── ", "    ")
            } else {
                ("├── ", "│   ")
            };
            self.node(child, Some(line), &lead, branch, below, depth + 1);
        }
    }
}

fn label(node: &NodeBody) -> String {
    let mut label = format!("{NAME}{}{NAME:#}", one_line(&node.id));
    if !node.kind.is_empty() {
        let _ = write!(label, " {FAINT}{}{FAINT:#}", one_line(&node.kind));
    }
    if !node.name.is_empty() && node.name != node.id {
        let _ = write!(label, " “{}”", one_line(&node.name));
    }
    if node.external {
        let _ = write!(label, " {FAINT}(external){FAINT:#}");
    } else if !node.registered {
        let _ = write!(label, " {NOTICE}(not registered){NOTICE:#}");
    }
    label
}
