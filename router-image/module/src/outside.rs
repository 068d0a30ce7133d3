//! What an attempt's headers become at a pool of a provider, or one that asks for a key.
//!
//! All attempts of a request share its headers, so each change is noted and taken back before the next
//! attempt: a request goes from a replica to a provider and back, and each sees only what is meant for it.

use crate::endpoint::is_anthropic;
use crate::plan::Headers;

/// Header by which Envoy's own filter hands the key over. Inside only.
pub const KEY: &[u8] = b"x-tokenfleet-credential";

/// The version of Anthropic's API that is asked for where the client names none.
const ANTHROPIC_VERSION: &[u8] = b"2023-06-01";

/// Headers by which clients prove who they are, to anybody.
const CREDENTIALS: [&str; 4] = ["authorization", "x-api-key", "api-key", "x-goog-api-key"];

/// What a provider does not have to know: who asks, and for whom.
const PRIVATE: [&str; 8] = [
    "cookie",
    "openai-organization",
    "openai-project",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-real-ip",
    "forwarded",
    "x-tokenfleet-stages",
];

/// Whose API it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// `OpenAI`.
    OpenAi,
    /// Anthropic: two APIs, which take the key in different headers.
    Anthropic,
    /// Fireworks: keeps a conversation where its cache is, by a header.
    Fireworks,
    /// Anybody who speaks as `OpenAI` does.
    Compatible,
}

impl Provider {
    /// By its name in the plan.
    #[must_use]
    pub fn named(name: &str) -> Option<Provider> {
        match name {
            "OpenAI" => Some(Provider::OpenAi),
            "Anthropic" => Some(Provider::Anthropic),
            "Fireworks" => Some(Provider::Fireworks),
            "OpenAICompatible" => Some(Provider::Compatible),
            _ => None,
        }
    }
}

/// Where a provider is.
#[derive(Debug)]
pub struct Site {
    /// Whose API it is.
    pub provider: Provider,
    /// `Host`.
    pub authority: String,
    /// What takes the place of `/v1`.
    pub path: String,
    /// `OpenAI`'s organization.
    pub organization: Option<String>,
    /// Bytes from which on the provider caches what is marked; `None`: nothing is marked.
    pub cache_least: Option<usize>,
}

impl Site {
    /// The path of a client's request, there.
    fn path_of(&self, path: &[u8]) -> Vec<u8> {
        let rest = match path.strip_prefix(b"/v1") {
            Some(rest) if rest.starts_with(b"/") => rest,
            _ => path,
        };
        [self.path.as_bytes(), rest].concat()
    }
}

/// How a key is carried.
#[derive(Debug)]
pub struct Credential {
    /// Lower case.
    pub header: String,
    /// What stands before the key.
    pub prefix: String,
}

/// A pool whose requests are not sent as clients sent them.
#[derive(Debug)]
pub struct Outside {
    /// None: replicas in the cluster.
    pub site: Option<Site>,
    /// None: it asks for no key.
    pub credential: Option<Credential>,
}

/// A header and its value; `None` for none.
pub type Change = (Vec<u8>, Option<Vec<u8>>);

