//! The query language: what texts mean, and how they are refused.

use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};

use crate::domain::ProblemKind;
use crate::search::{Config, Field, GraphSet, GraphTerm, Matcher, Place, Query, Term, parse};

/// The tree of a query, every operator in parentheses.
fn tree(query: &Query) -> String {
    let all = |children: &[Query]| children.iter().map(tree).collect::<Vec<_>>().join(" ");
    match query {
        Query::All => "all".to_owned(),
        Query::Graph(term) => format!("{{{}}}", term.set),
        Query::Term(term) => {
            let Term { field, matcher, .. } = term;
            let field = match field {
                Field::Any => String::new(),
                other => format!("{other}="),
            };
            match matcher {
                Matcher::Word(text) => format!("{field}{text}"),
                Matcher::Phrase(text) => format!("{field}'{text}'"),
                Matcher::Prefix(text) => format!("{field}{text}.."),
                Matcher::Fuzzy { text, distance } => format!("{field}{text}±{distance}"),
                Matcher::Present => format!("{field}any"),
            }
        }
        Query::And(children) => format!("(and {})", all(children)),
        Query::Or(children) => format!("(or {})", all(children)),
        Query::Not(inner) => format!("(not {})", tree(inner)),
    }
}

#[test]
fn a_query_is_read_as_a_tree() {
    let table = [
        ("web", "web"),
        ("web db", "(and web db)"),
        ("web AND db", "(and web db)"),
        ("web and db", "(and web and db)"),
        ("web OR db", "(or web db)"),
        ("a1 b1 OR c1 d1", "(or (and a1 b1) (and c1 d1))"),
        ("a1 OR b1 AND c1 OR d1", "(or a1 (and b1 c1) d1)"),
        ("(a1 OR b1) c1", "(and (or a1 b1) c1)"),
        ("((a1 b1) c1)", "(and a1 b1 c1)"),
        ("NOT a1 b1", "(and (not a1) b1)"),
        ("-a1 -b1", "(and (not a1) (not b1))"),
        ("-(a1 OR b1)", "(not (or a1 b1))"),
        ("NOT NOT a1", "(not (not a1))"),
        ("a1 -b-2", "(and a1 (not b-2))"),
        ("*", "all"),
        ("* -web", "(and all (not web))"),
        ("\"payments database\"", "'payments database'"),
        (r#""a \"quoted\" \\ word \x""#, r#"'a "quoted" \ word \x'"#),
        ("\"AND\"", "'AND'"),
        ("name:web", "name=web"),
        ("NAME:web", "name=web"),
        ("name:\"web shop\"", "name='web shop'"),
        ("kind:postgres", "kind=postgres"),
        ("kind:*", "kind=any"),
        ("type:Resource", "type=resource"),
        ("id:a:b", "id=a:b"),
        ("tag:payments", "tag=payments"),
        ("tag.owner:payments", "tag.owner=payments"),
        ("tag.owner:pay*", "tag.owner=pay.."),
        ("tag.owner", "tag.owner=any"),
        ("tag.owner:*", "tag.owner=any"),
        ("tag.\"a key\":value", "tag.\"a key\"=value"),
        ("tag.\"a*\"", "tag.\"a*\"=any"),
        ("tag.kubernetes.io/role:web", "tag.kubernetes.io/role=web"),
        ("environment:lab-7", "environment=lab-7"),
        ("-environment:*", "(not environment=any)"),
        ("post*", "post.."),
        ("postgrs~1", "postgrs±1"),
        ("kind:postgrs~2", "kind=postgrs±2"),
        ("a~b", "a~b"),
        ("aws_instance.web-0", "aws_instance.web-0"),
        ("Größe", "Größe"),
        ("web(db)", "(and web db)"),
        ("dependents-of:db-1", "{dependents-of:db-1}"),
        ("Dependents-Of:a:b/c@d+e", "{dependents-of:a:b/c@d+e}"),
        ("dependencies-of:web~2", "{dependencies-of:web~2}"),
        ("dependencies-of:\"web\"~2 x1", "(and {dependencies-of:web~2} x1)"),
        ("-impact-of:\"db-1\"", "(not {impact-of:db-1})"),
        ("has:Cycle OR has:dangling", "(or {has:cycle} {has:dangling})"),
        ("(has:external)", "{has:external}"),
    ];
    for (text, expected) in table {
        let query = super::query(text);
        assert_eq!(tree(&query), expected, "{text}");
        assert_eq!(
            super::query(&query.to_string()),
            query,
            "{text} printed as {query}"
        );
    }
}

#[test]
fn a_query_that_cannot_be_read_says_where_and_how() {
    let table = [
        ("", 0, "the query is empty"),
        ("   ", 0, "the query is empty"),
        ("web AND", 4, "AND needs something on both sides"),
        ("OR web", 0, "OR needs something on both sides"),
        ("web OR OR db", 4, "OR needs something on both sides"),
        ("web NOT", 4, "nothing follows NOT"),
        ("web - db", 4, "nothing follows the minus"),
        ("(web", 0, "the parenthesis is never closed"),
        ("größe (web", 6, "the parenthesis is never closed"),
        ("web)", 3, "this parenthesis closes nothing"),
        ("()", 1, "nothing stands before this parenthesis"),
        ("web \"db", 4, "the quote is never closed"),
        ("\"db\"*", 4, "`*` cannot follow a closing quote"),
        ("\"name\":db", 6, "`:` cannot follow a closing quote"),
        ("kind:", 5, "nothing follows `kind:`"),
        ("tag.owner: x", 10, "nothing follows `tag.owner:`"),
        ("tag.:x", 0, "the key of the tag is missing"),
        ("tag.own*", 0, "the key of a tag is matched as a whole"),
        (":x", 0, "there is no field before the colon"),
        ("web nmae:x", 4, "there is no field `nmae`"),
        ("http://host", 0, "there is no field `http`"),
        ("status:down", 0, "this version does not know `status:` yet"),
        ("web dependents-of:", 18, "nothing follows `dependents-of:`"),
        (
            "dependents-of:*",
            14,
            "`*` is not an id: character '*' at position 0 is not allowed in an id",
        ),
        (
            "dependencies-of:\"a b\"",
            16,
            "`a b` is not an id: character ' ' at position 1 is not allowed in an id",
        ),
        (
            "dependencies-of:\"\"",
            16,
            "`` is not an id: an id has at least one character",
        ),
        (
            "dependencies-of:web~0",
            19,
            "after an id comes a tilde and how many steps to go, from 1 to 4294967295",
        ),
        (
            "dependencies-of:web~",
            19,
            "after an id comes a tilde and how many steps to go, from 1 to 4294967295",
        ),
        (
            "dependents-of:web~99999999999",
            17,
            "after an id comes a tilde and how many steps to go, from 1 to 4294967295",
        ),
        (
            "impact-of:web~2",
            13,
            "`impact-of:` goes as far as failures go, and takes no depth",
        ),
        ("has:status", 4, "`has:` does not know `status`"),
        ("has: x", 4, "nothing follows `has:`"),
        ("type:server", 5, "there is no type `server`"),
        ("a b*", 2, "a prefix needs at least two letters or digits"),
        ("po*st", 0, "the asterisk stands inside `po*st`"),
        (
            "postgrs~3",
            0,
            "the tilde says how many edits are allowed: 0, 1 or 2",
        ),
        (
            "postgrs~",
            0,
            "the tilde says how many edits are allowed: 0, 1 or 2",
        ),
        ("db~1", 0, "with ~1 a word needs at least 3 characters"),
        (
            "tag.a:xyz~1",
            0,
            "`tag.a:` is matched as a whole and cannot be fuzzy",
        ),
        ("a & b", 2, "there is no letter or digit to search for in `&`"),
    ];
    for (text, position, detail) in table {
        let problem = parse(text, &Config::default()).expect_err(text);
        assert_eq!(problem.kind, ProblemKind::QuerySyntax, "{text}");
        assert_eq!(problem.detail, detail, "{text}");
        assert_eq!(problem.facts["position"], position, "{text}");
        assert_eq!(problem.pointer, "/args/query", "{text}");
        assert!(!problem.hint.is_empty(), "{text}");
        let example = problem.facts["example"].as_str().unwrap();
        assert!(
            parse(example, &Config::default()).is_ok(),
            "the example of {text}"
        );
    }
}

#[test]
fn an_unknown_field_gets_a_suggestion() {
    let hint = |text: &str| parse(text, &Config::default()).unwrap_err().hint;
    assert!(hint("nmae:x").starts_with("did you mean `name:`?"));
    assert!(hint("env:x").starts_with("did you mean `environment:`?"));
    assert!(hint("desc:x").starts_with("did you mean `description:`?"));
    assert!(hint("tags:x").starts_with("did you mean `tag:`?"));
    assert!(hint("http://h x").ends_with("write \"http://h\""));
    assert!(hint("dependent-of:x").starts_with("did you mean `dependents-of:`?"));
    assert!(hint("status:down").starts_with("the fields are name, "));
}

#[test]
fn a_query_is_bounded_before_it_is_read() {
    let refused = |text: &str| {
        let problem = parse(text, &Config::default()).unwrap_err();
        (problem.kind, problem.facts["limit"].as_u64().unwrap())
    };
    let limit = ProblemKind::LimitExceeded;
    assert_eq!(refused(&"x".repeat(2_001)), (limit, 2_000));
    assert_eq!(refused(&"ab ".repeat(201)), (limit, 200));
    assert_eq!(refused(&"(".repeat(1_000)), (limit, 32));
    assert_eq!(refused(&format!("{}x", "-".repeat(1_000))), (limit, 32));
    assert_eq!(refused(&"ab* ".repeat(17)), (limit, 16));
    assert_eq!(refused(&"has:cycle ".repeat(17)), (limit, 16));
    assert_eq!(refused(&format!("{}~1", "abc.".repeat(17))), (limit, 16));
    let deep = Config {
        query_depth_max: usize::MAX,
        query_bytes_max: usize::MAX,
        ..Config::default()
    };
    assert!(parse(&"(".repeat(1_000_000), &deep).is_err());
}

/// A word of which the text means the word.
fn word() -> impl Strategy<Value = String> {
    "[a-zà-öø-ü0-9][a-zà-öø-ü0-9._/@+-]{2,8}"
}

/// A term of any field.
fn term() -> impl Strategy<Value = Query> {
    let field = prop_oneof![
        Just(Field::Any),
        Just(Field::Name),
        Just(Field::Description),
        Just(Field::Id),
        Just(Field::Kind),
        Just(Field::Tag),
        Just(Field::Environment),
        "[ -~]{1,8}".prop_map(Field::TagKey),
    ];
    let id = "[a-zA-Z0-9][a-zA-Z0-9._:/@+-]{0,9}".prop_map(|text| super::id(&text));
    let set = (0..6, id, proptest::option::of(1_u32..)).prop_map(|(which, id, depth)| match which {
        0 => GraphSet::Dependents { id, depth },
        1 => GraphSet::Dependencies { id, depth },
        2 => GraphSet::Impact { id },
        3 => GraphSet::Dangling,
        4 => GraphSet::Cycle,
        _ => GraphSet::External,
    });
    let graph = set.prop_map(|set| {
        Query::Graph(GraphTerm {
            place: Place::default(),
            set,
        })
    });
    let matcher = prop_oneof![
        word().prop_map(Matcher::Word),
        "[ -~]{0,8}x".prop_map(Matcher::Phrase),
        word().prop_map(|text| Matcher::Prefix(format!("ab{text}"))),
        Just(Matcher::Present),
    ];
    let words = (field, matcher).prop_map(|(field, matcher)| match (&field, &matcher) {
        (Field::Any, Matcher::Present) => Query::All,
        _ => Query::Term(Term {
            place: Place::default(),
            field,
            matcher,
        }),
    });
    prop_oneof![4 => words, 1 => graph]
}

/// A tree.
fn queries() -> impl Strategy<Value = Query> {
    term().prop_recursive(5, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Query::and),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Query::or),
            inner.prop_map(|query| Query::Not(Box::new(query))),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        let _ = parse(&text, &Config::default());
    }

    #[test]
    fn text_of_the_language_is_read_or_refused_and_printed(
        text in r#"([a-z]{1,3}|name:|tag\.|type:|dependents-of:|impact-of:|has:(cycle)?|[()"\\*~:-]|~[0-3]| |AND |OR |NOT |é){0,12}"#,
    ) {
        if let Ok(query) = parse(&text, &Config::default()) {
            let printed = query.to_string();
            assert_eq!(parse(&printed, &Config::default()).as_ref(), Ok(&query), "{text} -> {printed}");
        }
    }

    #[test]
    fn a_printed_query_reads_back(query in queries()) {
        let config = Config { query_expansions_max: 1_000, ..Config::default() };
        let printed = query.to_string();
        assert_eq!(parse(&printed, &config).as_ref(), Ok(&query), "{printed}");
    }
}
