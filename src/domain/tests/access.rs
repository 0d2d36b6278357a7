//! Commands on behalf of somebody who may work in some environments only.

use std::collections::BTreeMap;

use super::{State, tight_rules};
use crate::domain::{
    Access, Command, Document, Environment, Event, Expect, Id, Pattern, Problem, ProblemKind, Reach, Refusal,
    RemoveMode, Resource, Rule, Scope, Step, Tags, Timestamp, Warrant, decide,
};

fn id(text: &str) -> Id {
    Id::parse(text).unwrap()
}

/// `lab-*` to its bot, and all to the operator.
fn access() -> Access {
    let rule = |principal: &str, scope| Rule {
        name: String::new(),
        principals: vec![Pattern::new(principal)],
        types: vec![Pattern::new("*")],
        scope,
    };
    let lab = Scope {
        environments: vec![Pattern::new("lab-*")],
        tags: BTreeMap::new(),
    };
    Access::Rules(vec![rule("lab-bot", Some(lab)), rule("operator", None)])
}

struct Register(State);

impl Register {
    /// `lab-1` has `web`, `prod` has `db` and `vault`, and both have `bus`, which needs `db`.
    fn new() -> Self {
        let mut register = Self(State::default());
        for environment in ["lab-1", "prod"] {
            register
                .does("operator", put_environment(environment, &[]))
                .unwrap();
        }
        for (resource, needs) in [("db", None), ("vault", None), ("web", None), ("bus", Some("db"))] {
            register.does("operator", put(resource, needs)).unwrap();
        }
        let places: [(&str, &[&str]); 2] = [("lab-1", &["web", "bus"]), ("prod", &["db", "bus", "vault"])];
        for (environment, resources) in places {
            register.does("operator", link(environment, resources)).unwrap();
        }
        register
    }

    fn does(&mut self, principal: &str, command: Command) -> Result<Vec<Event>, Box<Problem>> {
        let step = Step {
            command,
            expect: Expect::Anything,
        };
        let access = access();
        let warrant = Warrant::new(&access, principal);
        match decide(&self.0, &step, &tight_rules(), warrant, Timestamp(0)) {
            Ok(events) => {
                for event in &events {
                    self.0.apply(event, Timestamp(0));
                }
                Ok(events)
            }
            Err(Refusal::Problem(problem)) => Err(problem),
            Err(Refusal::Fault(fault)) => panic!("{fault}"),
        }
    }

    /// Where a command is refused because no rule allows it.
    fn forbids(&mut self, principal: &str, command: Command) -> String {
        let problem = self.does(principal, command).unwrap_err();
        assert_eq!(problem.kind, ProblemKind::Forbidden, "{problem}");
        problem.pointer
    }
}

fn put(resource: &str, needs: Option<&str>) -> Command {
    let dependencies = needs.map(|needs| crate::domain::Dependency {
        needs: crate::domain::Needs::One(crate::domain::Target::Resource(id(needs))),
        nature: crate::domain::Nature::Hard,
        description: String::new(),
    });
    let resource = Resource {
        id: id(resource),
        kind: "vm".to_owned(),
        name: String::new(),
        description: String::new(),
        tags: Tags::new(),
        attributes: serde_json::Map::new(),
        status_endpoints: Vec::new(),
        dependencies: dependencies.into_iter().collect(),
    };
    Command::Put {
        document: Box::new(Document::Resource(resource)),
        members: None,
    }
}

fn put_environment(environment: &str, members: &[&str]) -> Command {
    let environment = Environment {
        id: id(environment),
        name: String::new(),
        description: String::new(),
        tags: Tags::new(),
        entrypoints: Vec::new(),
        status_endpoints: Vec::new(),
    };
    Command::Put {
        document: Box::new(Document::Environment(environment)),
        members: (!members.is_empty()).then(|| members.iter().map(|member| id(member)).collect()),
    }
}

fn link(environment: &str, resources: &[&str]) -> Command {
    Command::Link {
        environment: id(environment),
        resources: resources.iter().map(|resource| id(resource)).collect(),
    }
}

fn remove(resource: &str) -> Command {
    Command::Remove {
        key: crate::domain::EntityKey::resource(id(resource)),
        mode: RemoveMode::Restrict,
        expect_impact: None,
    }
}

