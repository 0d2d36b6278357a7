//! Pictures as files: whole, well-formed, with nothing on top of something else, whatever the graph is.
//!
//! With `DOMESDAY_PICTURES=DIR` the picture of the test is kept there, to be looked at.

use std::path::Path;

use proptest::prelude::{Just, Strategy, any, prop, proptest};
use serde_json::{Value, json};

use super::layout::{Fault, Layout, Spot};
use super::picture::Picture;
use super::{Way, graphml, svg};

const HOSTILE: &str = "https://x.example/</script><script>alert(1)</script>]]>\"'&amp;<!--\u{0}";

fn picture(nodes: &[Value], edges: &[Value]) -> Picture {
    let graph = serde_json::from_value(json!({"nodes": nodes, "edges": edges})).expect("a graph");
    Picture::new(graph, Some("limit <1>".to_owned()))
}

/// A shop: forty nodes of all looks, with a cycle, a loop, groups, and long names.
fn shop() -> Picture {
    let mut nodes = vec![
        json!({"id": "shop/front", "registered": true, "kind": "service", "name": "Shop front", "distance": 0}),
        json!({"id": HOSTILE, "registered": false, "external": true, "distance": 1}),
        json!({"id": "https://pay.example/v2", "registered": false, "external": true, "distance": 1}),
        json!({"id": "shop/absent", "registered": false, "distance": 2}),
    ];
    let mut edges = vec![
        json!({"from": "shop/front", "to": HOSTILE, "nature": "startup", "external": true}),
        json!({"from": "shop/front", "to": "https://pay.example/v2", "nature": "soft", "external": true}),
        json!({"from": "shop/api-0", "to": "shop/absent", "nature": "soft"}),
        json!({"from": "shop/rack-0", "to": "shop/api-0", "nature": "hard"}),
        json!({"from": "shop/db-1", "to": "shop/db-1", "nature": "soft"}),
        json!({"from": "shop/front", "to": "shop/rack-2", "nature": "startup"}),
    ];
    let layers = [
        ("api", 6),
        ("queue", 4),
        ("db", 5),
        ("vm", 12),
        ("rack", 3),
        ("site", 2),
    ];
    let mut above = vec!["shop/front".to_owned()];
    for (distance, (kind, count)) in (1..).zip(layers) {
        let own: Vec<String> = (0..count).map(|i| format!("shop/{kind}-{i}")).collect();
        for (i, id) in own.iter().enumerate() {
            let name = if i == 1 {
                format!("The {kind} that has a rather long name, since somebody liked to write")
            } else {
                format!("{kind} <{i}>")
            };
            nodes.push(
                json!({"id": id, "registered": true, "kind": kind, "name": name, "distance": distance}),
            );
        }
        for (i, from) in above.iter().enumerate() {
            let reach = if above.len() == 1 { own.len() } else { 2 };
            for k in 0..reach {
                let nature = ["hard", "hard", "soft", "hard", "startup"][(i + k * 2) % 5];
                let group = distance == 2 && i < 3;
                let to = &own[(i * 2 + k) % own.len()];
                edges.push(json!({"from": from, "to": to, "nature": nature, "group": group}));
            }
        }
        above = own;
    }
    picture(&nodes, &edges)
}

