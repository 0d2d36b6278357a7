//! Search against bare tantivy over the same index: how long a query takes, how long a commit takes, how fast
//! documents go in.
//!
//! `cargo bench --bench search` prints a table with p50 and p99 over a mix of 200 queries, and then lets
//! criterion measure some of them in pairs. `cargo test --benches` runs all of it once over a small set. With
//! `DOMESDAY_BENCH_MANIFEST` the documents come from a file of JSON Lines, one resource on each.

#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bench prints, and its numbers are small"
)]

use std::collections::HashMap;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion};
use domesday::domain::{Document, Id, Position, Resource, Tags};
use domesday::search::{Config, Index, parse, rebuild};
use tantivy::collector::{Count, TopDocs};
use tantivy::query::{
    BooleanQuery, BoostQuery, ConstScoreQuery, FuzzyTermQuery, InvertedIndexRangeQuery, Occur, PhraseQuery,
    Query as Bare, TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Searcher, TantivyDocument, Term};

type Failure = Box<dyn std::error::Error>;
type Documents = Vec<(Document, Vec<Id>)>;

/// What is compared: ours from the text to hits, total and position; tantivy from a query that is made to the
/// places of the best, with the total, and with the stored documents too.
const HOWS: [&str; 4] = ["ours", "bare", "bare, total", "bare, documents"];

/// How many hits a page has.
const LIMIT: usize = 20;

fn main() -> Result<(), Failure> {
    let small = !std::env::args().any(|argument| argument == "--bench");
    let documents = documents(if small { 1_000 } else { 63_000 })?;
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("index");
    let rows = [fill(&path, &documents)?, commits_of_bare(dir.path(), small)?].concat();
    let index = Index::open(&path)?;
    let queries: Vec<(Ask, String)> = asks(&documents)
        .into_iter()
        .map(|ask| (ask.clone(), ask.text()))
        .collect();
    println!("\n{} documents, {} segments", index.documents(), index.segments());
    print_rows(&rows);
    mix(&index, &path, &queries, if small { 1 } else { 20 })?;
    print_rows(&commits(&index, &documents, small)?);
    mix(&index, &path, &queries, if small { 1 } else { 20 })?;

    let mut criterion = Criterion::default()
        .measurement_time(Duration::from_secs(2))
        .warm_up_time(Duration::from_millis(500))
        .configure_from_args();
    pairs(&mut criterion, &index, &path, &queries)?;
    criterion.final_summary();
    Ok(())
}

/// Small numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap_or(0) % below.max(1)
    }

    /// A place in a list of which the first are much more frequent, as words are.
    fn skewed(&mut self, below: usize) -> usize {
        let unit = self.roll(1 << 20) as f64 / f64::from(1 << 20);
        ((below as f64).powf(unit) as usize)
            .saturating_sub(1)
            .min(below - 1)
    }
}

/// The documents: of the file, or made up.
fn documents(count: usize) -> Result<Documents, Failure> {
    if let Ok(path) = std::env::var("DOMESDAY_BENCH_MANIFEST") {
        return std::fs::read_to_string(path)?
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(read)
            .filter_map(Result::transpose)
            .collect();
    }
    let syllables = [
        "ba", "co", "dri", "el", "fon", "gre", "hum", "li", "mo", "net", "pas", "qu", "ro", "st", "tur",
    ];
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let words: Vec<String> = (0..40_000)
        .map(|_| {
            (0..2 + dice.roll(3))
                .map(|_| syllables[dice.roll(syllables.len())])
                .collect()
        })
        .collect();
    let kinds = [
        "package", "service", "postgres", "vm", "queue", "bucket", "cache", "host",
    ];
    let made = (0..count).map(|number| {
        let mut word = || words[dice.skewed(words.len())].clone();
        let id = format!("{}-{}{}", word(), word(), number);
        let name = format!("{} {}", word(), word());
        let description: Vec<String> = (0..25).map(|_| word()).collect();
        let tags = [
            ("owner".to_owned(), word()),
            ("section".to_owned(), kinds[number % 5].to_owned()),
        ];
        let environments = vec![Id::parse(&format!("lab-{}", number % 40))?];
        let resource = Resource {
            id: Id::parse(&id)?,
            kind: kinds[number % kinds.len()].to_owned(),
            name,
            description: description.join(" "),
            tags: tags.into_iter().collect(),
            attributes: serde_json::Map::new(),
            status_endpoints: Vec::new(),
            dependencies: Vec::new(),
        };
        Ok((Document::Resource(resource), environments))
    });
    made.collect()
}

