//! The plan: the router's configuration as the tables that a request is looked up in.
//!
//! It arrives as JSON in the virtual host's per-filter configuration; `adapters/envoy/plan.py` of the
//! operator writes it. Whatever is missing or wrong refuses the whole plan, and Envoy keeps the last.

mod read;

use crate::choice::Facts;
use crate::counts::{self, Series, Slot};
use crate::document::{document, Bad, Document, Read};
use crate::outcome::Outcome;
use crate::outside::Outside;
use crate::stages::Budget;
use std::collections::HashMap;
use std::sync::atomic::AtomicU32;
use std::sync::Arc;

/// The version of the plan's shape that this module reads.
const VERSION: u64 = 1;
/// Buckets that requests are spread over.
pub const BUCKETS: u32 = 1000;
/// Most attempts of a request, with the one more on a pool of several replicas.
pub const MOST_ATTEMPTS: usize = 9;
/// Label of what the route does not list.
const OTHER: &str = "other";

/// A pool of equal replicas; its name is its Envoy cluster's.
#[derive(Debug)]
pub struct Pool {
    /// Cluster to send to.
    pub name: String,
    /// What goes into `model`.
    pub serves: String,
    /// Every model name that the pool's engine takes.
    pub names: Vec<String>,
    /// Tokens of the context window, where known.
    pub window: Option<u64>,
    /// More than one replica.
    pub several: bool,
    /// What changes in requests to it; `None`: nothing.
    pub outside: Option<Outside>,
    inflight: Arc<AtomicU32>,
}

impl Pool {
    /// The gauge of attempts under way.
    #[must_use]
    pub fn inflight(&self) -> &Arc<AtomicU32> {
        &self.inflight
    }

    /// Tells whether the pool is a provider's.
    #[must_use]
    pub fn is_provider(&self) -> bool {
        self.outside.as_ref().is_some_and(|outside| outside.site.is_some())
    }

    /// Tells whether requests to the pool carry the router's key, and not the client's.
    #[must_use]
    pub fn has_key(&self) -> bool {
        self.outside.as_ref().is_some_and(|outside| outside.credential.is_some())
    }

    /// Tells whether the engine takes `name` in `model`.
    #[must_use]
    pub fn takes(&self, name: &[u8]) -> bool {
        self.names.iter().any(|own| own.as_bytes() == name)
    }
}

/// A condition on the facts of a request; all members must hold.
#[derive(Debug)]
pub struct Match {
    features: Vec<usize>,
    request_types: Vec<usize>,
    bytes: std::ops::RangeInclusive<usize>,
    tools: Option<bool>,
    stream: Option<bool>,
    /// Most microseconds that may be left of the route's budget.
    left: Option<u64>,
}

impl Match {
    fn takes(&self, facts: &Facts) -> bool {
        let among = |wanted: &[usize], has| wanted.is_empty() || wanted.contains(&has);
        among(&self.features, facts.feature)
            && among(&self.request_types, facts.request_type)
            && self.bytes.contains(&facts.bytes)
            && self.tools.is_none_or(|wanted| wanted == facts.tools)
            && self.stream.is_none_or(|wanted| wanted == facts.stream)
            && self.left.is_none_or(|most| facts.left.is_some_and(|left| left <= most))
    }
}

/// One rule: who it takes, and which pools serve it.
#[derive(Debug)]
pub struct Rule {
    /// As in the `ModelRouter`.
    pub name: String,
    /// Indexes into `Plan::pools`, in order of failover.
    pub chain: Vec<usize>,
    /// Most pools that one request is tried on.
    pub attempts: usize,
    /// Longest silence of a stream after its first token, in milliseconds.
    pub stall_ms: u64,
    matches: Vec<Match>,
    buckets: Vec<(u32, u32, usize)>,
    stream: Vec<String>,
    whole: Vec<String>,
    counts: Vec<Slot>,
}

