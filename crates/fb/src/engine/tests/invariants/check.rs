//! The invariants of every world, checked for one caller at a time.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use fb_core::{
    Attempt, AttemptEnd, CacheUse, Failure, FailureKind, Hop, Level, Next, Part, Report, ServedBy, Skip,
};
use fb_testkit::{CallOutcome, CallRecord};

use super::{
    keys::{self, limited_keys_rest},
    play::{End, Played, Received, user},
    siblings::skips_have_causes,
    watch::Finished,
    words::Words,
    world::{Caller, World},
};
use crate::{
    Error, Route, Target,
    time_limits::{CallShape, TargetTimes, default_deadline},
};

/// Returns the violated invariants.
pub(super) fn check(world: &World, played: &Played) -> Vec<String> {
    let mut wrong = played.leaks.clone();
    for (caller, received) in world.callers.iter().zip(&played.received) {
        let made = played.calls.iter().filter(|made| user(made) == caller.name).collect();
        let case = Case {
            world,
            played,
            caller,
            received,
            route: world.route_of(caller, received.downshifted),
            made,
        };
        let mut found = Vec::new();
        case.envelope(&mut found);
        case.order(&mut found);
        case.admissible(&mut found);
        case.bytes(&mut found);
        case.trace(&mut found);
        wrong.extend(found.into_iter().map(|what| format!("{}: {what}", caller.name)));
    }
    rows_are_calls(played, &mut wrong);
    keys_rest(world, played, &mut wrong);
    limited_keys_rest(world, played, &mut wrong);
    skips_have_causes(world, played, &mut wrong);
    wrong
}

/// The shortest rest of a rejected key.
const KEY_REST: Duration = Duration::from_secs(30);

/// A rejected key rests. Requests in flight at a change still use the provider before it, which has a key of its own.
fn keys_rest(world: &World, played: &Played, wrong: &mut Vec<String>) {
    if !played.changed.is_empty() {
        return;
    }
    let provider = |made: &CallRecord| &world.target(&made.model).provider;
    let mut rejected: Vec<_> =
        played.calls.iter().filter_map(|made| Some((rejected_at(made)?, made))).collect();
    rejected.sort_by_key(|(at, _)| *at);
    let key = |made: &CallRecord| (provider(made).clone(), made.key);
    let mut rests: BTreeMap<(String, usize), Instant> = BTreeMap::new();
    for (at, made) in rejected {
        // The rejection of a call that began before the rest does not prolong it.
        if rests.get(&key(made)).is_some_and(|since| made.began <= *since) {
            continue;
        }
        rests.insert(key(made), at);
        let early = played
            .calls
            .iter()
            .find(|next| key(next) == key(made) && next.began > at && next.began < at + KEY_REST);
        if let Some(early) = early {
            wrong.push(format!("{} was called while its key rested", early.model));
        }
    }
}

/// Returns the time at which the key of a call was rejected.
pub(super) fn rejected_at(made: &CallRecord) -> Option<Instant> {
    match made.ended {
        Some((at, CallOutcome::Failed(FailureKind::Auth))) => Some(at),
        _ => None,
    }
}

/// One caller, and the calls made for it, including those that others joined.
struct Case<'a> {
    world: &'a World,
    played: &'a Played,
    caller: &'a Caller,
    received: &'a Received,
    route: Route,
    made: Vec<&'a CallRecord>,
}

