//! The invariants of the budgets: recomputed from the calls at the providers, and compared with the accounts at every step.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use fb_budget::Tally;
use fb_core::{AttemptEnd, CacheUse, FailureKind, Phase, Report, Skip};
use fb_router::Facts;
use fb_testkit::{CallOutcome, CallRecord};

use super::{
    play::{Played, Received, user},
    watch::{Snapshot, Spent},
    world::World,
};

/// The expected charge for one call.
#[derive(Debug)]
pub(super) struct Charge<'a> {
    pub(super) made: &'a CallRecord,
    pub(super) accounts: Vec<String>,
    /// The amount to reserve for the call.
    pub(super) held: Sum,
    /// The final cost of the call.
    pub(super) due: Sum,
}

/// Nano-dollars and tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) nanos: u64,
    pub(super) tokens: u64,
}

/// Returns the expected charges of a world, in the order in which its calls began.
pub(super) fn charges<'a>(world: &'a World, played: &'a Played) -> Vec<Charge<'a>> {
    let charge = |made| {
        let caller = world.callers.iter().find(|caller| caller.name == user(made)).unwrap();
        let price = world.target(&made.model).price;
        let sum = |input: u64, output: u64| {
            let nanos = price.map_or(0, |price| input * nanos(price.input) + output * nanos(price.output));
            Sum { nanos, tokens: input + output }
        };
        let facts = Facts::from_request(&made.request);
        let estimated = sum(facts.input_tokens, made.output_bytes.div_ceil(4) as u64);
        let reported = made.usage.map(|usage| sum(usage.input, usage.output));
        Charge {
            made,
            accounts: world.accounts_of(caller),
            held: sum(facts.input_tokens, facts.expected_output()),
            due: due(made, estimated, reported),
        }
    };
    played.calls.iter().map(charge).collect()
}

/// Returns the nano-dollars of a token at a price in dollars per million tokens.
fn nanos(price: f64) -> u64 {
    whole(price / 1e6)
}

/// Returns dollars as nano-dollars.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some dollars")]
pub(super) fn whole(usd: f64) -> u64 {
    (usd * 1e9).round() as u64
}

/// Returns the cost of a call from its estimated and its reported usage.
fn due(made: &CallRecord, estimated: Sum, reported: Option<Sum>) -> Sum {
    let refused = |kind| match kind {
        FailureKind::Timeout(phase) => phase == Phase::Connect,
        kind => !matches!(kind, FailureKind::Interrupted | FailureKind::Malformed),
    };
    match (made.ended.map(|(_, outcome)| outcome), reported) {
        // The provider refused the call before any output, or was not reached.
        (Some(CallOutcome::Failed(kind)), None) if made.output_bytes == 0 && refused(kind) => Sum::default(),
        (_, Some(reported)) => reported,
        (_, None) => estimated,
    }
}

/// Returns the violated invariants.
pub(super) fn money(world: &World, played: &Played) -> Vec<String> {
    if world.tenants.is_empty() {
        return Vec::new();
    }
    let (charges, mut wrong) = (charges(world, played), Vec::new());
    for snapshot in &played.snapshots {
        for (name, spent) in &snapshot.tenants {
            let mine: Vec<&Charge<'_>> =
                charges.iter().filter(|charge| charge.accounts.contains(name)).collect();
            let found = Account { world, name, snapshot, charges: &mine }.check(spent);
            wrong
                .extend(found.map(|why| {
                    format!("{name} after {} and {} calls: {why}", snapshot.begun, snapshot.over)
                }));
        }
    }
    in_the_end(world, played, &charges, &mut wrong);
    rates(world, &charges, &mut wrong);
    prices(world, played, &mut wrong);
    too_early(world, played, &charges, &mut wrong);
    wrong
}

/// The account of one tenant at one moment.
struct Account<'a> {
    world: &'a World,
    name: &'a str,
    snapshot: &'a Snapshot,
    charges: &'a [&'a Charge<'a>],
}

