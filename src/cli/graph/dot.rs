//! A graph for Graphviz.

use std::fmt::Write as _;

use crate::wire::shape::NodeBody;

use super::super::output::one_line;
use super::picture::Picture;

/// The picture as a `digraph`; an arrow leads from what needs to what is needed.
pub(super) fn render(picture: &Picture) -> String {
    let mut text = String::from("digraph domesday {\n  rankdir=LR;\n  node [shape=box];\n");
    if let Some(reason) = picture.truncated() {
        let _ = writeln!(text, "  // truncated: {reason}");
    }
    for node in picture.nodes() {
        let look = if node.external {
            ", shape=ellipse"
        } else if node.registered {
            ""
        } else {
            ", style=dashed"
        };
        let _ = writeln!(text, "  {} [label=\"{}\"{look}];", name(node), label(node));
    }
    for line in picture.lines() {
        let ends = picture.nodes().get(line.from).zip(picture.nodes().get(line.to));
        let Some((from, to)) = ends else { continue };
        let mut look = Vec::new();
        match line.nature() {
            Some("soft") => look.push("style=dashed".to_owned()),
            Some(_) => look.push("style=dotted".to_owned()),
            None => {}
        }
        let marks = line.marks();
        if !marks.is_empty() {
            look.push(format!("label=\"{marks}\""));
        }
        let look = if look.is_empty() {
            String::new()
        } else {
            format!(" [{}]", look.join(", "))
        };
        let _ = writeln!(text, "  {} -> {}{look};", name(from), name(to));
    }
    text.push_str("}\n");
    text
}

/// The node's name. An id has no space, so that nothing outside can take the name of a resource.
fn name(node: &NodeBody) -> String {
    let outside = if node.external { "external " } else { "" };
    format!("\"{outside}{}\"", escape(&node.id))
}

fn label(node: &NodeBody) -> String {
    let mut label = escape(&node.id);
    for more in [&node.kind, &node.name] {
        if !more.is_empty() && *more != node.id {
            label.push_str("\\n");
            label.push_str(&escape(more));
        }
    }
    label
}

fn escape(text: &str) -> String {
    one_line(text).replace('\\', "\\\\").replace('"', "\\\"")
}
