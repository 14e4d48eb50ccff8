//! What must hold of tenants' money: reckoned anew from what providers saw, and held against the books at every step.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use fb_budget::Tally;
use fb_core::{AttemptEnd, CacheUse, FailureKind, Report, Skip};
use fb_router::Facts;
use fb_testkit::{CallOutcome, CallRecord};

use super::{
    play::{Played, Told, user},
    watch::{Look, Spent},
    world::World,
};

/// One call as its tenant should have paid for it.
#[derive(Debug)]
pub(super) struct Bill<'a> {
    pub(super) made: &'a CallRecord,
    pub(super) accounts: Vec<String>,
    /// What was to be reserved for it.
    pub(super) held: Sum,
    /// What it cost in the end.
    pub(super) due: Sum,
}

/// Nano-dollars and tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) nanos: u64,
    pub(super) tokens: u64,
}

/// The bills of a world, in the order in which its calls began.
pub(super) fn bills<'a>(world: &'a World, played: &'a Played) -> Vec<Bill<'a>> {
    let of = |made| {
        let caller = world.callers.iter().find(|caller| caller.name == user(made)).unwrap();
        let price = world.target(&made.model).price;
        let sum = |input: u64, output: u64| {
            let nanos = price.map_or(0, |price| input * nanos(price.input) + output * nanos(price.output));
            Sum { nanos, tokens: input + output }
        };
        let facts = Facts::from_request(&made.request);
        let said = sum(facts.input_tokens, made.output_bytes.div_ceil(4) as u64);
        let counted = made.usage.map(|usage| sum(usage.input, usage.output));
        Bill {
            made,
            accounts: world.accounts_of(caller),
            held: sum(facts.input_tokens, facts.expected_output()),
            due: due(made, said, counted),
        }
    };
    played.calls.iter().map(of).collect()
}

/// Of a token, at so many whole dollars for a million.
fn nanos(price: f64) -> u64 {
    whole(price / 1e6)
}

/// Of so many dollars.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some dollars")]
pub(super) fn whole(usd: f64) -> u64 {
    (usd * 1e9).round() as u64
}

/// What a call costs that has said this much and counted that.
fn due(made: &CallRecord, said: Sum, counted: Option<Sum>) -> Sum {
    let refused =
        |kind| !matches!(kind, FailureKind::Timeout(_) | FailureKind::Interrupted | FailureKind::Malformed);
    match (made.ended.map(|(_, fate)| fate), counted) {
        // Before it said anything its provider refused it, or was not reached.
        (Some(CallOutcome::Failed(kind)), None) if made.output_bytes == 0 && refused(kind) => Sum::default(),
        (_, Some(counted)) => counted,
        (_, None) => said,
    }
}

/// Everything that does not hold.
pub(super) fn money(world: &World, played: &Played) -> Vec<String> {
    if world.tenants.is_empty() {
        return Vec::new();
    }
    let (bills, mut wrong) = (bills(world, played), Vec::new());
    for look in &played.looks {
        for (name, spent) in &look.tenants {
            let mine: Vec<&Bill<'_>> = bills.iter().filter(|bill| bill.accounts.contains(name)).collect();
            let found = Account { world, name, look, bills: &mine }.check(spent);
            wrong.extend(
                found.map(|why| format!("{name} after {} and {} calls: {why}", look.begun, look.over)),
            );
        }
    }
    in_the_end(world, played, &bills, &mut wrong);
    rates(world, &bills, &mut wrong);
    prices(world, played, &mut wrong);
    too_early(world, played, &bills, &mut wrong);
    wrong
}

/// One tenant's account at one moment.
struct Account<'a> {
    world: &'a World,
    name: &'a str,
    look: &'a Look,
    bills: &'a [&'a Bill<'a>],
}

impl Account<'_> {
    fn check(&self, spent: &Spent) -> Option<String> {
        self.limits(spent).or_else(|| self.books(spent))
    }

    fn is_over(&self, bill: &Bill<'_>) -> bool {
        bill.made.ended_at_end.is_some_and(|over| over < self.look.over)
    }

    fn begun(&self) -> impl Iterator<Item = &&Bill<'_>> {
        self.bills.iter().filter(|bill| bill.made.index < self.look.begun)
    }

    /// What is spent and what is held is together at most the limit: more only by as much as calls went beyond what was
    /// held for them that were in flight when the last was let in.
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

    /// By how much those went beyond what was held for them that were in flight when the last call was let in.
    fn beyond(&self, of: fn(Sum) -> u64) -> u64 {
        let let_in = self.begun().filter(|bill| of(bill.held) > 0);
        let Some(after) = let_in.map(|bill| bill.made.ended_at_start).last() else { return 0 };
        // In the middle of a step a call may be paid whose provider has not seen its end.
        let ended = |bill: &Bill<'_>| !self.look.between || self.is_over(bill);
        let counts = |bill: &&&Bill<'_>| ended(bill) && bill.made.ended_at_end >= Some(after);
        self.begun().filter(counts).map(|bill| of(bill.due).saturating_sub(of(bill.held))).sum()
    }

    /// What was billed is what calls cost that are over, and what is held is what was reserved for the others: nothing
    /// twice, nothing forgotten.
    fn books(&self, spent: &Spent) -> Option<String> {
        if !self.look.between {
            return None;
        }
        let mut expected = Spent { minute: spent.minute, refused: spent.refused, ..Spent::default() };
        let mut requests = BTreeSet::new();
        for bill in self.begun() {
            requests.insert(user(bill.made));
            if self.is_over(bill) {
                expected.total += bill.due.nanos;
                expected.tokens += bill.due.tokens;
                expected.billed += 1;
            } else {
                expected.reserved += bill.held.nanos;
                expected.in_flight += 1;
            }
        }
        expected.requests = requests.len() as u64;
        // No day ends in a test.
        (expected.day, expected.month) = (expected.total, expected.total);
        (expected != *spent).then(|| format!("{spent:?}, not {expected:?}"))
    }
}

