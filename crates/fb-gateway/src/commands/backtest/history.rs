//! The recorded calls, as a script for stub providers.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

use fb::{Call, FailureKind, Phase, TargetId, Usage};
use fb_telemetry::record::{CallEnd, RecordEntry, RecordedCall, RecordedOutcome, Tokens};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::synthetic_request::{index_of, offset};
use crate::dry_run::{ResponseEnd, Script, ScriptedResponse};

/// Time by which a call that was cut short is assumed to outlast its recorded duration.
const CUT_MARGIN: Duration = Duration::from_millis(1);

/// A script that repeats the recorded responses.
///
/// A call gets the response of the same call of the same request. If that was not recorded, it gets the response of
/// the call to the same target that is nearest in time; for a target that was never called, of the nearest call to
/// another model of its provider; for a provider that was never called, a successful answer.
pub(super) struct History {
    start: Instant,
    latency: Duration,
    /// Calls with a result that depended on the target, not on the request; sorted by time.
    targets: BTreeMap<TargetId, Vec<PastCall>>,
    providers: BTreeMap<String, Vec<PastCall>>,
    /// Tokens of the answer to each request: the recorded ones, or an estimate.
    usages: Vec<Option<Tokens>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Recorded calls of each request to a target that were not repeated yet.
    pending: HashMap<(usize, TargetId), VecDeque<PastCall>>,
    /// Calls made for each request.
    calls: HashMap<usize, u32>,
    assumptions: BTreeMap<TargetId, Assumption>,
}

/// The assumption about a target that was never called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Assumption {
    /// It behaves like other models of its provider.
    LikeProvider,
    /// It answers.
    Success,
}

/// A recorded call, and the time from the first request to its beginning.
#[derive(Debug, Clone)]
struct PastCall {
    at: Duration,
    call: RecordedCall,
}

impl History {
    /// Builds the history of entries that are sorted by time. The first request begins now.
    pub(super) fn new(entries: &[RecordEntry], latency: Duration) -> Self {
        let (mut targets, mut providers) = (BTreeMap::<_, Vec<_>>::new(), BTreeMap::<_, Vec<_>>::new());
        let mut state = State::default();
        for (index, entry) in entries.iter().enumerate() {
            for call in &entry.attempts {
                let at = offset(entries, entry) + Duration::from_millis(call.at_ms);
                let (target, past) = (call.target.clone(), PastCall { at, call: call.clone() });
                if depends_on_target(call) {
                    targets.entry(target.clone()).or_default().push(past.clone());
                    providers.entry(target.provider().to_string()).or_default().push(past.clone());
                }
                state.pending.entry((index, target)).or_default().push_back(past);
            }
        }
        targets.values_mut().chain(providers.values_mut()).for_each(|all| all.sort_by_key(|past| past.at));
        let (usages, state) = (usages(entries), Mutex::new(state));
        Self { start: Instant::now(), latency, targets, providers, usages, state }
    }

    /// Returns the number of calls made for a request.
    pub(super) fn calls(&self, request: usize) -> u32 {
        self.state.lock().calls.get(&request).copied().unwrap_or(0)
    }

    /// Returns the assumptions about the targets that were called without a record.
    pub(super) fn assumptions(&self) -> BTreeMap<TargetId, Assumption> {
        self.state.lock().assumptions.clone()
    }

    fn response(&self, target: &TargetId, request: usize, now: Duration) -> ScriptedResponse {
        let mut state = self.state.lock();
        *state.calls.entry(request).or_default() += 1;
        let same = state.pending.get_mut(&(request, target.clone())).and_then(VecDeque::pop_front);
        match same {
            Some(same) if same.call.end != CallEnd::Cancelled => same.response(same.call.usage),
            Some(cut) => cut.outlasted_by(self.estimate(&mut state, target, request, now)),
            None => self.estimate(&mut state, target, request, now),
        }
    }

    /// Estimates the response to a call that was not recorded, or not to its end.
    fn estimate(
        &self,
        state: &mut State,
        target: &TargetId,
        request: usize,
        now: Duration,
    ) -> ScriptedResponse {
        let usage = self.usages.get(request).copied().flatten();
        let nearest = |all: Option<&Vec<PastCall>>| all.and_then(|all| nearest(all, now)).cloned();
        let similar = nearest(self.targets.get(target)).or_else(|| {
            let past = nearest(self.providers.get(target.provider().as_str()));
            let assumption = if past.is_some() { Assumption::LikeProvider } else { Assumption::Success };
            state.assumptions.insert(target.clone(), assumption);
            past
        });
        match similar {
            Some(past) => past.response(usage),
            None => self.answer(usage),
        }
    }