/// A resource of a line: the document itself, or what a command has in `args`.
fn read(line: &str) -> Result<Option<(Document, Vec<Id>)>, Failure> {
    let value: serde_json::Value = serde_json::from_str(line)?;
    let value = value.get("args").unwrap_or(&value);
    let text = |name: &str| {
        value
            .get(name)
            .and_then(|text| text.as_str())
            .unwrap_or_default()
            .to_owned()
    };
    if text("kind").is_empty() {
        return Ok(None);
    }
    let tags = value.get("tags").and_then(|tags| tags.as_object());
    let tags: Tags = tags
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect();
    let resource = Resource {
        id: Id::parse(&text("id"))?,
        kind: text("kind"),
        name: text("name"),
        description: text("description"),
        tags,
        attributes: serde_json::Map::new(),
        status_endpoints: Vec::new(),
        dependencies: Vec::new(),
    };
    Ok(Some((Document::Resource(resource), vec![Id::parse("lab-1")?])))
}

/// One query of the mix.
#[derive(Debug, Clone)]
enum Ask {
    Word(String),
    And(String, String),
    Or(String, String),
    Not(String, String),
    Phrase(String, String),
    Kind(String, String),
    Tag(String),
    Prefix(String),
    Fuzzy(String),
}

impl Ask {
    /// What sort it is.
    fn sort(&self) -> &'static str {
        match self {
            Self::Word(_) => "word",
            Self::And(..) => "and",
            Self::Or(..) => "or",
            Self::Not(..) => "not",
            Self::Phrase(..) => "phrase",
            Self::Kind(..) => "kind",
            Self::Tag(_) => "tag",
            Self::Prefix(_) => "prefix",
            Self::Fuzzy(_) => "fuzzy",
        }
    }

    /// In the query language.
    fn text(&self) -> String {
        match self {
            Self::Word(word) => word.clone(),
            Self::And(one, two) => format!("{one} {two}"),
            Self::Or(one, two) => format!("{one} OR {two}"),
            Self::Not(one, two) => format!("{one} -{two}"),
            Self::Phrase(one, two) => format!("\"{one} {two}\""),
            Self::Kind(kind, word) => format!("kind:{kind} {word}"),
            Self::Tag(value) => format!("tag.section:{value}"),
            Self::Prefix(start) => format!("{start}*"),
            Self::Fuzzy(word) => format!("{word}~1"),
        }
    }

    /// As one would write it by hand: the leanest that finds the same.
    fn bare(&self, fields: &HashMap<String, Field>) -> Box<dyn Bare> {
        let text = |field: &str, text: &str| Term::from_field_text(fields[field], text);
        let word = |word: &str| -> Box<dyn Bare> {
            Box::new(TermQuery::new(text("words", word), IndexRecordOption::WithFreqs))
        };
        let whole = |field: &str, value: &str| -> Box<dyn Bare> {
            let query = TermQuery::new(text(field, value), IndexRecordOption::Basic);
            Box::new(ConstScoreQuery::new(Box::new(query), 1.0))
        };
        let both = |two: Box<dyn Bare>, occur: Occur, one: Box<dyn Bare>| -> Box<dyn Bare> {
            Box::new(BooleanQuery::new(vec![(Occur::Must, one), (occur, two)]))
        };
        match self {
            Self::Word(one) => word(one),
            Self::And(one, two) => both(word(two), Occur::Must, word(one)),
            Self::Not(one, two) => both(word(two), Occur::MustNot, word(one)),
            Self::Or(one, two) => Box::new(BooleanQuery::union(vec![word(one), word(two)])),
            Self::Kind(kind, one) => both(whole("kind", kind), Occur::Must, word(one)),
            Self::Tag(value) => whole("tag", &format!("section\0{value}")),
            Self::Fuzzy(one) => Box::new(FuzzyTermQuery::new(text("words", one), 1, true)),
            Self::Prefix(start) => Box::new(InvertedIndexRangeQuery::new(
                std::ops::Bound::Included(text("words", start)),
                std::ops::Bound::Excluded(text("words", &format!("{start}{}", char::MAX))),
            )),
            Self::Phrase(one, two) => {
                let boosts = [
                    ("id", 3.0),
                    ("name", 2.5),
                    ("tag_words", 1.5),
                    ("description", 1.0),
                ];
                let phrases = boosts.map(|(field, boost)| -> Box<dyn Bare> {
                    let phrase = PhraseQuery::new(vec![text(field, one), text(field, two)]);
                    Box::new(BoostQuery::new(Box::new(phrase), boost))
                });
                Box::new(BooleanQuery::union(phrases.into()))
            }
        }
    }
}

