//! Questions: from a delivery to an inquiry.

use serde_json::{Map, Value};

use crate::domain::{
    Cursor, Direction, EntityType, Facet, Filter, Id, Inquiry, Nature, Natures, Position, Problem,
    ProblemKind, Question, Search, SyncRequest, Tags,
};

use super::access::explain;
use super::command::{COMMAND_TYPES, untyped};
use super::document::{nature, tags};
use super::graph::{impact, order};
use super::history::{compare, history, moment, of_the_past};
use super::incoming::{Bounds, Incoming};
use super::spot::{Fields, Notes, Spot, suggestion};
use super::subscription::{SUBSCRIBE_BODY_FIELDS, subscribe, unsubscribe};
use super::text::quote;

/// Every type of question.
pub const QUESTION_TYPES: [&str; 17] = [
    "search",
    "graph.dependencies",
    "graph.dependents",
    "graph.path",
    "graph.impact",
    "graph.order",
    "graph.cycles",
    "graph.dangling",
    "history",
    "compare",
    "access.explain",
    "sync",
    "subscribe",
    "unsubscribe",
    "snapshot.begin",
    "snapshot.chunk",
    "ping",
];

/// Items in the answer to a search that does not say how many.
pub const LIMIT_SEARCH: usize = 20;
/// Nodes in the answer about the graph to a question that does not say how many.
pub const LIMIT_GRAPH: usize = 1_000;
/// Paths in the answer to a question that does not say how many.
pub const LIMIT_PATHS: usize = 10;
/// Changes in the answer about a history to a question that does not say how many.
const LIMIT_HISTORY: usize = 50;

/// Facets that one search may ask for.
const FACETS_MAX: usize = 10;

pub(super) const QUESTION_FIELDS: [&str; 5] = ["args", "at_least", "limit", "cursor", "as_of"];
pub(super) const SEARCH_FIELDS: [&str; 5] = ["query", "within", "facets", "explain", "highlights"];
pub(super) const REACH_FIELDS: [&str; 3] = ["id", "depth", "natures"];
pub(super) const PATH_FIELDS: [&str; 4] = ["from", "to", "all", "natures"];
pub(super) const CYCLES_FIELDS: [&str; 2] = ["environment", "natures"];
pub(super) const DANGLING_FIELDS: [&str; 1] = ["environment"];
pub(super) const SYNC_FIELDS: [&str; 2] = ["filter", "cursor"];
pub(super) const FILTER_FIELDS: [&str; 3] = ["entities", "environments", "tags"];
pub(super) const CURSOR_FIELDS: [&str; 3] = ["cluster", "epoch", "sequence"];
pub(super) const SNAPSHOT_BEGIN_FIELDS: [&str; 1] = ["max_age"];
pub(super) const SNAPSHOT_CHUNK_FIELDS: [&str; 2] = ["id", "index"];
const POSITION_FIELDS: [&str; 2] = ["epoch", "sequence"];

/// What is asked, before it is known about what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Topic {
    Search,
    Reach(Direction),
    Path,
    Impact,
    Order,
    Cycles,
    Dangling,
    History,
    Compare,
    Explain,
    Sync,
    Subscribe,
    Unsubscribe,
    SnapshotBegin,
    SnapshotChunk,
    Ping,
}

