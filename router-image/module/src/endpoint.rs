//! What a path asks for.

use crate::said::Member;

/// What to do with a request, by path and method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// A request for a model, its body JSON.
    Model(Service),
    /// A request for a model, its body a form (`multipart/form-data`).
    Form,
    /// The list of models.
    List,
    /// One model: the rest of the path is its name, percent-encoded.
    One,
    /// A path that takes other methods only.
    Method(&'static str),
    /// There is nothing.
    Nothing,
}

/// The API of an endpoint: what may be asked of it, and the shape of its errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// `OpenAI`'s chat completions: usage in a stream has to be asked for.
    Chat,
    /// `OpenAI`'s completions: the same.
    Completions,
    /// `OpenAI`'s responses.
    Responses,
    /// Anthropic's messages.
    Messages,
    /// `OpenAI`'s embeddings.
    Embeddings,
    /// Anthropic's count of a message's tokens.
    TokenCount,
    /// Transcriptions and translations of recordings.
    Recordings,
    /// Lists in every engine's own words: rerank, score, tokenize.
    Lists,
    /// Never streamed, and every engine answers in its own way.
    Plain,
}

impl Service {
    /// Whether a request can ask for a stream. Then all else is JSON.
    #[must_use]
    pub fn streams(self) -> bool {
        self.asks_usage() || matches!(self, Service::Responses | Service::Messages)
    }

    /// Whether a stream tells its usage only where it is asked to.
    #[must_use]
    pub fn asks_usage(self) -> bool {
        matches!(self, Service::Chat | Service::Completions)
    }

    /// What every good whole answer has, whoever gives it: clients read on from there.
    #[must_use]
    pub fn due(self) -> Option<Member> {
        match self {
            Service::Chat => Some(Member::Message),
            Service::Completions => Some(Member::ChoiceText),
            Service::Responses => Some(Member::Output),
            Service::Messages => Some(Member::Content),
            Service::Embeddings => Some(Member::Embedding),
            Service::TokenCount => Some(Member::InputTokens),
            Service::Recordings => Some(Member::Text),
            Service::Lists => Some(Member::Anything),
            Service::Plain => None,
        }
    }
}

/// Path without query and trailing slash.
#[must_use]
pub fn bare(path: &[u8]) -> &[u8] {
    let path = path.split(|c| *c == b'?').next().unwrap_or(path);
    match path {
        [rest @ .., b'/'] if !rest.is_empty() => rest,
        _ => path,
    }
}

/// Where a path is kept upstream, where that is another one.
///
/// Engines serve no path with a trailing slash, and the tokenizer's without `/v1` only.
#[must_use]
pub fn upstream(path: &[u8]) -> Option<Vec<u8>> {
    let (own, query) = path.split_at(path.iter().position(|c| *c == b'?').unwrap_or(path.len()));
    let mut kept = bare(own);
    if matches!(kept, b"/v1/tokenize" | b"/v1/detokenize") {
        kept = &kept[b"/v1".len()..];
    }
    (kept != own).then(|| [kept, query].concat())
}

/// What a request asks for.
#[must_use]
pub fn endpoint(method: &[u8], path: &[u8]) -> Endpoint {
    let path = bare(path);
    let found = match path.strip_prefix(b"/v1").unwrap_or(path) {
        b"/rerank" | b"/score" | b"/tokenize" => Endpoint::Model(Service::Lists),
        b"/detokenize" => Endpoint::Model(Service::Plain),
        _ if !path.starts_with(b"/v1/") => return Endpoint::Nothing,
        b"/chat/completions" => Endpoint::Model(Service::Chat),
        b"/completions" => Endpoint::Model(Service::Completions),
        b"/responses" => Endpoint::Model(Service::Responses),
        b"/messages" => Endpoint::Model(Service::Messages),
        b"/messages/count_tokens" => Endpoint::Model(Service::TokenCount),
        b"/embeddings" => Endpoint::Model(Service::Embeddings),
        b"/audio/transcriptions" | b"/audio/translations" => Endpoint::Form,
        b"/models" => Endpoint::List,
        rest if rest.starts_with(b"/models/") => Endpoint::One,
        _ => return Endpoint::Nothing,
    };
    match (found, method) {
        (Endpoint::Model(_) | Endpoint::Form, b"POST") | (_, b"GET" | b"HEAD")
            if fits(found, method) =>
        {
            found
        }
        (Endpoint::Model(_) | Endpoint::Form, _) => Endpoint::Method("POST"),
        _ => Endpoint::Method("GET, HEAD"),
    }
}

fn fits(found: Endpoint, method: &[u8]) -> bool {
    matches!(found, Endpoint::Model(_) | Endpoint::Form) == (method == b"POST")
}

/// A path as it would be without detours, where it has some: characters in percent that need none, `.`,
/// `..` (RFC 3986, section 6.2.2) and double slashes, as of a base URL that ends in one.
///
/// The paths that [`endpoint`] knows have none: only what it does not know has to be looked at again.
#[must_use]
pub fn straight(path: &[u8]) -> Option<Vec<u8>> {
    let (own, query) = path.split_at(path.iter().position(|c| *c == b'?').unwrap_or(path.len()));
    let own = decoded(own, |c| c.is_ascii_alphanumeric() || b"-._~".contains(&c));
    let (mut kept, mut last) = (Vec::new(), &b""[..]);
    for part in own.strip_prefix(b"/")?.split(|c| *c == b'/') {
        match part {
            b"." => {}
            b".." => drop(kept.pop()),
            _ => kept.push(part),
        }
        last = part;
    }
    kept.retain(|part| !part.is_empty());
    if matches!(last, b"" | b"." | b"..") && !kept.is_empty() {
        kept.push(b"");
    }
    let found = [b"/", &kept.join(&b'/')[..], query].concat();
    (found != path).then_some(found)
}

