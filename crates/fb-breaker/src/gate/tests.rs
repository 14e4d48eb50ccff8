//! The fields of the word, at their ends.

use crate::virtual_time::at;

use super::*;

fn open(generation: u64, outstanding: u32) -> Gate {
    let gate = Gate::new(at(0));
    gate.open(generation, outstanding, at(5_000));
    gate
}

#[test]
fn what_went_through_is_counted_once_and_handed_over_by_shutting() {
    let gate = open(3, 1);
    assert_eq!([gate.enter(), gate.enter(), gate.enter()], [Some(3); 3]);
    assert!(gate.succeed(3, true, at(4_999)) && gate.succeed(3, true, at(0)) && gate.leave(3));
    assert_eq!(gate.shut(), Some(Counted { outstanding: 1, successes: 2 }));
    assert_eq!(
        (gate.shut(), gate.enter(), gate.succeed(3, true, at(0)), gate.leave(3)),
        (None, None, false, false)
    );
}

#[test]
fn another_generation_and_the_end_of_the_bucket_take_the_lock() {
    let gate = open(3, 2);
    assert_eq!(
        [2, 4, 3 + OPEN].map(|other| gate.succeed(other, true, at(0)) || gate.leave(other)),
        [false; 3]
    );
    assert!(!gate.succeed(3, true, at(5_000)));
    assert_eq!(gate.shut(), Some(Counted { outstanding: 2, successes: 0 }));
}

#[test]
fn a_full_field_takes_the_lock_and_harms_no_other() {
    let most = u32::try_from(MOST).unwrap();
    let gate = open(OPEN - 1, most - 1);
    assert_eq!([gate.enter(), gate.enter()], [Some(OPEN - 1), None]);
    assert!((0..most).all(|_| gate.succeed(OPEN - 1, true, at(0)) && gate.enter().is_some()));
    assert!(!gate.succeed(OPEN - 1, true, at(0)));
    assert_eq!(gate.shut(), Some(Counted { outstanding: most, successes: most }));
}

#[test]
fn what_does_not_fit_leaves_it_shut() {
    for gate in [open(OPEN, 0), open(0, 1 << 20)] {
        assert_eq!(gate.enter(), None);
    }
    let gate = Gate::new(at(5_001));
    gate.open(0, 0, at(5_000));
    assert_eq!(gate.enter(), None, "its clock stepped back since the beginning");
}