impl Topic {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "search" => Some(Self::Search),
            "graph.dependencies" => Some(Self::Reach(Direction::Dependencies)),
            "graph.dependents" => Some(Self::Reach(Direction::Dependents)),
            "graph.path" => Some(Self::Path),
            "graph.impact" => Some(Self::Impact),
            "graph.order" => Some(Self::Order),
            "history" => Some(Self::History),
            "compare" => Some(Self::Compare),
            "access.explain" => Some(Self::Explain),
            "graph.cycles" => Some(Self::Cycles),
            "graph.dangling" => Some(Self::Dangling),
            "sync" => Some(Self::Sync),
            "subscribe" => Some(Self::Subscribe),
            "unsubscribe" => Some(Self::Unsubscribe),
            "snapshot.begin" => Some(Self::SnapshotBegin),
            "snapshot.chunk" => Some(Self::SnapshotChunk),
            "ping" => Some(Self::Ping),
            _ => None,
        }
    }

    /// Whether it can be asked as of a moment in the past.
    const fn knows_the_past(self) -> bool {
        matches!(
            self,
            Self::Search
                | Self::Reach(_)
                | Self::Path
                | Self::Impact
                | Self::Order
                | Self::Cycles
                | Self::Dangling
        )
    }

    /// Whether it can be asked without saying about what, even with an empty body.
    pub(super) const fn needs_no_args(self) -> bool {
        matches!(
            self,
            Self::Cycles | Self::Dangling | Self::Sync | Self::SnapshotBegin | Self::Ping
        )
    }

    pub(super) const fn limit_default(self) -> usize {
        match self {
            Self::Search => LIMIT_SEARCH,
            Self::Path => LIMIT_PATHS,
            Self::History => LIMIT_HISTORY,
            Self::Reach(_)
            | Self::Impact
            | Self::Order
            | Self::Compare
            | Self::Explain
            | Self::Cycles
            | Self::Dangling
            | Self::Sync
            | Self::Subscribe
            | Self::Unsubscribe
            | Self::SnapshotBegin
            | Self::SnapshotChunk
            | Self::Ping => LIMIT_GRAPH,
        }
    }
}

/// Reads a delivery as a question.
///
/// # Errors
/// A [`Problem`] that lists every mistake of the message.
pub fn parse_question(incoming: &Incoming<'_>, bounds: &Bounds) -> Result<Inquiry, Box<Problem>> {
    let kind = incoming.message_type().ok_or_else(|| untyped(&QUESTION_TYPES))?;
    let topic = Topic::parse(kind).ok_or_else(|| unknown(kind))?;
    let deadline = incoming.deadline()?;
    let body = if incoming.body.is_empty() && topic.needs_no_args() {
        Value::Object(Map::new())
    } else {
        incoming.json(bounds)?
    };
    if !body.is_object() {
        let problem = Problem::new(ProblemKind::Malformed, "the body must be a JSON object");
        return Err(problem
            .hint("such as {\"args\": {\"query\": \"kind:postgres\"}}")
            .into());
    }
    let notes = Notes::default();
    let read = read_body(topic, &Spot::start(&body, "", "the body", &notes), bounds);
    let inquiry = notes.conclude(read)?;
    Ok(Inquiry { deadline, ..inquiry })
}

fn unknown(kind: &str) -> Problem {
    let hint = if COMMAND_TYPES.contains(&kind) {
        "this is a command: send it to the exchange for commands".to_owned()
    } else {
        suggestion(kind, &QUESTION_TYPES)
    };
    Problem::new(
        ProblemKind::UnknownType,
        format!("no question has the type {}", quote(kind)),
    )
    .hint(hint)
    .fact("types", QUESTION_TYPES.as_slice())
}

fn read_body(topic: Topic, spot: &Spot<'_>, bounds: &Bounds) -> Option<Inquiry> {
    let hint = |key: &str| match key {
        "type" => Some("the type is a property of the message, not part of its body"),
        "as_of" => Some("a standing question is about now: leave `as_of` out"),
        "limit" => Some("put it beside the type of the question that is to stand"),
        _ => None,
    };
    let known: &[&str] = match topic {
        Topic::Subscribe => &SUBSCRIBE_BODY_FIELDS,
        _ => &QUESTION_FIELDS,
    };
    let fields = spot.fields_with(known, hint)?;
    let at_least = fields.optional("at_least").and_then(|field| position(&field));
    let limit = fields
        .optional("limit")
        .and_then(|field| limit(&field, bounds.question_limit_max));
    let cursor = fields
        .optional("cursor")
        .and_then(|field| field.text().map(str::to_owned));
    let moment = fields.optional("as_of").and_then(|field| {
        if !topic.knows_the_past() {
            field.note("this question has no answer as of the past", "leave `as_of` out");
        }
        if topic == Topic::Search {
            of_the_past(
                fields.optional("args").as_ref(),
                fields.optional("cursor").as_ref(),
            );
        }
        moment(&field)
    });
    let none = Value::Object(Map::new());
    let mut standing_limit = None;
    let question = match fields.optional("args") {
        Some(args) if topic == Topic::Subscribe => {
            subscribe(&args, bounds.question_limit_max).map(|(subscribe, limit)| {
                standing_limit = Some(limit);
                Question::Subscribe(subscribe)
            })
        }
        Some(args) => question(topic, &args),
        None if topic.needs_no_args() => question(topic, &spot.at_key("args", &none)),
        None => fields
            .required("args", "put what is asked about into `args`")
            .and(None),
    };
    Some(Inquiry {
        question: question?,
        at_least,
        limit: standing_limit
            .or(limit)
            .unwrap_or_else(|| topic.limit_default().min(bounds.question_limit_max)),
        cursor,
        deadline: None,
        moment,
    })
}

