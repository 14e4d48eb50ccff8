use super::*;
use crate::{
    Account, Limits,
    calendar::Calendar,
    ledger::Record,
    scenario::{amount, at, target},
};

const QUANTUM: u64 = 10_000;

fn account() -> Account {
    let mut shared = Shared::new("acme", &Limits::default(), at(0).now);
    shared.attach(None, at(0).wall, Arc::default(), QUANTUM);
    Account::new(Arc::new(shared), None)
}

/// What is written: the total, and ahead of it.
fn written(record: Option<Record>) -> Option<(u64, u64)> {
    record.map(|record| (record.total, record.ahead))
}

#[test]
fn a_record_covers_what_is_held_and_a_quantum() {
    let account = account();
    let shared = &account.own;
    shared.written(&shared.first());
    assert_eq!(written(shared.snapshot()), None, "nothing is new");

    let call = account.reserve(&target(), amount(8, 0), at(0)).unwrap();
    assert_eq!(written(shared.snapshot()), Some((0, 18_000)), "little was left below the ceiling");
    assert_eq!(written(shared.snapshot()), None);
    call.settle(amount(3, 0));
    assert_eq!(written(shared.snapshot()), Some((3_000, 10_000)), "something was spent");
    let call = account.reserve(&target(), amount(1, 0), at(0)).unwrap();
    assert_eq!(written(Some(shared.last())), Some((3_000, 1_000)));
    drop(call);
    assert_eq!(written(shared.snapshot()), Some((3_000, 10_000)), "something was given back");
}

#[test]
fn while_commits_fail_calls_go_on_and_a_commit_stays_due() {
    let account = account();
    let shared = &account.own;
    assert_eq!(written(Some(shared.first())), Some((0, 10_000)));
    shared.failed();
    account.reserve(&target(), amount(5_000, 0), at(0)).unwrap().settle(amount(4_000, 0));
    let record = shared.snapshot().unwrap();
    assert_eq!(written(Some(record)), Some((4_000_000, 10_000)));
    shared.written(&record);
    assert_eq!(shared.state.lock().promise.ceiling, 4_010_000);
}

#[test]
fn a_record_in_the_making_never_promises_more_than_the_disk_has() {
    let account = account();
    let shared = &account.own;
    shared.written(&shared.first());
    let call = account.reserve(&target(), amount(9, 0), at(0)).unwrap();
    let record = shared.snapshot().unwrap();
    assert_eq!(shared.state.lock().promise.ceiling, 10_000, "of the old record");
    shared.written(&record);
    assert_eq!(shared.state.lock().promise.ceiling, 19_000);
    call.settle(amount(0, 0));
    assert_eq!(written(shared.snapshot()), Some((0, 10_000)));
    assert_eq!(shared.state.lock().promise.ceiling, 10_000, "of the record to come");
}

#[test]
fn what_was_written_ahead_counts_as_spent_at_the_start() {
    let calendar = Calendar { day: 20_483, month: 24_313, day_spent: 3, month_spent: 5 };
    let spent = |hours: u64| {
        let mut shared = Shared::new("acme", &Limits::default(), at(0).now);
        let start = at(hours * 3_600);
        shared.attach(Some(Record { calendar, total: 7, ahead: 10 }), start.wall, Arc::default(), QUANTUM);
        let now = Account::new(Arc::new(shared), None).stats(start);
        [now.day_nanos, now.month_nanos, now.total_nanos, now.used.nanos]
    };
    assert_eq!(spent(0), [13, 15, 17, 0]);
    assert_eq!(spent(12), [10, 15, 17, 0]);
    assert_eq!(spent(36), [10, 10, 17, 0]);
}

#[test]
fn the_writer_is_woken_by_whatever_is_new() {
    let account = account();
    let signal = Arc::clone(&account.own.ahead.as_ref().unwrap().signal);
    let call = |micros| account.reserve(&target(), amount(micros, 0), at(0)).unwrap();
    account.own.written(&account.own.first());
    // The test would hang if it were not.
    call(1).settle(amount(1, 0));
    assert!(signal.wait(), "spent");
    account.own.written(&account.own.snapshot().unwrap());
    drop(call(1));
    assert!(signal.wait(), "given back");
    account.own.written(&account.own.snapshot().unwrap());
    let held = call(8);
    assert!(signal.wait(), "little is left");
    signal.stop();
    assert!(!signal.wait(), "the end");
    drop(held);
}
