use super::Recording;

#[test]
fn all_that_passed_is_kept_up_to_the_limit() {
    let mut recording = Recording::new(5);
    recording.push(&"ab", 2);
    recording.push(&"cde", 3);
    assert_eq!(recording.finish(), Some((vec!["ab", "cde"], 5)));
}

#[test]
fn one_byte_too_many_drops_everything_for_good() {
    let mut recording = Recording::new(5);
    recording.push(&"ab", 2);
    recording.push(&"cdef", 4);
    assert_eq!(recording.items, None);
    recording.push(&"", 0);
    assert_eq!(recording.finish(), None);
}

#[test]
fn more_bytes_than_can_be_counted_are_too_many() {
    let mut recording = Recording::new(5);
    recording.push(&(), u64::MAX);
    recording.push(&(), 7);
    assert_eq!(recording.finish(), None);
}

#[test]
fn a_stream_of_nothing_is_a_recording() {
    assert_eq!(Recording::<()>::new(0).finish(), Some((vec![], 0)));
}