/// Tells whether a path has a null, in percent: no server takes that for a path.
#[must_use]
pub fn has_null(path: &[u8]) -> bool {
    let own = path.split(|c| *c == b'?').next().unwrap_or(path);
    own.windows(3).any(|window| window == b"%00")
}

/// The model's name in the path of one model, decoded.
#[must_use]
pub fn model_of(path: &[u8]) -> Vec<u8> {
    decoded(bare(path).strip_prefix(b"/v1/models/").unwrap_or_default(), |_| true)
}

/// Text with those of its characters in percent that `takes` wants decoded.
fn decoded(coded: &[u8], takes: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut text = Vec::with_capacity(coded.len());
    let mut rest = coded;
    while let Some((first, after)) = rest.split_first() {
        let byte = after.get(..2).filter(|_| *first == b'%').and_then(|hex| {
            let hex = std::str::from_utf8(hex).ok().filter(|hex| !hex.starts_with('+'))?;
            u8::from_str_radix(hex, 16).ok().filter(|byte| takes(*byte))
        });
        text.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    text
}

/// Tells whether errors of this path have Anthropic's shape.
#[must_use]
pub fn is_anthropic(path: &[u8]) -> bool {
    matches!(bare(path), b"/v1/messages" | b"/v1/messages/count_tokens")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_every_api_are_known() {
        for (path, found) in [
            ("/v1/chat/completions", Endpoint::Model(Service::Chat)),
            ("/v1/completions/?a=b", Endpoint::Model(Service::Completions)),
            ("/v1/responses", Endpoint::Model(Service::Responses)),
            ("/v1/messages?beta=true", Endpoint::Model(Service::Messages)),
            ("/v1/messages/count_tokens", Endpoint::Model(Service::TokenCount)),
            ("/v1/embeddings", Endpoint::Model(Service::Embeddings)),
            ("/rerank", Endpoint::Model(Service::Lists)),
            ("/v1/rerank", Endpoint::Model(Service::Lists)),
            ("/detokenize", Endpoint::Model(Service::Plain)),
            ("/v1/audio/translations", Endpoint::Form),
            ("/v1/models", Endpoint::Method("GET, HEAD")),
            ("/chat/completions", Endpoint::Nothing),
            ("/v1", Endpoint::Nothing),
            ("/", Endpoint::Nothing),
        ] {
            assert_eq!(endpoint(b"POST", path.as_bytes()), found, "{path}");
        }
        assert_eq!(endpoint(b"HEAD", b"/v1/models/"), Endpoint::List);
        assert_eq!(endpoint(b"GET", b"/v1/models/org/name"), Endpoint::One);
        assert_eq!(endpoint(b"GET", b"/v1/chat/completions"), Endpoint::Method("POST"));
    }

    #[test]
    fn names_in_paths_are_decoded() {
        assert_eq!(model_of(b"/v1/models/org%2Fname%20x/"), b"org/name x");
        assert_eq!(model_of(b"/v1/models/a%zz%4"), b"a%zz%4");
        assert_eq!(model_of(b"/v1/models/%+1"), b"%+1");
    }

    #[test]
    fn detours_are_left_out() {
        for (path, found) in [
            ("//v1//chat/completions?a=//b", "/v1/chat/completions?a=//b"),
            ("/v1/./x/../chat/%63ompletions/", "/v1/chat/completions/"),
            ("/../v1/models/..", "/v1/"),
            ("/v1//../models/%2e", "/v1/models/"),
            ("/v1/models/org%2F%4Eame", "/v1/models/org%2FName"),
            ("/%252e/%%32e", "/%252e/%2e"),
            ("//", "/"),
        ] {
            assert_eq!(straight(path.as_bytes()).as_deref(), Some(found.as_bytes()), "{path}");
        }
        assert!(has_null(b"/v1/models%00?a") && !has_null(b"/v1/models?a=%00"));
        for path in ["/", "/v1/models", "/v1/models/", "/v1/models/a%2Fb?..", "*", "", "/%zz%+1%"] {
            assert_eq!(straight(path.as_bytes()), None, "{path}");
        }
    }

    #[test]
    fn paths_that_are_known_have_no_detours() {
        for path in ["/v1/%2e/chat/completions", "/v1//chat/completions", "/./v1/chat/completions"]
        {
            assert_eq!(endpoint(b"POST", path.as_bytes()), Endpoint::Nothing, "{path}");
        }
    }

    #[test]
    fn paths_upstream_are_those_that_engines_serve() {
        assert_eq!(upstream(b"/v1/completions"), None);
        assert_eq!(upstream(b"/v1/completions/?x=/"), Some(b"/v1/completions?x=/".to_vec()));
        assert_eq!(upstream(b"/v1/tokenize?a"), Some(b"/tokenize?a".to_vec()));
    }
}
