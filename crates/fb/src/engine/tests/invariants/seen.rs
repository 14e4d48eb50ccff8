//! Counts events over all worlds: worlds in which nothing happens would prove nothing.

use std::{collections::BTreeMap, time::Instant};

use fb_core::{
    Attempt, AttemptEnd, CacheUse, FailureKind, Level, Next, Refusal, Report, Scope, ServedBy, Skip,
};

use fb_testkit::{CallOutcome, CallRecord};

use super::{
    check::rejected_at,
    money::{charges, whole},
    play::{End, Played, user},
    shapes::Shape,
    siblings::distinct_refusals,
    world::World,
};
use crate::Error;

/// The events that must occur often enough.
pub(super) const REQUIRED: [&str; 46] = [
    "retry",
    "call again after another target",
    "request that waits in a crowd",
    "timeout in a hurry",
    "hop",
    "block",
    "surfaced",
    "exhausted",
    "interrupted stream",
    "resumed stream",
    "another answer instead of the rest",
    "cancelled caller",
    "cache hit",
    "coalesced",
    "stale",
    "degraded level",
    "static answer",
    "skip by capability",
    "skip at capacity",
    "breaker open skip",
    "wait for reopening",
    "last resort",
    "lost race",
    "refused for money",
    "refused for a rate",
    "refused by its key",
    "paid by a key",
    "too dear, answered by another",
    "downshift",
    "closed to its tenant",
    "kept answer of a tenant",
    "paid by one who left",
    "paid for a lost race",
    "paid for a broken stream",
    "given back after a failure",
    "beyond its reservation",
    "beyond its limit",
    "change during a call",
    "change between two calls of a request",
    "call after a rejected key rested",
    "call with another key",
    "skip while all keys rest",
    "provider open skip",
    "call beside an open sibling",
    "refusal of one request",
    "pause after distinct refusals",
];

