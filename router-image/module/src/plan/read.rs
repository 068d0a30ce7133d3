//! The parts of a plan, from their JSON.

use super::{Headers, Log, Match, Pool, Route, Rule, BUCKETS, MOST_ATTEMPTS, OTHER};
use crate::counts::{self, Slot};
use crate::document::{Bad, Document, Read};
use crate::json::Json;
use crate::outside::{Credential, Outside, Provider, Site};
use crate::stages::Budget;

pub(super) fn headers(json: &Json) -> Read<Headers> {
    let name = |key| json.member(key, |v| v.text().map(str::to_ascii_lowercase));
    Ok(Headers {
        feature: name("feature")?,
        request_type: name("request_type")?,
        user: name("user")?,
        session: name("session")?,
    })
}

pub(super) fn log(json: &Json) -> Read<Log> {
    match json.text()? {
        "Off" => Ok(Log::Off),
        "Errors" => Ok(Log::Errors),
        "All" => Ok(Log::All),
        _ => Err(Bad(" is not Off, Errors or All".into())),
    }
}

pub(super) fn pool(json: &Json) -> Read<Pool> {
    let name = json.member("name", Document::text)?;
    Ok(Pool {
        inflight: counts::inflight(name),
        name: name.to_owned(),
        serves: json.member("serves", Document::text)?.to_owned(),
        names: json.member("names", Document::texts)?,
        window: json.member("window", |v| v.maybe(Document::number))?,
        several: json.member("several", Document::flag)?,
        outside: match json.get("outside") {
            Some(_) => Some(json.member("outside", outside)?),
            None => None,
        },
    })
}

fn outside(json: &Json) -> Read<Outside> {
    let text = |json: &Json, key| json.member(key, |v| v.text().map(str::to_owned));
    let provider =
        |v: &Json| Provider::named(v.text()?).ok_or_else(|| Bad(" is not a provider".into()));
    let site = |v: &Json| {
        Ok(Site {
            provider: v.member("provider", provider)?,
            authority: text(v, "authority")?,
            path: text(v, "path")?,
            organization: v.member("organization", |o| o.maybe(Document::text))?.map(str::to_owned),
            cache_least: v.member("cache_least", |o| o.maybe(Document::size))?,
        })
    };
    let credential =
        |v: &Json| Ok(Credential { header: text(v, "header")?, prefix: text(v, "prefix")? });
    Ok(Outside {
        site: json.member("site", |v| v.maybe(site))?,
        credential: json.member("credential", |v| v.maybe(credential))?,
    })
}

pub(super) fn route(json: &Json, pools: usize) -> Read<Route> {
    let labels = |key| {
        json.member(key, Document::texts).map(|mut names| {
            names.push(OTHER.into());
            names
        })
    };
    let (features, request_types) = (labels("features")?, labels("request_types")?);
    let retry = json.need("retry")?;
    let rules = json.member("rules", |v| v.list(|r| rule(r, pools, &features, &request_types)))?;
    let name = json.member("name", Document::text)?;
    Ok(Route {
        name: name.to_owned(),
        budget: json.member("budget", |v| v.maybe(|budget| self::budget(budget, name)))?,
        retry_server_error: retry.member("server_error", Document::flag)?,
        retry_throttled: retry.member("throttled", Document::flag)?,
        labelled: json.member("labelled", Document::flag)?,
        features,
        request_types,
        rules,
    })
}

fn budget(json: &Json, route: &str) -> Read<Budget> {
    let total = json.member("total_ms", Document::number)?;
    Ok(Budget::new(route, total.saturating_mul(1000), json.member("stages", Document::texts)?))
}

fn rule(json: &Json, pools: usize, features: &[String], request_types: &[String]) -> Read<Rule> {
    let index = |v: &Json| {
        v.size().ok().filter(|at| *at < pools).ok_or_else(|| Bad(" is not a pool".into()))
    };
    let chain = json.member("chain", |v| v.list(index))?;
    let range = |v: &Json| {
        let Json::Array(parts) = v else { return Err(Bad(" is not a range".into())) };
        let [first, end, pool] = &parts[..] else { return Err(Bad(" is not a range".into())) };
        let bucket =
            |v: &Json| v.number().map(|n| u32::try_from(n).unwrap_or(BUCKETS).min(BUCKETS));
        let pool = index(pool)?;
        if !chain.contains(&pool) {
            return Err(Bad(" names a pool outside the chain".into()));
        }
        Ok((bucket(first)?, bucket(end)?, pool))
    };
    let actions = |key| json.member(key, Document::texts);
    let rows = features.len() * request_types.len() * chain.len();
    Ok(Rule {
        name: json.member("name", Document::text)?.to_owned(),
        attempts: json.member("attempts", Document::size)?.clamp(1, MOST_ATTEMPTS - 1),
        stall_ms: json.member("stall_ms", Document::number)?,
        matches: json.member("matches", |v| v.list(|m| condition(m, features, request_types)))?,
        buckets: json.member("buckets", |v| v.list(range))?,
        stream: actions("stream")?,
        whole: actions("whole")?,
        counts: std::iter::repeat_with(Slot::default).take(rows).collect(),
        chain,
    })
}

fn condition(json: &Json, features: &[String], request_types: &[String]) -> Read<Match> {
    // A name that the route does not list can never be a request's: it stays, and matches nothing.
    let indexes = |key, all: &[String]| {
        let at = |name: &String| all.iter().position(|one| one == name).unwrap_or(usize::MAX);
        json.member(key, Document::texts).map(|names| names.iter().map(at).collect())
    };
    let bytes = |key| json.member(key, |v| v.maybe(Document::size));
    let flag = |key| json.member(key, |v| v.maybe(Document::flag));
    Ok(Match {
        features: indexes("features", features)?,
        request_types: indexes("request_types", request_types)?,
        bytes: bytes("bytes_min")?.unwrap_or(0)..=bytes("bytes_max")?.unwrap_or(usize::MAX),
        tools: flag("tools")?,
        stream: flag("stream")?,
        left: json
            .member("left_max_ms", |v| v.maybe(Document::number))?
            .map(|most| most.saturating_mul(1000)),
    })
}