impl Case<'_> {
    fn deadline(&self) -> Duration {
        let default = |streams| {
            let enabled = self.route.targets.iter().filter(|target| target.enabled);
            let shape = |target: &Target| CallShape {
                streams: streams && self.world.capabilities_of(&target.model).streaming,
                thinks: false,
                max_tokens: None,
            };
            default_deadline(enabled.map(|target| (TargetTimes::of(target), shape(target))))
        };
        // A stream that quality gates check is requested in one piece.
        let route = self.route.deadline.unwrap_or_else(|| default(true).max(default(false)));
        self.caller.options.timeout.unwrap_or(route).min(route)
    }

    /// No request makes more attempts or lives longer than its envelope.
    fn envelope(&self, wrong: &mut Vec<String>) {
        let (received, deadline) = (self.received, self.deadline());
        let most = self.route.max_attempts as usize;
        if self.made.len() > most {
            wrong.push(format!("{} calls, {most} allowed", self.made.len()));
        }
        let over = received.began + deadline;
        if self.made.iter().any(|made| made.began > over && !self.is_resuming(made)) {
            wrong.push("a call began after the deadline".to_owned());
        }
        let left = matches!(received.end, End::Left);
        match received.opened {
            None if received.ended > over && !left => {
                wrong.push(format!("took {:?}, deadline {deadline:?}", received.ended - received.began));
            }
            Some(opened) if opened > over => {
                wrong.push(format!("opened after {:?}, deadline {deadline:?}", opened - received.began));
            }
            Some(opened)
                if self.caller.pace.is_zero() && received.ended > opened + self.route.stream_total =>
            {
                wrong.push(format!("streamed for {:?}", received.ended - opened));
            }
            _ => {}
        }
    }

    /// The outcome of a call decides if another may follow.
    fn order(&self, wrong: &mut Vec<String>) {
        let several = self.route.strategy.is_concurrent();
        for (index, made) in self.made.iter().enumerate() {
            let Some((ended, outcome)) = made.ended else { continue };
            let later = &self.made[index + 1..];
            for (between, next) in later.iter().enumerate() {
                if !several && next.began < ended {
                    wrong.push(format!("a call to {} began during one to {}", next.model, made.model));
                }
                let again = later[..between].iter().any(|other| other.model == made.model);
                let surfaced = if several { self.is_surfaced(made) } else { !again };
                if self.is_after(made, next)
                    && let Some(bad) = self.is_forbidden(made, outcome, next, surfaced)
                {
                    wrong.push(format!("{} was called {bad} of {}", next.model, made.model));
                }
            }
        }
    }

    /// Returns true if a call began after another had ended. Concurrent calls at one moment have no order.
    fn is_after(&self, made: &CallRecord, next: &CallRecord) -> bool {
        let ended = made.ended.map(|(at, _)| at);
        let several = self.route.strategy.is_concurrent();
        next.index > made.index && ended.is_some_and(|ended| if several { next.began > ended } else { true })
    }

    /// Returns true if the failure of a concurrent call was surfaced. One that waits for its retry does not stop others.
    fn is_surfaced(&self, made: &CallRecord) -> bool {
        let rows = self.received.report().map_or(&[][..], |report| report.trace.rows());
        // An immediate retry begins at the same time.
        let its = |row: &&Attempt| {
            row.target.model() == made.model
                && self.received.began + row.at == made.began
                && matches_outcome(&row.end, made)
        };
        rows.iter().filter(its).any(|row| row.next == Next::Surface)
    }

    /// Returns the reason why a call must not follow another; `surfaced` is true if the other's failure ended the attempts at
    /// its target.
    fn is_forbidden(
        &self,
        made: &CallRecord,
        outcome: CallOutcome,
        next: &CallRecord,
        surfaced: bool,
    ) -> Option<&'static str> {
        match outcome {
            CallOutcome::Answered if self.is_other_answer(made) => None,
            CallOutcome::Answered => Some("after an answer"),
            CallOutcome::Blocked => Some("after a block"),
            // A target that rejects the beginning of an answer as its last message gets an instruction.
            CallOutcome::Failed(FailureKind::InvalidRequest)
                if next.model == made.model && !self.is_resuming(made) =>
            {
                Some("to repeat the caller's mistake")
            }
            CallOutcome::Failed(kind)
                if surfaced && self.is_new(next) && !self.hops(made, kind) && !self.is_resuming(next) =>
            {
                Some("after a failure that is to be surfaced")
            }
            CallOutcome::Failed(_) | CallOutcome::Cut | CallOutcome::Cancelled => None,
        }
    }

    /// Returns true if the call may be one for the rest of an answer that broke off after its first word.
    fn is_resuming(&self, made: &CallRecord) -> bool {
        let has_broken = |earlier: &&CallRecord| -> bool {
            let unfinished =
                !matches!(earlier.ended, Some((_, CallOutcome::Answered | CallOutcome::Blocked)));
            earlier.index < made.index && earlier.words > 0 && unfinished
        };
        self.route.resume && self.caller.streams && self.made.iter().any(has_broken)
    }

    /// Returns true if an answer was left out, because it did not go on from one that broke off.
    fn is_other_answer(&self, made: &CallRecord) -> bool {
        let rows = self.received.report().map(|report| report.trace.rows());
        let is_left_out = |row: &Attempt| {
            row.target.model() == made.model
                && self.received.began + row.at == made.began
                && matches!(&row.end, AttemptEnd::Failed(failure) if failure.kind() == FailureKind::Quality)
        };
        // The record of a request that its caller left is not available here.
        self.is_resuming(made) && rows.is_none_or(|rows| rows.iter().any(is_left_out))
    }

    /// Returns true if the call is the first to its target, and not a retry.
    fn is_new(&self, made: &CallRecord) -> bool {
        self.made.iter().all(|other| other.index >= made.index || other.model != made.model)
    }

    /// Returns true if another target may be tried after this failure.
    fn hops(&self, made: &CallRecord, kind: FailureKind) -> bool {
        let named = self.world.target(&made.model).trigger_on.as_ref();
        let stands_for = |name: &String| {
            let kinds = FailureKind::named(name).unwrap_or_default();
            kinds.iter().any(|named| named.name() == kind.name())
        };
        let named = named.map(|names| names.iter().any(stands_for));
        match kind.consequences().hop {
            Hop::No => false,
            Hop::OptIn => named == Some(true),
            Hop::Yes | Hop::LargerWindow | Hop::LargerLimit => named != Some(false),
        }
    }

    /// No call reaches a target that cannot serve it.
    fn admissible(&self, wrong: &mut Vec<String>) {
        for made in &self.made {
            let can = self.world.capabilities_of(&made.model);
            let chat = made.request.chat().unwrap();
            let pictures = chat.messages.iter().flat_map(|message| &message.parts);
            let pictures = pictures.filter(|part| matches!(part, Part::Image(_))).count();
            if (!can.tools && !chat.tools.is_empty()) || (!can.vision && pictures > 0) {
                wrong.push(format!("{} lacks a capability of the request", made.model));
            }
            if made.streamed && !(can.streaming && self.caller.streams) {
                wrong.push(format!("{} got a streamed call", made.model));
            }
            let most = self.world.target(&made.model).max_in_flight;
            if most.is_some_and(|most| made.concurrent >= most) {
                wrong.push(format!("{} had {} calls at once", made.model, made.concurrent + 1));
            }
            if !self.world.target(&made.model).enabled {
                wrong.push(format!("{} is not enabled", made.model));
            }
            // An unknown limit may be larger.
            let no_larger = |can: Option<u64>, had: Option<u64>| can.is_some() && can <= had;
            let too_small = |other: &CallRecord| {
                let had = self.world.capabilities_of(&other.model);
                match other.ended {
                    Some((_, CallOutcome::Failed(FailureKind::ContextLength))) => {
                        no_larger(can.context, had.context)
                    }
                    Some((_, CallOutcome::Failed(FailureKind::TooLarge))) => {
                        no_larger(can.max_body, had.max_body)
                    }
                    _ => false,
                }
            };
            let mut earlier = self.made.iter().filter(|other| self.is_after(other, made));
            if self.is_new(made) && earlier.any(|other| too_small(other)) {
                wrong.push(format!("{} is no larger than one that was too small", made.model));
            }
        }
    }

    /// A caller receives the output of one call: all of it, or a beginning and one error. A resumed stream has the
    /// beginnings of calls that broke off before it.
    fn bytes(&self, wrong: &mut Vec<String>) {
        let received = self.received;
        if received.surplus > 0 {
            wrong.push("events after the end".to_owned());
        }
        let words = match Words::read(&received.text, &received.tools) {
            Ok(words) => words,
            Err(why) => return wrong.push(why),
        };
        let sources: Vec<_> = words.iter().map(|words| self.call_of(words)).collect();
        if sources.iter().any(Option::is_none) {
            wrong.push(format!("{words:?} belong to no call"));
        }
        let broke = |made: &&CallRecord| {
            !matches!(made.ended, None | Some((_, CallOutcome::Answered | CallOutcome::Blocked)))
        };
        let (last, before) = sources.split_last().map_or((None, &[][..]), |(last, before)| (*last, before));
        if before.iter().any(|made| !made.as_ref().is_some_and(broke))
            || !(before.is_empty() || self.route.resume)
        {
            wrong.push(format!("words of two calls: {:?}", received.text));
        }
        let (words, source) = (words.last(), last);
        let whole = words.zip(source).is_some_and(|(words, made)| words.count == made.words);
        match &received.end {
            End::Whole(report) => {
                if received.end_signals != 1 {
                    wrong.push(format!("{} end signals", received.end_signals));
                }
                self.whole(report, source.filter(|_| whole), wrong);
            }
            End::Error(Error::Blocked(ended)) => {
                let mut made = self.made.iter();
                // A coalesced request receives the block of its first caller.
                if !self.made.is_empty()
                    && !made.any(|made| matches!(made.ended, Some((_, CallOutcome::Blocked))))
                {
                    wrong.push("blocked without a blocked call".to_owned());
                }
                if self.caller.streams && received.opened.is_some() && ended.cause.partial != received.text {
                    wrong.push(format!("the block's partial answer is {:?}", ended.cause.partial));
                }
            }
            End::Error(Error::Interrupted(_)) => {
                let unfinished = source.is_some_and(|made| {
                    matches!(
                        made.ended,
                        Some((_, CallOutcome::Failed(_) | CallOutcome::Cut | CallOutcome::Cancelled))
                    )
                });
                if received.end_signals > 0 || received.opened.is_none() || !unfinished {
                    wrong.push("interrupted, but nothing broke".to_owned());
                }
            }
            End::Error(_) => {
                if words.is_some() || received.opened.is_some() {
                    wrong.push("a plain error after output".to_owned());
                }
            }
            End::Left => {}
        }
    }

    /// Returns the call that produced these words, if this caller may receive them.
    fn call_of(&self, words: &Words) -> Option<&CallRecord> {
        let provider = &self.world.target(&words.model).provider;
        let of_provider = |made: &&CallRecord| self.world.target(&made.model).provider == *provider;
        let made = self.played.calls.iter().filter(of_provider).nth(words.call)?;
        let (mine, model) = (user(made) == self.caller.name, made.model == words.model);
        (model && words.count <= made.words && (mine || self.is_shared_with(user(made)))).then_some(made)
    }

    /// Returns true if this caller may share answers with another: same request, same tenant, and a cache.
    fn is_shared_with(&self, other: &str) -> bool {
        let all = self.world.callers.iter().zip(&self.played.received);
        let other = all.into_iter().find(|(caller, _)| caller.name == other);
        let cached = self.route.cache.fresh.is_some() || self.route.cache.stale_if_error.is_some();
        other.is_some_and(|(other, received)| {
            cached
                && other.model == self.caller.model
                && received.downshifted == self.received.downshifted
                && other.body == self.caller.body
                && other.options.tenant == self.caller.options.tenant
        })
    }

    fn whole(&self, report: &Report, source: Option<&CallRecord>, wrong: &mut Vec<String>) {
        let complete = source.filter(|made| matches!(made.ended, Some((_, CallOutcome::Answered))));
        let by = |id: &fb_core::TargetId| {
            complete.is_some_and(|made| {
                id.model() == made.model && id.provider().as_str() == self.world.target(&made.model).provider
            })
        };
        let plainly = matches!(report.level, Level::Full | Level::Reduced | Level::Minimal);
        let cache = &self.route.cache;
        let fresh = cache.fresh.unwrap_or_default();
        let right = match (&report.served_by, &report.cache) {
            (Some(ServedBy::Target(id)), None | Some(CacheUse::Miss | CacheUse::Coalesced)) => {
                by(id) && plainly
            }
            (Some(ServedBy::Cache), Some(CacheUse::Hit { age, by: id })) => {
                // Even a fresh answer has the level `cached` after targets failed.
                by(id) && *age < fresh && matches!(report.level, Level::Full | Level::Cached)
            }
            (Some(ServedBy::Cache), Some(CacheUse::Stale { age, by: id })) => {
                by(id)
                    && *age < fresh + cache.stale_if_error.unwrap_or_default()
                    && report.level == Level::Cached
            }
            (Some(ServedBy::Static), _) => {
                let ladder = &self.route.ladder;
                let is_chosen = self.world.forced.is_some_and(|(level, _)| match level {
                    Level::Full => false,
                    Level::Reduced => ladder.reduced.is_none(),
                    Level::Minimal => ladder.minimal.is_none(),
                    Level::Cached | Level::Offline => true,
                });
                (self.route.ladder.offline.is_some() || is_chosen)
                    && report.level == Level::Offline
                    && self.received.text.contains("Please try again in")
            }
            _ => false,
        };
        if !right {
            let (served, cache) = (&report.served_by, &report.cache);
            wrong.push(format!("served by {served:?} ({cache:?}, {}), from {complete:?}", report.level));
        }
        if self.caller.options.refuse_degraded && report.level != Level::Full {
            wrong.push(format!("level {} although degraded answers are refused", report.level));
        }
        if (report.level > Level::Minimal) != report.degraded.is_some() {
            wrong.push(format!("level {}, but degraded for {:?}", report.level, report.degraded));
        }
    }

    /// The trace matches the calls.
    fn trace(&self, wrong: &mut Vec<String>) {
        let Some(report) = self.received.report() else { return };
        let rows = report.trace.rows();
        let calls: Vec<&Attempt> = rows.iter().filter(|row| row.is_call()).collect();
        let others = self.world.callers.iter().zip(&self.played.received);
        let mut leaders = others.filter(|(other, _)| self.is_shared_with(&other.name));
        let shared =
            self.made.is_empty() && leaders.any(|(other, received)| self.matches(&calls, other, received));
        if !shared && !self.matches(&calls, self.caller, self.received) {
            wrong.push(format!("the trace does not match the calls:\n{}", report.trace));
        }
        for (index, row) in rows.iter().enumerate() {
            if let Some(why) = self.untrue(row, &rows[index + 1..]) {
                wrong.push(format!("row {index}: {why}\n{}", report.trace));
            }
        }
        let by_target = matches!(report.served_by, Some(ServedBy::Target(_)));
        let good = matches!(self.received.end, End::Whole(_)) && by_target;
        let ok = rows.iter().rfind(|row| matches!(row.end, AttemptEnd::Ok { .. }));
        if good && ok.map(|row| ServedBy::Target(row.target.clone())) != report.served_by {
            wrong.push(format!("{:?} served, by no row of\n{}", report.served_by, report.trace));
        }
    }

    /// Returns true if these rows are the calls made for a caller.
    fn matches(&self, rows: &[&Attempt], caller: &Caller, received: &Received) -> bool {
        let made: Vec<&CallRecord> =
            self.played.calls.iter().filter(|made| user(made) == caller.name).collect();
        let same = |(row, made): (&&Attempt, &&CallRecord)| {
            row.target.model() == made.model
                && received.began + row.at == made.began
                && matches_outcome(&row.end, made)
        };
        rows.len() == made.len() && rows.iter().zip(&made).all(same)
    }

    fn untrue(&self, row: &Attempt, rest: &[Attempt]) -> Option<String> {
        let failed = matches!(row.end, AttemptEnd::Failed(_));
        let skipped = matches!(row.end, AttemptEnd::Skipped { .. });
        // Concurrent calls write their rows while others are running.
        let several = self.route.strategy.is_concurrent();
        let last = rest.is_empty() || several;
        match row.end {
            AttemptEnd::Running => return Some("still running".to_owned()),
            AttemptEnd::Ok { .. } | AttemptEnd::Blocked { .. } if !last => {
                return Some("not the last".to_owned());
            }
            AttemptEnd::Skipped { why: Skip::AtCapacity, .. } if !self.is_full(row) => {
                return Some("there was room".to_owned());
            }
            _ => {}
        }
        let next = rest.iter().find(|next| next.target == row.target);
        match row.next {
            Next::Surface if !last => Some("surfaced, yet not the last".to_owned()),
            Next::Resume if !failed || row.first.is_none() => Some("resumed without a break".to_owned()),
            Next::Hop if !failed && !skipped => Some("a hop without a reason".to_owned()),
            Next::RetryIn(wait) => {
                // The first answer of a race ends the retries of the others. If it breaks off, they may be called for its rest.
                let rows = self.received.report().map_or(&[][..], |report| report.trace.rows());
                let is_over = several && rows.iter().any(|row| row.next == Next::Resume);
                let again = is_over || next.map_or(several, |next| next.at >= row.at + row.took + wait);
                (!failed || !again).then(|| "not retried as recorded".to_owned())
            }
            Next::OtherKey => keys::untrue(row, next, several),
            Next::WaitFor(_) if next.is_none() || !(failed || skipped) => Some("not waited for".to_owned()),
            _ => None,
        }
    }

    /// Returns true if the target of a skip was at capacity.
    fn is_full(&self, row: &Attempt) -> bool {
        let Some(most) = self.world.target(row.target.model()).max_in_flight else { return false };
        let mut moments = self.world.callers.iter().zip(&self.played.received);
        moments.any(|(other, received)| {
            let at = received.began + row.at;
            let is_running = |made: &&CallRecord| {
                made.model == row.target.model()
                    && made.began <= at
                    && made.ended.is_none_or(|(end, _)| end >= at)
            };
            let like = other.name == self.caller.name || self.is_shared_with(&other.name);
            like && self.played.calls.iter().filter(is_running).count() >= most as usize
        })
    }
}

