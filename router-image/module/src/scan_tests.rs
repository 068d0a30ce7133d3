//! Claims about [`super::Scanner`]; the differential test against Python's parser says the rest.

use super::*;

fn scan(body: &[u8], size: usize) -> Result<Facts, Wrong> {
    let mut scanner = Scanner::new();
    for chunk in body.chunks(size) {
        scanner.feed(chunk)?;
    }
    scanner.end()
}

/// The result for every size of chunks, which is the same for all.
fn result(body: &[u8]) -> Result<Facts, Wrong> {
    let whole = scan(body, body.len().max(1));
    for size in 1..body.len() {
        assert_eq!(
            scan(body, size),
            whole,
            "{} in chunks of {size}",
            String::from_utf8_lossy(body)
        );
    }
    whole
}

fn facts(body: &str) -> Facts {
    result(body.as_bytes()).unwrap_or_else(|wrong| panic!("{body}: {wrong}"))
}

#[test]
fn facts_are_found_wherever_the_body_is_cut() {
    let body = r#" {"messages":[{"content":"\"model\":\"x\" {["}],"model" : "a/b","stream":true,
        "tools":[ ],"functions":[{"a":[]}],"prompt_cache_key":"k\u00e9","x":{"model":"no","stream":1},
        "previous_response_id":"resp_1","n":-1.5e+3,"é":null,"stream_options":{"include_usage":false}} "#;

    let facts = facts(body);

    assert_eq!(facts.model, b"a/b");
    assert_eq!(&body[facts.model_at.0..facts.model_at.1], "a/b");
    assert!(facts.stream && facts.tools);
    assert_eq!(facts.prompt_cache_key.as_deref(), Some("ké".as_bytes()));
    assert_eq!(facts.previous_response_id.as_deref(), Some(&b"resp_1"[..]));
    assert_eq!((facts.size, facts.inside), (body.len(), 2));
    let StreamOptions::Object { at, empty: false, include_usage: Some((IncludeUsage::No, value)) } =
        facts.stream_options
    else {
        panic!("{:?}", facts.stream_options)
    };
    assert_eq!(&body[at.0..at.1], r#"{"include_usage":false}"#);
    assert_eq!(&body[value.0..value.1], "false");
}

