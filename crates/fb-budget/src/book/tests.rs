use std::thread;

use proptest::prelude::*;

use super::*;
use crate::{
    Limit, Standing,
    scenario::{amount, at, book, target},
    stats::MAX_TARGETS,
};

#[test]
fn unknown_tenant_uses_the_default_account() {
    let book = book("[default]\nusd_per_day = 0.0001\n[acme]\nusd_per_day = 0.0001");
    book.reserve("unknown", &target(), amount(100, 0), at(0)).unwrap().settle(amount(100, 0));
    let refused = book.reserve("other", &target(), amount(1, 0), at(0)).unwrap_err();
    assert_eq!((&*refused.tenant, refused.limit), ("default", Limit::UsdPerDay));
    assert_eq!(refused.to_string(), "tenant default: `usd_per_day` is reached");
    book.reserve("acme", &target(), amount(100, 0), at(0)).unwrap().settle(amount(100, 0));
}

#[test]
fn memory_is_bounded_for_arbitrary_names() {
    let book = book("[acme]");
    for n in 0..MAX_TARGETS + 10 {
        let target = format!("openai/{n}").parse().unwrap();
        book.reserve(&format!("tenant-{n}"), &target, amount(1, 1), at(0)).unwrap().settle(amount(1, 1));
    }
    let statistics = book.stats(at(0));
    let names: Vec<&str> = statistics.keys().map(|name| &**name).collect();
    assert_eq!(names, ["acme", "default"]);
    let targets = &statistics["default"].targets;
    assert_eq!(targets.len(), MAX_TARGETS + 1);
    assert_eq!(targets["other"].calls, 10);
    assert_eq!(statistics["acme"], AccountStats::default());
}

#[test]
fn stats_serialize_to_json() {
    let book = book("[acme]");
    book.reserve("acme", &target(), amount(5, 6), at(0)).unwrap().settle(amount(3, 4));
    let json = serde_json::to_string(&book.stats(at(0))["acme"]).unwrap();
    let expected = concat!(
        r#"{"used":{"nanos":3000,"tokens":4,"calls":1},"requests":1,"refused":0,"#,
        r#""day_nanos":3000,"month_nanos":3000,"total_nanos":3000,"reserved_nanos":0,"in_flight":0,"#,
        r#""minute_tokens":0,"targets":{"openai/gpt":{"nanos":3000,"tokens":4,"calls":1}}}"#,
    );
    assert_eq!(json, expected);
}

#[test]
fn key_is_limited_by_itself_and_its_tenant() {
    let book = book("[acme]\nusd_per_day = 0.001\nkeys.web = { usd_per_day = 0.0006 }\nkeys.ci = {}");
    let [web, ci, unknown] = ["web", "ci", "gone"].map(|key| book.key_account("acme", key));
    assert_eq!([web, ci, unknown].map(|account| &**account.name()), ["acme/web", "acme/ci", "acme"]);
    web.reserve(&target(), amount(600, 7), at(0)).unwrap().settle(amount(600, 7));
    let refused = web.reserve(&target(), amount(1, 0), at(0)).unwrap_err();
    assert_eq!((&*refused.tenant, refused.limit), ("acme/web", Limit::UsdPerDay));
    let held = ci.reserve(&target(), amount(400, 0), at(0)).unwrap();
    let refused = ci.reserve(&target(), amount(1, 0), at(0)).unwrap_err();
    assert_eq!((&*refused.tenant, refused.limit), ("acme", Limit::UsdPerDay));
    drop(held);
    let seen = |name: &str| {
        let all = book.stats(at(0));
        let AccountStats { requests, refused, day_nanos, reserved_nanos, in_flight, .. } = all[name];
        (requests, refused, day_nanos, reserved_nanos + in_flight)
    };
    assert_eq!(seen("acme/web"), (1, 1, 600_000, 0));
    assert_eq!(
        seen("acme/ci"),
        (1, 0, 0, 0),
        "a refusal by the tenant counts neither as a request nor as a refusal of the key"
    );
    assert_eq!(seen("acme"), (2, 1, 600_000, 0));
}

#[test]
fn standing_of_a_key_is_the_worse_of_key_and_tenant() {
    let book = book(
        "[acme]\nusd_per_day = 0.001\nwarn_at = 0.5\nkeys.web = { usd_per_month = 0.0001 }\nkeys.ci = {}",
    );
    let [web, ci] = ["web", "ci"].map(|key| book.key_account("acme", key));
    web.reserve(&target(), amount(60, 0), at(0)).unwrap().settle(amount(60, 0));
    assert_eq!(ci.standing(at(0)), Standing::Free);
    assert!(matches!(web.standing(at(0)), Standing::Soft { limit: Limit::UsdPerMonth, .. }));
    assert!(web.downshifts(at(0)) && !ci.downshifts(at(0)));
    web.reserve(&target(), amount(40, 0), at(0)).unwrap().settle(amount(40, 0));
    ci.reserve(&target(), amount(500, 0), at(0)).unwrap().settle(amount(500, 0));
    assert!(matches!(web.standing(at(0)), Standing::Hard { limit: Limit::UsdPerMonth, .. }));
    assert!(matches!(ci.standing(at(0)), Standing::Soft { limit: Limit::UsdPerDay, .. }));
}

