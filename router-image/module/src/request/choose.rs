//! Which pool a request goes to, and what its body has to say there.

use super::Request;
use crate::answers::Refusal;
use crate::choice::{bucket, Facts};
use crate::plan::{Plan, Route, BUCKETS};
use crate::rewrite::{ask_usage, rename, Edit};
use crate::scan;
use crate::stream::{Decision, Named};
use crate::ticket::random;
use std::sync::Arc;

/// What was chosen.
pub(super) struct Choice {
    /// For all attempts.
    pub decision: Decision,
    /// Index of the pool that is asked first.
    pub first: usize,
    /// What to change in the body for it.
    pub edits: Vec<Edit>,
}

impl Request {
    /// Looks the model up, then a rule, then the pool of the request's bucket.
    pub(super) fn choose(
        &self,
        plan: &Arc<Plan>,
        facts: scan::Facts,
        form: bool,
    ) -> Result<Choice, Refusal> {
        let Some(at) = plan.route_of(&facts.model) else {
            return Err(super::refuse::unknown_model());
        };
        let route = &plan.routes[at];
        let mut own = self.own.borrow_mut();
        let spent = route.budget.as_ref().map(|budget| budget.spent(self.start, own.stages()));
        let asked = Facts {
            feature: Route::label(&route.features, own.feature.as_deref()),
            request_type: Route::label(&route.request_types, own.request_type.as_deref()),
            bytes: facts.size,
            tools: facts.tools,
            stream: facts.stream,
            left: spent.as_ref().map(|spent| spent.left),
        };
        let Some(rule) = route.rules.iter().position(|rule| rule.takes(&asked)) else {
            let words = format!("no rule of the route {} takes this request", route.name);
            return Err(Refusal::new(404, "no_rule", words));
        };
        let key = facts.prompt_cache_key.as_deref().filter(|key| !key.is_empty());
        #[allow(clippy::cast_possible_truncation)] // any 32 bits will do
        let drawn = || (random() as u32) % BUCKETS;
        let drawn = key.map(bucket).or(own.bucket).unwrap_or_else(drawn);
        let Some(first) = route.rules[rule].pool(drawn) else {
            let name = &route.rules[rule].name;
            let words = format!(
                "the rule {name} of the route {} has no pool to send requests to",
                route.name
            );
            return Err(Refusal::new(503, "no_pool", words));
        };
        let pool = &plan.pools[first];
        let mut edits = Vec::new();
        let mut name = facts.model.clone();
        if !pool.takes(&name) {
            edits.push(rename(&facts, &pool.serves));
            name = pool.serves.clone().into_bytes();
        }
        let asks = facts.stream && self.service.get().asks_usage();
        let usage = if asks { ask_usage(&facts) } else { None };
        let hide_usage = usage.is_some();
        edits.extend(usage);
        let decision = Decision {
            plan: Arc::clone(plan),
            route: at,
            rule,
            labels: route.counted(asked.feature, asked.request_type),
            user: std::mem::take(&mut own.user),
            shape: self.shape(),
            service: self.service.get(),
            stream: facts.stream,
            maybe_stream: facts.maybe_stream,
            hide_usage,
            spent,
            named: Named { name, at: facts.model_at, size: facts.size, quoted: !form },
            model: facts.model,
        };
        Ok(Choice { decision, first, edits })
    }
}
