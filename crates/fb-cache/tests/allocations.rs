//! Allocations of cache reads.

use std::{sync::Arc, time::Instant};

use allocation_counter::measure;
use fb_cache::{Cache, CacheConfig, Item, KeyBuilder, Tags, Windows};

#[test]
#[expect(clippy::disallowed_methods, reason = "an arbitrary start time")]
fn reads_do_not_copy_and_hardly_allocate() {
    let cache = Cache::new(CacheConfig::default()).unwrap();
    let tags = Tags { tenant: "a".into(), route: "r".into(), provider: "p".into() };
    let now = Instant::now();
    let key = |field: &str| KeyBuilder::new("test").part("field", field).finish();
    let fresh = Windows::default();
    let stale = Windows { fresh: std::time::Duration::ZERO, ..fresh };
    for (field, windows) in [("fresh", fresh), ("stale", stale)] {
        let value: Arc<[u8]> = vec![7; 100_000].into();
        cache.insert(key(field), Item { value, bytes: 100_000, tags: tags.clone(), windows }, now).unwrap();
    }
    let (fresh, stale, other) = (key("fresh"), key("stale"), key("other"));
    let counted = measure(|| {
        for _ in 0..10_000 {
            assert_eq!(cache.get(&fresh, now).map(|hit| hit.value().len()), Some(100_000));
            assert_eq!(cache.get_stale(&stale, now).map(|hit| hit.value().len()), Some(100_000));
            assert!(cache.get(&other, now).is_none());
        }
    });
    // moka's read log allocates a page per hundred reads.
    assert!(counted.count_total <= 300 && counted.bytes_total < 1_000_000, "{counted:?}");
}
