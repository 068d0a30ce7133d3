//! Claims about [`super::Form`].

use super::*;

const TYPE: &str = "multipart/form-data; charset=utf-8; boundary=\"--x-1\"";

fn form(body: &[u8], size: usize) -> Result<Facts, Wrong> {
    let mut form = Form::new(TYPE).unwrap();
    for chunk in body.chunks(size) {
        form.feed(chunk)?;
    }
    form.end()
}

fn result(body: &[u8]) -> Result<Facts, Wrong> {
    let whole = form(body, body.len().max(1));
    for size in 1..body.len() {
        assert_eq!(form(body, size), whole, "in chunks of {size}");
    }
    whole
}

fn part(headers: &str, value: &[u8]) -> Vec<u8> {
    [format!("----x-1\r\n{headers}\r\n\r\n").as_bytes(), value, b"\r\n"].concat()
}

fn field(name: &str, value: &[u8]) -> Vec<u8> {
    part(&format!("Content-Disposition: form-data; name=\"{name}\""), value)
}

fn body(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat(), b"----x-1--\r\n".to_vec()].concat()
}

#[test]
fn the_model_is_found_wherever_the_form_is_cut() {
    let audio = b"\r\r\n\r\n--\r\n----x-\r\n----x\xff\x00name=\"model\"\r\n\r\n----x-0\r";
    let file = "content-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav";
    let body = body(&[part(file, audio), field("model", b"a/b\r\n-"), field("stream", b"true")]);

    let facts = result(&body).unwrap();

    assert_eq!(facts.model, b"a/b\r\n-");
    assert_eq!(&body[facts.model_at.0..facts.model_at.1], b"a/b\r\n-");
    assert_eq!((facts.stream, facts.size, facts.inside), (true, body.len(), 0));
}

#[test]
fn a_name_without_quotes_a_preamble_and_padding_are_read() {
    let body = b"preamble\r\n----x-1 \t\r\ncontent-disposition:form-data;name=model\r\n\r\nm\r\n----x-1--epilogue";

    assert_eq!(result(body).unwrap().model, b"m");
}

#[test]
fn a_form_without_one_text_as_model_is_refused() {
    for (parts, wrong) in [
        (vec![], Wrong::NoModel),
        (vec![field("other", b"m")], Wrong::NoModel),
        (vec![field("model", b"")], Wrong::NoModel),
        (
            vec![part("Content-Disposition: form-data; name=\"model\"; filename=\"m\"", b"m")],
            Wrong::NoModel,
        ),
        (vec![field("model", b"a"), field("model", b"a")], Wrong::Twice("model".into())),
        (vec![field("model", b"\xff")], Wrong::ModelType),
    ] {
        assert_eq!(result(&body(&parts)), Err(wrong));
    }
}

#[test]
fn a_form_that_is_cut_or_wrong_is_refused() {
    let whole = body(&[field("model", b"m")]);
    for end in 0..whole.len() - 2 {
        assert!(matches!(result(&whole[..end]), Err(Wrong::Form(_))), "{end}");
    }
    assert!(matches!(result(b"----x-1x\r\n"), Err(Wrong::Form(_))));
    assert!(matches!(form(&part(&"h: v\r\n".repeat(2000), b""), 999), Err(Wrong::Form(_))));
}

#[test]
fn a_content_type_without_a_boundary_is_no_form() {
    for content_type in [
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=x",
    ] {
        assert!(Form::new(content_type).is_none(), "{content_type}");
    }
    assert!(Form::new(&format!("multipart/form-data; boundary={}", "x".repeat(71))).is_none());
    assert!(Form::new("Multipart/Form-Data;BOUNDARY=x").is_some());
}
