//! Queries made by chance, of pieces of the language and of anything: each is read or refused, reads back as it is
//! printed, and is answered from a small index with sets of the graph, soon and without a contradiction.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use domesday::domain::{Document, EntityType, Facet, Id, Position};
use domesday::search::{Ask, Budget, Config, GraphSet, Index, Query, Sets, complete, parse};
use domesday::wire::document_from_json;
use serde_json::json;

use super::cases;
use super::chance::Chance;

const COUNT: u64 = 3_000;
/// How long one query may take, on a machine that has other things to do.
const SOON: Duration = Duration::from_secs(10);

/// What queries are made of; many more than a person would put together.
const PIECES: [&str; 72] = [
    " ",
    " ",
    " ",
    " ",
    " AND ",
    " OR ",
    " NOT ",
    "-",
    "(",
    ")",
    "\"",
    "*",
    "~1",
    "~2",
    "~",
    ":",
    "\\",
    "web",
    "db-1",
    "payments",
    "größe",
    "数据库",
    "サーバー",
    "e\u{301}",
    "\u{301}",
    "ß",
    "İ",
    "1.2.3-rc1",
    "aws_instance.web[0]",
    "name:",
    "description:",
    "id:",
    "kind:",
    "type:",
    "tag:",
    "tag.",
    "tag.owner:",
    "tag.\"a b\":",
    "environment:",
    "status:",
    "resource",
    "environment",
    "vm",
    "lab",
    "dependents-of:",
    "dependencies-of:",
    "impact-of:",
    "has:",
    "dangling",
    "cycle",
    "external",
    "r-1",
    "r-2",
    "r-1~2",
    "\"r-1\"~1",
    "r-1~4294967295",
    "r-1~4294967296",
    "r-1~0",
    "nobody",
    "pay*",
    "we*",
    "paymnts~1",
    "dbtaabse~2",
    "\"web shop\"",
    "kind:*",
    "-*",
    "AND",
    "OR",
    "\u{0}",
    "\u{feff}",
    "𠀀",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
];

/// Terms of every sort.
const TERMS: [&str; 26] = [
    "web",
    "payments",
    "größe",
    "数据库",
    "\"web shop\"",
    "\"web web\"",
    "r-1",
    "id:r-1",
    "name:web",
    "name:\"web web\"",
    "description:payments",
    "kind:vm",
    "kind:post*",
    "kind:postgrse~1",
    "type:environment",
    "tag.owner:web*",
    "tag.\"a b\"",
    "tag:payments",
    "environment:lab",
    "pay*",
    "paymnts~1",
    "dependents-of:r-1",
    "dependencies-of:r-2~2",
    "impact-of:r-3",
    "has:cycle",
    "*",
];

struct Field {
    index: Index,
    documents: BTreeMap<String, Document>,
    config: Config,
}

impl Field {
    fn new(folder: &Path) -> Self {
        let index = Index::open(folder).unwrap();
        let config = Config::default();
        let mut writer = index.writer(&config).unwrap();
        let mut documents = BTreeMap::new();
        let texts = [
            "the web shop, größer than all",
            "支付数据库",
            "サーバー 決済",
            "payments database 1.2.3-rc1",
            "",
            "aws_instance.web[0] e\u{301}tude",
            "web web web payments",
            "Straße İstanbul",
        ];
        for number in 0..64_usize {
            let text = texts[number % texts.len()];
            let args = json!({"id": format!("r-{number}"), "kind": if number % 3 == 0 { "vm" } else { "Postgres" },
                "name": text, "description": text.repeat(1 + number % 40), "tags": {"owner": text, "a b": "x"}});
            let (document, _) = document_from_json(EntityType::Resource, &args, "").unwrap();
            let within: Vec<Id> = (number % 2 == 0)
                .then(|| Id::parse("lab").unwrap())
                .into_iter()
                .collect();
            writer.put(&document, &within).unwrap();
            documents.insert(document.key().to_string(), document);
            if number % 20 == 19 {
                writer.commit(Position::default()).unwrap();
            }
        }
        let lab = json!({"id": "lab", "name": "the lab"});
        let (lab, _) = document_from_json(EntityType::Environment, &lab, "").unwrap();
        writer.put(&lab, &[]).unwrap();
        documents.insert(lab.key().to_string(), lab);
        writer.commit(Position::default()).unwrap();
        Self {
            index,
            documents,
            config,
        }
    }

