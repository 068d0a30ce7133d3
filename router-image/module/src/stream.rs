//! What the filters of one request share.

use crate::answers::Shape;
use crate::choice::{Places, Why};
use crate::counts::Series;
use crate::endpoint::Service;
use crate::outcome::Outcome;
use crate::outside::Change;
use crate::plan::{Plan, Pool, Rule};
use crate::rewrite::Edit;
use crate::stages::Spent;
use crate::strikes::Sign;
use crate::usage::Counts;
use crate::waiting::{clock, Waits};
use crate::watch::Watch;
use std::cell::{Cell, OnceCell, RefCell};
use std::sync::atomic::{
    AtomicU32,
    Ordering::{Relaxed, Release},
};
use std::sync::Arc;

/// Header of an answer after which Envoy asks the next place: its own word for an answer that another
/// Envoy has not served (`retry_on: envoy-ratelimited`), the one of its conditions that needs no search.
pub const AGAIN: &[u8] = b"x-envoy-ratelimited";
/// Headers by which the router speaks to itself or to its clients; a pool's own are removed.
pub const OWN: [&[u8]; 3] = [AGAIN, WAIT, SERVED_BY];

/// The scheduler's event for an answer whose end may not reach the client.
pub const CUT: u64 = 3;
/// Header of an answer after which Envoy waits as many seconds before it asks the next place.
pub const WAIT: &[u8] = b"x-tokenfleet-wait";
/// Header of an answer that says where it comes from.
pub const SERVED_BY: &[u8] = b"x-tokenfleet-served-by";

/// Where in the body the model's name is, and which it is.
#[derive(Debug)]
pub struct Named {
    /// The name as the pool reads it.
    pub name: Vec<u8>,
    /// First byte and the one after the last.
    pub at: (usize, usize),
    /// Bytes of the whole body.
    pub size: usize,
    /// The name is inside a JSON string.
    pub quoted: bool,
}

impl Named {
    /// Follows edits that are applied to the body, one of which may be of the name.
    pub fn follow(&mut self, edits: &[Edit]) {
        let (start, end) = self.at;
        for edit in edits {
            let grow = |at: usize| at + edit.insert.len() - edit.delete;
            self.size = grow(self.size);
            if edit.at < end {
                self.at.1 = grow(self.at.1);
            }
            if edit.at < start {
                self.at.0 = grow(self.at.0);
            }
        }
    }
}

/// What was decided about a request.
#[derive(Debug)]
pub struct Decision {
    /// In force when the request came.
    pub plan: Arc<Plan>,
    /// Index of the route.
    pub route: usize,
    /// Index of the rule.
    pub rule: usize,
    /// Indexes of feature and request type.
    pub labels: (usize, usize),
    /// Who asks, by the user's header; empty where it says nobody.
    pub user: Box<[u8]>,
    /// The shape of its errors.
    pub shape: Shape,
    /// What is asked for.
    pub service: Service,
    /// The request asks for a stream.
    pub stream: bool,
    /// It may ask for one, in words that engines read in either way.
    pub maybe_stream: bool,
    /// The client did not ask for usage, we did.
    pub hide_usage: bool,
    /// What was spent of the route's budget until then, where it has one.
    pub spent: Option<Spent>,
    /// The model as the client named it.
    pub model: Vec<u8>,
    /// The body as the request's filter left it.
    pub named: Named,
}

impl Decision {
    /// Whether the client reads one JSON value, and no events.
    #[must_use]
    pub fn wants_whole(&self) -> bool {
        self.service.streams() && !self.stream && !self.maybe_stream
    }

    /// Whether the client reads events, and no JSON.
    #[must_use]
    pub fn wants_events(&self) -> bool {
        self.service.streams() && self.stream
    }

    /// The rule.
    #[must_use]
    pub fn rule(&self) -> &Rule {
        &self.plan.routes[self.route].rules[self.rule]
    }
}

/// An attempt under way.
#[derive(Debug)]
struct Open {
    series: Arc<Series>,
    start: u64,
    waits: Option<Waits>,
    gauge: Arc<AtomicU32>,
}