/// 200 queries over the words of the documents.
fn asks(documents: &Documents) -> Vec<Ask> {
    let mut dice = Dice(0xD1B5_4A32_D192_ED03);
    (0..200)
        .map(|number| {
            let document = documents[dice.roll(documents.len())].0.as_resource();
            let text = document.map_or("", |resource| &resource.description);
            let words: Vec<String> = text
                .split(|c: char| !c.is_ascii_alphanumeric())
                .filter(|word| word.len() > 3)
                .map(str::to_lowercase)
                .collect();
            let place = dice.roll(words.len().saturating_sub(1));
            let at = |place: usize| words.get(place).cloned().unwrap_or_else(|| "library".to_owned());
            let (one, two) = (at(place), at(place + 1));
            let kind = document.map_or("", |resource| &resource.kind).to_owned();
            let section = document
                .and_then(|resource| resource.tags.get("section"))
                .cloned();
            match number % 20 {
                0..=5 => Ask::Word(one),
                6..=9 => Ask::And(one, two),
                10 | 11 => Ask::Phrase(one, two),
                12 | 13 => Ask::Kind(kind, one),
                14 => Ask::Or(one, two),
                15 => Ask::Not(one, two),
                16 => Ask::Tag(section.unwrap_or_else(|| "libs".to_owned())),
                17 | 18 => Ask::Prefix(one.chars().take(4).collect()),
                _ => Ask::Fuzzy(one),
            }
        })
        .collect()
}

/// Opens the same index with tantivy itself.
fn bare(path: &Path) -> Result<(Searcher, HashMap<String, Field>), Failure> {
    let index = tantivy::Index::open_in_dir(path)?;
    let schema = index.schema();
    let fields = schema
        .fields()
        .map(|(field, entry)| (entry.name().to_owned(), field))
        .collect();
    Ok((index.reader()?.searcher(), fields))
}

/// Runs something and says how long it took.
fn timed<T>(run: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let out = black_box(run());
    (start.elapsed(), out)
}

/// A row of a table: what, how often, p50, p99.
type Row = (String, usize, Duration, Duration);

fn row(what: impl Into<String>, mut times: Vec<Duration>) -> Row {
    times.sort_unstable();
    let at = |part: f64| {
        times
            .get((times.len() as f64 * part) as usize)
            .copied()
            .unwrap_or_default()
    };
    (what.into(), times.len(), at(0.50), at(0.99))
}

fn print_rows(rows: &[Row]) {
    for (what, count, p50, p99) in rows {
        println!("{what:<44} {count:>6}  p50 {p50:>10.1?}  p99 {p99:>10.1?}");
    }
}

/// The mix, ours against bare.
fn mix(index: &Index, path: &Path, queries: &[(Ask, String)], rounds: usize) -> Result<(), Failure> {
    let (searcher, fields) = bare(path)?;
    let top = || TopDocs::with_limit(LIMIT).order_by_score();
    let mut times: HashMap<(&str, &str), Vec<Duration>> = HashMap::new();
    let config = Config::default();
    for round in 0..=rounds {
        for (ask, text) in queries {
            let hand = ask.bare(&fields);
            let hand = hand.as_ref();
            let (ours, found) =
                timed(|| parse(text, &config).map(|query| index.search(&query, None, LIMIT, None)));
            let (lean, _) = timed(|| searcher.search(hand, &top()));
            let (counted, counts) = timed(|| searcher.search(hand, &(top(), Count)));
            let (whole, _) = timed(|| -> tantivy::Result<Vec<TantivyDocument>> {
                let (best, _) = searcher.search(hand, &(top(), Count))?;
                best.into_iter()
                    .map(|(_, address)| searcher.doc(address))
                    .collect()
            });
            let found = found.map_err(|problem| problem.to_string())??;
            assert_eq!(found.total, counts?.1, "{text}");
            if round == 0 {
                continue;
            }
            for (how, time) in HOWS.into_iter().zip([ours, lean, counted, whole]) {
                times.entry(("all", how)).or_default().push(time);
                times.entry((ask.sort(), how)).or_default().push(time);
            }
        }
    }
    println!(
        "\nµs for the best {LIMIT}, p50 and p99, {} segments",
        index.segments()
    );
    let [ours, lean, counted, whole] = HOWS;
    println!("{:<15} {ours:>17} {lean:>17} {counted:>17} {whole:>17}", "");
    for sort in [
        "all", "word", "and", "or", "not", "phrase", "kind", "tag", "prefix", "fuzzy",
    ] {
        let mut line = String::new();
        for how in HOWS {
            let (_, count, p50, p99) = row(how, times.remove(&(sort, how)).unwrap_or_default());
            if line.is_empty() {
                line = format!("{sort:<8} {count:>6}");
            }
            let micros = |time: Duration| time.as_secs_f64() * 1e6;
            line = format!("{line} {:>8.1} {:>8.1}", micros(p50), micros(p99));
        }
        println!("{line}");
    }
    println!();
    Ok(())
}

