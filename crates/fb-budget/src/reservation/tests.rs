use crate::{
    Account, Limit, Reservation, Tally,
    scenario::{amount, at, book, target},
};

/// A call holds its reservation across await points.
const _: fn() = || {
    fn is_send<T: Send + Sync + 'static>() {}
    is_send::<Reservation>();
};

fn acme() -> Account {
    book("[acme]\nusd_per_day = 0.0001\ntokens_per_minute = 100").account("acme").clone()
}

/// Compares nano-dollars spent and reserved, tokens of the minute, and calls in flight.
#[track_caller]
fn check(account: &Account, expected: (u64, u64, u64, u64)) {
    let now = account.stats(at(0));
    assert_eq!((now.day_nanos, now.reserved_nanos, now.minute_tokens, now.in_flight), expected);
    assert_eq!(now.day_nanos, now.used.nanos);
}

#[test]
fn settled_call_is_billed_for_its_usage() {
    let account = acme();
    let call = account.reserve(&target(), amount(50, 60), at(0)).unwrap();
    check(&account, (0, 50_000, 60, 1));
    call.settle(amount(20, 30));
    check(&account, (20_000, 0, 30, 0));
    let tally = Tally { nanos: 20_000, tokens: 30, calls: 1 };
    assert_eq!(account.stats(at(0)).targets, [("openai/gpt".to_owned(), tally)].into());
}

#[test]
fn dropped_call_is_not_billed() {
    let account = acme();
    drop(account.reserve(&target(), amount(50, 60), at(0)).unwrap());
    check(&account, (0, 0, 0, 0));
    assert_eq!(account.stats(at(0)).used, Tally::default());
}

#[test]
fn dropped_call_is_billed_for_recorded_usage() {
    let account = acme();
    let mut call = account.reserve(&target(), amount(50, 60), at(0)).unwrap();
    call.record_usage(amount(5, 6));
    call.record_usage(amount(7, 8));
    check(&account, (0, 50_000, 60, 1));
    drop(call);
    check(&account, (7_000, 0, 8, 0));
}

#[test]
fn call_above_its_reservation_is_billed_in_full() {
    let account = acme();
    let call = account.reserve(&target(), amount(90, 90), at(0)).unwrap();
    call.settle(amount(130, 120));
    check(&account, (130_000, 0, 120, 0));
    assert_eq!(account.reserve(&target(), amount(1, 0), at(0)).unwrap_err().limit, Limit::UsdPerDay);
    // Calls without cost are still admitted.
    account.reserve(&target(), amount(0, 0), at(0)).unwrap().settle(amount(0, 0));
}
