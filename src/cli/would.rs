//! What a dry run would do to the graph, as lines for people.

use std::fmt::Write as _;

use crate::wire::shape::{CycleBody, GraphNewsBody, ImpactBody};

use super::output::{ALARM, FAINT, GOOD, NAME, one_line};

/// Lines of one sort that are shown.
const SHOWN: usize = 20;
/// Ids that one line shows.
const IDS_SHOWN: usize = 6;

/// One line for each cycle and each dangling reference that would come or go, and one for what would stop.
pub(super) fn lines(graph: Option<&GraphNewsBody>, impact: Option<&ImpactBody>) -> String {
    let mut text = String::new();
    if let Some(graph) = graph {
        let GraphNewsBody {
            cycles_appeared,
            cycles_cleared,
            dangling_appeared,
            dangling_cleared,
        } = graph;
        let cycle = |cycle: &CycleBody| ids(&cycle.resources, cycle.resources_total);
        list(
            &mut text,
            &format!("{GOOD}end the cycle{GOOD:#}"),
            cycles_cleared,
            cycle,
        );
        list(
            &mut text,
            &format!("{ALARM}make a cycle{ALARM:#}"),
            cycles_appeared,
            cycle,
        );
        let name = |id: &String| format!("{NAME}{}{NAME:#}", one_line(id));
        list(
            &mut text,
            &format!("{GOOD}end the dangling reference{GOOD:#}"),
            dangling_cleared,
            name,
        );
        list(
            &mut text,
            &format!("{ALARM}leave a dangling reference{ALARM:#}"),
            dangling_appeared,
            |reference| {
                let dependents = ids(&reference.dependents, reference.dependents_total);
                format!("{}, which {dependents} would need", name(&reference.id))
            },
        );
    }
    if let Some(impact) = impact.filter(|impact| impact.counts.stops > 0) {
        let stopped: Vec<String> = impact
            .affected
            .iter()
            .map(|affected| affected.node.id.clone())
            .collect();
        line(
            &mut text,
            &format!("{ALARM}stop{ALARM:#}"),
            &ids(&stopped, impact.counts.stops),
        );
    }
    text
}

fn list<T>(text: &mut String, what: &str, items: &[T], show: impl Fn(&T) -> String) {
    for item in items.iter().take(SHOWN) {
        line(text, what, &show(item));
    }
    if items.len() > SHOWN {
        line(
            text,
            what,
            &format!("{} times more; --json lists all", items.len() - SHOWN),
        );
    }
}

fn line(text: &mut String, what: &str, whom: &str) {
    let _ = writeln!(text, "{FAINT}would:{FAINT:#} {what} {whom}");
}

/// Some ids, and how many more there are.
pub(super) fn ids(ids: &[String], total: u64) -> String {
    let shown: Vec<String> = ids
        .iter()
        .take(IDS_SHOWN)
        .map(|id| format!("{NAME}{}{NAME:#}", one_line(id)))
        .collect();
    let more = total.saturating_sub(shown.len() as u64);
    let shown = shown.join(", ");
    if more > 0 {
        format!("{shown} and {more} more")
    } else {
        shown
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::wire::shape::GraphNewsBody;

    #[test]
    fn it_says_what_would_come_and_go_and_counts_what_it_does_not_show() {
        let dangling: Vec<_> = (0..22)
            .map(|n| json!({"id": format!("r-{n}"), "dependents": ["web"], "dependents_total": 3}))
            .collect();
        let news: GraphNewsBody = serde_json::from_value(json!({
            "cycles_appeared": [{"resources": ["a", "b"], "resources_total": 2}],
            "cycles_cleared": [], "dangling_appeared": dangling, "dangling_cleared": ["c"]
        }))
        .unwrap();
        let text = anstream::adapter::strip_str(&super::lines(Some(&news), None)).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 23);
        assert_eq!(lines[0], "would: make a cycle a, b");
        assert_eq!(lines[1], "would: end the dangling reference c");
        assert_eq!(
            lines[2],
            "would: leave a dangling reference r-0, which web and 2 more would need"
        );
        assert_eq!(
            lines[22],
            "would: leave a dangling reference 2 times more; --json lists all"
        );
    }
}