/// The shared state of one request.
#[derive(Debug)]
pub struct Stream {
    /// Never changes.
    pub decision: Decision,
    /// `content-length` of the request's headers, which all attempts share.
    pub length: Cell<usize>,
    places: Cell<Places>,
    why: Cell<Why>,
    attempt: Cell<u64>,
    open: RefCell<Option<Open>>,
    verdict: Cell<Option<Outcome>>,
    last: Cell<Option<Outcome>>,
    /// An attempt has put [`AGAIN`] on its answer.
    pub marked: Cell<bool>,
    /// The answer under way is a stream of events.
    pub events: Cell<bool>,
    /// What has gone on to the client ends at an event's end.
    pub at_boundary: Cell<bool>,
    /// The rest of an answer that ends well-formed and is not whole.
    pub left: RefCell<Vec<u8>>,
    /// Ends what stays silent.
    pub watch: OnceCell<Watch>,
    /// Microseconds to the first token, from the start of its attempt.
    pub waited: Cell<Option<u64>>,
    /// When the first token came, on [`clock`].
    answered: Cell<Option<u64>>,
    /// Usage of the answer.
    pub used: Cell<Option<Counts>>,
    /// Headers of the request that the attempt under way has changed, as they were.
    pub kept: RefCell<Vec<Change>>,
}

impl Stream {
    /// The state of a request that goes to the pool `first`, and its start.
    #[must_use]
    pub fn new(decision: Decision, first: usize) -> Stream {
        decision.plan.series(decision.route, decision.rule, decision.labels, first).start_request();
        let places = Places::new(&decision.plan, decision.rule(), first);
        Stream {
            length: Cell::new(decision.named.size),
            places: Cell::new(places),
            why: Cell::new(Why::Failure),
            attempt: Cell::new(0),
            open: RefCell::default(),
            verdict: Cell::default(),
            last: Cell::default(),
            marked: Cell::default(),
            events: Cell::default(),
            at_boundary: Cell::new(true),
            left: RefCell::default(),
            watch: OnceCell::new(),
            waited: Cell::default(),
            answered: Cell::default(),
            used: Cell::default(),
            kept: RefCell::default(),
            decision,
        }
    }

