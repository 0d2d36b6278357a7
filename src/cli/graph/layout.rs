//! Where things go in a picture: boxes in columns, and lines that find a way between those of other columns.
//!
//! The columns are ours: what is further from the start stands further away from it, and a line leads from each column
//! to the next, if need be through bends. In which order boxes and bends stand in their columns, so that few lines
//! cross, and how far apart, is the work of `rust-sugiyama`.

use std::collections::{BTreeMap, HashSet};
use std::thread;

use rust_sugiyama::configure::{Config, RankingType};
use rust_sugiyama::from_vertices_and_edges;

use super::Way;
use super::picture::Line;

/// Between two columns.
const GAP: f64 = 120.0;
/// Between two boxes of a column.
const SPACE: f64 = 22.0;
/// The height that a line takes where it goes through a column.
const BEND: f64 = 6.0;

/// The most boxes and bends together.
const MARKS_MAX: usize = 5_000;
/// What the ordering may take of the stack: it goes as deep as the graph.
const STACK_BYTES: usize = 256 * 1024 * 1024;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// It would take too long, and nobody could follow the lines.
    #[error(
        "its lines would have to be led around {0} times, and more than {MARKS_MAX} are too many to follow"
    )]
    Tangled(usize),
    /// The ordering did not come to an end.
    #[error("its boxes could not be brought into an order")]
    NoOrder,
}

/// A place on the picture; `y` grows downwards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// What a node takes of the picture: its upper left corner, and its size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spot {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// The way of a line, from what needs to what is needed: curves from column to column, and straight on between them.
/// None for a line that leads back to where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Route {
    pub(super) line: Line,
    pub(super) curves: Vec<(Point, Point)>,
}

/// A picture that is laid out. Spots are in the order of the nodes.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) spots: Vec<Spot>,
    pub(super) routes: Vec<Route>,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Layout {
    /// Lays out nodes of these sizes (width, height). The first is the start, and lines lead away from it or to it.
    ///
    /// # Errors
    /// [`Fault`]: it is too tangled, or the ordering failed.
    pub(super) fn new(sizes: &[(f64, f64)], lines: &[Line], way: Way) -> Result<Self, Fault> {
        let mut plan = Plan::new(sizes, lines, way)?;
        thread::scope(|scope| {
            let ordering = thread::Builder::new()
                .stack_size(STACK_BYTES)
                .spawn_scoped(scope, || plan.order());
            ordering.map_or(Err(Fault::NoOrder), |ordering| {
                ordering.join().map_err(|_| Fault::NoOrder)
            })
        })?;
        Ok(plan.draw(lines, way))
    }
}

/// A box, or a bend of a line, in its column.
#[derive(Debug, Clone, Copy)]
struct Mark {
    column: usize,
    width: f64,
    height: f64,
    /// Its middle.
    y: f64,
}

struct Plan {
    /// The nodes, and then the bends.
    marks: Vec<Mark>,
    nodes: usize,
    /// For each line the marks that it touches, by growing columns, and whether it runs against them.
    chains: Vec<(Vec<usize>, bool)>,
}

impl Plan {
    fn new(sizes: &[(f64, f64)], lines: &[Line], way: Way) -> Result<Self, Fault> {
        let away: Vec<(usize, usize)> = lines
            .iter()
            .map(|line| match way {
                Way::Dependencies => (line.from, line.to),
                Way::Dependents => (line.to, line.from),
            })
            .collect();
        let places = topological(sizes.len(), &away);
        let place = |node: usize| places.get(node).copied().unwrap_or_default();
        // A line of a cycle that leads back is laid out as if it led on.
        let onward: Vec<(usize, usize, bool)> = away
            .iter()
            .map(|&(a, b)| {
                if place(a) <= place(b) {
                    (a, b, false)
                } else {
                    (b, a, true)
                }
            })
            .collect();
        let columns = columns(&places, &onward);
        let column = |node: usize| columns.get(node).copied().unwrap_or_default();
        let spans = onward
            .iter()
            .map(|&(a, b, _)| column(b).saturating_sub(column(a)));
        let marks = sizes.len() + spans.map(|span| span.saturating_sub(1)).sum::<usize>();
        if marks > MARKS_MAX {
            return Err(Fault::Tangled(marks - sizes.len()));
        }
        let mut marks: Vec<Mark> = sizes
            .iter()
            .zip(&columns)
            .map(|(&(width, height), &column)| Mark {
                column,
                width,
                height,
                y: 0.0,
            })
            .collect();
        let mut chains = Vec::with_capacity(onward.len());
        for (a, b, back) in onward {
            let mut chain = vec![a];
            for column in column(a) + 1..column(b) {
                chain.push(marks.len());
                marks.push(Mark {
                    column,
                    width: 0.0,
                    height: BEND,
                    y: 0.0,
                });
            }
            chain.push(b);
            // Along the arrow, which in a picture of dependents points to the start.
            let against = back != (way == Way::Dependents);
            chains.push((chain, against));
        }
        Ok(Self {
            marks,
            nodes: sizes.len(),
            chains,
        })
    }

