use super::*;

const UNSET: TargetTimes = TargetTimes { first_output: None, total: None };
const SET: TargetTimes = TargetTimes { first_output: Some(secs(30)), total: Some(secs(30)) };

const PLAIN: CallShape = CallShape { streams: false, thinks: false, max_tokens: None };
const LONG: CallShape = CallShape { max_tokens: Some(8_000), ..PLAIN };
const ENDLESS: CallShape = CallShape { max_tokens: Some(128_000), ..PLAIN };
const THINKER: CallShape = CallShape { thinks: true, ..PLAIN };
const STREAM: CallShape = CallShape { streams: true, ..PLAIN };
const THINKING_STREAM: CallShape = CallShape { thinks: true, ..STREAM };

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// The time left of a default deadline.
fn default_left(remaining: u64, deadline: u64, later: u32) -> TimeLeft {
    TimeLeft {
        remaining: secs(remaining),
        min_slice: secs(5),
        deadline: secs(deadline),
        is_set: false,
        later,
    }
}

/// The time left of a deadline that the route sets.
fn set_left(remaining: u64, deadline: u64, later: u32) -> TimeLeft {
    TimeLeft { is_set: true, ..default_left(remaining, deadline, later) }
}

#[test]
fn time_of_a_call_follows_from_settings_request_and_position() {
    // limit, usual and whether running out of time is the target's failure
    let cases = [
        ("plain, earlier", UNSET, PLAIN, default_left(180, 180, 1), (60, 60, true)),
        ("plain, last", UNSET, PLAIN, default_left(120, 180, 0), (120, 120, true)),
        ("plain, the only one", UNSET, PLAIN, default_left(120, 120, 0), (120, 120, true)),
        ("long, last", UNSET, LONG, default_left(400, 460, 0), (400, 400, true)),
        ("long, earlier", UNSET, LONG, default_left(460, 460, 1), (60, 60, true)),
        ("128k tokens, last", UNSET, ENDLESS, default_left(600, 660, 0), (600, 600, true)),
        ("plain, thinks, earlier", UNSET, THINKER, default_left(240, 240, 1), (120, 120, true)),
        ("stream, earlier", UNSET, STREAM, default_left(75, 75, 1), (15, 15, true)),
        ("stream, last", UNSET, STREAM, default_left(60, 75, 0), (60, 60, true)),
        ("stream, last, at once", UNSET, STREAM, default_left(75, 75, 0), (75, 60, true)),
        ("stream, thinks, earlier", UNSET, THINKING_STREAM, default_left(240, 240, 1), (120, 120, true)),
        ("a set timeout", SET, PLAIN, default_left(60, 60, 1), (30, 30, true)),
        ("a set timeout, stream", SET, STREAM, default_left(60, 60, 0), (30, 30, true)),
        ("a set timeout, shortened by others", SET, PLAIN, default_left(20, 60, 0), (20, 30, false)),
        ("a set timeout above a set deadline", SET, PLAIN, set_left(20, 20, 0), (20, 20, true)),
        ("a set deadline is shared", UNSET, PLAIN, set_left(60, 60, 1), (30, 30, true)),
        ("what is left of it", UNSET, PLAIN, set_left(30, 60, 0), (30, 60, false)),
        ("a set deadline of a stream", UNSET, STREAM, set_left(20, 20, 1), (10, 10, true)),
        ("a caller with 10 s", UNSET, PLAIN, set_left(10, 180, 1), (5, 60, false)),
        ("a few milliseconds later", UNSET, PLAIN, default_left(119, 120, 0), (119, 120, true)),
    ];
    for (case, times, shape, left, (limit, usual, is_fault)) in cases {
        let time = times.call_time(shape, left);
        assert_eq!(
            (time, !time.is_shortened()),
            (CallTime { limit: secs(limit), usual: secs(usual) }, is_fault),
            "{case}"
        );
    }
}

#[test]
fn deadline_of_a_route_has_room_for_models_that_think() {
    let seconds = |models: [&str; 2]| {
        let targets = models.map(|model| Target::new("a", model));
        crate::Route::priority("default", targets).effective_deadline().as_secs()
    };
    assert_eq!(seconds(["gpt-4o", "claude-sonnet-4-6"]), 180);
    assert_eq!(seconds(["gpt-6.1-sol", "claude-sonnet-4-6"]), 240);
}

#[test]
fn default_deadline_is_the_sum_of_the_planned_times() {
    let sum = |calls: &[(TargetTimes, CallShape)]| default_deadline(calls.iter().copied()).as_secs();
    assert_eq!(sum(&[(UNSET, PLAIN)]), 120);
    assert_eq!(sum(&[(UNSET, PLAIN), (UNSET, PLAIN)]), 180);
    assert_eq!(sum(&[(UNSET, PLAIN), (UNSET, LONG)]), 460);
    assert_eq!(sum(&[(UNSET, STREAM), (UNSET, STREAM)]), 75);
    assert_eq!(sum(&[(UNSET, THINKING_STREAM), (UNSET, STREAM)]), 180);
    assert_eq!([sum(&[(UNSET, PLAIN), (SET, PLAIN)]), sum(&[(SET, PLAIN), (UNSET, PLAIN)])], [150, 150]);
    assert_eq!(sum(&[(SET, PLAIN), (SET, PLAIN), (SET, PLAIN)]), 90);
    assert_eq!([sum(&[(SET, PLAIN)]), sum(&[])], [60, 60], "the least");
}
