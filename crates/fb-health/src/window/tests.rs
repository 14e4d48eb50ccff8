use proptest::prelude::*;

use super::*;
use crate::virtual_time::at;

#[test]
fn calls_expire_a_bucket_at_a_time() {
    let mut window = Window::new(Duration::from_secs(60), at(0.0));
    window.record(true, at(0.0));
    window.record(false, at(4.0));
    window.record(true, at(5.0));
    assert_eq!(window.counts(at(59.0)), Counts { calls: 3, failed: 2 });
    assert_eq!(window.counts(at(60.0)), Counts { calls: 1, failed: 1 });
    assert_eq!(window.counts(at(65.0)), Counts::default());
    window.record(false, at(1_000_000_000.0));
    assert_eq!(window.counts(at(1_000_000_000.0)), Counts { calls: 1, failed: 0 });
    assert_eq!(window.counts(at(3.0)), Counts { calls: 1, failed: 0 });
}

proptest! {
    #[test]
    fn counts_match_a_list_of_all_calls(steps in prop::collection::vec((0_u64..20_000, any::<bool>()), 1..200)) {
        let mut window = Window::new(Duration::from_secs(60), at(0.0));
        let (mut millis, mut all) = (0, Vec::new());
        for (gap, failed) in steps {
            millis += gap;
            let now = at(0.0) + Duration::from_millis(millis);
            window.record(failed, now);
            all.push((millis / 5_000, failed));
            let kept = all.iter().filter(|(tick, _)| millis / 5_000 - tick < 12);
            let failed = kept.clone().filter(|(_, failed)| *failed).count() as u64;
            prop_assert_eq!(window.counts(now), Counts { calls: kept.count() as u64, failed });
        }
    }
}