    /// The pool of the attempt under way, or the last one.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.decision.plan.pools[self.places.get().pool()]
    }

    /// Number of the attempt under way, from 1; 0 before the first.
    #[must_use]
    pub fn attempts(&self) -> u64 {
        self.attempt.get()
    }

    /// How many attempts can follow the first.
    #[must_use]
    pub fn retries(&self) -> usize {
        self.places.get().retries()
    }

    /// Tells whether another place can be asked.
    #[must_use]
    pub fn more(&self) -> bool {
        self.places.get().more()
    }

    /// Tells whether another place is asked after a failure of this one.
    #[must_use]
    pub fn may_fail_over(&self) -> bool {
        self.decision.plan.routes[self.decision.route].retry_server_error && self.more()
    }

    /// Tells whether the same pool is asked next, on another replica.
    #[must_use]
    pub fn sister_is_next(&self) -> bool {
        self.places.get().sister_is_next()
    }

    /// Tells whether a pool with a larger context window can be asked.
    #[must_use]
    pub fn larger(&self) -> bool {
        self.places.get().larger(&self.decision.plan).is_some()
    }

    /// Says why the next place is asked.
    pub fn because(&self, why: Why) {
        self.why.set(why);
    }

    /// Begins the attempt with this number, or goes on with it.
    pub fn begin(&self, attempt: u64) -> &Pool {
        if attempt == self.attempt.get() {
            return self.pool();
        }
        self.end(0, 0);
        let mut places = self.places.get();
        let pool = match self.attempt.replace(attempt) {
            0 => places.start(),
            _ => places.next(&self.decision.plan, self.why.replace(Why::Failure)),
        };
        self.places.set(places);
        self.verdict.set(None);
        let decision = &self.decision;
        let series = decision.plan.series(decision.route, decision.rule, decision.labels, pool);
        let start = clock();
        let waits = decision.stream.then(|| {
            series.streams.store(true, Relaxed);
            Waits::enter(series.number, start)
        });
        let pool = &decision.plan.pools[pool];
        pool.inflight().fetch_add(1, Relaxed);
        let (series, gauge) = (series.clone(), pool.inflight().clone());
        *self.open.borrow_mut() = Some(Open { series, start, waits, gauge });
        pool
    }

    /// The counts of the attempt under way.
    #[must_use]
    pub fn series(&self) -> Option<Arc<Series>> {
        self.open.borrow().as_ref().map(|open| open.series.clone())
    }

    /// Notes the first token of the attempt under way.
    pub fn token(&self) {
        if let Some(open) = &mut *self.open.borrow_mut() {
            let now = clock();
            let waited = now.saturating_sub(open.start);
            self.waited.set(Some(waited));
            self.answered.set(Some(now));
            if open.waits.take().is_some() {
                open.series.token(waited);
            }
        }
    }

    /// Says how the attempt under way ends; the first word counts.
    pub fn judge(&self, outcome: Outcome) {
        if self.verdict.get().is_none() && self.open.borrow().is_some() {
            self.verdict.set(Some(outcome));
        }
    }

    /// Tells whether it is known how the attempt under way ends.
    #[must_use]
    pub fn is_judged(&self) -> bool {
        self.verdict.get().is_some()
    }

    /// Ends the attempt under way, if there is one.
    ///
    /// # Arguments
    /// * `status`, `flags`: Envoy's, for an end that nobody has judged.
    ///
    /// Returns what a stream that had begun says about its replica.
    pub fn end(&self, status: u32, flags: u64) -> Option<Sign> {
        let open = self.open.borrow_mut().take()?;
        let judged = self.verdict.take();
        let outcome = judged.unwrap_or_else(|| match Outcome::of(status, flags) {
            // A whole answer was judged when its end came.
            Outcome::Ok => Outcome::Cancelled,
            other => other,
        });
        if outcome == Outcome::Timeout {
            self.why.set(Why::Timeout);
        }
        self.last.set(Some(outcome));
        let answered = self.decision.stream && open.waits.is_none();
        drop(open.waits);
        let took = clock().saturating_sub(open.start);
        open.series.end_attempt(outcome, took, self.decision.stream, answered);
        open.gauge.fetch_sub(1, Release);
        // What the engine itself ended badly, or called an error, follows the request, as a 500 does.
        match outcome {
            _ if !answered => None,
            Outcome::Ok => Some(Sign::Good),
            Outcome::Timeout => Some(Sign::Strike),
            Outcome::BrokenStream if judged.is_none() => Some(Sign::Strike),
            _ => None,
        }
    }

    /// How the attempt under way or the last one ends, as far as it is known.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.verdict.get().or(self.last.get())
    }

    /// Ends the request; says how.
    pub fn complete(&self, status: u32, flags: u64, micros: u64) -> Outcome {
        let by_envoy = Outcome::of(status, flags);
        if by_envoy == Outcome::Cancelled || flags & crate::outcome::IDLE != 0 {
            // The attempt's own log comes later, and knows nothing of it.
            self.judge(by_envoy);
        }
        let outcome = match by_envoy {
            Outcome::Cancelled => self.verdict.get().unwrap_or(by_envoy),
            _ => self.outcome().unwrap_or(by_envoy),
        };
        let (decision, pool) = (&self.decision, self.places.get().pool());
        let series = decision.plan.series(decision.route, decision.rule, decision.labels, pool);
        series.end_request(outcome, micros);
        self.spend(outcome, micros);
        outcome
    }

    /// Counts where the budget of an answered request went. What failed, or was given up before an
    /// answer, tells nothing of how long one takes.
    fn spend(&self, outcome: Outcome, micros: u64) {
        let decision = &self.decision;
        let budget = decision.plan.routes[decision.route].budget.as_ref();
        let (Some(spent), Some(budget)) = (&decision.spent, budget) else { return };
        let model = match self.answered.get() {
            Some(at) if decision.stream => at.saturating_sub(spent.sent),
            _ if outcome == Outcome::Ok && !decision.stream => micros.saturating_sub(spent.routing),
            _ => return,
        };
        budget.answer(spent, model);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.end(0, 0);
    }
}