/// Returns true if a row matches the outcome of a call.
fn matches_outcome(end: &AttemptEnd, made: &CallRecord) -> bool {
    let Some((_, outcome)) = made.ended else { return false };
    match (end, outcome) {
        (AttemptEnd::Ok { .. }, CallOutcome::Answered)
        | (AttemptEnd::Blocked { .. }, CallOutcome::Blocked)
        | (AttemptEnd::Cancelled, CallOutcome::Cancelled) => true,
        (AttemptEnd::Failed(failure), CallOutcome::Failed(kind)) => failure.kind() == kind,
        // The answer did not go on from the one before it.
        (AttemptEnd::Failed(failure), CallOutcome::Answered) => failure.kind() == FailureKind::Quality,
        (AttemptEnd::Failed(failure), CallOutcome::Cut) => failure.kind() == FailureKind::Interrupted,
        // The engine cancelled the call.
        (AttemptEnd::Failed(failure), CallOutcome::Cancelled) => is_given_up(failure),
        _ => false,
    }
}

/// Returns true if the engine itself ended the call: by a timeout, after endless pings, or as another answer.
fn is_given_up(failure: &Failure) -> bool {
    matches!(failure.kind(), FailureKind::Timeout(_) | FailureKind::Malformed | FailureKind::Quality)
}

/// Over all requests, including cancelled ones, every call has a row and no row stays open.
fn rows_are_calls(played: &Played, wrong: &mut Vec<String>) {
    let mut count: BTreeMap<&str, i32> = BTreeMap::new();
    for made in &played.calls {
        *count.entry(&made.model).or_default() += 1;
    }
    for row in played.observed.rows.iter().filter(|row| row.is_call()) {
        *count.entry(row.target.model()).or_default() -= 1;
    }
    for (model, surplus) in count.into_iter().filter(|(_, surplus)| *surplus != 0) {
        wrong.push(format!("{model}: {surplus} more calls than rows"));
    }
    for Finished { report, .. } in &played.observed.finished {
        if report.trace.rows().iter().any(|row| row.end == AttemptEnd::Running) {
            wrong.push(format!("finished with a running call:\n{}", report.trace));
        }
    }
}
