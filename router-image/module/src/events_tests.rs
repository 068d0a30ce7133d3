//! Claims about [`super::Events`]. Each stream is read whole, where [`crate::glance`] sees every
//! event, and in chunks of every size, where it sees few or none: the results are the same.

use super::*;
use crate::pass::LONGEST_HELD;

#[derive(Debug, PartialEq)]
struct Read {
    seen: Seen,
    ending: Ending,
    outputs: u64,
    counts: Option<Counts>,
    fault: Option<Fault>,
    passed: String,
}

fn read_in(stream: &str, size: usize, hide_usage: bool) -> Read {
    let mut events = Events::new(hide_usage);
    let mut passed = Vec::new();
    let mut seen = Seen::Nothing;
    for chunk in stream.as_bytes().chunks(size) {
        let now = events.feed(chunk);
        assert!(now >= seen);
        seen = now;
        let pass = events.pass();
        passed.extend_from_slice(pass.before);
        let mut from = 0;
        for (start, end) in pass.cuts {
            passed.extend_from_slice(&chunk[from..*start]);
            from = *end;
        }
        passed.extend_from_slice(&chunk[from..]);
    }
    passed.extend_from_slice(events.rest());
    Read {
        seen,
        ending: events.ending(),
        outputs: events.output_events(),
        counts: events.counts(),
        fault: events.error().cloned(),
        passed: String::from_utf8(passed).unwrap(),
    }
}

fn read_hiding(stream: &str, hide_usage: bool) -> Read {
    let whole = read_in(stream, stream.len().max(1), hide_usage);
    for size in 1..stream.len() {
        assert_eq!(read_in(stream, size, hide_usage), whole, "{stream} in chunks of {size}");
    }
    whole
}

fn read(stream: &str) -> Read {
    let read = read_hiding(stream, false);
    assert_eq!(read.passed, stream);
    read
}

/// A stream of data events.
fn data(events: &[&str]) -> String {
    events.iter().fold(String::new(), |stream, event| stream + "data: " + event + "\n\n")
}

/// A stream of events whose name is their type.
fn named(events: &[&str]) -> String {
    events.iter().fold(String::new(), |stream, event| {
        let name = event.split('"').nth(3).unwrap();
        stream + "event: " + name + "\ndata: " + event + "\n\n"
    })
}

const ROLE: &str =
    r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#;
const WORD: &str = r#"{"id":"c-1","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":{"content":" \"finish_reason\":1"},"logprobs":null,"finish_reason":null}]}"#;
const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const USAGE: &str =
    r#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}"#;