    /// Gives each mark its place in its column.
    fn order(&mut self) {
        let vertices: Vec<(u32, (f64, f64))> = (0u32..)
            .zip(&self.marks)
            .map(|(name, mark)| (name, (mark.height, 1.0)))
            .collect();
        let mut seen = HashSet::new();
        let mut edges = Vec::new();
        for (chain, _) in &self.chains {
            for (a, b) in chain.iter().zip(chain.iter().skip(1)) {
                if a != b
                    && seen.insert((a, b))
                    && let (Ok(a), Ok(b)) = (u32::try_from(*a), u32::try_from(*b))
                {
                    edges.push((a, b));
                }
            }
        }
        let config = Config {
            vertex_spacing: SPACE,
            ranking_type: RankingType::MinimizeEdgeLength,
            // It pays where there is little, and takes its time where there is much.
            transpose: vertices.len() <= 600,
            ..Config::default()
        };
        let mut below = 0.0;
        for (part, _, _) in from_vertices_and_edges(&vertices, &edges, &config) {
            let top = part.iter().map(|(_, (y, _))| *y).fold(f64::INFINITY, f64::min);
            let mut lowest: f64 = 0.0;
            for (name, (y, _)) in part {
                if let Some(mark) = self.marks.get_mut(name) {
                    mark.y = y - top + below;
                    lowest = lowest.max(mark.y);
                }
            }
            below = lowest + 3.0 * SPACE;
        }
        self.spread();
    }

    /// Moves down what would touch what is above it.
    fn spread(&mut self) {
        let mut columns: BTreeMap<usize, Vec<&mut Mark>> = BTreeMap::new();
        for mark in &mut self.marks {
            columns.entry(mark.column).or_default().push(mark);
        }
        for column in columns.values_mut() {
            column.sort_by(|a, b| a.y.total_cmp(&b.y));
            let mut free = f64::NEG_INFINITY;
            for mark in column {
                mark.y = mark.y.max(free + mark.height / 2.0);
                free = mark.y + mark.height / 2.0 + BEND;
            }
        }
    }

    fn draw(self, lines: &[Line], way: Way) -> Layout {
        let mut widths: BTreeMap<usize, f64> = BTreeMap::new();
        let mut top = f64::INFINITY;
        for mark in &self.marks {
            let width = widths.entry(mark.column).or_default();
            *width = width.max(mark.width);
            top = top.min(mark.y - mark.height / 2.0);
        }
        let mut left = 0.0;
        let mut columns: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
        let in_order: Vec<(usize, f64)> = match way {
            Way::Dependencies => widths.into_iter().collect(),
            Way::Dependents => widths.into_iter().rev().collect(),
        };
        for (column, width) in in_order {
            columns.insert(column, (left, width));
            left += width + GAP;
        }
        let spots: Vec<Spot> = self
            .marks
            .iter()
            .map(|mark| {
                let (x, room) = columns.get(&mark.column).copied().unwrap_or_default();
                // A bend takes its whole column, so that its line goes straight on there.
                let width = if mark.width > 0.0 { mark.width } else { room };
                Spot {
                    x: x + (room - width) / 2.0,
                    y: mark.y - mark.height / 2.0 - top,
                    width,
                    height: mark.height,
                }
            })
            .collect();
        let height = spots.iter().map(|spot| spot.y + spot.height).fold(0.0, f64::max);
        let routes = routes(lines, &self.chains, &spots, self.nodes);
        Layout {
            spots: spots.into_iter().take(self.nodes).collect(),
            routes,
            width: (left - GAP).max(0.0),
            height,
        }
    }
}

