//! The invariants of tenancy: requests reach only allowed targets, and no tenant sees another's.

use std::sync::Arc;

use fb_core::{Attempt, CacheUse};
use fb_testkit::CallRecord;

use super::{
    play::{Played, Received, user},
    watch::Finished,
    world::{Caller, World},
};
use crate::Record;

/// Returns the violated invariants.
pub(super) fn tenancy(world: &World, played: &Played) -> Vec<String> {
    let case = Case { world, played };
    let mut wrong = Vec::new();
    for made in &played.calls {
        if !case.is_allowed(case.caller(made), &made.model) {
            wrong.push(format!("{} must not be called for {}", made.model, user(made)));
        }
    }
    for (caller, received) in world.callers.iter().zip(&played.received) {
        wrong.extend(case.answer(caller, received).map(|why| format!("{}: {why}", caller.name)));
    }
    let unlike = |(record, finished): (&Arc<Record>, &Finished)| {
        record.tenant.as_deref() != finished.tenant.as_deref() || record.report != finished.report
    };
    // The newest trace comes first.
    let (records, observed) = (played.records.iter().rev(), &played.observed.finished);
    if records.len() != observed.len() || records.clone().zip(observed).any(unlike) {
        wrong.push("the traces differ from the events".to_owned());
    }
    wrong.extend(records.filter_map(|record| case.record(record)));
    wrong
}

struct Case<'a> {
    world: &'a World,
    played: &'a Played,
}

impl<'a> Case<'a> {
    fn caller(&self, made: &CallRecord) -> &'a Caller {
        self.world.callers.iter().find(|caller| caller.name == user(made)).unwrap()
    }

    /// Returns true if the rules of a caller's tenant allow a target.
    fn is_allowed(&self, caller: &Caller, model: &str) -> bool {
        let Some(limits) = self.world.tenants.get(self.world.account_of(caller)) else { return true };
        let target = self.world.target(model);
        let name = format!("{}/{}", target.provider, target.model);
        let among = |names: &Option<Vec<String>>, is: &dyn Fn(&String) -> bool| {
            names.as_ref().is_none_or(|names| names.iter().any(is))
        };
        among(&limits.allowed, &|one| *one == target.provider || *one == name)
            && among(&limits.regions, &|one| target.region.as_ref() == Some(one))
            && limits.data_class.as_ref().is_none_or(|class| target.data_classes.contains(class))
    }

    /// Checks that a cached answer comes from an allowed target, and that the request took the route that its budget requires.
    fn answer(&self, caller: &Caller, received: &Received) -> Option<String> {
        let report = received.report()?;
        if let Some(CacheUse::Hit { by, .. } | CacheUse::Stale { by, .. }) = &report.cache
            && !self.is_allowed(caller, by.model())
        {
            return Some(format!("has an answer of {by}"));
        }
        let Some(record) = self.played.records.iter().find(|record| record.id() == report.id) else {
            return Some("it has no trace".to_owned());
        };
        let route = self.world.route_of(caller, received.downshifted).name;
        if record.route != route {
            return Some(format!("went to route {}, not {route}", record.route));
        }
        let right = record.tenant == caller.options.tenant && record.report == *report;
        (!right).then(|| format!("has the trace\n{record}"))
    }

    /// Checks that each call of a trace was made for its tenant.
    fn record(&self, record: &Record) -> Option<String> {
        let mut callers = self.world.callers.iter().zip(&self.played.received);
        let own = callers
            .find(|(_, received)| received.report().is_some_and(|received| received.id == record.id()));
        let began = own.map_or(record.began, |(_, received)| received.began);
        let is_own = |row: &&Attempt| {
            let its = |made: &&CallRecord| made.model == row.target.model() && made.began == began + row.at;
            self.played.calls.iter().filter(its).any(|made| self.caller(made).options.tenant == record.tenant)
        };
        // The times of a coalesced call are those of its first caller.
        let shared = !matches!(record.report.cache, None | Some(CacheUse::Miss));
        let rows = || record.report.trace.rows().iter().filter(|row| row.is_call());
        (!shared && !rows().all(|row| is_own(&row))).then(|| format!("a call of another tenant in\n{record}"))
    }
}
