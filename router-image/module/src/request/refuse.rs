//! What the router answers by itself.

use super::Request;
use crate::abi::{Envoy, Header, Headers, Next};
use crate::answers::{self, Refusal, Shape};
use crate::endpoint::{self, Endpoint, Service};
use crate::plan::Plan;
use crate::scan::Wrong;

type Extra<'a> = (&'a [u8], &'a [u8]);

/// A body that cannot be used.
pub(super) fn bad(wrong: &Wrong) -> Refusal {
    Refusal::bad(wrong.param(), wrong.to_string())
}

/// A host that is several, or none.
pub(super) fn bad_host() -> Refusal {
    Refusal::new(400, "bad_request", "the request does not name one host")
}

/// A body over the limit.
pub(super) fn too_large(plan: &Plan) -> Refusal {
    let words = format!("the request body is larger than {} bytes", plan.body_limit);
    Refusal::new(413, "request_too_large", words)
}

/// A body for which there is no memory.
pub(super) fn overloaded() -> Refusal {
    let words = "the router holds as many large request bodies as it has memory for; try again";
    Refusal::new(503, "overloaded", words)
}

/// A model that no route serves.
pub(super) fn unknown_model() -> Refusal {
    let words = "the model does not exist; GET /v1/models lists those that do";
    Refusal { param: Some("model"), ..Refusal::new(404, "model_not_found", words) }
}

/// A path at which there is nothing.
pub(super) fn nowhere() -> Refusal {
    Refusal::new(404, "not_found", "there is nothing at this path")
}

impl Request {
    /// The API of the client, for errors and lists.
    pub(crate) fn shape(&self) -> Shape {
        match self.service.get() {
            _ if self.anthropic.get() => Shape::Anthropic,
            Service::Responses => Shape::Responses,
            _ => Shape::OpenAi,
        }
    }

    /// Refuses a request: at once, or when its body has been read.
    ///
    /// Clients send all of a body before they read an answer; closed before, they see a broken connection
    /// and not the answer.
    pub(super) fn refuse(&self, envoy: &mut Envoy, refusal: Refusal, whole: bool) -> Next {
        *self.refusal.borrow_mut() = Some(refusal);
        if whole {
            self.answer_refusal(envoy);
        } else {
            self.watch_upload(envoy);
        }
        Next::Stop
    }

    /// Gives the answer that was put off.
    pub(super) fn answer_refusal(&self, envoy: &mut Envoy) {
        let refusal = self.refusal.borrow().clone();
        if let Some(refusal) = refusal.filter(|_| !self.over.replace(true)) {
            *self.upload.borrow_mut() = None;
            let body = refusal.body(self.shape());
            let allow = refusal.allow.map(|allow| (&b"allow"[..], allow.as_bytes()));
            self.respond(envoy, refusal.status, &body, allow.as_slice());
        }
    }

    fn respond(&self, envoy: &mut Envoy, status: u32, body: &str, extra: &[Extra<'_>]) {
        let origin = self.origin.borrow();
        let mut headers = extra.to_vec();
        if !body.is_empty() {
            headers.push((b"content-type", b"application/json"));
        }
        if let Some(origin) = &*origin {
            headers.push((b"access-control-allow-origin", origin));
            headers.push((b"vary", b"origin"));
        }
        envoy.respond(status, &headers, body.as_bytes(), "tokenfleet");
    }

    /// Answers a request for something else than a model's work.
    pub(super) fn without_model(
        &self,
        envoy: &mut Envoy,
        plan: &Plan,
        found: Endpoint,
        whole: bool,
    ) -> Next {
        let shape = self.shape();
        match found {
            Endpoint::List => {
                self.respond(envoy, 200, &answers::models(&plan.model_names(), shape), &[]);
                Next::Stop
            }
            Endpoint::One => {
                let path = envoy.header(Header::Request, b":path").unwrap_or_default();
                let name = endpoint::model_of(path);
                if plan.route_of(&name).is_none() {
                    return self.refuse(envoy, unknown_model(), whole);
                }
                let model = answers::model(&String::from_utf8_lossy(&name), shape);
                self.respond(envoy, 200, &model, &[]);
                Next::Stop
            }
            Endpoint::Method(allowed) => self.other_method(envoy, allowed, whole),
            _ => self.refuse(envoy, nowhere(), whole),
        }
    }

    /// A browser asks what it may send, or the method is wrong.
    fn other_method(&self, envoy: &mut Envoy, allowed: &'static str, whole: bool) -> Next {
        let method = envoy.header(Header::Request, b":method").unwrap_or_default();
        if method == b"OPTIONS" && self.origin.borrow().is_some() {
            let wanted = envoy.header(Header::Request, b"access-control-request-headers");
            let wanted = wanted.unwrap_or(b"*").to_vec();
            let may: [Extra<'_>; 3] = [
                (b"access-control-allow-methods", allowed.as_bytes()),
                (b"access-control-allow-headers", &wanted),
                (b"access-control-max-age", b"86400"),
            ];
            self.respond(envoy, 204, "", &may);
            return Next::Stop;
        }
        let words = format!("this path takes {allowed} only");
        let refusal = Refusal::new(405, "method_not_allowed", words);
        self.refuse(envoy, Refusal { allow: Some(allowed), ..refusal }, whole)
    }

    /// Notes the origin of a browser that may call.
    pub(super) fn note_origin(&self, headers: &Headers, plan: &Plan) {
        if plan.cors.is_empty() {
            return;
        }
        let origin = headers.get(b"origin");
        if let Some(origin) = origin.filter(|origin| plan.allows_origin(origin)) {
            *self.origin.borrow_mut() = Some(origin.to_vec());
        }
    }
}