/// All documents go in: by puts and one commit, and by a rebuild.
fn fill(path: &Path, documents: &Documents) -> Result<Vec<Row>, Failure> {
    let config = Config::default();
    let (put, done) = timed(|| -> Result<(), Failure> {
        let index = Index::open(path)?;
        let mut writer = index.writer(&config)?;
        for (document, within) in documents {
            writer.put(document, within)?;
        }
        writer.commit(Position::default())?;
        Ok(writer.finish()?)
    });
    done?;
    let all = documents.iter().cloned().map(Ok::<_, std::convert::Infallible>);
    let (rebuilt, done) = timed(|| {
        rebuild(
            path,
            &config,
            all,
            Position {
                epoch: 1,
                sequence: 1,
            },
        )
    });
    done?;
    let (opened, _) = timed(|| Index::open(path));
    let per_second = |time: Duration| documents.len() as f64 / time.as_secs_f64();
    Ok(vec![
        row(format!("put all ({:.0} documents/s)", per_second(put)), vec![put]),
        row(
            format!("rebuild ({:.0} documents/s)", per_second(rebuilt)),
            vec![rebuilt],
        ),
        row("open, with checksums", vec![opened]),
    ])
}

/// Commits of few documents into a full index, as fast as they go.
fn commits(index: &Index, documents: &Documents, small: bool) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    let mut sequence = index.reached().sequence;
    for (size, memory) in [(1, 32), (20, 32), (1, 15)] {
        let mut writer = index.writer(&Config {
            writer_memory_bytes: memory << 20,
            ..Config::default()
        })?;
        let (mut times, mut segments) = (Vec::new(), 0);
        for round in 0..if small { 5 } else { 300 } {
            let (time, done) = timed(|| -> Result<(), Failure> {
                for number in 0..size {
                    let (document, within) = &documents[(round * 37 + number * 11) % documents.len()];
                    writer.put(document, within)?;
                }
                sequence += 1;
                Ok(writer.commit(Position { epoch: 1, sequence })?)
            });
            done?;
            times.push(time);
            segments = segments.max(index.segments());
        }
        let what = format!("commit of {size}, seen ({memory} MiB, {segments} segments)");
        rows.push(row(what, times));
        writer.finish()?;
    }
    Ok(rows)
}

/// What a commit costs tantivy with fsync.
fn commits_of_bare(dir: &Path, small: bool) -> Result<Vec<Row>, Failure> {
    let mut schema = tantivy::schema::Schema::builder();
    let field = schema.add_text_field("text", tantivy::schema::TEXT);
    let path = dir.join("bare");
    std::fs::create_dir_all(&path)?;
    let index = tantivy::Index::create_in_dir(&path, schema.build())?;
    let mut writer: tantivy::IndexWriter = index.writer_with_num_threads(1, 32 << 20)?;
    let reader = index
        .reader_builder()
        .reload_policy(tantivy::ReloadPolicy::Manual)
        .try_into()?;
    let mut times = Vec::new();
    for number in 0..if small { 3 } else { 100 } {
        let (time, done) = timed(|| -> tantivy::Result<()> {
            let mut document = tantivy::TantivyDocument::default();
            document.add_text(field, format!("document {number}"));
            writer.add_document(document)?;
            writer.commit()?;
            reader.reload()
        });
        done?;
        times.push(time);
    }
    Ok(vec![row("bare tantivy with fsync: commit of 1, seen", times)])
}

/// Some queries of each sort, in pairs.
fn pairs(
    criterion: &mut Criterion,
    index: &Index,
    path: &Path,
    queries: &[(Ask, String)],
) -> Result<(), Failure> {
    let (searcher, fields) = bare(path)?;
    let config = Config::default();
    let mut group = criterion.benchmark_group("search");
    for sort in ["word", "and", "phrase", "kind", "prefix", "fuzzy"] {
        let mine: Vec<_> = queries
            .iter()
            .filter(|(ask, _)| ask.sort() == sort)
            .take(10)
            .collect();
        let hand: Vec<_> = mine.iter().map(|(ask, _)| ask.bare(&fields)).collect();
        group.bench_function(BenchmarkId::new("ours", sort), |bencher| {
            bencher.iter(|| {
                for (_, text) in &mine {
                    black_box(
                        parse(text, &config)
                            .map(|query| index.search(&query, None, LIMIT, None))
                            .is_ok(),
                    );
                }
            });
        });
        group.bench_function(BenchmarkId::new("bare", sort), |bencher| {
            bencher.iter(|| {
                for query in &hand {
                    black_box(
                        searcher
                            .search(query.as_ref(), &TopDocs::with_limit(LIMIT).order_by_score())
                            .is_ok(),
                    );
                }
            });
        });
    }
    group.finish();
    Ok(())
}