/// When all is over nothing is held, each target has its own, and who was refused was told.
fn in_the_end(world: &World, played: &Played, bills: &[Bill<'_>], wrong: &mut Vec<String>) {
    let mut refused = 0;
    for (name, used) in &played.used {
        let mut targets: BTreeMap<String, Tally> = BTreeMap::new();
        for Bill { made, due, .. } in bills.iter().filter(|bill| bill.accounts.contains(name)) {
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
            wrong.push(format!("{name}: {} nano-dollars are held by nobody", used.reserved_nanos));
        }
        refused += used.refused;
    }
    let unpaid = |end: &AttemptEnd| matches!(end, AttemptEnd::Skipped { why: Skip::Budget { .. }, .. });
    let rows = played.heard.rows.iter().filter(|row| unpaid(&row.end)).count() as u64;
    if rows != refused {
        wrong.push(format!("{refused} calls were refused, {rows} were told"));
    }
}

/// Of so many requests a minute as many may come at once, and then one in each such part of a minute.
fn rates(world: &World, bills: &[Bill<'_>], wrong: &mut Vec<String>) {
    let accounts: BTreeSet<&String> = bills.iter().flat_map(|bill| &bill.accounts).collect();
    for name in accounts {
        let Some(most) = world.limits_of(name).and_then(|limits| limits.requests_per_minute) else {
            continue;
        };
        let mut times = beginnings(bills, name);
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

/// Nobody is refused by a key that it does not have, by a limit that is not set, or for a rate before so many requests came.
fn too_early(world: &World, played: &Played, bills: &[Bill<'_>], wrong: &mut Vec<String>) {
    for (caller, told) in world.callers.iter().zip(&played.told) {
        let Some(report) = told.report() else { continue };
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
            // The times of a shared call are those of whoever began it.
            let own = report.cache.is_none() || report.cache == Some(CacheUse::Miss);
            // What its tenant's rate refuses has counted to that of the key.
            let counts_more = of_key
                && world.limits_of(&accounts[0]).is_some_and(|tenant| tenant.requests_per_minute.is_some());
            let is_rate = limit == "requests_per_minute" && own && !counts_more;
            let rate = limits.requests_per_minute.filter(|_| is_rate);
            let lately = || lately(bills, account, told.began + row.at);
            if rate.is_some_and(|most| lately() < most as usize) {
                wrong.push(format!("{}: {account} was refused after {} requests", caller.name, lately()));
            }
        }
    }
}

/// Requests of an account whose first call began in the minute before.
fn lately(bills: &[Bill<'_>], account: &String, now: Instant) -> usize {
    let minute = Duration::from_secs(60);
    let times = beginnings(bills, account).into_iter();
    times.filter(|began| *began <= now && *began + minute > now).count()
}

/// When the first calls of an account's requests began.
fn beginnings(bills: &[Bill<'_>], account: &String) -> Vec<Instant> {
    let mut first: BTreeMap<&str, Instant> = BTreeMap::new();
    for bill in bills.iter().filter(|bill| bill.accounts.contains(account)) {
        first.entry(user(bill.made)).or_insert(bill.made.began);
    }
    first.into_values().collect()
}

/// What a caller is told of the cost is the price of the answers in its trace.
fn prices(world: &World, played: &Played, wrong: &mut Vec<String>) {
    for report in played.told.iter().filter_map(Told::report) {
        let cost = |report: &Report| report.cost().map(fb_core::Money::nanos);
        let answers = report.trace.rows().iter().filter_map(|row| match row.end {
            AttemptEnd::Ok { usage, .. } => Some((world.target(row.target.model()).price?, usage?)),
            _ => None,
        });
        let costs = answers
            .map(|(price, usage)| usage.input * nanos(price.input) + usage.output * nanos(price.output));
        let right = costs.reduce(|sum, cost| sum + cost);
        if cost(report) != right {
            wrong.push(format!("told to cost {:?}, not {right:?}:\n{}", cost(report), report.trace));
        }
    }
}
