//! What a client's own headers say.

use super::{number, put_length};
use crate::abi::{Envoy, Header, Headers};
use crate::choice::bucket;
use crate::outside::KEY;
use crate::plan::Plan;
use crate::stages::HEADER;
use crate::ticket::VIA;
use crate::users;

/// Kept for when the body is whole.
#[derive(Default)]
pub(super) struct Own {
    pub(super) length: Option<usize>,
    compressed: bool,
    /// The gateways that the request has passed.
    pub(super) passed: Box<[u8]>,
    /// It says what only the router says: a pool's key.
    forged: bool,
    pub(super) feature: Option<Box<[u8]>>,
    pub(super) request_type: Option<Box<[u8]>>,
    /// The bucket of its conversation, or of its user.
    pub(super) bucket: Option<u32>,
    pub(super) user: Box<[u8]>,
    /// Lines of the header that reports stages; empty where no route has a budget.
    stages: Vec<Box<[u8]>>,
}

impl Own {
    pub(super) fn stages(&self) -> impl Iterator<Item = &[u8]> {
        self.stages.iter().map(|line| &**line)
    }

    pub(super) fn of(headers: &Headers, plan: &Plan) -> Own {
        let told = |name: &str| match name {
            "" => None,
            name => headers.get(name.as_bytes()).filter(|value| !value.is_empty()),
        };
        let user = told(&plan.headers.user);
        Own {
            length: headers.get(b"content-length").and_then(number),
            compressed: headers.get(b"accept-encoding").is_some_and(|own| own != b"identity"),
            passed: headers.get(VIA).map(Box::from).unwrap_or_default(),
            forged: headers.get(KEY).is_some(),
            feature: told(&plan.headers.feature).map(Box::from),
            request_type: told(&plan.headers.request_type).map(Box::from),
            bucket: told(&plan.headers.session).or(user).map(bucket),
            user: user.map(users::name).unwrap_or_default(),
            stages: if plan.budgets {
                headers.all(HEADER).map(Box::from).collect()
            } else {
                Vec::new()
            },
        }
    }

    pub(super) fn correct(&self, envoy: &mut Envoy, size: usize) {
        if self.length != Some(size) {
            put_length(envoy, Header::Request, size);
        }
        if self.compressed {
            // Compressed answers cannot be read on the way.
            envoy.set_header(Header::Request, b"accept-encoding", b"identity");
        }
        if self.forged {
            envoy.remove_header(Header::Request, KEY);
        }
    }
}
