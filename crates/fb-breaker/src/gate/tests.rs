//! The fields of the word at their limits.

use crate::virtual_time::at;

use super::*;

fn open(generation: u64, outstanding: u32) -> Gate {
    let gate = Gate::new(at(0));
    gate.open(generation, outstanding, at(5_000));
    gate
}

#[test]
fn closing_returns_the_counts_once() {
    let gate = open(3, 1);
    assert_eq!([gate.admit(), gate.admit(), gate.admit()], [Some(3); 3]);
    assert!(
        gate.record_success(3, true, at(4_999)) && gate.record_success(3, true, at(0)) && gate.release(3)
    );
    assert_eq!(gate.close(), Some(Counted { outstanding: 1, successes: 2 }));
    assert_eq!(
        (gate.close(), gate.admit(), gate.record_success(3, true, at(0)), gate.release(3)),
        (None, None, false, false)
    );
}

#[test]
fn other_generation_or_expired_bucket_takes_the_lock() {
    let gate = open(3, 2);
    assert_eq!(
        [2, 4, 3 + OPEN].map(|other| gate.record_success(other, true, at(0)) || gate.release(other)),
        [false; 3]
    );
    assert!(!gate.record_success(3, true, at(5_000)));
    assert_eq!(gate.close(), Some(Counted { outstanding: 2, successes: 0 }));
}

#[test]
fn full_field_takes_the_lock() {
    let most = u32::try_from(MAX_COUNT).unwrap();
    let gate = open(OPEN - 1, most - 1);
    assert_eq!([gate.admit(), gate.admit()], [Some(OPEN - 1), None]);
    assert!((0..most).all(|_| gate.record_success(OPEN - 1, true, at(0)) && gate.admit().is_some()));
    assert!(!gate.record_success(OPEN - 1, true, at(0)));
    assert_eq!(gate.close(), Some(Counted { outstanding: most, successes: most }));
}

#[test]
fn values_that_do_not_fit_keep_the_gate_closed() {
    for gate in [open(OPEN, 0), open(0, 1 << 20)] {
        assert_eq!(gate.admit(), None);
    }
    let gate = Gate::new(at(5_001));
    gate.open(0, 0, at(5_000));
    assert_eq!(gate.admit(), None, "its clock stepped back behind the origin");
}
