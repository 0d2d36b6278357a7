//! What a package needs: relationship fields, virtual packages, and the dependencies that come of them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::index::{Stanza, is_id, walk};

const PROVIDERS_MAX: usize = 50;

/// The names in a relationship field, without versions and architectures: a list of lists of alternatives. The number
/// is how many names were left out because no id can look like that.
fn parse_relations(field: &str) -> (Vec<Vec<&str>>, usize) {
    let mut odd = 0;
    let mut alternatives = |relation| -> Vec<_> {
        let names = str::split(relation, '|')
            .map(|one| one.trim().split([' ', '\t', '\n', '(', '[', '<', ':']).next());
        let (good, bad): (Vec<_>, Vec<_>) =
            names.map(Option::unwrap_or_default).partition(|name| is_id(name));
        odd += bad.len();
        good
    };
    let relations = field.split(',').filter(|relation| !relation.trim().is_empty());
    let parsed = relations
        .map(&mut alternatives)
        .filter(|names| !names.is_empty())
        .collect();
    (parsed, odd)
}

/// One member is a plain dependency, several are a redundancy group of which one must hold.
pub(crate) struct Dependency {
    pub(crate) members: Vec<String>,
    pub(crate) soft: bool,
}

impl Dependency {
    pub(crate) fn render(&self) -> Value {
        let member = |id: &String| json!({ "resource": id });
        let mut value = match self.members.as_slice() {
            [only] => member(only),
            several => json!({ "group": several.iter().map(member).collect::<Vec<_>>(), "at_least": 1 }),
        };
        if let (true, Some(object)) = (self.soft, value.as_object_mut()) {
            object.insert("nature".to_owned(), json!("soft"));
        }
        value
    }
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) packages: usize,
    pub(crate) dependencies: usize,
    pub(crate) groups: usize,
    pub(crate) virtual_resolved: usize,
    pub(crate) virtual_too_wide: usize,
    pub(crate) dangling: usize,
    pub(crate) on_itself: usize,
    pub(crate) odd_names: usize,
}

/// What the first reading learns: every name, and who provides which virtual name.
#[derive(Default)]
pub(crate) struct Catalogue {
    pub(crate) names: HashSet<String>,
    providers: HashMap<String, Vec<String>>,
}

impl Catalogue {
    pub(crate) fn read(files: &[PathBuf], complain: impl FnMut(String)) -> io::Result<Self> {
        let (mut names, mut providers) = (HashSet::new(), HashMap::new());
        walk(files, complain, |name, stanza, _| {
            names.insert(name.to_owned());
            for provided in parse_relations(stanza.get("Provides").unwrap_or_default())
                .0
                .concat()
            {
                let list: &mut Vec<String> = providers.entry(provided.to_owned()).or_default();
                if list.last().is_none_or(|last| last != name) {
                    list.push(name.to_owned());
                }
            }
            Ok(())
        })?;
        Ok(Self { names, providers })
    }

    /// The real packages behind one name; a name that nobody has, or too many have, stands for itself and dangles.
    fn resolve<'a>(&'a self, name: &'a str, counts: &mut Counts) -> Vec<&'a str> {
        match self.providers.get(name) {
            _ if self.names.contains(name) => return vec![name],
            Some(list) if list.len() <= PROVIDERS_MAX => {
                counts.virtual_resolved += 1;
                return list.iter().map(String::as_str).collect();
            }
            Some(_) => counts.virtual_too_wide += 1,
            None => counts.dangling += 1,
        }
        vec![name]
    }

    pub(crate) fn dependencies(
        &self,
        package: &str,
        stanza: &Stanza,
        counts: &mut Counts,
    ) -> Vec<Dependency> {
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        for (field, soft) in [("Pre-Depends", false), ("Depends", false), ("Recommends", true)] {
            let (relations, odd) = parse_relations(stanza.get(field).unwrap_or_default());
            counts.odd_names += odd;
            for alternatives in relations {
                let mut members: Vec<String> = Vec::new();
                for member in alternatives
                    .iter()
                    .flat_map(|name| self.resolve(name, counts))
                    .collect::<Vec<_>>()
                {
                    if !members.iter().any(|known| known == member) {
                        members.push(member.to_owned());
                    }
                }
                let mut key = members.clone();
                key.sort();
                if members.iter().any(|member| member == package) {
                    counts.on_itself += 1; // It is there whenever the package is.
                } else if seen.insert(key) {
                    found.push(Dependency { members, soft });
                }
            }
        }
        found
    }