pub(super) fn question(topic: Topic, args: &Spot<'_>) -> Option<Question> {
    match topic {
        Topic::Search => search(args).map(Question::Search),
        Topic::Reach(direction) => {
            let fields = args.fields(&REACH_FIELDS)?;
            let id = required_id(&fields, "id");
            let depth = fields.optional("depth").and_then(|field| field.small_count(1));
            let natures = natures(&fields);
            Some(Question::Reach {
                id: id?,
                direction,
                depth,
                natures,
            })
        }
        Topic::Path => {
            let fields = args.fields(&PATH_FIELDS)?;
            let (from, to) = (required_id(&fields, "from"), required_id(&fields, "to"));
            let all = fields
                .optional("all")
                .and_then(|field| field.flag())
                .unwrap_or_default();
            let natures = natures(&fields);
            Some(Question::Path {
                from: from?,
                to: to?,
                all,
                natures,
            })
        }
        Topic::Impact => impact(args),
        Topic::Order => order(args),
        Topic::History => history(args),
        Topic::Compare => compare(args),
        Topic::Explain => explain(args),
        Topic::Cycles => {
            let fields = args.fields(&CYCLES_FIELDS)?;
            let environment = optional_id(&fields, "environment");
            Some(Question::Cycles {
                environment,
                natures: natures(&fields),
            })
        }
        Topic::Dangling => {
            let fields = args.fields(&DANGLING_FIELDS)?;
            Some(Question::Dangling {
                environment: optional_id(&fields, "environment"),
            })
        }
        Topic::Sync => sync(args).map(Question::Sync),
        // It has a limit of its own, and is read with that.
        Topic::Subscribe => None,
        Topic::Unsubscribe => unsubscribe(args),
        Topic::SnapshotBegin => {
            let fields = args.fields(&SNAPSHOT_BEGIN_FIELDS)?;
            let max_age_ms = match fields.optional("max_age") {
                Some(field) => field.duration_ms()?,
                None => 0,
            };
            Some(Question::SnapshotBegin { max_age_ms })
        }
        Topic::SnapshotChunk => snapshot_chunk(args),
        Topic::Ping => args.fields(&[]).map(|_| Question::Ping),
    }
}

fn search(args: &Spot<'_>) -> Option<Search> {
    let fields = args.fields(&SEARCH_FIELDS)?;
    let hint = "write what to look for, such as \"kind:postgres payments\"";
    let query = fields.required("query", hint).and_then(|field| field.text());
    let within = optional_id(&fields, "within");
    let facets = match fields.optional("facets") {
        Some(field) => facets(&field)?,
        None => Vec::new(),
    };
    let flag = |key| fields.optional(key).and_then(|field| field.flag());
    Some(Search {
        within,
        facets,
        explain: flag("explain").unwrap_or_default(),
        highlights: flag("highlights").unwrap_or(true),
        query: query?.to_owned(),
    })
}

fn facets(spot: &Spot<'_>) -> Option<Vec<Facet>> {
    let facets = spot.list(facet)?;
    if spot
        .value
        .as_array()
        .is_some_and(|listed| listed.len() > FACETS_MAX)
    {
        spot.note(
            format!("`facets` has more than {FACETS_MAX} items"),
            "ask for the others in another question",
        );
    }
    Some(facets)
}