/// Whether each element ends where it should, and nothing else looks like markup.
fn assert_well_formed(xml: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = xml;
    while let Some(at) = rest.find('<') {
        let (text, more) = rest.split_at(at);
        assert!(!text.contains('>') || open.last() == Some(&"style"), "{text}");
        let end = more.find('>').expect("an end of the tag");
        let tag = &more[1..end];
        rest = &more[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.starts_with('?') && !tag.ends_with('/') {
            open.push(tag.split([' ', '\n']).next().expect("a name"));
        }
        assert!(!tag.contains('<'), "{tag}");
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
    }
    assert!(open.is_empty(), "{open:?}");
    assert!(!xml.contains("<script") && !xml.contains("]]>") && !xml.contains('\u{0}'));
}

#[test]
fn an_svg_is_well_formed_whatever_the_texts_are() {
    let shop = shop();
    for (way, name) in [
        (Way::Dependencies, "dependencies"),
        (Way::Dependents, "dependents"),
    ] {
        let text = svg::render(&shop, HOSTILE, "as of <now>", way).expect("drawn");
        assert_well_formed(&text);
        assert!(text.contains("limit") || !text.contains("NaN"), "{text}");
        assert_eq!(
            text.matches("<rect class=\"box\"").count(),
            shop.nodes().len() - 2
        );
        assert_eq!(text.matches("<ellipse class=\"box\"").count(), 2);
        assert_eq!(text.matches("class=\"node absent\"").count(), 1);
        assert_eq!(text.matches("class=\"node start\"").count(), 1);
        // Beside the lines themselves there are the four of the key.
        assert_eq!(text.matches("<path class=\"line").count(), shop.lines().len() + 4);
        if let Some(folder) = std::env::var_os("DOMESDAY_PICTURES") {
            let file = Path::new(&folder).join(format!("{name}.svg"));
            std::fs::write(file, text).expect("kept");
        }
    }
}

#[test]
fn graphml_is_well_formed_and_says_everything() {
    let shop = shop();
    let text = graphml::render(&shop);
    assert_well_formed(&text);
    assert_eq!(text.matches("<node ").count(), shop.nodes().len());
    assert_eq!(text.matches("<edge ").count(), shop.lines().len());
    assert!(text.contains("<desc>truncated: limit &lt;1&gt;</desc>"), "{text}");
    assert!(text.contains("&lt;/script&gt;&lt;script&gt;"), "{text}");
}

#[test]
fn graphml_is_always_the_same() {
    let nodes = [
        json!({"id": "a", "registered": true, "kind": "vm", "name": "A & B", "distance": 0}),
        json!({"id": "urn:x", "registered": false, "external": true, "distance": 1}),
    ];
    let edges = [json!({"from": "a", "to": "urn:x", "nature": "soft", "external": true, "group": true})];
    let text = graphml::render(&picture(&nodes, &edges));
    let (_, graph) = text.split_once("<graph ").expect("a graph");
    assert_eq!(
        graph,
        r#"id="domesday" edgedefault="directed">
    <node id="n0">
      <data key="id">a</data>
      <data key="kind">vm</data>
      <data key="name">A &amp; B</data>
      <data key="registered">true</data>
      <data key="external">false</data>
      <data key="distance">0</data>
    </node>
    <node id="n1">
      <data key="id">urn:x</data>
      <data key="registered">false</data>
      <data key="external">true</data>
      <data key="distance">1</data>
    </node>
    <edge id="e0" source="n0" target="n1">
      <data key="nature">soft</data>
      <data key="group">true</data>
    </edge>
  </graph>
</graphml>
"#
    );
}

#[test]
fn one_node_alone_and_the_most_that_there_may_be_are_drawn() {
    let alone = [json!({"id": "a", "registered": true, "distance": 0})];
    assert_well_formed(&svg::render(&picture(&alone, &[]), "a", "", Way::Dependents).expect("drawn"));
    let nodes: Vec<Value> = (0..svg::NODES_MAX)
        .map(|i| json!({"id": format!("n{i}"), "registered": true, "distance": i.min(1)}))
        .collect();
    let edges = |far: usize| -> Vec<Value> {
        (1..svg::NODES_MAX)
            .flat_map(|i| [(0, i), (i, i / 7), (i, (i * far) % svg::NODES_MAX)])
            .map(|(from, to)| json!({"from": format!("n{from}"), "to": format!("n{to}"), "nature": "hard"}))
            .collect()
    };
    let most = picture(&nodes, &edges(1));
    assert_well_formed(&svg::render(&most, "a", "", Way::Dependencies).expect("drawn"));
    let tangled = picture(&nodes, &edges(31));
    let fault = svg::render(&tangled, "a", "", Way::Dependencies).expect_err("nobody could follow it");
    assert!(matches!(fault, Fault::Tangled(_)), "{fault}");
}

#[test]
fn a_long_chain_is_drawn() {
    let nodes: Vec<Value> = (0..svg::NODES_MAX)
        .map(|i| json!({"id": format!("n{i}"), "registered": true, "distance": i}))
        .collect();
    let edges: Vec<Value> = (1..svg::NODES_MAX)
        .map(|i| json!({"from": format!("n{}", i - 1), "to": format!("n{i}"), "nature": "hard"}))
        .collect();
    let text = svg::render(&picture(&nodes, &edges), "a", "", Way::Dependencies);
    assert_well_formed(&text.expect("drawn"));
}

fn apart(a: Spot, b: Spot) -> bool {
    a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y
}

proptest! {
    #[test]
    fn no_box_is_on_another_and_every_line_ends_at_its_boxes(
        (count, ends) in (1usize..24).prop_flat_map(|n| (Just(n), prop::collection::vec((0..n, 0..n), 0..60))),
        sizes in prop::collection::vec((96.0..320.0f64, 30.0..70.0f64), 24),
        dependents in any::<bool>(),
    ) {
        let nodes: Vec<Value> = (0..count)
            .map(|i| json!({"id": format!("n{i:02}"), "registered": true, "distance": i}))
            .collect();
        let edges: Vec<Value> = ends
            .iter()
            .map(|(from, to)| json!({"from": format!("n{from:02}"), "to": format!("n{to:02}"), "nature": "hard"}))
            .collect();
        let picture = picture(&nodes, &edges);
        let way = if dependents { Way::Dependents } else { Way::Dependencies };
        let layout = Layout::new(&sizes[..count], picture.lines(), way).expect("laid out");
        assert_eq!(layout.spots.len(), count);
        for (i, a) in layout.spots.iter().enumerate() {
            assert!(a.x >= 0.0 && a.y >= 0.0, "{a:?}");
            assert!(a.x + a.width <= layout.width + 0.01 && a.y + a.height <= layout.height + 0.01, "{a:?}");
            for b in &layout.spots[i + 1..] {
                assert!(apart(*a, *b), "{a:?} {b:?}");
            }
        }
        assert_eq!(layout.routes.len(), picture.lines().len());
        for route in &layout.routes {
            let (from, to) = (route.line.from, route.line.to);
            assert_eq!(route.curves.is_empty(), from == to);
            let ends = route.curves.first().map(|curve| (curve.0, from)).into_iter();
            for (point, node) in ends.chain(route.curves.last().map(|curve| (curve.1, to))) {
                let spot = layout.spots[node];
                assert!((spot.y..=spot.y + spot.height).contains(&point.y), "{route:?}");
                let side = (point.x - spot.x).abs().min((point.x - spot.x - spot.width).abs());
                assert!(side < 0.01, "{route:?}");
            }
        }
    }
}