    fn answer(&self, usage: Option<Tokens>) -> ScriptedResponse {
        ScriptedResponse { first: None, took: self.latency, end: ResponseEnd::Answer(usage.map(to_usage)) }
    }
}

impl Script for History {
    fn respond(&self, provider: &str, call: Call<'_>) -> ScriptedResponse {
        let target = format!("{provider}/{}", call.model).parse();
        match (target, index_of(call.request)) {
            (Ok(target), Some(request)) => self.response(&target, request, self.start.elapsed()),
            // Not a call of the replay.
            _ => self.answer(None),
        }
    }
}

impl PastCall {
    const fn took(&self) -> Duration {
        Duration::from_millis(self.call.took_ms)
    }

    /// Returns the same response again, with the usage of the replayed request.
    fn response(&self, usage: Option<Tokens>) -> ScriptedResponse {
        let RecordedCall { first_ms, failure, end, .. } = &self.call;
        let first = first_ms.map(Duration::from_millis);
        let usage = usage.map(to_usage);
        let end = match (end, failure) {
            (CallEnd::Blocked, _) => ResponseEnd::Block(usage),
            // The engine stopped waiting, so the time of the response is unknown.
            (CallEnd::Failed, Some(failure)) if first.is_none() && failure.status().is_none() => {
                match failure.kind() {
                    FailureKind::Timeout(Phase::Total | Phase::FirstToken) => ResponseEnd::Hang,
                    _ => ResponseEnd::Fail(failure.failure()),
                }
            }
            (CallEnd::Failed, Some(failure)) => ResponseEnd::Fail(failure.failure()),
            (CallEnd::Failed, None) => {
                ResponseEnd::Fail(fb::Failure::new(FailureKind::Unknown { server: true }, ""))
            }
            (CallEnd::Ok | CallEnd::Cancelled, _) => ResponseEnd::Answer(usage),
        };
        let took = if end == ResponseEnd::Hang { Duration::ZERO } else { self.took() };
        ScriptedResponse { first, took, end }
    }

    /// Delays a response until after this call was cut short: at that time the call had not ended.
    fn outlasted_by(&self, response: ScriptedResponse) -> ScriptedResponse {
        let ScriptedResponse { first, took, end } = response;
        let min = self.took() + CUT_MARGIN;
        let first = match self.call.first_ms {
            Some(recorded) => Some(Duration::from_millis(recorded)),
            None => first.map(|first| first.max(min)),
        };
        let took = if end == ResponseEnd::Hang { took } else { took.max(min) };
        ScriptedResponse { first, took: took.max(first.unwrap_or_default()), end }
    }
}

/// Returns the tokens of the answer to each request. A request without an answer gets its estimated prompt and the median
/// output of all answers.
fn usages(entries: &[RecordEntry]) -> Vec<Option<Tokens>> {
    let recorded = |entry: &RecordEntry| entry.attempts.iter().rev().find_map(|call| call.usage);
    let mut outputs: Vec<u64> = entries.iter().filter_map(recorded).map(|usage| usage.output).collect();
    outputs.sort_unstable();
    let median = outputs.get(outputs.len() / 2).copied();
    let estimate = |entry: &RecordEntry| {
        let output = median.filter(|_| entry.outcome != RecordedOutcome::Ok)?;
        Some(Tokens { input: entry.input_tokens, output })
    };
    entries.iter().map(|entry| recorded(entry).or_else(|| estimate(entry))).collect()
}

/// Returns whether another request would have got the same response. The end of a call that was cut short is unknown, and
/// some failures are caused by the request.
fn depends_on_target(call: &RecordedCall) -> bool {
    match (call.end, &call.failure) {
        (CallEnd::Cancelled | CallEnd::Blocked, _) => false,
        (_, None) => true,
        (_, Some(failure)) => !matches!(
            failure.kind(),
            FailureKind::ContextLength
                | FailureKind::InvalidRequest
                | FailureKind::TooLarge
                | FailureKind::Quality
        ),
    }
}

/// Returns the call that is nearest in time, the earlier one of two.
fn nearest(all: &[PastCall], now: Duration) -> Option<&PastCall> {
    let after = all.partition_point(|past| past.at < now);
    let before = after.checked_sub(1).and_then(|before| all.get(before));
    let near = before.into_iter().chain(all.get(after));
    near.min_by_key(|past| past.at.abs_diff(now))
}

fn to_usage(tokens: Tokens) -> Usage {
    Usage { input: tokens.input, output: tokens.output, ..Usage::default() }
}

#[cfg(test)]
mod tests;
