//! What happened in how many requests: a test of worlds in which nothing happens would hold of any engine.

use std::collections::BTreeMap;

use fb_core::{AttemptEnd, CacheUse, Level, Next, Refusal, Report, ServedBy, Skip};

use fb_testkit::CallOutcome;

use super::{
    money::{bills, whole},
    play::{End, Played, user},
    world::World,
};
use crate::Error;

/// Each must be seen often enough.
pub(super) const WANTED: [&str; 32] = [
    "retry",
    "hop",
    "block",
    "surfaced",
    "exhausted",
    "interrupted stream",
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
];

/// Requests in which something happened.
#[derive(Debug, Default)]
pub(super) struct Seen(pub(super) BTreeMap<&'static str, u32>);

impl Seen {
    pub(super) fn add(&mut self, other: Self) {
        for (what, times) in other.0 {
            *self.0.entry(what).or_default() += times;
        }
    }

    pub(super) fn of(world: &World, played: &Played) -> Self {
        let mut seen = Self::default();
        if !world.tenants.is_empty() {
            seen.money(world, played);
        }
        for told in &played.told {
            match &told.end {
                End::Whole(report) => seen.report(report),
                End::Left => seen.note("cancelled caller", true),
                End::Error(error) => {
                    seen.note("block", matches!(error, Error::Blocked(_)));
                    seen.note("surfaced", matches!(error, Error::Surfaced(_)));
                    seen.note("exhausted", matches!(error, Error::Exhausted(_)));
                    seen.note("interrupted stream", matches!(error, Error::Interrupted(_)));
                    error.report().into_iter().for_each(|report| seen.report(report));
                }
            }
        }
        seen
    }

    /// What became of tenants and of what they paid.
    fn money(&mut self, world: &World, played: &Played) {
        for told in &played.told {
            let report = told.report();
            let rows = report.map_or(&[][..], |report| report.trace.rows());
            let skip = |test: fn(&Skip) -> bool| {
                rows.iter().any(|row| matches!(&row.end, AttemptEnd::Skipped { why, .. } if test(why)))
            };
            let status = match &told.end {
                End::Error(error) if error.code() == "budget_exceeded" => error.status(),
                _ => 0,
            };
            let whole = matches!(told.end, End::Whole(_));
            self.note("refused for money", status == 402);
            self.note("refused for a rate", status == 429);
            self.note(
                "too dear, answered by another",
                whole && skip(|why| matches!(why, Skip::Budget { .. })),
            );
            self.note("downshift", told.downshifted);
            self.note(
                "closed to its tenant",
                skip(|why| matches!(why, Skip::Inadmissible(rule) if is_rule(rule))),
            );
            let kept = report.and_then(|report| report.served_by.as_ref());
            self.note("kept answer of a tenant", kept == Some(&ServedBy::Cache));
        }
        for bill in bills(world, played) {
            let Some((_, fate)) = bill.made.ended else { continue };
            let cost = bill.due.nanos > 0;
            let told =
                world.callers.iter().zip(&played.told).find(|(caller, _)| caller.name == user(bill.made));
            let left = told.is_some_and(|(_, told)| matches!(told.end, End::Left));
            let whole = told.is_some_and(|(_, told)| matches!(told.end, End::Whole(_)));
            let broken =
                matches!(fate, CallOutcome::Failed(_) | CallOutcome::Cut) && bill.made.output_bytes > 0;
            self.note("paid by one who left", cost && left && fate == CallOutcome::Cancelled);
            self.note("paid for a lost race", cost && whole && fate == CallOutcome::Cancelled);
            self.note("paid for a broken stream", cost && broken);
            self.note("given back after a failure", !cost && bill.held.nanos > 0);
            self.note("paid by a key", cost && bill.accounts.len() > 1);
            self.note("beyond its reservation", bill.due.nanos > bill.held.nanos);
        }
        let by_key =
            |(name, used): (&String, &fb_budget::AccountStats)| name.contains('/') && used.refused > 0;
        self.note("refused by its key", played.used.iter().any(by_key));
        self.note("beyond its limit", is_beyond(world, played));
    }

    fn note(&mut self, what: &'static str, is: bool) {
        *self.0.entry(what).or_default() += u32::from(is);
    }

    fn report(&mut self, report: &Report) {
        let rows = report.trace.rows();
        let skip = |test: fn(&Skip) -> bool| {
            rows.iter().any(|row| matches!(&row.end, AttemptEnd::Skipped { why, .. } if test(why)))
        };
        self.note("retry", rows.iter().any(|row| matches!(row.next, Next::RetryIn(_))));
        self.note("hop", report.hops() > 0);
        self.note("wait for reopening", rows.iter().any(|row| matches!(row.next, Next::WaitFor(_))));
        self.note("skip by capability", skip(|why| matches!(why, Skip::Inadmissible(_))));
        self.note("skip at capacity", skip(|why| *why == Skip::AtCapacity));
        self.note("breaker open skip", skip(|why| *why == Skip::BreakerOpen));
        self.note("cache hit", matches!(report.cache, Some(CacheUse::Hit { .. })));
        self.note("coalesced", report.cache == Some(CacheUse::Coalesced));
        self.note("stale", matches!(report.cache, Some(CacheUse::Stale { .. })));
        self.note("degraded level", matches!(report.level, Level::Reduced | Level::Minimal));
        self.note("static answer", report.served_by == Some(ServedBy::Static));
        self.note("lost race", rows.iter().any(|row| row.end == AttemptEnd::Cancelled));
        self.note("last resort", is_bypassed(report));
    }
}

/// Whether a target was refused by a rule of a tenant: requests here have none of their own.
fn is_rule(refusal: &Refusal) -> bool {
    matches!(refusal.field.as_str(), "allowed" | "region" | "data_class")
}

/// Whether a tenant had at some time spent more than it may.
fn is_beyond(world: &World, played: &Played) -> bool {
    let mut spent = played.looks.iter().flat_map(|look| &look.tenants);
    spent.any(|(name, spent)| {
        let limit = world.limits_of(name).and_then(|limits| limits.usd_per_day);
        limit.is_some_and(|limit| spent.day > whole(limit))
    })
}

/// Whether a target was called though it had said in this request that it would not be open by then.
fn is_bypassed(report: &Report) -> bool {
    let rows = report.trace.rows();
    let barred = |until: &fb_core::Attempt, call: &fb_core::Attempt| match until.end {
        AttemptEnd::Skipped { reopens: Some(wait), .. } => {
            until.target == call.target && until.at + wait > call.at
        }
        _ => false,
    };
    let calls = rows.iter().enumerate().filter(|(_, row)| row.is_call());
    calls.into_iter().any(|(index, call)| rows[..index].iter().any(|earlier| barred(earlier, call)))
}
