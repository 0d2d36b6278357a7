//! A graph as a picture that stands for itself: no program is needed to draw it, and it fits a light or a dark page.

use std::fmt::Write as _;

use crate::wire::shape::NodeBody;

use super::super::output::one_line;
use super::Way;
use super::layout::{Fault, Layout, Point, Route, Spot};
use super::markup::escape;
use super::picture::{Line, Picture};

/// The most boxes; a picture of more cannot be read.
pub(super) const NODES_MAX: usize = 500;

const STYLE: &str = include_str!("svg.css");
const MARGIN: f64 = 28.0;
/// Above the graph, for what it is.
const HEAD: f64 = 76.0;
/// Below it, for what the lines mean.
const FOOT: f64 = 44.0;
/// Characters of a text that a box shows; all of it is in its tooltip.
const TEXT_CHARS_MAX: usize = 36;
/// The narrowest picture: title and key have to fit.
const WIDTH_MIN: f64 = 640.0;

/// The picture as SVG: what needs on the left, what is needed on the right.
///
/// # Errors
/// [`Fault`]: there is no way to lay it out.
pub(super) fn render(picture: &Picture, title: &str, note: &str, way: Way) -> Result<String, Fault> {
    let sizes: Vec<(f64, f64)> = picture.nodes().iter().map(size).collect();
    let layout = Layout::new(&sizes, picture.lines(), way)?;
    let width = (layout.width + 2.0 * MARGIN).max(WIDTH_MIN);
    let height = layout.height + HEAD + FOOT + 2.0 * MARGIN;
    let (title, note) = (escape(title), escape(note));
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-labelledby=\"title note\">\n\
         <style>\n{STYLE}</style>\n\
         <defs>\n\
         <marker id=\"head\" viewBox=\"0 0 10 10\" refX=\"9.5\" refY=\"5\" markerWidth=\"9\" markerHeight=\"9\" \
         markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path class=\"head\" d=\"M0 1 10 5 0 9z\"/></marker>\n\
         <marker id=\"ring\" viewBox=\"0 0 10 10\" refX=\"1\" refY=\"5\" markerWidth=\"9\" markerHeight=\"9\" \
         markerUnits=\"userSpaceOnUse\" orient=\"auto\"><circle class=\"ring\" cx=\"5\" cy=\"5\" r=\"3.6\"/></marker>\n\
         </defs>\n\
         <rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n\
         <text id=\"title\" class=\"title\" x=\"{MARGIN}\" y=\"42\">{title}</text>\n\
         <text id=\"note\" class=\"note\" x=\"{MARGIN}\" y=\"62\">{note}</text>\n"
    );
    let left = ((width - layout.width) / 2.0).max(MARGIN);
    let _ = writeln!(
        text,
        "<g transform=\"translate({left:.1} {:.1})\">",
        HEAD + MARGIN / 2.0
    );
    for route in &layout.routes {
        draw_line(&mut text, route, &layout.spots);
    }
    for (place, (node, spot)) in picture.nodes().iter().zip(&layout.spots).enumerate() {
        draw_node(&mut text, node, *spot, place == 0);
    }
    let mut labels = Labels::default();
    for route in &layout.routes {
        labels.draw(&mut text, route, &layout.spots);
    }
    text.push_str("</g>\n");
    draw_key(&mut text, height - MARGIN);
    text.push_str("</svg>\n");
    Ok(text)
}

/// The lines of text in a box, each with its class.
fn texts(node: &NodeBody) -> Vec<(&'static str, String)> {
    let about = if node.external {
        "external"
    } else if node.registered {
        &node.kind
    } else {
        "not registered"
    };
    let name = if node.name == node.id { "" } else { &node.name };
    [("kind", about), ("id", node.id.as_str()), ("name", name)]
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(class, text)| (class, clip(&one_line(text))))
        .collect()
}

