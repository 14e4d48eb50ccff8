use super::*;
use crate::virtual_time::at;

#[test]
fn slow_sample_counts_at_once_and_decays() {
    let mut ewma = PeakEwma::default();
    assert_eq!(ewma.last(), None);
    ewma.record(1.0, at(0.0));
    ewma.record(5.0, at(1.0));
    assert_eq!(ewma.last(), Some(5.0));
    ewma.record(1.0, at(11.0));
    let third = 1.0 + 4.0 * (-1.0_f64).exp();
    assert!((ewma.last().unwrap() - third).abs() < 1e-9);
    ewma.record(0.0, at(0.0));
    assert!((ewma.last().unwrap() - third).abs() < 1e-9);
}

#[test]
fn peak_decays_without_samples() {
    let mut ewma = PeakEwma::default();
    assert_eq!(ewma.value(at(0.0)), None);
    ewma.record(5.0, at(0.0));
    let values = [0.0, 10.0, 30.0].map(|secs| (ewma.value(at(secs)).unwrap() * 100.0).round().to_string());
    assert_eq!((values, ewma.last()), (["500", "184", "25"].map(str::to_owned), Some(5.0)));
}

#[test]
fn percentiles_cover_the_latest_100_samples_of_ten_minutes() {
    let ms = Duration::from_millis;
    let mut recent = Recent::default();
    assert_eq!(recent.summary([0.5], at(0.0)), None);
    recent.record(ms(7), at(0.0));
    assert_eq!(recent.summary([0.0, 0.5, 1.0], at(0.0)), Some((1, ms(7), [ms(7); 3])));
    for sample in 1..=100 {
        recent.record(ms(sample), at(300.0));
    }
    let of_hundred = Some((100, Duration::from_micros(50_500), [ms(50), ms(95), ms(100)]));
    assert_eq!(recent.summary([0.5, 0.95, 1.0], at(601.0)), of_hundred);
    assert_eq!(recent.summary([0.5], at(901.0)), None);
    for _ in 0..100 {
        recent.record(ms(3), at(400.0));
    }
    assert_eq!(recent.summary([1.0], at(400.0)), Some((100, ms(3), [ms(3)])));
}

/// Compares with percentiles of samples that are sorted anew.
#[test]
fn kept_order_is_that_of_the_samples() {
    let (mut recent, mut all, mut random) = (Recent::default(), Vec::new(), 1_u64);
    for step in 0..2_000_u32 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let sample = Duration::from_millis(random >> 58);
        // Pauses, after which some samples or all are too old.
        let now = at(f64::from(step) * 5.0 + f64::from(step / 150) * 550.0);
        recent.record(sample, now);
        all.push((now, sample));
        let latest = all[all.len().saturating_sub(CAPACITY)..].iter();
        let mut expected: Vec<_> =
            latest.filter(|(when, _)| now - *when <= MAX_AGE).map(|(_, sample)| *sample).collect();
        expected.sort_unstable();
        let len = expected.len();
        let mean = expected.iter().sum::<Duration>() / u32::try_from(len).unwrap();
        let percentiles = [0.0, 0.5, 0.95, 1.0].map(|share| expected[rank(share, len)]);
        assert_eq!(recent.summary([0.0, 0.5, 0.95, 1.0], now), Some((len, mean, percentiles)), "{step}");
    }
}
