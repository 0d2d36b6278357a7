//! Who may do what: the settings behind [`domain::Access`].

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Fault;
use crate::domain::{self, Pattern, Scope};
use crate::wire;

/// The most rules: each is looked at for each message.
const RULES_MAX: usize = 1_000;

/// Who may do what.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Access {
    /// Whoever the broker lets in may do everything.
    pub open: bool,
    /// What is allowed; all else is refused.
    pub rules: Vec<Rule>,
}

/// What some may do.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What people call it.
    #[serde(default)]
    pub name: String,
    /// The users of the broker.
    pub principals: Vec<String>,
    /// The types of commands, questions and orders.
    pub types: Vec<String>,
    /// The ids of the environments where it holds; without it, and without `environment_tags`, it holds everywhere.
    pub environments: Option<Vec<String>>,
    /// Tags that those environments have.
    pub environment_tags: Option<BTreeMap<String, String>>,
}

impl Access {
    /// The rules, where they make sense.
    pub(super) fn check(&self) -> Result<domain::Access, Fault> {
        if self.open {
            return if self.rules.is_empty() {
                Ok(domain::Access::Open)
            } else {
                Err(mistake("is true, and there are rules too, which nobody would go by: take the one or the others away".to_owned()))
            };
        }
        if self.rules.len() > RULES_MAX {
            let what = format!("are {}, and the limit is {RULES_MAX}", self.rules.len());
            return Err(Fault::Setting {
                key: "access.rules",
                what,
            });
        }
        let rules = (1..).zip(&self.rules).map(|(number, rule)| {
            rule.check().map_err(|what| Fault::Setting {
                key: "access.rules",
                what: format!("number {number}{} {what}", called(&rule.name)),
            })
        });
        rules.collect::<Result<_, _>>().map(domain::Access::Rules)
    }

    /// Whether nobody may do anything.
    pub(super) const fn is_closed(&self) -> bool {
        !self.open && self.rules.is_empty()
    }
}

impl Rule {
    fn check(&self) -> Result<domain::Rule, String> {
        for (field, patterns) in [
            ("principals", Some(&self.principals)),
            ("types", Some(&self.types)),
            ("environments", self.environments.as_ref()),
        ] {
            if patterns.is_some_and(Vec::is_empty) {
                let otherwise = match field {
                    "environments" => "leave it out, and the rule holds everywhere",
                    _ => "write [\"*\"] for all",
                };
                return Err(format!("has no {field}: {otherwise}"));
            }
        }
        if self.environment_tags.as_ref().is_some_and(BTreeMap::is_empty) {
            return Err("has no environment_tags: leave it out, and they do not matter".to_owned());
        }
        for kind in &self.types {
            let pattern = Pattern::new(kind);
            if !wire::access_types().any(|known| pattern.matches(known)) {
                let known: Vec<&str> = wire::access_types().collect();
                let meant = wire::nearest(kind, &known);
                let meant = meant
                    .map(|near| format!("; did you mean `{near}`?"))
                    .unwrap_or_default();
                return Err(format!(
                    "has the type `{kind}`, which no command, question or order has{meant}"
                ));
            }
        }
        let patterns = |texts: &[String]| texts.iter().map(Pattern::new).collect();
        let tags = self.environment_tags.iter().flatten();
        let scope = (self.environments.is_some() || self.environment_tags.is_some()).then(|| Scope {
            environments: patterns(self.environments.as_deref().unwrap_or_default()),
            tags: tags
                .map(|(key, value)| (key.clone(), Pattern::new(value)))
                .collect(),
        });
        Ok(domain::Rule {
            name: self.name.clone(),
            principals: patterns(&self.principals),
            types: patterns(&self.types),
            scope,
        })
    }
}

fn called(name: &str) -> String {
    match name {
        "" => String::new(),
        name => format!(" ({name})"),
    }
}

fn mistake(what: String) -> Fault {
    Fault::Setting {
        key: "access.open",
        what,
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::domain::{Access, Reach};

    fn refusal(text: &str) -> String {
        let config = Config::parse(text).unwrap();
        config.check().unwrap_err().to_string()
    }

    #[test]
    fn a_rule_that_says_nothing_or_too_much_is_refused() {
        let rule = "[[access.rules]]\nname = 'ops'\nprincipals = ['ops']\n";
        assert_eq!(
            refusal(&format!("{rule}types = ['resource.putt']")),
            "access.rules number 1 (ops) has the type `resource.putt`, which no command, question or order has; did you \
             mean `resource.put`?"
        );
        assert!(refusal(&format!("{rule}types = []")).contains("has no types: write [\"*\"]"));
        assert!(refusal(&format!("{rule}types = ['*']\nenvironments = []")).contains("leave it out"));
        assert!(refusal(&format!("access.open = true\n{rule}types = ['*']")).starts_with("access.open"));
        let text = Config::parse("[[access.rules]]\nprincipals = ['a']\n").unwrap_err();
        assert!(text.contains("types"), "{text}");
    }

    #[test]
    fn without_rules_and_without_open_nothing_is_allowed_and_that_is_said() {
        let config = Config::parse("").unwrap();
        config.check().unwrap();
        let refusal = config.access().unwrap_err().to_string();
        assert!(refusal.starts_with("access.rules are missing"), "{refusal}");
        let rule = "[[access.rules]]\nprincipals = ['a-*']\ntypes = ['graph.*']\nenvironments = ['lab']\n";
        let access = Config::parse(rule).unwrap().access().unwrap();
        assert!(matches!(
            access.reach("a-1", "graph.order"),
            Some(Reach::Within(_))
        ));
        assert_eq!(access.reach("b", "graph.order"), None);
        assert_eq!(access.reach("a-1", "search"), None);
        assert_eq!(
            Config::parse("access.open = true").unwrap().access().unwrap(),
            Access::Open
        );
    }
}