/// The last account is a key of the first tenant.
const TENANTS: [&str; 3] = ["a", "b", "a/k"];
const LIMITS: [u64; 3] = [1_000_000, 1_000_000, 400_000];

#[derive(Debug, Clone)]
enum Action {
    Reserve {
        tenant: usize,
        micros: u64,
    },
    ReserveAdditional {
        tenant: usize,
        micros: u64,
    },
    /// `share` is in percent of the reservation.
    Settle {
        call: usize,
        share: u64,
    },
    RecordUsage {
        call: usize,
        share: u64,
    },
    Drop {
        call: usize,
    },
    Wait {
        hours: u64,
    },
}

fn action() -> impl Strategy<Value = Action> {
    let (tenant, micros, call, share) = (0..3usize, 0..600u64, any::<usize>(), 0..=150u64);
    prop_oneof![
        4 => (tenant.clone(), micros.clone()).prop_map(|(tenant, micros)| Action::Reserve { tenant, micros }),
        1 => (tenant, micros).prop_map(|(tenant, micros)| Action::ReserveAdditional { tenant, micros }),
        3 => (call, share.clone()).prop_map(|(call, share)| Action::Settle { call, share }),
        1 => (call, share).prop_map(|(call, share)| Action::RecordUsage { call, share }),
        2 => call.prop_map(|call| Action::Drop { call }),
        1 => (0..20u64).prop_map(|hours| Action::Wait { hours }),
    ]
}

/// The expected bills of one account.
#[derive(Default)]
struct Model {
    billed: u64,
    /// The amount billed beyond reservations.
    beyond: u64,
}

/// A call in flight, the index of its account, and its recorded usage.
type Call = (Reservation, usize, Option<u64>);

fn held(call: &Reservation) -> u64 {
    call.held().cost.nanos()
}

fn bill(model: &mut Model, held: u64, used: u64) {
    model.billed += used;
    model.beyond += used.saturating_sub(held);
}

fn account(book: &Book, index: usize) -> &Account {
    let name = TENANTS[index];
    name.split_once('/').map_or_else(|| book.account(name), |(tenant, key)| book.key_account(tenant, key))
}

/// Bills an account; the bill of a key also counts for its tenant.
fn bill_all(models: &mut [Model; 3], tenant: usize, held: u64, used: u64) {
    bill(&mut models[tenant], held, used);
    if tenant == 2 {
        bill(&mut models[0], held, used);
    }
}

fn share_of(call: &Reservation, share: u64) -> u64 {
    held(call) * share / 100
}

fn nanos(nanos: u64) -> Amount {
    Amount { cost: fb_core::Money::from_nanos(nanos), tokens: 0 }
}

fn run(book: &Book, calls: &mut Vec<Call>, models: &mut [Model; 3], action: &Action, hours: &mut u64) {
    let now = at(*hours * 3_600);
    let pick = |call: usize, calls: &[Call]| (!calls.is_empty()).then(|| call % calls.len());
    match *action {
        Action::Reserve { tenant, micros } => {
            if let Ok(call) = account(book, tenant).reserve(&target(), amount(micros, 0), now) {
                calls.push((call, tenant, None));
            }
        }
        Action::ReserveAdditional { tenant, micros } => {
            if let Ok(call) = account(book, tenant).reserve_additional(&target(), amount(micros, 0), now) {
                calls.push((call, tenant, None));
            }
        }
        Action::Settle { call, share } => {
            if let Some(call) = pick(call, calls) {
                let (call, tenant, _) = calls.swap_remove(call);
                let (held, used) = (held(&call), share_of(&call, share));
                call.settle(nanos(used));
                bill_all(models, tenant, held, used);
            }
        }
        Action::RecordUsage { call, share } => {
            if let Some(call) = pick(call, calls) {
                let (call, _, recorded) = &mut calls[call];
                let used = share_of(call, share);
                call.record_usage(nanos(used));
                *recorded = Some(used);
            }
        }
        Action::Drop { call } => {
            if let Some(call) = pick(call, calls) {
                let (call, tenant, recorded) = calls.swap_remove(call);
                if let Some(used) = recorded {
                    bill_all(models, tenant, held(&call), used);
                }
            }
        }
        Action::Wait { hours: more } => *hours += more,
    }
}

