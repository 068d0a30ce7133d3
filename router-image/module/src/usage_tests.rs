//! Claims about the counts and errors of whole answers.

use super::*;
use crate::fault::Class;

fn counts(body: &str) -> Option<Counts> {
    let whole = counts_in(body, body.len().max(1));
    for size in [1, 2, 3, 7] {
        assert_eq!(counts_in(body, size), whole, "{body} in chunks of {size}");
    }
    whole
}

fn counts_in(body: &str, size: usize) -> Option<Counts> {
    let mut answer = Answer::new();
    for chunk in body.as_bytes().chunks(size) {
        answer.feed(chunk);
    }
    answer.counts()
}

fn tokens(prompt: u64, cached: u64, cache_creation: u64, completion: u64) -> Counts {
    Counts { prompt, cached, cache_creation, completion }
}

#[test]
fn every_api_is_counted_in_one_vocabulary() {
    for (usage, expected) in [
        (
            r#"{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}"#,
            Some(tokens(9, 0, 0, 4)),
        ),
        (
            r#"{"prompt_tokens":9,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":8,"created_cache_tokens":1}}"#,
            Some(tokens(9, 8, 1, 4)),
        ),
        (
            r#"{"prompt_tokens":9,"completion_tokens":4,"prompt_tokens_details":null}"#,
            Some(tokens(9, 0, 0, 4)),
        ),
        (r#"{"prompt_tokens":9,"total_tokens":9}"#, Some(tokens(9, 0, 0, 0))),
        (
            r#"{"prompt_tokens":9,"total_tokens":9,"completion_tokens":null}"#,
            Some(tokens(9, 0, 0, 0)),
        ),
        (r#"{"total_tokens":9}"#, Some(tokens(9, 0, 0, 0))),
        (
            r#"{"input_tokens":9,"input_tokens_details":{"cached_tokens":2},"output_tokens":4,"total_tokens":13}"#,
            Some(tokens(9, 2, 0, 4)),
        ),
        (
            r#"{"input_tokens":9,"cache_creation_input_tokens":5,"cache_read_input_tokens":100,"output_tokens":4}"#,
            Some(tokens(114, 100, 5, 4)),
        ),
        (
            r#"{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":10},"output_tokens":45,"total_tokens":59}"#,
            Some(tokens(14, 0, 0, 45)),
        ),
    ] {
        assert_eq!(
            counts(&format!(r#"{{"id":"x","usage":{usage},"z":[1.5,{{}}]}}"#)),
            expected,
            "{usage}"
        );
    }
}

#[test]
fn all_counts_are_told_or_none() {
    for usage in [
        "null",
        "7",
        "{}",
        r#"{"completion_tokens":4}"#,
        r#"{"prompt_tokens":4}"#,
        r#"{"prompt_tokens":-1,"completion_tokens":4}"#,
        r#"{"prompt_tokens":1.0,"completion_tokens":4}"#,
        r#"{"prompt_tokens":"1","completion_tokens":4}"#,
        r#"{"prompt_tokens":99999999999999999999,"completion_tokens":4}"#,
        r#"{"prompt_tokens":100000000000000000000,"completion_tokens":4}"#,
        r#"{"prompt_tokens":1,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":true}}"#,
        r#"{"type":"duration","seconds":3}"#,
    ] {
        assert_eq!(counts(&format!(r#"{{"usage":{usage}}}"#)), None, "{usage}");
    }
}

#[test]
fn the_last_of_two_equal_keys_counts_as_in_a_parser() {
    let first = r#"{"prompt_tokens":1,"completion_tokens":1}"#;
    assert_eq!(counts(&format!(r#"{{"usage":{first},"usage":null}}"#)), None);
    assert_eq!(counts(&format!(r#"{{"usage":{first},"usage":{{"prompt_tokens":2}}}}"#)), None);
    assert_eq!(counts(&format!(r#"{{"usage":null,"usage":{first}}}"#)), Some(tokens(1, 0, 0, 1)));
    assert_eq!(
        counts(r#"{"usage":{"prompt_tokens":"x","prompt_tokens":2,"completion_tokens":1}}"#),
        Some(tokens(2, 0, 0, 1))
    );
}

#[test]
fn usage_inside_text_or_another_object_is_none() {
    assert_eq!(
        counts(r#"{"choices":[{"usage":{"prompt_tokens":1,"completion_tokens":1}}]}"#),
        None
    );
    assert_eq!(counts(r#"{"c":"\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}"}"#), None);
}

#[test]
fn an_answer_that_is_cut_or_no_json_tells_nothing() {
    let whole = r#"{"usage":{"prompt_tokens":1,"completion_tokens":1},"error":{"message":"no"}}"#;
    for end in 0..whole.len() {
        assert_eq!(counts(&whole[..end]), None);
        assert_eq!(error_inside(&whole.as_bytes()[..end]), None);
    }
    assert_eq!(counts(&format!("{whole}x")), None);
}

#[test]
fn errors_are_found_in_every_shape() {
    for (body, class, message) in [
        (
            r#"{"error":{"message":"slow down","type":"rate_limit_error"}}"#,
            Class::Throttled,
            "slow down",
        ),
        (
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            Class::Server,
            "Overloaded",
        ),
        (
            r#"{"object":"error","message":"too long","type":"BadRequestError","code":400}"#,
            Class::Invalid,
            "too long",
        ),
        (r#"{"error":"boom"}"#, Class::Server, "boom"),
        (
            r#"{"status":"failed","error":{"code":"server_error","message":"no"}}"#,
            Class::Server,
            "no",
        ),
        (r#"{"detail":"x","error":true}"#, Class::Server, ""),
        (r#"{"detail":"Not Found"}"#, Class::Server, "Not Found"),
        (r#"{"detail":[{"loc":["body"],"msg":"no"}]}"#, Class::Server, ""),
    ] {
        let fault = error_inside(body.as_bytes()).unwrap_or_else(|| panic!("{body}"));
        assert_eq!((fault.class, fault.message.as_str()), (class, message), "{body}");
    }
}

#[test]
fn what_a_client_does_not_take_for_an_error_is_none() {
    for body in [
        r#"{"error":null}"#,
        r#"{"error":{}}"#,
        r#"{"error":""}"#,
        r#"{"error":false}"#,
        r#"{"x":{"error":{"message":"a"}}}"#,
        r#"{"object":"chat.completion","message":"x"}"#,
        r#"{"detail":null}"#,
        r#"{"detail":"x","choices":[]}"#,
        r#"{"detail":"x","usage":{}}"#,
        r#"{"error":{"message":"a"},"error":null}"#,
    ] {
        assert_eq!(error_inside(body.as_bytes()), None, "{body}");
    }
}

#[test]
fn what_no_client_can_read_is_told() {
    for (body, wrong) in [
        ("", Some(Wrong::Empty)),
        (" \r\n", Some(Wrong::Empty)),
        ("<html>", Some(Wrong::NotAnObject)),
        ("\n ok", Some(Wrong::NotAnObject)),
        ("null", Some(Wrong::NotAnObject)),
        (r#"{"choices":["#, Some(Wrong::Cut)),
        (" {}", None),
        (r#"[{"index":0}]"#, None),
        (r#"{"a":NaN}"#, None),
        ("{}\n{}", Some(Wrong::Syntax(3))),
        ("\u{feff}{}", None),
    ] {
        for size in [1, 2, 100] {
            let mut answer = Answer::new();
            body.as_bytes().chunks(size).for_each(|chunk| answer.feed(chunk));
            assert_eq!(answer.unreadable(), wrong, "{body}");
        }
    }
}

#[test]
fn an_engine_that_gave_up_says_so() {
    let aborted = |reason: &str| {
        let mut answer = Answer::new();
        answer
            .feed(format!(r#"{{"choices":[{{"index":0,"finish_reason":{reason}}}]}}"#).as_bytes());
        answer.aborted()
    };
    for reason in ["abort", "error", "cancelled", "timeout", "network_error"] {
        assert!(aborted(&format!("{reason:?}")), "{reason}");
    }
    assert!(!aborted(r#""stop""#) && !aborted(r#""content_filter""#) && !aborted("null"));
    for (status, given_up) in [("failed", true), ("cancelled", true), ("incomplete", false)] {
        let mut answer = Answer::new();
        answer.feed(format!(r#"{{"status":{status:?},"output":[]}}"#).as_bytes());
        assert_eq!(answer.aborted(), given_up, "{status}");
    }
}

#[test]
fn what_an_api_promises_is_missed() {
    for (member, good, bad) in [
        (
            Member::Message,
            &[
                r#"{"choices":[{"message":{}}]}"#,
                r#"{"choices":null,"choices":[{"message":{"content":null},"index":0}]}"#,
            ][..],
            &[
                r#"{"choices":null}"#,
                r#"{"choices":[]}"#,
                r#"{"choices":{}}"#,
                r#"{"choices":[{}]}"#,
                r#"{"choices":[null]}"#,
                r#"{"choices":[0]}"#,
                r#"{"choices":[{"message":null}]}"#,
                r#"{"choices":[{"delta":{"content":"a"}}]}"#,
                r#"{"choices":[{"text":"a"}]}"#,
                r#"{"choices":[{"message":{}},{"text":"a"}]}"#,
            ][..],
        ),
        (
            Member::ChoiceText,
            &[r#"{"choices":[{"text":""}]}"#, r#"{"choices":[{"text":"a"},{"text":"b"}]}"#],
            &[r#"{"choices":[{"text":null}]}"#, r#"{"choices":[{"message":{"content":"a"}}]}"#],
        ),
        (Member::Text, &[r#"{"text":""}"#], &[r#"{"text":null}"#, r#"{"choices":[{"text":"a"}]}"#]),
        (Member::Output, &[r#"{"output":[]}"#], &[r#"{"output":null}"#, r#"{"output":""}"#]),
        (Member::Content, &[r#"{"content":[]}"#], &[r#"{"content":"a"}"#]),
        (
            Member::Embedding,
            &[
                r#"{"data":[{"embedding":[0.5,1]},{"index":1,"embedding":"AAAA"}]}"#,
                r#"{"data":[],"data":[{"embedding":[1]}]}"#,
            ],
            &[
                r#"{"data":{}}"#,
                r#"{"data":[]}"#,
                r#"{"data":[1,2]}"#,
                r#"{"data":[{"embedding":[]}]}"#,
                r#"{"data":[{"embedding":[1]},{"index":1}]}"#,
                r#"{"data":[{"embedding":[1]},{"embedding":null}]}"#,
                r#"{"x":{"data":[{"embedding":[1]}]}}"#,
            ],
        ),
        (Member::InputTokens, &[r#"{"input_tokens":0}"#], &[r#"{"input_tokens":"7"}"#]),
    ] {
        let lacks = |body: &&str, size: usize| {
            let mut answer = Answer::new();
            body.as_bytes().chunks(size).for_each(|chunk| answer.feed(chunk));
            answer.lacks(member)
        };
        let unsure = [r#"{"a":NaN}"#, "\u{feff}{}", r#"{"a":"#, "", "<html>"];
        for size in [1, 3, 100] {
            assert!(good.iter().chain(&unsure).all(|body| !lacks(body, size)), "{member:?}");
            assert!(bad.iter().chain(&["{}", "[]"]).all(|body| lacks(body, size)), "{member:?}");
        }
    }
}
