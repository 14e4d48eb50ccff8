use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

use fb::{Call, FailureKind, Phase, TargetId, Usage};
use fb_telemetry::record::{CallEnd, RecordEntry, RecordedCall, RecordedOutcome, Tokens};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::request::{index_of, offset};
use crate::dry_run::{Act, End, Script};

/// How much longer than a call that was cut short the same call takes.
const LATER: Duration = Duration::from_millis(1);

/// What targets did when they were called, and so what they do again.
///
/// A call comes to what the same call of the same request came to. A call that was not made then comes to what the call
/// nearest in time to that target came to; of a target never called, to another model of its provider; of a provider
/// never called, to success.
pub(super) struct Memory {
    began: Instant,
    latency: Duration,
    /// Calls that say something of the target, in order of time.
    targets: BTreeMap<TargetId, Vec<Past>>,
    providers: BTreeMap<String, Vec<Past>>,
    /// Tokens of each request's answer: its own, or a guess where it had none.
    usages: Vec<Option<Tokens>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Calls of each request to a target that are yet to be made again.
    own: HashMap<(usize, TargetId), VecDeque<Past>>,
    /// Calls made for each request.
    calls: HashMap<usize, u32>,
    assumed: BTreeMap<TargetId, Assumed>,
}

/// Of whom a target never called is taken to be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Assumed {
    /// Other models of its provider.
    Provider,
    /// Nobody: it answers.
    Nobody,
}

/// A call, and when it was made since the first request.
#[derive(Debug, Clone)]
struct Past {
    at: Duration,
    called: RecordedCall,
}

impl Memory {
    /// Remembers the entries, which are in order of time; the first one begins now.
    pub(super) fn new(entries: &[RecordEntry], latency: Duration) -> Self {
        let (mut targets, mut providers) = (BTreeMap::<_, Vec<_>>::new(), BTreeMap::<_, Vec<_>>::new());
        let mut state = State::default();
        for (index, entry) in entries.iter().enumerate() {
            for called in &entry.attempts {
                let at = offset(entries, entry) + Duration::from_millis(called.at_ms);
                let (target, past) = (called.target.clone(), Past { at, called: called.clone() });
                if tells_of_target(called) {
                    targets.entry(target.clone()).or_default().push(past.clone());
                    providers.entry(target.provider().to_string()).or_default().push(past.clone());
                }
                state.own.entry((index, target)).or_default().push_back(past);
            }
        }
        targets.values_mut().chain(providers.values_mut()).for_each(|all| all.sort_by_key(|past| past.at));
        let (usages, state) = (usages(entries), Mutex::new(state));
        Self { began: Instant::now(), latency, targets, providers, usages, state }
    }

    /// Calls made for a request.
    pub(super) fn calls(&self, request: usize) -> u32 {
        self.state.lock().calls.get(&request).copied().unwrap_or(0)
    }

    /// Targets that were called though nothing was known of them.
    pub(super) fn assumed(&self) -> BTreeMap<TargetId, Assumed> {
        self.state.lock().assumed.clone()
    }

    fn decide(&self, target: &TargetId, request: usize, now: Duration) -> Act {
        let mut state = self.state.lock();
        *state.calls.entry(request).or_default() += 1;
        let own = state.own.get_mut(&(request, target.clone())).and_then(VecDeque::pop_front);
        match own {
            Some(own) if own.called.end != CallEnd::Cancelled => own.act(own.called.usage),
            Some(cut_short) => cut_short.outlived_by(self.guess(&mut state, target, request, now)),
            None => self.guess(&mut state, target, request, now),
        }
    }

    /// What a call comes to that was not made, or that did not end.
    fn guess(&self, state: &mut State, target: &TargetId, request: usize, now: Duration) -> Act {
        let usage = self.usages.get(request).copied().flatten();
        let nearest = |all: Option<&Vec<Past>>| all.and_then(|all| nearest(all, now)).cloned();
        let known = nearest(self.targets.get(target)).or_else(|| {
            let past = nearest(self.providers.get(target.provider().as_str()));
            let like = if past.is_some() { Assumed::Provider } else { Assumed::Nobody };
            state.assumed.insert(target.clone(), like);
            past
        });
        match known {
            Some(past) => past.act(usage),
            None => Act { first: None, took: self.latency, end: End::Answer(usage.map(tokens)) },
        }
    }
}