impl Rule {
    /// Tells whether the rule takes a request: it has no condition, or one of them holds.
    #[must_use]
    pub fn takes(&self, facts: &Facts) -> bool {
        self.matches.is_empty() || self.matches.iter().any(|one| one.takes(facts))
    }

    /// The pool of a bucket, from 0 to 999; `None` where the rule has no pool.
    #[must_use]
    pub fn pool(&self, bucket: u32) -> Option<usize> {
        let found = self.buckets.iter().find(|(first, end, _)| (*first..*end).contains(&bucket));
        found.map(|(_, _, pool)| *pool).or(self.chain.first().copied())
    }

    /// Name of the route action whose retry policy has `retries` retries.
    #[must_use]
    pub fn action(&self, retries: usize, stream: bool) -> &str {
        let names = if stream { &self.stream } else { &self.whole };
        names.get(retries).or(names.last()).map_or("", String::as_str)
    }
}

/// The models of one `ModelRouter` route and its rules, in order.
#[derive(Debug)]
pub struct Route {
    /// As in the `ModelRouter`.
    pub name: String,
    /// Known features, and last what stands for all others.
    pub features: Vec<String>,
    /// Known request types, and last what stands for all others.
    pub request_types: Vec<String>,
    /// Attempts are counted by feature and request type; else all count as others.
    pub labelled: bool,
    /// The next pool is asked after a 500, 502, 503 or 504.
    pub retry_server_error: bool,
    /// The next pool is asked after a 429.
    pub retry_throttled: bool,
    /// What requests may take, where somebody has said so.
    pub budget: Option<Budget>,
    /// In order; the first that takes a request serves it.
    pub rules: Vec<Rule>,
}

impl Route {
    /// What a request with these labels counts as.
    #[must_use]
    pub fn counted(&self, feature: usize, request_type: usize) -> (usize, usize) {
        if self.labelled {
            (feature, request_type)
        } else {
            (self.features.len() - 1, self.request_types.len() - 1)
        }
    }

    /// Index of the counts of a rule, for labels and a place in its chain.
    fn row(&self, rule: &Rule, (feature, kind): (usize, usize), place: usize) -> usize {
        (feature * self.request_types.len() + kind) * rule.chain.len() + place
    }

    /// Index of a header's value among `names`; the last is for all that is not known.
    #[must_use]
    pub fn label(names: &[String], value: Option<&[u8]>) -> usize {
        let last = names.len() - 1;
        let known = |value| names[..last].iter().position(|name| name.as_bytes() == value);
        value.and_then(known).unwrap_or(last)
    }
}

/// Requests that the access log takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// None.
    Off,
    /// Those with a status of 400 or more, or an outcome that is not ok.
    Errors,
    /// All.
    All,
}

impl Log {
    /// Tells whether a request is taken.
    #[must_use]
    pub fn takes(self, status: u32, outcome: Outcome) -> bool {
        match self {
            Log::Off => false,
            Log::Errors => status >= 400 || outcome != Outcome::Ok,
            Log::All => true,
        }
    }
}

/// Headers that say what a request is; lower case, empty for none.
#[derive(Debug)]
pub struct Headers {
    /// Feature of the product.
    pub feature: String,
    /// Kind of request.
    pub request_type: String,
    /// User.
    pub user: String,
    /// Conversation: its requests share a bucket.
    pub session: String,
}

/// Everything that decides about a request.
#[derive(Debug)]
pub struct Plan {
    /// Where to read the labels from.
    pub headers: Headers,
    /// Largest request body, in bytes.
    pub body_limit: usize,
    /// Longest silence of an upload, in milliseconds.
    pub upload_idle_ms: u64,
    /// Longest silence of any other kind, in milliseconds.
    pub idle_ms: u64,
    /// Answers say where they come from.
    pub explain: bool,
    /// Spans are made, and read dynamic metadata.
    pub spans: bool,
    /// Which requests the access log takes; it reads dynamic metadata.
    pub log: Log,
    /// Origins that browsers may call from; `*` for all.
    pub cors: Vec<String>,
    /// All pools.
    pub pools: Vec<Pool>,
    /// All routes.
    pub routes: Vec<Route>,
    /// A route has a budget: its requests may report stages.
    pub budgets: bool,
    models: HashMap<Vec<u8>, usize>,
}