proptest! {
    #[test]
    fn random_actions_keep_bills_and_limits_exact(
        actions in prop::collection::vec(action(), 1..120)
    ) {
        let book = book("[a]\nusd_per_day = 0.001\nkeys.k = { usd_per_day = 0.0004 }\n[b]\nusd_per_month = 0.001");
        let mut calls: Vec<Call> = Vec::new();
        let mut models = [Model::default(), Model::default(), Model::default()];
        let mut hours = 0;
        for action in actions {
            run(&book, &mut calls, &mut models, &action, &mut hours);
            let statistics = book.stats(at(hours * 3_600));
            for (index, model) in models.iter().enumerate() {
                let seen = &statistics[TENANTS[index]];
                let own = || calls.iter().filter(|(_, of, _)| *of == index || (*of, index) == (2, 0));
                prop_assert_eq!(seen.total_nanos, model.billed);
                prop_assert_eq!(seen.used.nanos, model.billed);
                prop_assert_eq!(seen.reserved_nanos, own().map(|(call, ..)| held(call)).sum::<u64>());
                prop_assert_eq!(seen.in_flight, own().count() as u64);
                let window = [seen.day_nanos, seen.month_nanos, seen.day_nanos][index];
                prop_assert!(window + seen.reserved_nanos <= LIMITS[index] + model.beyond);
            }
        }
        drop(calls);
        for statistics in book.stats(at(hours * 3_600)).values() {
            prop_assert_eq!((statistics.reserved_nanos, statistics.in_flight), (0, 0));
        }
    }
}

#[test]
fn concurrent_calls_keep_the_limit_and_every_bill() {
    let book = book("[a]\nusd_per_day = 0.001\ntokens_per_minute = 1000000");
    let settled: u64 = thread::scope(|scope| {
        let work = |seed: u64| {
            let book = &book;
            scope.spawn(move || {
                let (mut settled, mut held) = (0, Vec::new());
                for turn in 0..3_000 {
                    let micros = (turn * 7 + seed * 13) % 40;
                    if let Ok(call) = book.reserve("a", &target(), amount(micros, micros), at(0)) {
                        held.push((call, micros));
                    }
                    let seen = book.account("a").stats(at(0));
                    assert!(seen.day_nanos + seen.reserved_nanos <= LIMITS[0]);
                    if held.len() > 3 {
                        let (call, micros) = held.swap_remove(usize::try_from(turn % 3).unwrap());
                        // Settle one in eight and drop the others.
                        if turn % 8 == 0 {
                            call.settle(amount(micros / 2, micros));
                            settled += micros / 2 * 1_000;
                        }
                    }
                }
                settled
            })
        };
        let threads: Vec<_> = (0..4).map(work).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let seen = book.account("a").stats(at(0));
    assert_eq!((seen.day_nanos, seen.reserved_nanos, seen.in_flight), (settled, 0, 0));
    assert!(settled > LIMITS[0] * 9 / 10, "the threads reached the limit: {settled}");
}

#[test]
fn book_of_other_tenants_keeps_what_those_that_stay_used() {
    let parse = |text: &str| toml::from_str(text).unwrap();
    let before =
        book("[acme]\nusd_per_day = 0.001\ntokens_per_minute = 100\nrequests_per_minute = 2\n[gone]");
    let reserve = |book: &Book, micros, tokens| {
        book.reserve("acme", &target(), amount(micros, tokens), at(0)).map_err(|refused| refused.limit)
    };
    reserve(&before, 400, 60).unwrap().settle(amount(400, 60));
    let held = reserve(&before, 100, 10).unwrap();
    let same = "[acme]\nusd_per_day = 0.002\ntokens_per_minute = 100\nrequests_per_minute = 2";
    let after = before.with_tenants(&parse(same), at(0)).unwrap();
    assert_eq!(reserve(&after, 1, 1).unwrap_err(), Limit::RequestsPerMinute);
    let more = same.replace("requests_per_minute = 2", "requests_per_minute = 5");
    let after = after.with_tenants(&parse(&more), at(0)).unwrap();
    assert_eq!(reserve(&after, 1, 31).unwrap_err(), Limit::TokensPerMinute);
    assert_eq!(reserve(&after, 1_501, 1).unwrap_err(), Limit::UsdPerDay);
    held.settle(amount(0, 0));
    reserve(&after, 1_501, 1).unwrap().settle(amount(1_501, 1));
    assert_eq!(before.account("acme").stats(at(0)).total_nanos, 1_901_000);
    assert_eq!(after.account("gone").name().as_ref(), "default");
    let wrong = after.with_tenants(&parse("[acme]\nusd_per_day = -1"), at(0)).unwrap_err();
    assert_eq!(wrong.to_string(), "tenants.acme.usd_per_day = -1: expected 0 to 1000000000");
}