impl Script for Memory {
    fn act(&self, provider: &str, call: Call<'_>) -> Act {
        let target = format!("{provider}/{}", call.model).parse();
        match (target, index_of(call.request)) {
            (Ok(target), Some(request)) => self.decide(&target, request, self.began.elapsed()),
            // A name that is none, or nobody's request: nothing is known of either.
            _ => Act { first: None, took: self.latency, end: End::Answer(None) },
        }
    }
}

impl Past {
    const fn took(&self) -> Duration {
        Duration::from_millis(self.called.took_ms)
    }

    /// What it comes to again, with the tokens of the request that is played.
    fn act(&self, usage: Option<Tokens>) -> Act {
        let RecordedCall { first_ms, failure, end, .. } = &self.called;
        let first = first_ms.map(Duration::from_millis);
        let usage = usage.map(tokens);
        let end = match (end, failure) {
            (CallEnd::Blocked, _) => End::Block(usage),
            // The engine gave up waiting; when the target would have answered is not known.
            (CallEnd::Failed, Some(fault)) if first.is_none() && fault.status().is_none() => {
                match fault.kind() {
                    FailureKind::Timeout(Phase::Total | Phase::FirstToken) => End::Silent,
                    _ => End::Fail(fault.failure()),
                }
            }
            (CallEnd::Failed, Some(fault)) => End::Fail(fault.failure()),
            (CallEnd::Failed, None) => End::Fail(fb::Failure::new(FailureKind::Unknown { server: true }, "")),
            (CallEnd::Ok | CallEnd::Cancelled, _) => End::Answer(usage),
        };
        Act { first, took: if end == End::Silent { Duration::ZERO } else { self.took() }, end }
    }

    /// The same, but not before this call was cut short: all that is known of it is that it had not ended by then.
    fn outlived_by(&self, act: Act) -> Act {
        let least = self.took() + LATER;
        let first = match self.called.first_ms {
            Some(first) => Some(Duration::from_millis(first)),
            None => act.first.map(|first| first.max(least)),
        };
        let took = if act.end == End::Silent { act.took } else { act.took.max(least) };
        Act { first, took: took.max(first.unwrap_or_default()), end: act.end }
    }
}

/// Tokens of each request's answer. Who got none is taken to get one as long as half of the others are at least.
fn usages(entries: &[RecordEntry]) -> Vec<Option<Tokens>> {
    let own = |entry: &RecordEntry| entry.attempts.iter().rev().find_map(|call| call.usage);
    let mut outputs: Vec<u64> = entries.iter().filter_map(own).map(|usage| usage.output).collect();
    outputs.sort_unstable();
    let median = outputs.get(outputs.len() / 2).copied();
    let guess = |entry: &RecordEntry| {
        let output = median.filter(|_| entry.outcome != RecordedOutcome::Ok)?;
        Some(Tokens { input: entry.input_tokens, output })
    };
    entries.iter().map(|entry| own(entry).or_else(|| guess(entry))).collect()
}

/// Whether another request would have met the same: a call that was cut short ends in no way that is known, and some
/// ends are the request's own fault.
fn tells_of_target(called: &RecordedCall) -> bool {
    match (called.end, &called.failure) {
        (CallEnd::Cancelled | CallEnd::Blocked, _) => false,
        (_, None) => true,
        (_, Some(fault)) => !matches!(
            fault.kind(),
            FailureKind::ContextLength
                | FailureKind::InvalidRequest
                | FailureKind::TooLarge
                | FailureKind::Quality
        ),
    }
}

/// The call nearest in time; of two as near, the earlier.
fn nearest(all: &[Past], now: Duration) -> Option<&Past> {
    let after = all.partition_point(|past| past.at < now);
    let before = after.checked_sub(1).and_then(|before| all.get(before));
    let near = before.into_iter().chain(all.get(after));
    near.min_by_key(|past| past.at.abs_diff(now))
}

fn tokens(usage: Tokens) -> Usage {
    Usage { input: usage.input, output: usage.output, ..Usage::default() }
}

#[cfg(test)]
mod tests;
