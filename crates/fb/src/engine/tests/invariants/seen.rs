//! What happened in how many requests: a test of worlds in which nothing happens would hold of any engine.

use std::collections::BTreeMap;

use fb_core::{AttemptEnd, CacheUse, Level, Next, Report, ServedBy, Skip};

use super::play::{End, Played};
use crate::Error;

/// Each must be seen often enough.
pub(super) const WANTED: [&str; 18] = [
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

    pub(super) fn of(played: &Played) -> Self {
        let mut seen = Self::default();
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
