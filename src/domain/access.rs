//! Who may do what: rules over the users of the broker, the types of messages, and environments.
//!
//! A rule allows, and none forbids: what no rule allows is refused, so that the order of the rules says nothing.

use std::collections::BTreeMap;

use super::document::Environment;

/// A text in which `*` stands for any characters, also none; all else stands for itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(String);

/// Who may do what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Whom the broker lets in may do everything.
    Open,
    /// What one of them allows, and nothing else.
    Rules(Vec<Rule>),
}

/// What some may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What people call it; may be empty.
    pub name: String,
    /// Who: the users of the broker. `*` is also a sender whom the broker does not vouch for.
    pub principals: Vec<Pattern>,
    /// What: the types of commands, questions and orders.
    pub types: Vec<Pattern>,
    /// Where; `None` for everywhere.
    pub scope: Option<Scope>,
}

/// Some environments, and what is in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Of these ids; empty for any.
    pub environments: Vec<Pattern>,
    /// With all of these tags.
    pub tags: BTreeMap<String, Pattern>,
}

/// How far somebody may go with messages of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// All of the register.
    Everything,
    /// The environments of any of these, and what is in them.
    Within(Vec<Scope>),
}

/// What the rules say to one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// Whether it is allowed.
    pub allowed: bool,
    /// Whether that is because everybody may do everything.
    pub open: bool,
    /// The rule that decides, by its place from 1 on, and its name; where nothing allows it, `None`.
    pub decides: Option<(usize, String)>,
    /// The rules for this user and this type that hold elsewhere, in the same way.
    pub elsewhere: Vec<(usize, String)>,
}

impl Pattern {
    /// Takes a text as a pattern; every text is one.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a text is of this pattern. Takes at most as many steps as both have characters, multiplied.
    pub fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else {
            return self.0 == text;
        };
        let Some(mut left) = text.strip_prefix(first) else {
            return false;
        };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        // The earliest place of each is as good as any later one.
        for part in middle.split('*') {
            let Some((_, after)) = left.split_once(part) else {
                return false;
            };
            left = after;
        }
        left.ends_with(last)
    }
}

impl Access {
    /// How far somebody may go with messages of a type; `None` for nowhere.
    pub fn reach(&self, principal: &str, kind: &str) -> Option<Reach> {
        let Self::Rules(rules) = self else {
            return Some(Reach::Everything);
        };
        let mut scopes = Vec::new();
        for rule in rules.iter().filter(|rule| rule.concerns(principal, kind)) {
            match &rule.scope {
                None => return Some(Reach::Everything),
                Some(scope) => scopes.push(scope.clone()),
            }
        }
        (!scopes.is_empty()).then_some(Reach::Within(scopes))
    }

    /// Which rule decides about a message of somebody: one that holds everywhere, or in one of these environments.
    pub fn explain(&self, principal: &str, kind: &str, environments: &[&Environment]) -> Ruling {
        let mut ruling = Ruling {
            allowed: *self == Self::Open,
            open: *self == Self::Open,
            decides: None,
            elsewhere: Vec::new(),
        };
        let Self::Rules(rules) = self else {
            return ruling;
        };
        for (number, rule) in (1..)
            .zip(rules)
            .filter(|(_, rule)| rule.concerns(principal, kind))
        {
            let holds = match &rule.scope {
                None => true,
                Some(scope) => environments.iter().any(|environment| scope.holds(environment)),
            };
            let named = (number, rule.name.clone());
            if holds {
                ruling.allowed = true;
                ruling.decides.get_or_insert(named);
            } else {
                ruling.elsewhere.push(named);
            }
        }
        ruling
    }
}

impl Rule {
    /// Whether it is about this user and this type.
    fn concerns(&self, principal: &str, kind: &str) -> bool {
        let any = |patterns: &[Pattern], text| patterns.iter().any(|pattern| pattern.matches(text));
        any(&self.principals, principal) && any(&self.types, kind)
    }
}

impl Scope {
    /// Whether an environment is one of them.
    pub fn holds(&self, environment: &Environment) -> bool {
        let named = self.environments.is_empty()
            || self
                .environments
                .iter()
                .any(|pattern| pattern.matches(environment.id.as_str()));
        let tagged = |(key, wanted): (&String, &Pattern)| {
            environment
                .tags
                .get(key)
                .is_some_and(|value| wanted.matches(value))
        };
        named && self.tags.iter().all(tagged)
    }
}

impl Reach {
    /// Whether an environment, and what is in it, is within reach.
    pub fn holds(&self, environment: &Environment) -> bool {
        match self {
            Self::Everything => true,
            Self::Within(scopes) => scopes.iter().any(|scope| scope.holds(environment)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::Pattern;

    /// By trying every way to cut the text.
    fn matches(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|cut| matches(rest, &text[cut..])),
            Some((first, rest)) => text
                .split_first()
                .is_some_and(|(one, after)| one == first && matches(rest, after)),
        }
    }

    proptest! {
        #[test]
        fn a_star_stands_for_any_characters(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
            assert_eq!(
                Pattern::new(pattern.as_str()).matches(&text),
                matches(pattern.as_bytes(), text.as_bytes()),
                "{pattern} {text}"
            );
        }
    }
}
