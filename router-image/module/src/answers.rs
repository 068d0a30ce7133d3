//! What the router answers itself, in the shape of the client's API.

use std::fmt::Write;

/// The client's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shape {
    /// `{"error": {"message", "type", "param", "code"}}`
    #[default]
    OpenAi,
    /// `OpenAI`'s responses: another shape of the error inside a stream.
    Responses,
    /// `{"type": "error", "error": {"type", "message"}}`
    Anthropic,
}

/// An error of the router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u32,
    /// `OpenAI`'s code.
    pub code: Option<&'static str>,
    /// The parameter that is wrong.
    pub param: Option<&'static str>,
    /// The methods that the path takes.
    pub allow: Option<&'static str>,
    /// For people.
    pub message: String,
}

impl Refusal {
    /// An error with a code.
    #[must_use]
    pub fn new(status: u32, code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { status, code: Some(code), param: None, allow: None, message: message.into() }
    }

    /// A body that cannot be used.
    #[must_use]
    pub fn bad(param: Option<&'static str>, message: impl Into<String>) -> Refusal {
        Refusal { status: 400, code: None, param, allow: None, message: message.into() }
    }

    /// The body of the answer.
    #[must_use]
    pub fn body(&self, shape: Shape) -> String {
        let mut text = String::with_capacity(160 + self.message.len());
        if shape == Shape::Anthropic {
            text.push_str(r#"{"type":"error","error":{"type":""#);
            text.push_str(anthropic_type(self.status));
            text.push_str(r#"","message":"#);
            quote(&mut text, &self.message);
            text.push_str("}}");
            return text;
        }
        text.push_str(r#"{"error":{"message":"#);
        quote(&mut text, &self.message);
        let kind = if self.status < 500 { "invalid_request_error" } else { "server_error" };
        let _ = write!(text, r#","type":"{kind}","param":"#);
        quoted_or_null(&mut text, self.param);
        text.push_str(r#","code":"#);
        quoted_or_null(&mut text, self.code);
        text.push_str("}}");
        text
    }

    /// The event that ends a stream.
    #[must_use]
    pub fn event(&self, shape: Shape) -> String {
        match shape {
            Shape::OpenAi => format!("data: {}\n\n", self.body(shape)),
            Shape::Anthropic => format!("event: error\ndata: {}\n\n", self.body(shape)),
            Shape::Responses => {
                let mut text = String::from("event: error\ndata: {\"type\":\"error\",\"code\":");
                quoted_or_null(&mut text, self.code);
                text.push_str(",\"message\":");
                quote(&mut text, &self.message);
                text.push_str(",\"param\":null,\"sequence_number\":0}\n\n");
                text
            }
        }
    }
}

/// Anthropic's type of an error with this status.
fn anthropic_type(status: u32) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        503 | 529 => "overloaded_error",
        504 => "timeout_error",
        _ => "api_error",
    }
}

fn quoted_or_null(out: &mut String, value: Option<&str>) {
    match value {
        Some(text) => quote(out, text),
        None => out.push_str("null"),
    }
}

/// Writes a JSON string.
pub fn quote(out: &mut String, text: &str) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// One model.
#[must_use]
pub fn model(name: &str, shape: Shape) -> String {
    let mut text = String::new();
    write_model(&mut text, name, shape);
    text
}

fn write_model(text: &mut String, name: &str, shape: Shape) {
    text.push_str(r#"{"id":"#);
    quote(text, name);
    if shape == Shape::Anthropic {
        text.push_str(r#","type":"model","display_name":"#);
        quote(text, name);
        text.push_str(r#","created_at":"1970-01-01T00:00:00Z"}"#);
    } else {
        text.push_str(r#","object":"model","created":0,"owned_by":"tokenfleet"}"#);
    }
}

/// The list of models.
#[must_use]
pub fn models(names: &[String], shape: Shape) -> String {
    let mut text = String::from(match shape {
        Shape::Anthropic => r#"{"data":["#,
        _ => r#"{"object":"list","data":["#,
    });
    for (at, name) in names.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        write_model(&mut text, name, shape);
    }
    text.push(']');
    if shape == Shape::Anthropic {
        text.push_str(r#","has_more":false,"first_id":"#);
        quoted_or_null(&mut text, names.first().map(String::as_str));
        text.push_str(r#","last_id":"#);
        quoted_or_null(&mut text, names.last().map(String::as_str));
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{document, Document};

    #[test]
    fn errors_have_the_shape_of_the_api() {
        let refusal = Refusal::new(404, "model_not_found", "no \"x\"\n");
        assert_eq!(
            refusal.body(Shape::OpenAi),
            r#"{"error":{"message":"no \"x\"\n","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#
        );
        assert_eq!(
            refusal.body(Shape::Anthropic),
            r#"{"type":"error","error":{"type":"not_found_error","message":"no \"x\"\n"}}"#
        );
        assert!(refusal
            .event(Shape::Responses)
            .starts_with("event: error\ndata: {\"type\":\"error\""));
    }

    #[test]
    fn lists_are_json_in_both_shapes() {
        let names = ["a/b".to_owned(), "c\"".to_owned()];
        for (shape, member) in [(Shape::OpenAi, "object"), (Shape::Anthropic, "last_id")] {
            let list = document(models(&names, shape).as_bytes()).unwrap();
            assert_eq!(
                list.member("data", |v| v
                    .list(|m| m.member("id", |id| id.text().map(String::from))))
                    .unwrap(),
                names
            );
            assert!(list.need(member).is_ok());
            assert!(document(model("x", shape).as_bytes()).unwrap().need("id").is_ok());
        }
        assert!(document(models(&[], Shape::Anthropic).as_bytes()).is_ok());
    }
}