#[test]
fn a_body_without_the_optional_keys_says_nothing_about_them() {
    let facts = facts(r#"{"model":"m","tools":[],"stream":null,"prompt_cache_key":7}"#);

    let rest =
        Facts { model: b"m".to_vec(), model_at: (10, 11), size: 59, inside: 1, ..Facts::default() };
    assert_eq!(facts, rest);
}

#[test]
fn what_some_engines_take_for_true_may_be_a_stream() {
    for (value, stream, maybe_stream) in [
        ("true", true, false),
        ("false", false, false),
        ("null", false, false),
        ("1", false, true),
        (r#""true""#, false, true),
    ] {
        let facts = facts(&format!(r#"{{"model":"m","stream":{value}}}"#));
        assert_eq!((facts.stream, facts.maybe_stream), (stream, maybe_stream), "{value}");
    }
}

#[test]
fn stream_options_are_told_apart() {
    let options =
        |value: &str| facts(&format!(r#"{{"model":"m","stream_options":{value}}}"#)).stream_options;

    assert_eq!(options("null"), StreamOptions::Null((30, 34)));
    assert_eq!(options("7"), StreamOptions::Other);
    assert_eq!(
        options("{ }"),
        StreamOptions::Object { at: (30, 33), empty: true, include_usage: None }
    );
    let StreamOptions::Object { include_usage, .. } =
        options(r#"{"a":{"include_usage":true},"include_usage":null}"#)
    else {
        panic!()
    };
    assert_eq!(include_usage, Some((IncludeUsage::No, (74, 78))));
}

#[test]
fn names_written_with_escapes_are_read_as_a_parser_reads_them() {
    let facts = facts(r#"{"m\u006fdel":"a\/b\u00e9","\u0073tream":true}"#);

    assert_eq!((&facts.model[..], facts.stream), ("a/bé".as_bytes(), true));
    assert_eq!(facts.model_at, (15, 25));
}

#[test]
fn every_key_that_is_there_twice_is_refused() {
    for (body, key) in [
        (r#"{"model":"a","model":"b"}"#, "model"),
        (r#"{"model":"a","m\u006fdel":"a"}"#, "model"),
        (r#"{"x":1,"model":"a","x":1}"#, "x"),
        (r#"{"model":"a","":1,"":1}"#, ""),
    ] {
        assert_eq!(result(body.as_bytes()), Err(Wrong::Twice(key.into())), "{body}");
    }
    assert!(result(br#"{"model":"a","x":{"y":1,"y":1},"y":1}"#).is_ok());
}

#[test]
fn what_a_strict_parser_refuses_is_refused() {
    for body in [
        "",
        " ",
        "[]",
        "\"model\"",
        "1",
        "{",
        "{}x",
        "{}{}",
        r#"{"model":"m"}}"#,
        r#"{"model":"m",}"#,
        r#"{"model":"m" "x":1}"#,
        r#"{"model" "m"}"#,
        r#"{"model":"m","x":[1,]}"#,
        r#"{"model":"m","x":[1 2]}"#,
        r#"{"model":"m","x":[}"#,
        r#"{"model":"m","x":{]}"#,
        r#"{"model":"m","x":01}"#,
        r#"{"model":"m","x":1.}"#,
        r#"{"model":"m","x":NaN}"#,
        r#"{"model":"m","x":tru}"#,
        r#"{"model":"m","x":nul}"#,
        r#"{"model":"m","x":+1}"#,
        r#"{'model':"m"}"#,
        "{\"model\":\"m\n\"}",
        r#"{"model":"m","x":"\q"}"#,
        "\u{feff}{\"model\":\"m\"}",
        r#"{"model":"m"}/**/"#,
        r#"{"model":"m","x":-}"#,
        r#"{model:"m"}"#,
        r#"{"model":"m","x"}"#,
        r#"{,"model":"m"}"#,
    ] {
        assert!(result(body.as_bytes()).is_err(), "{body}");
    }
    assert!(result(b"{\"model\":\"m\",\"x\":\"\xff\"}").is_err());
}

#[test]
fn a_model_that_is_no_text_is_refused_by_name() {
    for (body, wrong) in [
        ("{}", Wrong::NoModel),
        (r#"{"x":{"model":"m"}}"#, Wrong::NoModel),
        (r#"{"model":""}"#, Wrong::NoModel),
        (r#"{"model":null}"#, Wrong::ModelType),
        (r#"{"model":["m"]}"#, Wrong::ModelType),
        (r#"{"model":"\ud800"}"#, Wrong::ModelType),
    ] {
        assert_eq!(result(body.as_bytes()), Err(wrong.clone()), "{body}");
        assert_eq!(wrong.param(), Some("model"));
    }
}

#[test]
fn nesting_is_limited() {
    let nested = |levels: usize| {
        format!(r#"{{"model":"m","x":{}{}}}"#, "[".repeat(levels), "]".repeat(levels))
    };

    assert!(scan(nested(wanted::DEPTH - 1).as_bytes(), 100).is_ok());
    assert_eq!(scan(nested(wanted::DEPTH).as_bytes(), 100), Err(Wrong::Body(wanted::Wrong::Deep)));
}

#[test]
fn a_refusal_stays() {
    let mut scanner = Scanner::new();

    assert_eq!(scanner.feed(b"["), Err(Wrong::Body(wanted::Wrong::NotAnObject)));
    assert_eq!(scanner.feed(b"{\"model\":\"m\"}"), Err(Wrong::Body(wanted::Wrong::NotAnObject)));
    assert_eq!(scanner.end(), Err(Wrong::Body(wanted::Wrong::NotAnObject)));
}