    /// Asks one query; whether it could be read.
    fn ask(&self, text: &str, chance: &mut Chance) -> bool {
        let query = match parse(text, &self.config) {
            Ok(query) => query,
            Err(problem) => {
                assert!(!problem.detail.is_empty() && !problem.hint.is_empty(), "{text}");
                return false;
            }
        };
        let printed = query.to_string();
        if printed.len() <= self.config.query_bytes_max {
            assert_eq!(
                parse(&printed, &self.config).as_ref(),
                Ok(&query),
                "{text} -> {printed}"
            );
        }
        let mut sets = Sets::default();
        for term in query.graph_terms() {
            sets.insert(term.set.clone(), members(&term.set));
        }
        let facets =
            ["kind", "type", "environment", "tag:owner", "tag:a b"].map(|text| Facet::parse(text).unwrap());
        let lab = Id::parse("lab").unwrap();
        let ask = Ask {
            query: &query,
            sets: &sets,
            within: chance.once_in(4).then_some(&lab),
            in_sight: None,
            limit: 1 + chance.below(80),
            after: None,
            facets: if chance.once_in(4) { &facets } else { &[] },
            explain: chance.once_in(4),
        };
        let mut found = self.index.ask(&ask, &mut Budget::new(&self.config)).unwrap();
        assert!(
            found.hits.len() <= ask.limit && found.hits.len() <= found.total,
            "{text}"
        );
        assert!(found.total <= self.documents.len(), "{text}");
        assert!(
            found.hits.is_sorted_by(|one, other| one.score >= other.score),
            "{text}"
        );
        self.negated(&ask, &query, found.total, text);
        for hit in &mut found.hits {
            complete(hit, &query, &self.documents[&hit.key.to_string()], true);
            for highlight in &hit.highlights {
                let chars = highlight.text.chars().count();
                assert!(chars <= 160, "{text}");
                assert!(
                    highlight
                        .ranges
                        .iter()
                        .all(|(from, to)| from < to && *to <= chars),
                    "{text}: {highlight:?}"
                );
            }
        }
        true
    }

    /// What a query does not find, its negation does.
    fn negated(&self, ask: &Ask<'_>, query: &Query, total: usize, text: &str) {
        let negated = Query::Not(Box::new(query.clone()));
        let all = Ask {
            query: &Query::All,
            facets: &[],
            explain: false,
            ..*ask
        };
        let rest = Ask {
            query: &negated,
            ..all
        };
        let count = |ask: &Ask<'_>| self.index.ask(ask, &mut Budget::new(&self.config)).unwrap().total;
        assert_eq!(total + count(&rest), count(&all), "{text}");
    }
}

/// Something of a set, the same each time.
fn members(set: &GraphSet) -> Vec<Id> {
    let step = set.to_string().len();
    (0..80)
        .step_by(step)
        .map(|number| Id::parse(&format!("r-{number}")).unwrap())
        .collect()
}

/// Terms that can be read, put together so that most of the whole can be.
fn sensible(chance: &mut Chance, depth: usize) -> String {
    let mut text = String::new();
    for number in 0..=chance.below(4) {
        if number > 0 {
            text.push_str(chance.pick::<&str>(&[" ", " AND ", " OR ", " -", " NOT "]));
        }
        if depth > 0 && chance.once_in(4) {
            text.push('(');
            text.push_str(&sensible(chance, depth - 1));
            text.push(')');
        } else {
            text.push_str(chance.pick::<&str>(&TERMS));
        }
    }
    text
}

fn made(chance: &mut Chance) -> String {
    if chance.once_in(2) {
        let mut text = sensible(chance, 3);
        if chance.once_in(3) {
            let place = text.floor_char_boundary(chance.below(text.len() + 1));
            text.insert_str(place, chance.pick::<&str>(&PIECES));
        }
        return text;
    }
    let mut text = String::new();
    for _ in 0..chance.below(16) {
        if chance.once_in(20) {
            text.push(char::from_u32(u32::try_from(chance.below(0x11_0000)).unwrap()).unwrap_or('?'));
        } else {
            text.push_str(chance.pick::<&str>(&PIECES));
        }
    }
    text
}

#[test]
fn no_query_makes_a_search_panic_hang_or_contradict_itself() {
    let folder = tempfile::tempdir().unwrap();
    let field = Field::new(folder.path());
    let (seed, cases) = cases(COUNT);
    let began = Instant::now();
    let (mut read, mut slowest) = (0_u64, Duration::ZERO);
    for case in cases.clone() {
        let mut chance = Chance::of(seed, case);
        let text = made(&mut chance);
        let asked = Instant::now();
        let is_read = catch_unwind(AssertUnwindSafe(|| field.ask(&text, &mut chance)))
            .unwrap_or_else(|_| panic!("query {case} of seed {seed} failed, see above: {text:?}"));
        read += u64::from(is_read);
        let took = asked.elapsed();
        assert!(took < SOON, "{took:?} for {text:?}");
        slowest = slowest.max(took);
    }
    let seconds = began.elapsed().as_secs_f64();
    let asked = cases.end - cases.start;
    println!("{asked} queries, seed {seed}, {read} of them read, {seconds:.1} s, the slowest {slowest:.1?}");
    assert!(asked < 1_000 || read * 10 > asked, "too few can be read: {read}");
}