impl Account<'_> {
    fn check(&self, spent: &Spent) -> Option<String> {
        self.limits(spent).or_else(|| self.books(spent))
    }

    fn is_over(&self, charge: &Charge<'_>) -> bool {
        charge.made.ended_at_end.is_some_and(|over| over < self.snapshot.over)
    }

    fn begun(&self) -> impl Iterator<Item = &&Charge<'_>> {
        self.charges.iter().filter(|charge| charge.made.index < self.snapshot.begun)
    }

    /// Spend and reservations together stay within the limit, except for the excess of calls over their reservations that
    /// were in flight when the last call was admitted.
    fn limits(&self, spent: &Spent) -> Option<String> {
        let limits = self.world.limits_of(self.name)?;
        let beyond = self.beyond(|sum| sum.nanos);
        for (used, most) in [(spent.day, limits.usd_per_day), (spent.month, limits.usd_per_month)] {
            let used = used + spent.reserved;
            if let Some(most) = most.map(whole).filter(|most| used > most + beyond) {
                return Some(format!("{used} of {most} nano-dollars, {beyond} beyond"));
            }
        }
        let beyond = self.beyond(|sum| sum.tokens);
        let most = limits.tokens_per_minute.filter(|most| spent.minute > most + beyond)?;
        Some(format!("{} of {most} tokens a minute, {beyond} beyond", spent.minute))
    }

    /// Returns the excess over their reservations of the calls in flight when the last call was admitted.
    fn beyond(&self, of: fn(Sum) -> u64) -> u64 {
        let admitted = self.begun().filter(|charge| of(charge.held) > 0);
        let Some(after) = admitted.map(|charge| charge.made.ended_at_start).last() else { return 0 };
        // In the middle of a step a call may be charged before its provider has seen its end.
        let ended = |charge: &Charge<'_>| !self.snapshot.between || self.is_over(charge);
        let counts = |charge: &&&Charge<'_>| ended(charge) && charge.made.ended_at_end >= Some(after);
        self.begun().filter(counts).map(|charge| of(charge.due).saturating_sub(of(charge.held))).sum()
    }

    /// The charges are the cost of the ended calls, and the reservations those of the running ones: none twice, none
    /// forgotten.
    fn books(&self, spent: &Spent) -> Option<String> {
        if !self.snapshot.between {
            return None;
        }
        let mut expected = Spent { minute: spent.minute, refused: spent.refused, ..Spent::default() };
        let mut requests = BTreeSet::new();
        for charge in self.begun() {
            requests.insert(user(charge.made));
            if self.is_over(charge) {
                expected.total += charge.due.nanos;
                expected.tokens += charge.due.tokens;
                expected.billed += 1;
            } else {
                expected.reserved += charge.held.nanos;
                expected.in_flight += 1;
            }
        }
        expected.requests = requests.len() as u64;
        // No day ends in a test.
        (expected.day, expected.month) = (expected.total, expected.total);
        (expected != *spent).then(|| format!("{spent:?}, not {expected:?}"))
    }
}