    /// The named packages and all that their hard dependencies reach, every alternative that is real included.
    pub(crate) fn closure(&self, files: &[PathBuf], roots: &[String]) -> io::Result<HashSet<String>> {
        let mut needs: HashMap<String, Vec<String>> = HashMap::new();
        walk(files, drop, |name, stanza, _| {
            let dependencies = self.dependencies(name, stanza, &mut Counts::default());
            let hard = dependencies.into_iter().filter(|dependency| !dependency.soft);
            let real = hard
                .flat_map(|dependency| dependency.members)
                .filter(|id| self.names.contains(id));
            needs.insert(name.to_owned(), real.collect());
            Ok(())
        })?;
        let (mut kept, mut waiting) = (HashSet::new(), VecDeque::from(roots.to_vec()));
        while let Some(name) = waiting.pop_front() {
            let Some(next) = needs.get(&name) else {
                return Err(io::Error::new(
                    io::ErrorKind::NotFound,
                    format!("no package is called {name}"),
                ));
            };
            if kept.insert(name) {
                waiting.extend(next.iter().cloned());
            }
        }
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use serde_json::{Value, json};

    use super::{Catalogue, Counts, Dependency, PROVIDERS_MAX, parse_relations};
    use crate::index::Stanza;

    fn rendered(depends: &str, recommends: &str) -> Vec<Value> {
        let names = ["a", "b", "c", "exim", "postfix"].map(str::to_owned);
        let list = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let wide = (0..=PROVIDERS_MAX).map(|n| format!("p{n}")).collect();
        let catalogue = Catalogue {
            names: HashSet::from(names),
            providers: HashMap::from([
                ("mta".to_owned(), list(&["exim", "postfix"])),
                ("self".to_owned(), list(&["me", "a"])),
                ("one".to_owned(), list(&["a"])),
                ("b".to_owned(), list(&["c"])),
                ("wide".to_owned(), wide),
            ]),
        };
        let fields = [("Depends", depends), ("Recommends", recommends)];
        let stanza = Stanza {
            fields: fields.map(|(k, v)| (k.to_owned(), v.to_owned())).to_vec(),
            fault: None,
        };
        let found = catalogue.dependencies("me", &stanza, &mut Counts::default());
        found.iter().map(Dependency::render).collect()
    }

    #[test]
    fn versions_architectures_and_profiles_are_stripped() {
        let field =
            "libc6 (>= 2.36), python3:any (<< 3.12),\n b [amd64] | c <!nocheck>, ,libstdc++6(>=12), ${odd}";
        let expected = (
            vec![vec!["libc6"], vec!["python3"], vec!["b", "c"], vec!["libstdc++6"]],
            1,
        );
        assert_eq!(parse_relations(field), expected);
        assert_eq!(parse_relations(""), (vec![], 0));
    }

    #[test]
    fn alternatives_and_virtual_packages_become_groups() {
        let group = json!({ "group": [{ "resource": "a" }, { "resource": "gone" }], "at_least": 1 });
        assert_eq!(rendered("a | gone", ""), [group]);
        let mta = json!({ "group": [{ "resource": "postfix" }, { "resource": "exim" }], "at_least": 1 });
        assert_eq!(rendered("postfix | mta", ""), [mta]);
        assert_eq!(
            rendered("one, b, wide", ""),
            ["a", "b", "wide"].map(|id| json!({ "resource": id }))
        );
    }

    #[test]
    fn hard_wins_over_soft_and_nothing_needs_itself() {
        let expected = [
            json!({ "resource": "a" }),
            json!({ "resource": "b", "nature": "soft" }),
        ];
        assert_eq!(rendered("a (>= 1), a (<< 2), me, self", "a, b"), expected);
        assert_eq!(rendered("a | b", "b | a").len(), 1);
    }
}
