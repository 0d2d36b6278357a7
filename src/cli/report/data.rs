//! What the page knows, as small as it can be said: resources name each other by their numbers.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::{EntityType, Id};
use crate::wire::shape::{
    DependencyDocument, EnvironmentDocument, NatureWord, ResourceDocument, TargetDocument,
};

use super::super::exit::{Exit, Failure};
use super::super::mirror::take::Taken;

/// Characters of a description that the page shows.
const DESCRIPTION_CHARS_MAX: usize = 1_000;

/// All that the page knows. `model.js` reads it.
#[derive(Debug, Serialize)]
pub(super) struct Data {
    version: &'static str,
    cluster: String,
    epoch: u64,
    sequence: u64,
    digest: String,
    time: String,
    /// The one environment that it is about; none for the whole register.
    environment: Option<String>,
    environments: Vec<Environment>,
    resources: Vec<Resource>,
    /// What is needed and is not among them, numbered on from the resources: its id or URI, and what it is.
    others: Vec<(String, Other)>,
}

/// What is needed and not on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Other {
    /// It is not registered.
    Absent,
    /// It is outside, named by a URI.
    External,
    /// It is registered, and not reached from the environment that the page is about.
    Elsewhere,
}

#[derive(Debug, Serialize)]
struct Environment {
    id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
    resources: Vec<usize>,
}

#[derive(Debug, Serialize)]
struct Resource {
    id: String,
    kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    needs: Vec<Need>,
}

/// A dependency: its nature (0 hard, 1 soft, 2 startup), how many of the targets must hold (0 where it is no group),
/// and the targets.
#[derive(Debug, Serialize)]
struct Need(u8, u32, Vec<usize>);

impl Data {
    /// What the page says of a register, or of one environment and all that its resources reach.
    ///
    /// # Errors
    /// There is no such environment, or a document is of a shape that we do not know.
    pub(super) fn new(taken: &Taken, environment: Option<&Id>, time: String) -> Result<Self, Failure> {
        let (mut environments, mut resources) = read(taken)?;
        let registered: HashSet<String> = resources.iter().map(|resource| resource.id.clone()).collect();
        if let Some(environment) = environment {
            environments.retain(|(document, _)| document.id == environment.as_str());
            let Some((_, members)) = environments.first() else {
                return Err(
                    Failure::new(Exit::Refused, format!("there is no environment {environment}")).hint(
                        format!("`domesday search {environment}` finds what is called alike"),
                    ),
                );
            };
            let kept = reached(&resources, members);
            resources.retain(|resource| kept.contains(&resource.id));
        }
        let mut numbers = Numbers::new(&resources, registered);
        let resources = resources
            .into_iter()
            .map(|document| Resource {
                needs: document
                    .dependencies
                    .iter()
                    .map(|dependency| numbers.need(dependency))
                    .collect(),
                description: shortened(&document.description),
                id: document.id,
                kind: document.kind,
                name: document.name,
                tags: document.tags,
            })
            .collect();
        let environments = environments
            .into_iter()
            .map(|(document, members)| Environment {
                resources: members.into_iter().map(|id| numbers.of(id, false)).collect(),
                description: shortened(&document.description),
                id: document.id,
                name: document.name,
                tags: document.tags,
            })
            .collect();
        Ok(Self {
            version: env!("CARGO_PKG_VERSION"),
            cluster: taken.at.cluster.clone(),
            epoch: taken.at.epoch,
            sequence: taken.at.sequence,
            digest: taken.digest.clone(),
            time,
            environment: environment.map(ToString::to_string),
            environments,
            resources,
            others: numbers.others,
        })
    }

    /// How much there is, for a person.
    pub(super) fn counts(&self) -> String {
        let plural = |count: usize, what: &str| match count {
            1 => format!("1 {what}"),
            n => format!("{n} {what}s"),
        };
        let environments = plural(self.environments.len(), "environment");
        format!("{environments}, {}", plural(self.resources.len(), "resource"))
    }
}

type Environments = Vec<(EnvironmentDocument, BTreeSet<String>)>;

