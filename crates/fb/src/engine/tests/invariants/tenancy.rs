//! What must hold of tenants beside their money: who may see their requests, and that nobody sees another's.

use std::sync::Arc;

use fb_core::{Attempt, CacheUse, Report};
use fb_testkit::CallRecord;

use super::{
    play::{Played, Told, user},
    world::{Caller, World},
};
use crate::Record;

/// Everything that does not hold.
pub(super) fn tenancy(world: &World, played: &Played) -> Vec<String> {
    let case = Case { world, played };
    let mut wrong = Vec::new();
    for made in &played.calls {
        if !case.may_see(case.caller(made), &made.model) {
            wrong.push(format!("{} may not see what {} asks", made.model, user(made)));
        }
    }
    for (caller, told) in world.callers.iter().zip(&played.told) {
        wrong.extend(case.answer(caller, told).map(|why| format!("{}: {why}", caller.name)));
    }
    let unlike = |(record, (tenant, report)): (&Arc<Record>, &(Option<String>, Report))| {
        record.tenant.as_deref() != tenant.as_deref() || record.report != *report
    };
    // The newest record comes first.
    let (records, heard) = (played.records.iter().rev(), &played.heard.reports);
    if records.len() != heard.len() || records.clone().zip(heard).any(unlike) {
        wrong.push("what is remembered of requests is not what was told of them".to_owned());
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

    /// Whether the rules of a caller's tenant let a target see its requests.
    fn may_see(&self, caller: &Caller, model: &str) -> bool {
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

    /// Whether an answer that was kept is of a target that may see its caller's requests, and the request went where its
    /// tenant's budget sends it.
    fn answer(&self, caller: &Caller, told: &Told) -> Option<String> {
        let report = told.report()?;
        if let Some(CacheUse::Hit { by, .. } | CacheUse::Stale { by, .. }) = &report.cache
            && !self.may_see(caller, by.model())
        {
            return Some(format!("has an answer of {by}"));
        }
        let Some(record) = self.played.records.iter().find(|record| record.id() == report.id) else {
            return Some("nothing is remembered of it".to_owned());
        };
        let route = self.world.route_of(caller, told.downshifted).name;
        if record.route != route {
            return Some(format!("went to route {}, not {route}", record.route));
        }
        let right = record.tenant == caller.options.tenant && record.report == *report;
        (!right).then(|| format!("is remembered as\n{record}"))
    }

    /// Whether each call of a record was made for its tenant.
    fn record(&self, record: &Record) -> Option<String> {
        let mut callers = self.world.callers.iter().zip(&self.played.told);
        let own = callers.find(|(_, told)| told.report().is_some_and(|told| told.id == record.id()));
        let began = own.map_or(record.began, |(_, told)| told.began);
        let is_own = |row: &&Attempt| {
            let its = |made: &&CallRecord| made.model == row.target.model() && made.began == began + row.at;
            self.played.calls.iter().filter(its).any(|made| self.caller(made).options.tenant == record.tenant)
        };
        // The times of a shared call are those of whoever began it.
        let shared = !matches!(record.report.cache, None | Some(CacheUse::Miss));
        let rows = || record.report.trace.rows().iter().filter(|row| row.is_call());
        (!shared && !rows().all(|row| is_own(&row))).then(|| format!("a call of another tenant in\n{record}"))
    }
}