/// The number of occurrences of each event.
#[derive(Debug, Default)]
pub(super) struct Seen(pub(super) BTreeMap<&'static str, u32>);

impl Seen {
    pub(super) fn add(&mut self, other: Self) {
        for (what, times) in other.0 {
            *self.0.entry(what).or_default() += times;
        }
    }

    pub(super) fn count(world: &World, played: &Played) -> Self {
        let mut seen = Self::default();
        if !world.tenants.is_empty() {
            seen.money(world, played);
        }
        seen.changes(world, played);
        seen.keys(world, played);
        seen.shape(world, played);
        seen.siblings(world, played);
        for received in &played.received {
            match &received.end {
                End::Whole(report) => seen.report(report),
                End::Left => seen.add_if("cancelled caller", true),
                End::Error(error) => {
                    seen.add_if("block", matches!(error, Error::Blocked(_)));
                    seen.add_if("surfaced", matches!(error, Error::Surfaced(_)));
                    seen.add_if("exhausted", matches!(error, Error::Exhausted(_)));
                    seen.add_if("interrupted stream", matches!(error, Error::Interrupted(_)));
                    error.report().into_iter().for_each(|report| seen.report(report));
                }
            }
        }
        seen
    }

    /// Counts the changes that fall into a request.
    fn changes(&mut self, world: &World, played: &Played) {
        let within = |from: Instant, to: Option<Instant>| {
            played.changed.iter().any(|at| from < *at && to.is_none_or(|to| *at < to))
        };
        for caller in &world.callers {
            let calls: Vec<_> = played.calls.iter().filter(|made| user(made) == caller.name).collect();
            let during = calls.iter().any(|made| within(made.began, made.ended.map(|(at, _)| at)));
            let between = calls.windows(2).any(|pair| within(pair[0].began, Some(pair[1].began)));
            self.add_if("change during a call", during);
            self.add_if("change between two calls of a request", between);
        }
    }

    /// Counts what worlds of a shape are for.
    fn shape(&mut self, world: &World, played: &Played) {
        let rows = || played.observed.finished.iter().flat_map(|finished| finished.report.trace.rows());
        let waits = rows().filter(|row| matches!(row.next, Next::WaitFor(_))).count();
        self.add_if("request that waits in a crowd", world.shape == Shape::Waiters && waits > 1);
        let is_late = |row: &Attempt| matches!(&row.end, AttemptEnd::Failed(failure) if matches!(failure.kind(), FailureKind::Timeout(_)));
        self.add_if("timeout in a hurry", world.shape == Shape::Hurry && rows().any(is_late));
        let comes_back = |rows: &[Attempt]| {
            rows.windows(2)
                .any(|row| matches!(row[0].next, Next::RetryIn(_)) && row[0].target != row[1].target)
        };
        let mut finished = played.observed.finished.iter();
        let again = finished.any(|finished| comes_back(finished.report.trace.rows()));
        self.add_if("call again after another target", again && !world.route.strategy.is_concurrent());
    }

    /// Counts the calls after the rest of a rejected key.
    fn keys(&mut self, world: &World, played: &Played) {
        let provider = |made: &CallRecord| &world.target(&made.model).provider;
        let first = played.calls.iter().find_map(|made| Some((provider(made), rejected_at(made)?)));
        let later = first.is_some_and(|(name, at)| {
            played.calls.iter().any(|made| provider(made) == name && made.began > at)
        });
        self.add_if("call after a rejected key rested", later && played.changed.is_empty());
        let rows = || played.observed.finished.iter().flat_map(|finished| finished.report.trace.rows());
        self.add_if("call with another key", rows().any(|row| row.next == Next::OtherKey));
        let rests = |row: &Attempt| {
            matches!(row.end, AttemptEnd::Skipped { why: Skip::Cooling, .. }) && world.keys > 1
        };
        self.add_if("skip while all keys rest", rows().any(rests));
    }

    /// Counts the failures of single models and of single requests.
    fn siblings(&mut self, world: &World, played: &Played) {
        let rows = &played.observed.rows;
        let is_skipped =
            |row: &Attempt, by: &Skip| matches!(&row.end, AttemptEnd::Skipped { why, .. } if why == by);
        let open: Vec<_> = rows.iter().filter(|row| is_skipped(row, &Skip::BreakerOpen)).collect();
        let beside = |row: &Attempt| {
            row.is_call()
                && open.iter().any(|other| {
                    other.target != row.target && other.target.provider() == row.target.provider()
                })
        };
        self.add_if("call beside an open sibling", rows.iter().any(beside));
        self.add_if("provider open skip", rows.iter().any(|row| is_skipped(row, &Skip::ProviderOpen)));
        let has_scope = |row: &Attempt, scope| matches!(&row.end, AttemptEnd::Failed(failure) if failure.scope() == scope);
        self.add_if("refusal of one request", rows.iter().any(|row| has_scope(row, Scope::Request)));
        let is_paused =
            |row: &Attempt| is_skipped(row, &Skip::Cooling) && distinct_refusals(world, played, row) >= 3;
        self.add_if("pause after distinct refusals", rows.iter().any(is_paused));
    }

    /// Counts the events of tenants and their charges.
    fn money(&mut self, world: &World, played: &Played) {
        for received in &played.received {
            let report = received.report();
            let rows = report.map_or(&[][..], |report| report.trace.rows());
            let skip = |test: fn(&Skip) -> bool| {
                rows.iter().any(|row| matches!(&row.end, AttemptEnd::Skipped { why, .. } if test(why)))
            };
            let status = match &received.end {
                End::Error(error) if error.code() == "budget_exceeded" => error.status(),
                _ => 0,
            };
            let whole = matches!(received.end, End::Whole(_));
            self.add_if("refused for money", status == 402);
            self.add_if("refused for a rate", status == 429);
            self.add_if(
                "too dear, answered by another",
                whole && skip(|why| matches!(why, Skip::Budget { .. })),
            );
            self.add_if("downshift", received.downshifted);
            self.add_if(
                "closed to its tenant",
                skip(|why| matches!(why, Skip::Inadmissible(rule) if is_rule(rule))),
            );
            let kept = report.and_then(|report| report.served_by.as_ref());
            self.add_if("kept answer of a tenant", kept == Some(&ServedBy::Cache));
        }
        for charge in charges(world, played) {
            let Some((_, outcome)) = charge.made.ended else { continue };
            let cost = charge.due.nanos > 0;
            let received = world
                .callers
                .iter()
                .zip(&played.received)
                .find(|(caller, _)| caller.name == user(charge.made));
            let left = received.is_some_and(|(_, received)| matches!(received.end, End::Left));
            let whole = received.is_some_and(|(_, received)| matches!(received.end, End::Whole(_)));
            let broken =
                matches!(outcome, CallOutcome::Failed(_) | CallOutcome::Cut) && charge.made.output_bytes > 0;
            self.add_if("paid by one who left", cost && left && outcome == CallOutcome::Cancelled);
            self.add_if("paid for a lost race", cost && whole && outcome == CallOutcome::Cancelled);
            self.add_if("paid for a broken stream", cost && broken);
            self.add_if("given back after a failure", !cost && charge.held.nanos > 0);
            self.add_if("paid by a key", cost && charge.accounts.len() > 1);
            self.add_if("beyond its reservation", charge.due.nanos > charge.held.nanos);
        }
        let by_key =
            |(name, used): (&String, &fb_budget::AccountStats)| name.contains('/') && used.refused > 0;
        self.add_if("refused by its key", played.used.iter().any(by_key));
        self.add_if("beyond its limit", is_beyond(world, played));
    }

    fn add_if(&mut self, what: &'static str, is: bool) {
        *self.0.entry(what).or_default() += u32::from(is);
    }

    fn report(&mut self, report: &Report) {
        let rows = report.trace.rows();
        let skip = |test: fn(&Skip) -> bool| {
            rows.iter().any(|row| matches!(&row.end, AttemptEnd::Skipped { why, .. } if test(why)))
        };
        self.add_if("retry", rows.iter().any(|row| matches!(row.next, Next::RetryIn(_))));
        self.add_if("hop", report.hops > 0);
        let is_resumed = rows.iter().rev().skip(1).any(|row| row.next == Next::Resume);
        let is_whole = matches!(rows.last(), Some(row) if matches!(row.end, AttemptEnd::Ok { .. }));
        self.add_if("resumed stream", is_resumed && is_whole);
        let is_other = |row: &Attempt| matches!(&row.end, AttemptEnd::Failed(failure) if failure.kind() == FailureKind::Quality);
        self.add_if("another answer instead of the rest", rows.iter().any(is_other));
        self.add_if("wait for reopening", rows.iter().any(|row| matches!(row.next, Next::WaitFor(_))));
        self.add_if("skip by capability", skip(|why| matches!(why, Skip::Inadmissible(_))));
        self.add_if("skip at capacity", skip(|why| *why == Skip::AtCapacity));
        self.add_if("breaker open skip", skip(|why| *why == Skip::BreakerOpen));
        self.add_if("cache hit", matches!(report.cache, Some(CacheUse::Hit { .. })));
        self.add_if("coalesced", report.cache == Some(CacheUse::Coalesced));
        self.add_if("stale", matches!(report.cache, Some(CacheUse::Stale { .. })));
        self.add_if("degraded level", matches!(report.level, Level::Reduced | Level::Minimal));
        self.add_if("static answer", report.served_by == Some(ServedBy::Static));
        self.add_if("lost race", rows.iter().any(|row| row.end == AttemptEnd::Cancelled));
        self.add_if("last resort", is_bypassed(report));
    }
}

/// Returns true if a rule of the tenant refused a target. The requests here have no rules of their own.
fn is_rule(refusal: &Refusal) -> bool {
    matches!(refusal.field.as_str(), "allowed" | "region" | "data_class")
}

/// Returns true if a tenant exceeded its limit at some time.
fn is_beyond(world: &World, played: &Played) -> bool {
    let mut spent = played.snapshots.iter().flat_map(|snapshot| &snapshot.tenants);
    spent.any(|(name, spent)| {
        let limit = world.limits_of(name).and_then(|limits| limits.usd_per_day);
        limit.is_some_and(|limit| spent.day > whole(limit))
    })
}

/// Returns true if a target was called before the time at which it was to reopen.
fn is_bypassed(report: &Report) -> bool {
    let rows = report.trace.rows();
    let is_unavailable = |until: &Attempt, call: &Attempt| match until.end {
        AttemptEnd::Skipped { reopens: Some(wait), .. } => {
            until.target == call.target && until.at + wait > call.at
        }
        _ => false,
    };
    let calls = rows.iter().enumerate().filter(|(_, row)| row.is_call());
    calls.into_iter().any(|(index, call)| rows[..index].iter().any(|earlier| is_unavailable(earlier, call)))
}