impl Plan {
    /// Reads a plan.
    ///
    /// # Errors
    /// Names the first member that is missing or wrong.
    pub fn read(text: &[u8]) -> Read<Plan> {
        let json = document(text)?;
        if json.member("version", Document::number)? != VERSION {
            return Err(Bad(format!("version is not {VERSION}")));
        }
        let pools = json.member("pools", |v| v.list(read::pool))?;
        let routes = json.member("routes", |v| v.list(|r| read::route(r, pools.len())))?;
        let mut models = HashMap::new();
        let names = json.member("routes", |v| v.list(|r| r.member("models", Document::texts)))?;
        for (at, name) in names
            .into_iter()
            .enumerate()
            .flat_map(|(at, all)| all.into_iter().map(move |n| (at, n)))
        {
            if models.insert(name.clone().into_bytes(), at).is_some() {
                return Err(Bad(format!("routes[{at}].models has {name} a second time")));
            }
        }
        let plan = Plan {
            headers: json.member("headers", read::headers)?,
            body_limit: json.member("body_limit", Document::size)?,
            upload_idle_ms: json.member("upload_idle_ms", Document::number)?,
            idle_ms: json.member("idle_ms", Document::number)?,
            explain: json.member("explain", Document::flag)?,
            spans: json.member("spans", Document::flag)?,
            log: json.member("log", read::log)?,
            cors: json.member("cors", Document::texts)?,
            budgets: routes.iter().any(|route| route.budget.is_some()),
            pools,
            routes,
            models,
        };
        plan.adopt();
        Ok(plan)
    }

    /// Holds what is counted already under the plan's names, so that it is not forgotten.
    fn adopt(&self) {
        let rules: HashMap<_, _> = self
            .routes
            .iter()
            .flat_map(|on| on.rules.iter().map(move |rule| ((&on.name, &rule.name), (on, rule))))
            .collect();
        for one in counts::all() {
            let [route, rule, pool, feature, kind] = &one.labels;
            let Some((on, rule)) = rules.get(&(route, rule)) else { continue };
            let labels = (place(&on.features, feature), place(&on.request_types, kind));
            let pool = rule.chain.iter().position(|at| self.pools[*at].name == *pool);
            if let ((Some(feature), Some(kind)), Some(pool)) = (labels, pool) {
                rule.counts[on.row(rule, (feature, kind), pool)].hold(one);
            }
        }
    }

    /// Index of the route that serves a model.
    #[must_use]
    pub fn route_of(&self, model: &[u8]) -> Option<usize> {
        self.models.get(model).copied()
    }

    /// Names of all models, sorted.
    #[must_use]
    pub fn model_names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.models.keys().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        names.sort();
        names
    }

    /// Tells whether browsers may call from `origin`.
    #[must_use]
    pub fn allows_origin(&self, origin: &[u8]) -> bool {
        self.cors.iter().any(|one| one == "*" || one.as_bytes() == origin)
    }

    /// The counts of attempts of a rule on a pool of its chain, for a feature and a request type.
    #[must_use]
    pub fn series(
        &self,
        route: usize,
        rule: usize,
        labels: (usize, usize),
        pool: usize,
    ) -> &Arc<Series> {
        let (on, (feature, kind)) = (&self.routes[route], labels);
        let rule = &on.rules[rule];
        let place = rule.chain.iter().position(|one| *one == pool).unwrap_or(0);
        rule.counts[on.row(rule, labels, place)].series(|| {
            let (pool, feature) = (&self.pools[pool].name, &on.features[feature]);
            [&on.name, &rule.name, pool, feature, &on.request_types[kind]].map(String::clone)
        })
    }
}

fn place(names: &[String], wanted: &String) -> Option<usize> {
    names.iter().position(|name| name == wanted)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
pub(crate) mod tests;
