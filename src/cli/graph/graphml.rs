//! A graph as `GraphML`, which many programs that lay out or analyse graphs read.

use std::fmt::Write as _;

use super::super::output::one_line;
use super::markup::escape;
use super::picture::Picture;

/// What is said of nodes and edges: the key, its type, and its name.
const KEYS: [(&str, &str, &str, &str); 8] = [
    ("id", "node", "string", "id"),
    ("kind", "node", "string", "kind"),
    ("name", "node", "string", "name"),
    ("registered", "node", "boolean", "registered"),
    ("external", "node", "boolean", "external"),
    ("distance", "node", "int", "distance"),
    ("nature", "edge", "string", "nature"),
    ("group", "edge", "boolean", "group"),
];

/// The picture as `GraphML`; an edge leads from what needs to what is needed.
pub(super) fn render(picture: &Picture) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">\n",
    );
    if let Some(reason) = picture.truncated() {
        let _ = writeln!(text, "  <desc>truncated: {}</desc>", escape(reason));
    }
    for (key, of, kind, name) in KEYS {
        let _ = writeln!(
            text,
            "  <key id=\"{key}\" for=\"{of}\" attr.name=\"{name}\" attr.type=\"{kind}\"/>"
        );
    }
    text.push_str("  <graph id=\"domesday\" edgedefault=\"directed\">\n");
    for (place, node) in picture.nodes().iter().enumerate() {
        let _ = writeln!(text, "    <node id=\"n{place}\">");
        for (key, value) in [("id", &node.id), ("kind", &node.kind), ("name", &node.name)] {
            if !value.is_empty() {
                let _ = writeln!(
                    text,
                    "      <data key=\"{key}\">{}</data>",
                    escape(&one_line(value))
                );
            }
        }
        let _ = writeln!(
            text,
            "      <data key=\"registered\">{}</data>\n      <data key=\"external\">{}</data>\n      \
             <data key=\"distance\">{}</data>\n    </node>",
            node.registered, node.external, node.distance
        );
    }
    for (place, line) in picture.lines().iter().enumerate() {
        let _ = writeln!(
            text,
            "    <edge id=\"e{place}\" source=\"n{}\" target=\"n{}\">\n      \
             <data key=\"nature\">{}</data>\n      <data key=\"group\">{}</data>\n    </edge>",
            line.from,
            line.to,
            line.nature().unwrap_or("hard"),
            line.group
        );
    }
    text.push_str("  </graph>\n</graphml>\n");
    text
}