fn facet(spot: &Spot<'_>) -> Option<Facet> {
    let text = spot.text()?;
    let facet = Facet::parse(text);
    if facet.is_none() {
        spot.note(
            format!("{} cannot be counted by", quote(text)),
            "write kind, type, environment, or tag:KEY with the key of a tag",
        );
    }
    facet
}

fn snapshot_chunk(args: &Spot<'_>) -> Option<Question> {
    let fields = args.fields(&SNAPSHOT_CHUNK_FIELDS)?;
    let hint = "take the `id` of the answer to `snapshot.begin`";
    let id = fields.required("id", hint).and_then(|field| field.text());
    let hint = "write which chunk; the first is 0";
    let index = fields.required("index", hint).and_then(|field| field.count());
    Some(Question::SnapshotChunk {
        id: id?.to_owned(),
        index: index?,
    })
}

fn sync(args: &Spot<'_>) -> Option<SyncRequest> {
    let fields = args.fields(&SYNC_FIELDS)?;
    let filter = match fields.optional("filter") {
        Some(field) => filter(&field),
        None => Some(Filter::default()),
    };
    let cursor = match fields.optional("cursor") {
        Some(field) => cursor(&field).map(Some),
        None => Some(None),
    };
    Some(SyncRequest {
        filter: filter?,
        cursor: cursor?,
    })
}

fn filter(spot: &Spot<'_>) -> Option<Filter> {
    let fields = spot.fields(&FILTER_FIELDS)?;
    let words = EntityType::ALL.map(EntityType::as_str);
    let entities = fields.list_or_empty("entities", |item| item.word(&words, EntityType::parse));
    let environments = fields.list_or_empty("environments", environment);
    let tags = match fields.optional("tags") {
        Some(field) => tags(&field)?,
        None => Tags::default(),
    };
    Some(Filter {
        entities,
        environments,
        tags,
    })
}

fn environment(spot: &Spot<'_>) -> Option<Id> {
    spot.id()
}

fn cursor(spot: &Spot<'_>) -> Option<Cursor> {
    let fields = spot.fields(&CURSOR_FIELDS)?;
    let hint = "take all three from the last event that was applied, or from the `sync.end` before it";
    let cluster = fields.required("cluster", hint).and_then(|field| field.text());
    let epoch = fields.required("epoch", hint).and_then(|field| field.count());
    let sequence = fields.required("sequence", hint).and_then(|field| field.count());
    let position = Position {
        epoch: epoch?,
        sequence: sequence?,
    };
    Some(Cursor {
        cluster: cluster?.to_owned(),
        position,
    })
}

pub(super) fn required_id<'a>(fields: &Fields<'a>, key: &'a str) -> Option<Id> {
    fields.required(key, "say which resource")?.id()
}

pub(super) fn optional_id<'a>(fields: &Fields<'a>, key: &'a str) -> Option<Id> {
    fields.optional(key)?.id()
}

fn natures(fields: &Fields<'_>) -> Natures {
    let Some(field) = fields.optional("natures") else {
        return Natures::ALL;
    };
    if field.value.as_array().is_some_and(Vec::is_empty) {
        field.note(
            "`natures` is empty, so there is nothing to follow",
            "leave it out to follow all",
        );
    }
    let listed: Vec<Nature> = field.list(nature).unwrap_or_default();
    Natures::of(&listed)
}

fn position(spot: &Spot<'_>) -> Option<Position> {
    let fields = spot.fields(&POSITION_FIELDS)?;
    let hint = "take both from the reply that says what you want to see";
    let epoch = fields.required("epoch", hint).and_then(|field| field.count());
    let sequence = fields.required("sequence", hint).and_then(|field| field.count());
    Some(Position {
        epoch: epoch?,
        sequence: sequence?,
    })
}

pub(super) fn limit(spot: &Spot<'_>, max: usize) -> Option<usize> {
    let count = spot.count()?;
    let limit = usize::try_from(count)
        .ok()
        .filter(|limit| (1..=max).contains(limit));
    if limit.is_none() {
        let hint = "ask for fewer, and for the next page with the `next` of the answer as `cursor`";
        spot.note(format!("`limit` must be from 1 to {max}, not {count}"), hint);
    }
    limit
}