/// Long texts lose their middle: ids and addresses differ at both ends.
fn clip(text: &str) -> String {
    let count = text.chars().count();
    if count <= TEXT_CHARS_MAX {
        return text.to_owned();
    }
    let end = TEXT_CHARS_MAX / 2;
    let head: String = text.chars().take(TEXT_CHARS_MAX - end - 1).collect();
    let tail: String = text.chars().skip(count - end).collect();
    format!("{head}…{tail}")
}

/// About how wide a text is; an exact measure would need the font of whoever looks.
fn breadth(class: &str, text: &str) -> f64 {
    let em = match class {
        "id" => 13.0 * 0.62,
        "name" => 12.0 * 0.57,
        _ => 11.0 * 0.57,
    };
    text.chars()
        .map(|c| if u32::from(c) < 0x1100 { em } else { 1.7 * em })
        .sum()
}

fn size(node: &NodeBody) -> (f64, f64) {
    let texts = texts(node);
    let widest = texts
        .iter()
        .map(|(class, text)| breadth(class, text))
        .fold(0.0, f64::max);
    let lines = f64::from(u32::try_from(texts.len()).unwrap_or(1));
    if node.external {
        (widest * 1.16 + 44.0, lines * 16.0 + 26.0)
    } else {
        ((widest + 26.0).max(96.0), lines * 16.0 + 14.0)
    }
}

fn draw_node(text: &mut String, node: &NodeBody, spot: Spot, is_start: bool) {
    let mut class = String::from("node");
    for (is_so, more) in [
        (is_start, " start"),
        (node.external, " outside"),
        (!node.external && !node.registered, " absent"),
    ] {
        if is_so {
            class.push_str(more);
        }
    }
    let whole: Vec<String> = [&node.id, &node.kind, &node.name]
        .into_iter()
        .filter(|text| !text.is_empty())
        .map(|text| escape(&one_line(text)))
        .collect();
    let _ = writeln!(text, "<g class=\"{class}\"><title>{}</title>", whole.join("\n"));
    let Spot { x, y, width, height } = spot;
    let (middle_x, middle_y) = (x + width / 2.0, y + height / 2.0);
    if node.external {
        let _ = writeln!(
            text,
            "<ellipse class=\"box\" cx=\"{middle_x:.1}\" cy=\"{middle_y:.1}\" rx=\"{:.1}\" ry=\"{:.1}\"/>",
            width / 2.0,
            height / 2.0
        );
    } else {
        let _ = writeln!(
            text,
            "<rect class=\"box\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"6\"/>"
        );
    }
    let texts = texts(node);
    let lines = f64::from(u32::try_from(texts.len()).unwrap_or(1));
    let mut base = middle_y - lines * 8.0 + 12.0;
    for (class, words) in texts {
        let words = escape(&words);
        let _ = writeln!(
            text,
            "<text class=\"{class}\" x=\"{middle_x:.1}\" y=\"{base:.1}\" text-anchor=\"middle\">{words}</text>"
        );
        base += 16.0;
    }
    text.push_str("</g>\n");
}

fn draw_line(text: &mut String, route: &Route, spots: &[Spot]) {
    let mut way = String::new();
    if route.curves.is_empty() {
        // It needs itself: a loop over its upper right corner.
        let Some(spot) = spots.get(route.line.from) else {
            return;
        };
        let (right, top) = (spot.x + spot.width, spot.y);
        let _ = write!(
            way,
            "M{:.1} {top:.1}C{:.1} {:.1} {:.1} {:.1} {right:.1} {:.1}",
            right - 26.0,
            right - 22.0,
            top - 24.0,
            right + 32.0,
            top - 18.0,
            top + 12.0
        );
    }
    for (from, to) in &route.curves {
        let bend = (to.x - from.x) / 2.0;
        let join = if way.is_empty() { 'M' } else { 'L' };
        let _ = write!(
            way,
            "{join}{:.1} {:.1}C{:.1} {:.1} {:.1} {:.1} {:.1} {:.1}",
            from.x,
            from.y,
            from.x + bend,
            from.y,
            to.x - bend,
            to.y,
            to.x,
            to.y
        );
    }
    let ring = if route.line.group {
        " marker-start=\"url(#ring)\""
    } else {
        ""
    };
    let nature = route
        .line
        .nature()
        .map_or(String::new(), |nature| format!(" {nature}"));
    let _ = writeln!(
        text,
        "<path class=\"line{nature}\" d=\"{way}\" marker-end=\"url(#head)\"{ring}/>"
    );
}