fn batch(commands: Vec<Command>) -> Command {
    let steps = commands.into_iter().map(|command| Step {
        command,
        expect: Expect::Anything,
    });
    Command::Batch {
        steps: steps.collect(),
    }
}

#[test]
fn what_is_elsewhere_and_what_is_not_there_are_refused_alike() {
    let mut register = Register::new();
    for resource in ["db", "nothing"] {
        assert_eq!(register.forbids("lab-bot", remove(resource)), "/args/id");
        assert_eq!(
            register.forbids("lab-bot", link("lab-1", &["web", resource])),
            "/args/resources/1"
        );
    }
    for environment in ["prod", "nowhere"] {
        assert_eq!(
            register.forbids("lab-bot", link(environment, &["web"])),
            "/args/environment"
        );
    }
    assert_eq!(register.forbids("lab-bot", put("db", None)), "/args/id");
    assert_eq!(register.forbids("nobody", put("web", None)), "");
    assert_eq!(register.forbids("", put("web", None)), "");
    register.does("lab-bot", put("web", Some("db"))).unwrap();
    register.does("operator", remove("web")).unwrap();
}

#[test]
fn a_new_resource_is_put_and_linked_in_one_batch() {
    let mut register = Register::new();
    register.forbids("lab-bot", put("new", None));
    let elsewhere = batch(vec![put("new", None), link("prod", &["new"])]);
    assert_eq!(
        register.forbids("lab-bot", elsewhere),
        "/args/commands/1/args/environment"
    );
    let alone = batch(vec![
        put("other", None),
        put("new", None),
        link("lab-1", &["new"]),
    ]);
    assert_eq!(register.forbids("lab-bot", alone), "/args/commands/0");
    let both = batch(vec![put("new", None), link("lab-1", &["new"])]);
    assert_eq!(register.does("lab-bot", both).unwrap().len(), 2);
    register.does("lab-bot", put("new", Some("web"))).unwrap();
    register.does("lab-bot", remove("new")).unwrap();
    let restore = Command::Restore {
        key: crate::domain::EntityKey::resource(id("new")),
    };
    register.does("lab-bot", restore).unwrap();
}

#[test]
fn nobody_takes_in_what_they_may_not_touch() {
    let mut register = Register::new();
    register.does("operator", remove("vault")).unwrap();
    let again = batch(vec![put("vault", None), link("lab-1", &["vault"])]);
    assert_eq!(
        register.forbids("lab-bot", again),
        "/args/commands/0/args/id",
        "it could not be restored then"
    );
    assert_eq!(
        register.forbids("lab-bot", put_environment("lab-2", &["db"])),
        "/args/resources/0"
    );
    register
        .does("lab-bot", put_environment("lab-2", &["web", "bus"]))
        .unwrap();
    assert_eq!(
        register.forbids("lab-bot", put_environment("prod-2", &["web"])),
        ""
    );
}

#[test]
fn a_refusal_names_only_what_whoever_asked_may_see() {
    let mut register = Register::new();
    register.does("operator", put("app", Some("bus"))).unwrap();
    let problem = register.does("lab-bot", remove("bus")).unwrap_err();
    assert_eq!(problem.kind, ProblemKind::HasDependents);
    assert!(!problem.detail.contains("app"), "{problem}");
    assert_eq!(problem.facts["resources"], serde_json::json!([]));
    register.does("operator", link("lab-1", &["app"])).unwrap();
    let problem = register.does("lab-bot", remove("bus")).unwrap_err();
    assert_eq!(problem.facts["resources"], serde_json::json!(["app"]));
}

#[test]
fn rules_add_up() {
    let access = access();
    assert_eq!(access.reach("operator", "sync"), Some(Reach::Everything));
    assert!(matches!(access.reach("lab-bot", "sync"), Some(Reach::Within(scopes)) if scopes.len() == 1));
    assert_eq!(access.reach("lab-bot-2", "sync"), None);
    let lab = Environment {
        id: id("lab-1"),
        name: String::new(),
        description: String::new(),
        tags: Tags::new(),
        entrypoints: Vec::new(),
        status_endpoints: Vec::new(),
    };
    let ruling = access.explain("lab-bot", "search", &[&lab]);
    assert_eq!((ruling.allowed, ruling.decides), (true, Some((1, String::new()))));
    let ruling = access.explain("lab-bot", "search", &[]);
    assert_eq!((ruling.allowed, ruling.elsewhere.len()), (false, 1));
}