fn read(taken: &Taken) -> Result<(Environments, Vec<ResourceDocument>), Failure> {
    let (mut environments, mut resources) = (Vec::new(), Vec::new());
    for (key, entity) in &taken.entities {
        let unreadable = |error: serde_json::Error| {
            Failure::new(Exit::Internal, format!("the document of {key} cannot be read: {error}")).hint(
                "client and server may be of different versions: compare `domesday --version` with `domesday ping`",
            )
        };
        match key.entity {
            EntityType::Environment => {
                let document = document(&entity.document).map_err(unreadable)?;
                environments.push((document, entity.resources.clone()));
            }
            EntityType::Resource => resources.push(document(&entity.document).map_err(unreadable)?),
        }
    }
    Ok((environments, resources))
}

fn document<D: for<'de> Deserialize<'de>>(value: &Value) -> Result<D, serde_json::Error> {
    D::deserialize(value)
}

/// The resources of an environment, what they need, and what needs them, directly and through others.
fn reached(resources: &[ResourceDocument], members: &BTreeSet<String>) -> BTreeSet<String> {
    let mut needs: HashMap<&str, Vec<&str>> = HashMap::new();
    let mut needed_by: HashMap<&str, Vec<&str>> = HashMap::new();
    for resource in resources {
        for (to, is_external) in resource.dependencies.iter().flat_map(targets) {
            if !is_external {
                needs.entry(&resource.id).or_default().push(to);
                needed_by.entry(to).or_default().push(&resource.id);
            }
        }
    }
    let mut kept: BTreeSet<String> = members.clone();
    for ways in [&needs, &needed_by] {
        let mut seen: BTreeSet<&str> = members.iter().map(String::as_str).collect();
        let mut waiting: VecDeque<&str> = seen.iter().copied().collect();
        while let Some(id) = waiting.pop_front() {
            for &next in ways.get(id).into_iter().flatten() {
                if seen.insert(next) {
                    waiting.push_back(next);
                }
            }
        }
        kept.extend(seen.into_iter().map(str::to_owned));
    }
    kept
}

/// Each target with whether it is outside.
fn targets(dependency: &DependencyDocument) -> Vec<(&str, bool)> {
    match dependency {
        DependencyDocument::Resource { resource, .. } => vec![(resource, false)],
        DependencyDocument::External { external, .. } => vec![(external, true)],
        DependencyDocument::Group { group, .. } => group
            .iter()
            .map(|target| match target {
                TargetDocument::Resource { resource } => (resource.as_str(), false),
                TargetDocument::External { external } => (external.as_str(), true),
            })
            .collect(),
    }
}

/// Gives each thing its number.
struct Numbers {
    registered: HashSet<String>,
    known: HashMap<(String, bool), usize>,
    others: Vec<(String, Other)>,
}

impl Numbers {
    fn new(resources: &[ResourceDocument], registered: HashSet<String>) -> Self {
        let ids = resources.iter().map(|resource| (resource.id.clone(), false));
        Self {
            registered,
            known: ids.zip(0..).collect(),
            others: Vec::new(),
        }
    }

    fn of(&mut self, id: String, is_external: bool) -> usize {
        let next = self.known.len();
        *self.known.entry((id, is_external)).or_insert_with_key(|key| {
            let what = if is_external {
                Other::External
            } else if self.registered.contains(&key.0) {
                Other::Elsewhere
            } else {
                Other::Absent
            };
            self.others.push((key.0.clone(), what));
            next
        })
    }

    fn need(&mut self, dependency: &DependencyDocument) -> Need {
        let numbers = targets(dependency)
            .into_iter()
            .map(|(id, is_external)| self.of(id.to_owned(), is_external))
            .collect();
        let (nature, at_least) = match dependency {
            DependencyDocument::Resource { nature, .. } | DependencyDocument::External { nature, .. } => {
                (*nature, 0)
            }
            DependencyDocument::Group { nature, at_least, .. } => (*nature, *at_least),
        };
        let nature = match nature {
            NatureWord::Hard => 0,
            NatureWord::Soft => 1,
            NatureWord::Startup => 2,
        };
        Need(nature, at_least, numbers)
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(DESCRIPTION_CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