/// The words on lines, each where nothing else is, if there is such a place.
#[derive(Default)]
struct Labels {
    taken: Vec<Spot>,
}

impl Labels {
    fn draw(&mut self, text: &mut String, route: &Route, spots: &[Spot]) {
        let words = words(route.line);
        if words.is_empty() {
            return;
        }
        let width = breadth("kind", words) + 4.0;
        let spot = |at: Point| Spot {
            x: at.x - width / 2.0,
            y: at.y - 8.0,
            width,
            height: 14.0,
        };
        let places: Vec<Point> = if route.curves.is_empty() {
            let own = spots.get(route.line.from).copied();
            own.map(|own| Point {
                x: own.x + own.width + 14.0,
                y: own.y - 20.0,
            })
            .into_iter()
            .collect()
        } else {
            [0.5, 0.62, 0.38, 0.72, 0.28]
                .into_iter()
                .flat_map(|share| {
                    route
                        .curves
                        .iter()
                        .map(move |&(from, to)| on_curve(from, to, share))
                })
                .collect()
        };
        let free = places.iter().copied().find(|&at| {
            let own = spot(at);
            !self.taken.iter().chain(spots).any(|other| touch(own, *other))
        });
        let Some(at) = free.or_else(|| places.first().copied()) else {
            return;
        };
        self.taken.push(spot(at));
        let _ = writeln!(
            text,
            "<text class=\"mark\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{words}</text>",
            at.x,
            at.y + 3.0
        );
    }
}

fn words(line: Line) -> &'static str {
    match (line.nature(), line.group) {
        (None, false) => "",
        (None, true) => "group",
        (Some("soft"), false) => "soft",
        (Some("soft"), true) => "soft, group",
        (Some(_), false) => "startup",
        (Some(_), true) => "startup, group",
    }
}

/// The point of a curve with level ends after a share of its time.
fn on_curve(from: Point, to: Point, share: f64) -> Point {
    let rest = 1.0 - share;
    let middle = f64::midpoint(from.x, to.x);
    let (a, b) = (rest * rest * rest, share * share * share);
    let (c, d) = (3.0 * rest * rest * share, 3.0 * rest * share * share);
    Point {
        x: a * from.x + (c + d) * middle + b * to.x,
        y: (a + c) * from.y + (b + d) * to.y,
    }
}

fn touch(a: Spot, b: Spot) -> bool {
    a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
}

/// What the lines mean.
fn draw_key(text: &mut String, base: f64) {
    let _ = writeln!(
        text,
        "<g class=\"key\" transform=\"translate({MARGIN} {base:.1})\">"
    );
    let mut x = 0.0;
    for (class, ring, words) in [
        ("", "", "hard: stops with it"),
        (" soft", "", "soft: works on, with less"),
        (" startup", "", "startup: needed to start"),
        ("", " marker-start=\"url(#ring)\"", "group: some must hold"),
    ] {
        let _ = writeln!(
            text,
            "<path class=\"line{class}\" d=\"M{x:.1} -4h34\" marker-end=\"url(#head)\"{ring}/>\
             <text x=\"{:.1}\" y=\"0\">{words}</text>",
            x + 41.0
        );
        x += 41.0 + breadth("kind", words) * 0.86 + 18.0;
    }
    text.push_str("</g>\n");
}
