use super::*;

fn of(failed: u64, calls: u64) -> Counts {
    Counts { calls, failed }
}

/// Behaviours: ejection needs enough peers and volume; the candidate counts towards the most that may be ejected; a
/// single host is not ejected; float shares exactly at a threshold.
#[test]
fn an_outlier_is_far_below_peers_that_made_enough_calls() {
    let config = OutlierConfig::default();
    let well = of(0, 100);
    let cases = [
        ("all well", of(0, 100), vec![well, well], 0, false),
        ("a fifth below two perfect peers is not below", of(20, 100), vec![well, well], 0, false),
        ("a little more is", of(21, 100), vec![well, well], 0, true),
        ("everybody fails alike", of(50, 100), vec![of(50, 100), of(50, 100)], 0, false),
        ("everybody fails entirely", of(100, 100), vec![of(100, 100), of(100, 100)], 0, true),
        ("peers that differ much hide it", of(60, 100), vec![of(0, 100), of(60, 100)], 0, false),
        ("84 % of failures among bad peers", of(84, 100), vec![of(80, 100), of(80, 100)], 0, false),
        ("85 % of failures among bad peers", of(85, 100), vec![of(80, 100), of(80, 100)], 0, true),
        ("19 calls are too few", of(19, 19), vec![well, well], 0, false),
        ("20 are enough", of(20, 20), vec![well, well], 0, true),
        ("two peers are too few", of(100, 100), vec![well], 0, false),
        ("a peer with 19 calls is none", of(100, 100), vec![well, of(0, 19)], 0, false),
        ("one of three is left out already", of(100, 100), vec![well, well], 1, false),
        ("one of four is left out already", of(100, 100), vec![well, well, well], 1, true),
        ("two of four are left out already", of(100, 100), vec![well, well, well], 2, false),
    ];
    for (case, target, others, ejected, expected) in cases {
        assert_eq!(is_outlier(&config, target, &others, ejected), expected, "{case}");
    }
    let all = OutlierConfig { max_ejected: 1.0, ..config };
    assert!(is_outlier(&all, of(100, 100), &[well, well], 1));
    assert!(!is_outlier(&all, of(100, 100), &[well, well], 2), "somebody stays");
    let off = OutlierConfig { enabled: false, ..all };
    assert!(!is_outlier(&off, of(100, 100), &[well, well], 0));
}

#[test]
fn each_ejection_in_a_row_is_longer() {
    let config = OutlierConfig::default();
    let secs = |nth, unit| ejected_for(&config, nth, unit).as_secs();
    assert_eq!([secs(1, 0.5), secs(2, 0.5), secs(10, 0.5), secs(u32::MAX, 0.5)], [30, 60, 300, 300]);
    assert_eq!([secs(1, 0.0), secs(1, 1.0)], [27, 33]);
}