impl Outside {
    /// What changes in a request's headers.
    ///
    /// # Arguments
    /// * `sent`: a header of the request as the client sent it.
    /// * `key`: the pool's key.
    /// * `own`: headers that say what a request is, which nobody outside has to know.
    #[must_use]
    pub fn changes<'a>(
        &self,
        sent: impl Fn(&[u8]) -> Option<&'a [u8]>,
        key: Option<&[u8]>,
        own: &Headers,
    ) -> Vec<Change> {
        let mut changes: Vec<Change> = Vec::with_capacity(20);
        let put = |changes: &mut Vec<Change>, name: &str, value: Option<&[u8]>| {
            changes.retain(|(other, _)| other != name.as_bytes());
            changes.push((name.into(), value.map(<[u8]>::to_vec)));
        };
        for name in CREDENTIALS {
            put(&mut changes, name, None);
        }
        let path = sent(b":path").unwrap_or_default();
        let messages = is_anthropic(path);
        if let Some(site) = &self.site {
            for name in PRIVATE {
                put(&mut changes, name, None);
            }
            for name in [&own.feature, &own.request_type, &own.user, &own.session] {
                if !name.is_empty() {
                    put(&mut changes, name, None);
                }
            }
            put(&mut changes, ":authority", Some(site.authority.as_bytes()));
            put(&mut changes, ":path", Some(&site.path_of(path)));
            if let Some(organization) = &site.organization {
                put(&mut changes, "openai-organization", Some(organization.as_bytes()));
            }
            let session = sent(own.session.as_bytes());
            if site.provider == Provider::Fireworks && session.is_some() {
                put(&mut changes, "x-session-affinity", session);
            }
            let version = sent(b"anthropic-version");
            if site.provider == Provider::Anthropic && messages && version.is_none() {
                put(&mut changes, "anthropic-version", Some(ANTHROPIC_VERSION));
            }
        }
        if let (Some(credential), Some(key)) = (&self.credential, key) {
            let anthropic = self.site.as_ref().is_some_and(|s| s.provider == Provider::Anthropic);
            if anthropic && messages {
                put(&mut changes, "x-api-key", Some(key));
            } else {
                let value = [credential.prefix.as_bytes(), key].concat();
                put(&mut changes, &credential.header, Some(&value));
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Headers {
        Headers {
            feature: "x-feature".into(),
            request_type: String::new(),
            user: "x-user".into(),
            session: "x-session-id".into(),
        }
    }

    fn outside(provider: Provider, path: &str) -> Outside {
        Outside {
            site: Some(Site {
                provider,
                authority: "api.example".into(),
                path: path.into(),
                organization: None,
                cache_least: None,
            }),
            credential: Some(Credential {
                header: "authorization".into(),
                prefix: "Bearer ".into(),
            }),
        }
    }

    /// The headers of a request after an attempt's changes.
    fn after(outside: &Outside, sent: &[(&str, &str)], key: &str) -> Vec<(String, String)> {
        let header = |name: &[u8]| {
            let found = sent.iter().find(|(own, _)| own.as_bytes() == name);
            found.map(|(_, value)| value.as_bytes())
        };
        let changes = outside.changes(header, Some(key.as_bytes()), &own());
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let touched = |name: &str| changes.iter().any(|(own, _)| own == name.as_bytes());
        let stays = sent.iter().filter(|(name, _)| !touched(name));
        let mut all: Vec<_> = stays.map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        all.extend(changes.iter().filter_map(|(n, v)| Some((text(n), text(v.as_ref()?)))));
        all.sort();
        all
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn a_provider_gets_its_own_key_and_nothing_of_who_asks() {
        let sent = [
            (":authority", "router"),
            (":path", "/v1/chat/completions?x=1"),
            ("api-key", "client"),
            ("authorization", "Bearer client"),
            ("content-type", "application/json"),
            ("cookie", "a=b"),
            ("x-api-key", "client"),
            ("x-feature", "search"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-session-id", "s"),
            ("x-user", "anna"),
        ];
        let expected = [
            (":authority", "api.example"),
            (":path", "/inference/v1/chat/completions?x=1"),
            ("authorization", "Bearer key"),
            ("content-type", "application/json"),
            ("x-session-affinity", "s"),
        ];
        let found = after(&outside(Provider::Fireworks, "/inference/v1"), &sent, "key");
        assert_eq!(found, pairs(&expected));
    }

    #[test]
    fn anthropic_takes_the_key_as_each_of_its_apis_does() {
        let anthropic = outside(Provider::Anthropic, "/v1");
        let version = ("anthropic-version", "2024-01-01");
        for (path, more, header, value, told) in [
            ("/v1/messages", None, "x-api-key", "key", Some("2023-06-01")),
            ("/v1/messages", Some(version), "x-api-key", "key", Some("2024-01-01")),
            ("/v1/chat/completions", None, "authorization", "Bearer key", None),
        ] {
            let mut sent = vec![(":path", path), ("authorization", "Bearer client")];
            sent.extend(more);
            let found = after(&anthropic, &sent, "key");
            let of = |name: &str| found.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
            let keys = ["authorization", "x-api-key"].map(of).into_iter().flatten().count();
            assert_eq!((of(header), of("anthropic-version"), keys), (Some(value), told, 1));
        }
    }

    #[test]
    fn replicas_that_ask_for_a_key_see_everything_but_the_clients_key() {
        let pool = Outside {
            site: None,
            credential: Some(Credential { header: "x-key".into(), prefix: String::new() }),
        };
        let sent = [(":path", "/v1/x"), ("authorization", "Bearer client"), ("x-user", "anna")];
        let expected = [(":path", "/v1/x"), ("x-key", "key"), ("x-user", "anna")];
        assert_eq!(after(&pool, &sent, "key"), pairs(&expected));
    }

    #[test]
    fn paths_without_a_version_follow_the_base() {
        let paths = |base: &str| {
            let outside = outside(Provider::Compatible, base);
            let site = outside.site.as_ref().unwrap();
            ["/v1/embeddings", "/rerank", "/v1"].map(|p| site.path_of(p.as_bytes()))
        };
        assert_eq!(paths("/v1"), ["/v1/embeddings", "/v1/rerank", "/v1/v1"].map(Vec::from));
        assert_eq!(paths(""), ["/embeddings", "/rerank", "/v1"].map(Vec::from));
    }
}