/// At the end nothing is reserved, every target has its own tally, and every refusal has a row.
fn in_the_end(world: &World, played: &Played, charges: &[Charge<'_>], wrong: &mut Vec<String>) {
    let mut refused = 0;
    for (name, used) in &played.used {
        let mut targets: BTreeMap<String, Tally> = BTreeMap::new();
        for Charge { made, due, .. } in charges.iter().filter(|charge| charge.accounts.contains(name)) {
            let target = format!("{}/{}", world.target(&made.model).provider, made.model);
            let tally = targets.entry(target).or_default();
            tally.nanos += due.nanos;
            tally.tokens += due.tokens;
            tally.calls += 1;
        }
        if used.targets != targets {
            wrong.push(format!("{name}: by target {:?}, not {targets:?}", used.targets));
        }
        if (used.reserved_nanos, used.in_flight) != (0, 0) {
            wrong.push(format!("{name}: {} nano-dollars stay reserved", used.reserved_nanos));
        }
        refused += used.refused;
    }
    let refusal = |end: &AttemptEnd| matches!(end, AttemptEnd::Skipped { why: Skip::Budget { .. }, .. });
    let rows = played.observed.rows.iter().filter(|row| refusal(&row.end)).count() as u64;
    if rows != refused {
        wrong.push(format!("{refused} calls were refused, but {rows} rows record a refusal"));
    }
}

/// A limit of N requests a minute admits N at once, and then one every 60/N seconds.
fn rates(world: &World, charges: &[Charge<'_>], wrong: &mut Vec<String>) {
    let accounts: BTreeSet<&String> = charges.iter().flat_map(|charge| &charge.accounts).collect();
    for name in accounts {
        let Some(most) = world.limits_of(name).and_then(|limits| limits.requests_per_minute) else {
            continue;
        };
        let mut times = beginnings(charges, name);
        times.sort();
        let span = Duration::from_secs(60) / most;
        let early = |index: usize| {
            let after = (1..).zip(times[index..].iter().skip(most as usize));
            after.into_iter().any(|(parts, time)| *time < times[index] + span * parts)
        };
        if (0..times.len()).any(early) {
            wrong.push(format!("{name}: more than {most} requests a minute"));
        }
    }
}

/// No request is refused by the key of another, by a limit that is not set, or by a rate limit with room.
fn too_early(world: &World, played: &Played, charges: &[Charge<'_>], wrong: &mut Vec<String>) {
    for (caller, received) in world.callers.iter().zip(&played.received) {
        let Some(report) = received.report() else { continue };
        let accounts = world.accounts_of(caller);
        for row in report.trace.rows() {
            let AttemptEnd::Skipped { why: Skip::Budget { limit, of_key, .. }, .. } = row.end else {
                continue;
            };
            let account = accounts.iter().find(|name| name.contains('/') == of_key);
            let Some((account, limits)) = account.and_then(|name| Some((name, world.limits_of(name)?)))
            else {
                wrong.push(format!("{}: refused by {limit} of no account of its own", caller.name));
                continue;
            };
            let is_set = match limit {
                "usd_per_day" => limits.usd_per_day.is_some(),
                "usd_per_month" => limits.usd_per_month.is_some(),
                "tokens_per_minute" => limits.tokens_per_minute.is_some(),
                _ => limits.requests_per_minute.is_some(),
            };
            if !is_set {
                wrong.push(format!("{}: refused by {limit}, which {account} does not have", caller.name));
            }
            // The times of a coalesced call are those of its first caller.
            let own = report.cache.is_none() || report.cache == Some(CacheUse::Miss);
            // A request refused by the tenant's rate has counted against that of the key.
            let counts_more = of_key
                && world.limits_of(&accounts[0]).is_some_and(|tenant| tenant.requests_per_minute.is_some());
            let is_rate = limit == "requests_per_minute" && own && !counts_more;
            let rate = limits.requests_per_minute.filter(|_| is_rate);
            let recent = || recent(charges, account, received.began + row.at);
            if rate.is_some_and(|most| recent() < most as usize) {
                wrong.push(format!("{}: {account} was refused after {} requests", caller.name, recent()));
            }
        }
    }
}

/// Counts the requests of an account with a first call in the last minute.
fn recent(charges: &[Charge<'_>], account: &String, now: Instant) -> usize {
    let minute = Duration::from_secs(60);
    let times = beginnings(charges, account).into_iter();
    times.filter(|began| *began <= now && *began + minute > now).count()
}

/// Returns the times of the first calls of an account's requests.
fn beginnings(charges: &[Charge<'_>], account: &String) -> Vec<Instant> {
    let mut first: BTreeMap<&str, Instant> = BTreeMap::new();
    for charge in charges.iter().filter(|charge| charge.accounts.contains(account)) {
        first.entry(user(charge.made)).or_insert(charge.made.began);
    }
    first.into_values().collect()
}

/// The reported cost is the price of the answers in the trace.
fn prices(world: &World, played: &Played, wrong: &mut Vec<String>) {
    for report in played.received.iter().filter_map(Received::report) {
        let cost = |report: &Report| report.cost().map(fb_core::Money::nanos);
        let answers = report.trace.rows().iter().filter_map(|row| match row.end {
            AttemptEnd::Ok { usage, .. } => Some((world.target(row.target.model()).price?, usage?)),
            _ => None,
        });
        let costs = answers
            .map(|(price, usage)| usage.input * nanos(price.input) + usage.output * nanos(price.output));
        let right = costs.reduce(|sum, cost| sum + cost);
        if cost(report) != right {
            wrong.push(format!("reported cost {:?}, not {right:?}:\n{}", cost(report), report.trace));
        }
    }
}