#[test]
fn what_comes_before_the_first_token_is_nothing() {
    for stream in [
        String::new(),
        ": ping\n\n".into(),
        "event: ping\ndata: {\"type\": \"ping\"}\n\n".into(),
        "event: x\n\n".into(),
        "data:\n\n".into(),
        "data: [DONE".into(),
        data(&[ROLE]),
        data(&[r#"{"choices":[{"index":0,"delta":{}}]}"#]),
        data(&[r#"{"choices":[{"delta":{"content":null,"tool_calls":[],"refusal":""}}]}"#]),
        data(&[r#"{"choices":[],"prompt_filter_results":[{"a":"text"}]}"#]),
        data(&[r#"{"choices":[{"text":"","index":0}]}"#]),
        data(&[STOP]),
        named(&[r#"{"type":"response.created","response":{"error":null,"usage":null}}"#]),
        named(&[
            r#"{"type":"response.in_progress"}"#,
            r#"{"type":"response.output_item.added","item":{"type":"message"}}"#,
        ]),
        named(&[r#"{"type":"response.content_part.added","part":{"text":""}}"#]),
        named(&[
            r#"{"type":"message_start","message":{"content":[],"usage":{"input_tokens":1,"output_tokens":1}}}"#,
        ]),
        named(&[r#"{"type":"content_block_start","content_block":{"type":"text","text":""}}"#]),
        named(&[
            r#"{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":""}}"#,
        ]),
        data(&[WORD])[..100].to_owned(),
        "data: no json\n\n".into(),
    ] {
        let read = read(&stream);
        assert_eq!((read.seen, read.outputs), (Seen::Nothing, 0), "{stream}");
    }
}

#[test]
fn output_of_every_kind_is_a_token() {
    for stream in [
        data(&[ROLE, WORD]),
        data(&[r#"{"choices":[{"delta":{"reasoning_content":"a"}}]}"#]),
        data(&[r#"{"choices":[{"delta":{"role":"assistant","reasoning":"a"}}]}"#]),
        data(&[r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f"}}]}}]}"#]),
        data(&[r#"{"choices":[{"delta":{"refusal":"no"}}]}"#]),
        data(&[r#"{"choices":[{"delta":{"audio":{"data":"UklG"}}}]}"#]),
        data(&[r#"{"choices":[{"index":0,"text":"a"}]}"#]),
        named(&[r#"{"type":"response.output_text.delta","delta":"a"}"#]),
        data(&[r#"{"type":"response.function_call_arguments.delta","delta":"{"}"#]),
        named(&[r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}"#]),
        named(&[
            r#"{"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"a"}}"#,
        ]),
        named(&[r#"{"type":"transcript.text.delta","delta":"a"}"#]),
        "\u{feff}event:response.output_text.delta\r\ndata:{\"delta\":\r\ndata:\"a\"}\r\n\r\n"
            .into(),
    ] {
        let read = read(&stream);
        assert_eq!(
            (read.seen, read.outputs, read.ending),
            (Seen::Token, 1, Ending::Cut),
            "{stream}"
        );
    }
    let tool = named(&[
        r#"{"type":"content_block_start","content_block":{"type":"tool_use","name":"f"}}"#,
    ]);
    assert_eq!(read(&tool).seen, Seen::Token);
}

#[test]
fn a_whole_answer_of_every_api_is_complete_and_counted() {
    let chat = data(&[ROLE, WORD, WORD, STOP, USAGE, "[DONE]"]);
    let responses = named(&[
        r#"{"type":"response.created","response":{"usage":null}}"#,
        r#"{"type":"response.output_text.delta","delta":"a"}"#,
        r#"{"type":"response.output_text.delta","delta":"\""}"#,
        r#"{"type":"response.output_text.done","text":"ab"}"#,
        r#"{"type":"response.completed","response":{"error":null,"usage":{"input_tokens":7,"input_tokens_details":{"cached_tokens":0},"output_tokens":2}}}"#,
    ]);
    let messages = named(&[
        r#"{"type":"message_start","message":{"usage":{"input_tokens":3,"cache_read_input_tokens":4,"output_tokens":1}}}"#,
        r#"{"type":"content_block_start","content_block":{"type":"text","text":""}}"#,
        r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}"#,
        r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"b"}}"#,
        r#"{"type":"content_block_stop"}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":"x"},"usage":{"output_tokens":2}}"#,
        r#"{"type":"message_stop"}"#,
    ]);
    for (stream, cached) in [(chat, 0), (responses, 0), (messages, 4)] {
        let read = read(&stream);
        assert_eq!(
            (read.seen, read.ending, read.outputs),
            (Seen::End, Ending::Complete, 2),
            "{stream}"
        );
        assert_eq!(
            read.counts,
            Some(Counts { prompt: 7, cached, cache_creation: 0, completion: 2 })
        );
    }
}

#[test]
fn an_end_without_its_reason_is_a_cut() {
    assert_eq!(read(&data(&[WORD, "[DONE]"])).ending, Ending::Cut);
    assert_eq!(read(&data(&[WORD, STOP])).ending, Ending::Complete);
    let second = r#"{"choices":[{"index":1,"delta":{"content":"b"},"finish_reason":null}]}"#;
    assert_eq!(read(&data(&[WORD, second, STOP, "[DONE]"])).ending, Ending::Cut);
    let both =
        r#"{"choices":[{"index":0,"finish_reason":"length"},{"index":1,"finish_reason":"stop"}]}"#;
    assert_eq!(read(&data(&[WORD, second, both, "[DONE]"])).ending, Ending::Complete);
    for reason in ["abort", "error", "insufficient_system_resource", "network_error", "timeout"] {
        let abort = STOP.replace("stop", reason);
        assert_eq!(read(&data(&[WORD, &abort, "[DONE]"])).ending, Ending::Aborted);
    }
    assert_eq!(read(&named(&[r#"{"type":"response.cancelled"}"#])).ending, Ending::Aborted);
    let gave_up = named(&[r#"{"type":"response.completed","response":{"status":"cancelled"}}"#]);
    assert_eq!(read(&gave_up).ending, Ending::Aborted);
    let incomplete = named(&[r#"{"type":"response.incomplete","response":{"usage":null}}"#]);
    assert_eq!(read(&incomplete).ending, Ending::Complete);
}

#[test]
fn errors_are_found_in_every_shape_before_and_after_output() {
    for (error, class) in [
        (data(&[r#"{"error":{"message":"m","type":"rate_limit_error"}}"#]), Class::Throttled),
        (data(&[r#"{"error":{"message":"m","code":503}}"#]), Class::Server),
        (
            data(&[r#"{"object":"error","message":"m","type":"BadRequestError","code":400}"#]),
            Class::Invalid,
        ),
        (
            "event: error\ndata: {\"message\":\"m\",\"code\":\"rate_limit_exceeded\"}\n\n".into(),
            Class::Throttled,
        ),
        (
            named(&[r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#]),
            Class::Server,
        ),
        (
            named(&[
                r#"{"type":"response.failed","response":{"error":{"code":"server_error","message":"m"}}}"#,
            ]),
            Class::Server,
        ),
        (
            data(&[
                r#"{"type":"response.failed","response":{"error":{"code":"invalid_prompt","message":"m"}}}"#,
            ]),
            Class::Invalid,
        ),
    ] {
        for before in [0, 2] {
            let stream = data(&[WORD].repeat(before)) + &error + &data(&["[DONE]"]);
            let read = read(&stream);
            assert_eq!((read.seen, read.ending), (Seen::Error, Ending::Failed), "{stream}");
            assert_eq!(read.outputs, before as u64);
            let fault = read.fault.unwrap();
            assert_eq!((fault.class, fault.message.as_str()), (class, "m"), "{stream}");
        }
    }
    assert_eq!(read("event: error\ndata: boom\n\n").seen, Seen::Error);
}

#[test]
fn usage_that_was_not_asked_for_is_cut_out_and_counted() {
    let with = data(&[ROLE, WORD, STOP, USAGE, "[DONE]"]);
    let without = data(&[ROLE, WORD, STOP, "[DONE]"]);

    let hidden = read_hiding(&with, true);

    assert_eq!(hidden.passed, without);
    assert_eq!(hidden.counts.unwrap().prompt, 7);
    let windows = |stream: &str| stream.replace('\n', "\r\n");
    assert_eq!(read_hiding(&windows(&with), true).passed, windows(&without));
}

#[test]
fn nothing_but_usage_alone_is_cut_out() {
    let word = WORD.replace("]}", r#"],"usage":{"prompt_tokens":7,"completion_tokens":1}}"#);
    let stream = data(&[&word, r#"{"choices":[],"usage":null}"#, STOP]) + "data: {\"choices\":[";

    assert_eq!(read_hiding(&stream, true).passed, stream);
}

#[test]
fn a_long_event_is_not_held() {
    let long = data(&[&WORD.replace("c-1", &"x".repeat(3 * LONGEST_HELD))]);
    let mut events = Events::new(true);
    let mut waiting = 0;
    for chunk in long.as_bytes().chunks(1000) {
        events.feed(chunk);
        waiting = waiting.max(events.rest().len());
    }
    assert!(waiting <= LONGEST_HELD);
    assert_eq!(read_in(&long, 1000, true).passed, long);
}

#[test]
fn an_event_of_any_size_is_read_to_its_end() {
    let text = "漢".repeat(100_000);
    let stream = named(&[&format!(
        r#"{{"type":"response.completed","response":{{"output":["{text}"],"usage":{{"input_tokens":1,"output_tokens":2}}}}}}"#
    )]);
    let read = read_in(&stream, 4096, false);
    assert_eq!((read.seen, read.counts.unwrap().completion), (Seen::End, 2));
}

#[test]
fn half_of_an_end_does_not_go() {
    let stream = data(&[WORD, "[DONE]"]);
    for cut in stream.len() - 14..stream.len() - 1 {
        let mut events = Events::new(false);
        events.feed(&stream.as_bytes()[..cut]);
        assert!(events.rest() == &stream.as_bytes()[stream.len() - 14..cut], "{cut}");
    }
}

#[test]
fn what_fastapi_says_is_an_error_where_there_is_no_answer() {
    let detail = data(&[r#"{"detail":"Not Found"}"#]);
    assert_eq!(read(&detail).fault.unwrap().message, "Not Found");
    let beside = WORD.replacen('{', r#"{"detail":"x","#, 1);
    assert_eq!(read(&data(&[&beside])).seen, Seen::Token);
}

#[test]
fn what_no_client_can_read_is_told() {
    let mut events = Events::new(false);
    events.feed(data(&[WORD, r#"{"choices":[{"#, WORD]).as_bytes());
    assert_eq!((events.malformed_events(), events.output_events()), (1, 2));
}

#[test]
fn nothing_is_read_behind_the_end() {
    let whole = data(&[ROLE, WORD, STOP, "[DONE]"]);
    for rest in ["data: junk\n\n", "data: {\"error\":\"x\"}\n\n", "\n: x", "data: [DONE]\n\n"] {
        let read = read(&(whole.clone() + rest));
        assert_eq!((read.seen, read.ending, read.outputs), (Seen::End, Ending::Complete, 1));
    }
}

#[test]
fn only_events_of_the_api_count() {
    let message = named(&[
        r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}"#,
        r#"{"type":"message_stop"}"#,
    ]);
    let response = named(&[
        r#"{"type":"response.output_text.delta","delta":"a"}"#,
        r#"{"type":"response.completed","response":{}}"#,
    ]);
    let text = data(&[r#"{"choices":[{"text":"a","finish_reason":"stop"}]}"#]);
    let apis = [
        (Service::Chat, data(&[WORD, STOP])),
        (Service::Completions, text),
        (Service::Responses, response),
        (Service::Messages, message),
    ];
    for (service, _) in &apis {
        for (other, stream) in &apis {
            let mut events = Events::new(false).of(*service);
            events.feed(stream.as_bytes());
            let read = (events.output_events(), events.ending());
            let ours = service == other;
            let expected = if ours { (1, Ending::Complete) } else { (0, Ending::Cut) };
            assert_eq!(read, expected, "{other:?} for {service:?}");
        }
    }
}

#[test]
fn signs_of_life_bring_nobody_further() {
    let ping = "event: ping\ndata: {\"type\": \"ping\"}\n\n";
    let alive = [": ping\n\n", "\n", ping, "data:\n\n", "data: {}\n\n", "event: x\n\n"];
    let empty = data(&[ROLE, r#"{"choices":[]}"#, r#"{"type":"keepalive","sequence_number":3}"#]);
    let mut events = Events::new(false);
    events.feed(data(&[ROLE, WORD]).as_bytes());
    let mut further = |part: &str| {
        let before = events.output_events();
        events.feed(part.as_bytes());
        events.take_heard() || events.output_events() > before
    };
    for part in alive.iter().copied().chain([&empty[..]]) {
        assert!(!further(part), "{part}");
    }
    for part in [&data(&[STOP]), &data(&[USAGE]), &data(&[WORD])] {
        assert!(further(part), "{part}");
    }
    assert!(!further(ping));
    let step = r#"{"type":"response.web_search_call.searching"}"#;
    assert!(further(&data(&[step])));
    // A piece out of the middle of a large event is a part of it; the first one may be anything.
    assert!(!further("data: {\"type\":\"response.image\",\"x\":\"aaa"));
    assert!(further("aaaa"));
}

#[test]
fn an_engine_that_says_that_it_thinks_unseen_may_take_its_time() {
    let ping = "event: ping\ndata: {\"type\": \"ping\"}\n\n";
    for (begun, item, unseen) in [
        ("content_block_start", r#""content_block":{"type":"thinking"}"#, true),
        ("content_block_start", r#""content_block":{"type":"server_tool_use"}"#, true),
        ("content_block_start", r#""content_block":{"type":"text"}"#, false),
        ("content_block_start", r#""content_block":{"type":"tool_use"}"#, false),
        ("response.output_item.added", r#""item":{"type":"reasoning"}"#, true),
        ("response.output_item.added", r#""item":{"type":"web_search_call"}"#, true),
        ("response.output_item.added", r#""item":{"type":"function_call"}"#, false),
        ("response.output_item.added", r#""item":{"type":"message"}"#, false),
    ] {
        let mut events = Events::new(false);
        events.feed(named(&[&format!(r#"{{"type":"{begun}",{item}}}"#)]).as_bytes());
        assert!(events.take_heard(), "{item}");
        events.feed(ping.as_bytes());
        assert_eq!(events.take_heard(), unseen, "{item}");
    }
}
