use super::*;

fn counts(failed: u64, calls: u64) -> Counts {
    Counts { calls, failed }
}

#[test]
fn outlier_is_far_below_peers_with_enough_calls() {
    let config = OutlierConfig::default();
    let well = counts(0, 100);
    let cases = [
        ("all well", counts(0, 100), vec![well, well], 0, false),
        ("a fifth below two perfect peers is not below", counts(20, 100), vec![well, well], 0, false),
        ("a little more is", counts(21, 100), vec![well, well], 0, true),
        ("all fail alike", counts(50, 100), vec![counts(50, 100), counts(50, 100)], 0, false),
        ("all fail entirely", counts(100, 100), vec![counts(100, 100), counts(100, 100)], 0, true),
        ("peers that differ much hide it", counts(60, 100), vec![counts(0, 100), counts(60, 100)], 0, false),
        (
            "84 % of failures among bad peers",
            counts(84, 100),
            vec![counts(80, 100), counts(80, 100)],
            0,
            false,
        ),
        (
            "85 % of failures among bad peers",
            counts(85, 100),
            vec![counts(80, 100), counts(80, 100)],
            0,
            true,
        ),
        ("19 calls are too few", counts(19, 19), vec![well, well], 0, false),
        ("20 are enough", counts(20, 20), vec![well, well], 0, true),
        ("two peers are too few", counts(100, 100), vec![well], 0, false),
        ("a peer with 19 calls is none", counts(100, 100), vec![well, counts(0, 19)], 0, false),
        ("one of three is ejected already", counts(100, 100), vec![well, well], 1, false),
        ("one of four is ejected already", counts(100, 100), vec![well, well, well], 1, true),
        ("two of four are ejected already", counts(100, 100), vec![well, well, well], 2, false),
    ];
    for (case, target, others, ejected, expected) in cases {
        assert_eq!(is_outlier(&config, target, &others, ejected), expected, "{case}");
    }
    let all = OutlierConfig { max_ejected: 1.0, ..config };
    assert!(is_outlier(&all, counts(100, 100), &[well, well], 1));
    assert!(!is_outlier(&all, counts(100, 100), &[well, well], 2), "one target always stays");
    let off = OutlierConfig { enabled: false, ..all };
    assert!(!is_outlier(&off, counts(100, 100), &[well, well], 0));
}

#[test]
fn consecutive_ejections_last_longer() {
    let config = OutlierConfig::default();
    let secs = |nth, random| ejection_time(&config, nth, random).as_secs();
    assert_eq!([secs(1, 0.5), secs(2, 0.5), secs(10, 0.5), secs(u32::MAX, 0.5)], [10, 15, 15, 15]);
    assert_eq!([secs(1, 0.0), secs(1, 1.0)], [9, 11]);
    let long = OutlierConfig { base: Duration::from_secs(60), ..config };
    assert_eq!(ejection_time(&long, 2, 0.5), long.base, "a longer base is the maximum");
}
