//! A graph for Mermaid, which many wikis and code hosts draw.

use std::fmt::Write as _;

use crate::wire::shape::NodeBody;

use super::super::output::one_line;
use super::picture::Picture;

/// The picture as a flowchart; an arrow leads from what needs to what is needed.
pub(super) fn render(picture: &Picture) -> String {
    let mut text = String::from("flowchart LR\n");
    if let Some(reason) = picture.truncated() {
        let _ = writeln!(text, "  %% truncated: {reason}");
    }
    for (place, node) in picture.nodes().iter().enumerate() {
        let label = label(node);
        let _ = if node.external {
            writeln!(text, "  n{place}([\"{label}\"])")
        } else if node.registered {
            writeln!(text, "  n{place}[\"{label}\"]")
        } else {
            writeln!(text, "  n{place}{{{{\"{label}\"}}}}")
        };
    }
    for line in picture.lines() {
        let arrow = if line.nature().is_some() { "-.->" } else { "-->" };
        let marks = line.marks();
        let marks = if marks.is_empty() {
            String::new()
        } else {
            format!("|\"{marks}\"|")
        };
        let _ = writeln!(text, "  n{} {arrow}{marks} n{}", line.from, line.to);
    }
    text
}

fn label(node: &NodeBody) -> String {
    let mut label = escape(&node.id);
    for more in [&node.kind, &node.name] {
        if !more.is_empty() && *more != node.id {
            label.push_str("<br/>");
            label.push_str(&escape(more));
        }
    }
    if !node.registered && !node.external {
        label.push_str("<br/>(not registered)");
    }
    label
}

/// Mermaid reads `#…;` as a character; everything that could mean something to it is written so.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in one_line(text).chars() {
        if matches!(c, '"' | '#' | '<' | '>' | '&' | '`' | ';' | '\\' | '|') {
            let _ = write!(escaped, "#{};", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}