/// The place of each node in an order in which lines lead on, but for those that close a cycle.
fn topological(nodes: usize, lines: &[(usize, usize)]) -> Vec<usize> {
    let mut next = vec![Vec::new(); nodes];
    for &(a, b) in lines {
        if let Some(next) = next.get_mut(a) {
            next.push(b);
        }
    }
    let mut places = vec![0; nodes];
    let mut seen = vec![false; nodes];
    let mut free = nodes;
    for start in 0..nodes {
        let mut path = vec![(start, 0)];
        if seen.get(start).copied().unwrap_or(true) {
            continue;
        }
        if let Some(seen) = seen.get_mut(start) {
            *seen = true;
        }
        while let Some((node, child)) = path.pop() {
            if let Some(&below) = next.get(node).and_then(|next| next.get(child)) {
                path.push((node, child + 1));
                if let Some(seen) = seen.get_mut(below).filter(|seen| !**seen) {
                    *seen = true;
                    path.push((below, 0));
                }
            } else if let Some(place) = places.get_mut(node) {
                free = free.saturating_sub(1);
                *place = free;
            }
        }
    }
    places
}

/// The column of each node: one further than the furthest that leads to it.
fn columns(places: &[usize], onward: &[(usize, usize, bool)]) -> Vec<usize> {
    let mut in_order = onward.to_vec();
    in_order.sort_by_key(|&(a, _, _)| places.get(a).copied());
    let mut columns = vec![0; places.len()];
    for (a, b, _) in in_order.into_iter().filter(|(a, b, _)| a != b) {
        let least = columns.get(a).map_or(0, |column| column + 1);
        if let Some(column) = columns.get_mut(b) {
            *column = least.max(*column);
        }
    }
    columns
}

/// Where on one side of a node a line ends: those to the upper neighbours above.
#[derive(Default)]
struct Side {
    /// The other end of the line's first curve, and which line.
    ends: Vec<(f64, usize)>,
}

fn routes(lines: &[Line], chains: &[(Vec<usize>, bool)], spots: &[Spot], nodes: usize) -> Vec<Route> {
    let middle = |mark: usize| spots.get(mark).map_or(0.0, |spot| spot.y + spot.height / 2.0);
    // By node, and whether it is the side to the next column.
    let mut sides: BTreeMap<(usize, bool), Side> = BTreeMap::new();
    for (line, (chain, _)) in chains.iter().enumerate() {
        for (a, b) in chain.iter().zip(chain.iter().skip(1)) {
            if a == b {
                continue;
            }
            for (own, other, onward) in [(*a, *b, true), (*b, *a, false)] {
                if own < nodes {
                    let side = sides.entry((own, onward)).or_default();
                    side.ends.push((middle(other), line));
                }
            }
        }
    }
    let mut ports: BTreeMap<(usize, bool, usize), f64> = BTreeMap::new();
    for ((node, onward), mut side) in sides {
        side.ends.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let (y, height) = spots.get(node).map_or((0.0, 0.0), |spot| (spot.y, spot.height));
        let shares = (1u32..).zip(&side.ends);
        let whole = f64::from(u32::try_from(side.ends.len()).unwrap_or(u32::MAX)) + 1.0;
        for (share, (_, line)) in shares {
            ports.insert((node, onward, *line), y + height * f64::from(share) / whole);
        }
    }
    let port = |mark: usize, onward: bool, line: usize| {
        let spot = spots.get(mark).copied()?;
        let y = ports.get(&(mark, onward, line)).copied();
        Some((spot, y.unwrap_or(spot.y + spot.height / 2.0)))
    };
    let mut routes = Vec::with_capacity(lines.len());
    for (number, (line, (chain, against))) in lines.iter().zip(chains).enumerate() {
        let mut curves = Vec::new();
        for (a, b) in chain.iter().zip(chain.iter().skip(1)).filter(|(a, b)| a != b) {
            let (Some((from, from_y)), Some((to, to_y))) = (port(*a, true, number), port(*b, false, number))
            else {
                continue;
            };
            let (from_x, to_x) = if from.x < to.x {
                (from.x + from.width, to.x)
            } else {
                (from.x, to.x + to.width)
            };
            let (from, to) = (Point { x: from_x, y: from_y }, Point { x: to_x, y: to_y });
            curves.push(if *against { (to, from) } else { (from, to) });
        }
        if *against {
            curves.reverse();
        }
        routes.push(Route { line: *line, curves });
    }
    routes
}
