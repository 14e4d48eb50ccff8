use super::Recording;

#[test]
fn items_are_kept_up_to_the_limit() {
    let mut recording = Recording::new(5);
    recording.push(&"ab", 2);
    recording.push(&"cde", 3);
    assert_eq!(recording.finish(), Some((vec!["ab", "cde"], 5)));
}

#[test]
fn exceeding_the_limit_discards_the_recording() {
    let mut recording = Recording::new(5);
    recording.push(&"ab", 2);
    recording.push(&"cdef", 4);
    assert_eq!(recording.items, None);
    recording.push(&"", 0);
    assert_eq!(recording.finish(), None);
}

#[test]
fn byte_count_saturates() {
    let mut recording = Recording::new(5);
    recording.push(&(), u64::MAX);
    recording.push(&(), 7);
    assert_eq!(recording.finish(), None);
}

#[test]
fn empty_stream_is_a_recording() {
    assert_eq!(Recording::<()>::new(0).finish(), Some((vec![], 0)));
}
