mod model;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Cache, InsertError};
use crate::{CacheConfig, Hit, Item, Key, KeyBuilder, Purge, Stats, Tags, Windows};

const NANO: Duration = Duration::from_nanos(1);
/// The charge of an entry besides its bytes.
const OVERHEAD: u64 = 256;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn just_before(end: Duration) -> Duration {
    end.saturating_sub(NANO)
}

#[expect(clippy::disallowed_methods, reason = "an arbitrary start time")]
fn start() -> Instant {
    Instant::now()
}

fn cache(max_bytes: u64, tenant_share: f64) -> Cache<u32> {
    Cache::new(CacheConfig { max_bytes, max_entry_bytes: 1_000, tenant_share }).unwrap()
}

fn key(tenant: &str, field: u64) -> Key {
    KeyBuilder::new("test").part("tenant", tenant).part("field", field.to_string()).finish()
}

fn tags(tenant: &str, route: &str, provider: &str) -> Tags {
    Tags { tenant: tenant.into(), route: route.into(), provider: provider.into() }
}

/// An item of tenant `a`, fresh for ten seconds and stale for five.
fn item(value: u32, bytes: u64) -> Item<u32> {
    let windows = Windows { fresh: secs(10), stale_if_error: secs(5) };
    Item { value, bytes, tags: tags("a", "r", "p"), windows }
}

fn value(hit: Option<Hit<u32>>) -> Option<u32> {
    hit.map(|hit| *hit.value())
}

#[test]
fn entry_is_fresh_then_stale_then_gone() {
    let (cache, now, key) = (cache(10_000, 1.0), start(), key("a", 1));
    cache.insert(key, item(7, 100), now).unwrap();
    let rows = [
        (Duration::ZERO, Some(7), Some((7, false))),
        (just_before(secs(10)), Some(7), Some((7, false))),
        (secs(10), None, Some((7, true))),
        (just_before(secs(15)), None, Some((7, true))),
        (secs(15), None, None),
        // The lookup has removed the expired entry, so an earlier time does not restore it.
        (Duration::ZERO, None, None),
    ];
    for (age, fresh, any) in rows {
        let now = now + age;
        assert_eq!(value(cache.get(&key, now)), fresh, "{age:?}");
        let hit = cache.get_stale(&key, now);
        if let Some(hit) = &hit {
            assert_eq!((hit.age(), hit.tags()), (age, &tags("a", "r", "p")));
        }
        assert_eq!(hit.map(|hit| (*hit.value(), hit.is_stale())), any, "{age:?}");
    }
    let expected = Stats { hits: 4, stale_hits: 2, misses: 6, stored: 1, expired: 1, ..Stats::default() };
    assert_eq!(cache.stats(), expected);
}

#[test]
fn backward_clock_does_not_age_entries() {
    let (cache, now, key) = (cache(10_000, 1.0), start(), key("a", 1));
    cache.insert(key, item(7, 100), now + secs(60)).unwrap();
    let hit = cache.get(&key, now).unwrap();
    assert_eq!((hit.age(), hit.is_stale()), (Duration::ZERO, false));
}

#[test]
fn zero_windows_are_respected() {
    let (cache, now) = (cache(10_000, 1.0), start());
    let with = |fresh, stale_if_error| Item { windows: Windows { fresh, stale_if_error }, ..item(7, 1) };
    cache.insert(key("a", 1), with(Duration::ZERO, secs(1)), now).unwrap();
    assert_eq!(value(cache.get(&key("a", 1), now)), None);
    assert_eq!(value(cache.get_stale(&key("a", 1), now)), Some(7));
    cache.insert(key("a", 2), with(secs(1), Duration::ZERO), now).unwrap();
    assert_eq!(value(cache.get(&key("a", 2), now)), Some(7));
    assert_eq!(value(cache.get_stale(&key("a", 2), now + secs(1))), None);
    let none = with(Duration::ZERO, Duration::ZERO);
    assert_eq!(cache.insert(key("a", 3), none, now), Err(InsertError::ZeroWindows));
}

#[test]
fn windows_begin_at_the_time_of_storing() {
    let (cache, now, key) = (cache(10_000, 1.0), start(), key("a", 1));
    cache.insert(key, item(1, 100), now).unwrap();
    let requested = now + secs(9);
    assert_eq!(value(cache.get(&key, requested)), Some(1));
    let answered = requested + secs(20);
    cache.insert(key, item(2, 100), answered).unwrap();
    assert_eq!(value(cache.get(&key, answered + just_before(secs(10)))), Some(2));
    assert_eq!(value(cache.get(&key, answered + secs(10))), None);
}

#[test]
fn entry_size_is_limited() {
    let (cache, now, key) = (cache(10_000, 1.0), start(), key("a", 1));
    cache.insert(key, item(1, 1_000), now).unwrap();
    let too_large = InsertError::TooLarge { bytes: 1_001, limit: 1_000 };
    assert_eq!(cache.insert(key, item(2, 1_001), now), Err(too_large));
    let too_large = InsertError::TooLarge { bytes: u64::MAX, limit: 1_000 };
    assert_eq!(cache.insert(key, item(2, u64::MAX), now), Err(too_large));
    // The earlier entry is kept.
    assert_eq!(value(cache.get(&key, now)), Some(1));
    let held = Stats { entries: 1, bytes: 1_000 + OVERHEAD, ..Stats::default() };
    assert_eq!(cache.stats(), Stats { hits: 1, stored: 1, too_large: 2, ..held });
}

#[test]
fn tenant_quota_evicts_the_oldest_entries() {
    let (cache, now) = (cache(4_000, 0.5), start());
    let b = |bytes| Item { tags: tags("b", "r", "p"), ..item(9, bytes) };
    cache.insert(key("b", 1), b(744), now).unwrap();
    for field in 1..=4 {
        cache.insert(key("a", field.into()), item(field, 244), now + secs(field.into())).unwrap();
    }
    // A replacement of the same size does not exceed the quota.
    cache.insert(key("a", 1), item(5, 244), now + secs(5)).unwrap();
    let found = |fields: [u64; 5]| fields.map(|field| value(cache.get_stale(&key("a", field), now)));
    assert_eq!(found([1, 2, 3, 4, 6]), [Some(5), Some(2), Some(3), Some(4), None]);
    // One more entry evicts the oldest, a larger one the two oldest; the other tenant's entries stay.
    cache.insert(key("a", 6), item(6, 244), now).unwrap();
    assert_eq!(found([1, 2, 3, 4, 6]), [Some(5), None, Some(3), Some(4), Some(6)]);
    cache.insert(key("a", 7), item(7, 245), now).unwrap();
    assert_eq!(found([1, 3, 4, 6, 7]), [Some(5), None, None, Some(6), Some(7)]);
    assert_eq!(
        cache.shared.usage.bytes_by_tenant(),
        [("a".to_owned(), 1_501), ("b".to_owned(), 1_000)].into()
    );
    let stats = cache.stats();
    assert_eq!((stats.stored, stats.evicted, stats.over_quota), (8, 3, 0));
}

#[test]
fn item_above_the_quota_is_refused_without_eviction() {
    let (cache, now, key) = (cache(2_000, 0.5), start(), key("a", 1));
    cache.insert(key, item(1, 744), now).unwrap();
    let over = InsertError::OverQuota { bytes: 1_001, limit: 1_000 };
    assert_eq!(cache.insert(key, item(2, 745), now), Err(over));
    assert_eq!(value(cache.get(&key, now)), Some(1));
    let held = Stats { entries: 1, bytes: 1_000, ..Stats::default() };
    assert_eq!(cache.stats(), Stats { hits: 1, stored: 1, over_quota: 1, ..held });
}

#[test]
fn sweep_removes_expired_entries() {
    let (cache, now) = (cache(10_000, 1.0), start());
    cache.insert(key("a", 1), item(1, 100), now).unwrap();
    cache.insert(key("a", 2), item(2, 100), now + NANO).unwrap();
    assert_eq!(cache.sweep(now + just_before(secs(15))), 0);
    assert_eq!(cache.sweep(now + secs(15)), 1);
    assert_eq!(value(cache.get_stale(&key("a", 2), now + secs(15))), Some(2));
    let held = Stats { entries: 1, bytes: 100 + OVERHEAD, ..Stats::default() };
    assert_eq!(cache.stats(), Stats { stale_hits: 1, stored: 2, expired: 1, ..held });
}

// Evictions must keep the usage accounting correct.
#[test]
fn memory_is_bounded_and_usage_is_exact() {
    let (cache, now) = (cache(5_000, 0.5), start());
    for field in 0..1_000 {
        let tenant = ["a", "b", "c"][field as usize % 3];
        cache
            .insert(key("", field.into()), Item { tags: tags(tenant, "r", "p"), ..item(field, 244) }, now)
            .unwrap();
        assert!(cache.stats().bytes <= 5_000, "after {field}");
    }
    let stats = cache.stats();
    assert_eq!(
        (stats.stored, stats.entries + stats.evicted, stats.bytes),
        (1_000, 1_000, stats.entries * 500)
    );
    let found = (0..1_000).filter(|field| cache.get(&key("", *field), now).is_some()).count() as u64;
    assert_eq!(found, stats.entries);
    assert!(found >= 8, "{found}");
    assert_eq!(cache.purge(&Purge::default(), now), found);
    assert_eq!(cache.shared.usage.bytes_by_tenant(), [].into());
}

// A removal may race with a replacement of the entry.
#[test]
fn removal_spares_a_replacing_entry() {
    let (cache, now, key) = (cache(10_000, 1.0), start(), key("a", 1));
    cache.insert(key, item(1, 100), now).unwrap();
    let (replaced, _) = cache.shared.usage.oldest("a").unwrap();
    cache.insert(key, item(2, 100), now).unwrap();
    assert!(!cache.remove_entry(key, replaced));
    assert_eq!(value(cache.get(&key, now)), Some(2));
}

#[test]
fn tenants_do_not_share_entries() {
    let (cache, now) = (cache(10_000, 1.0), start());
    cache.insert(key("a", 1), item(1, 100), now).unwrap();
    assert_eq!(value(cache.get_stale(&key("b", 1), now)), None);
}

#[test]
fn hit_outlives_a_purged_entry() {
    let (cache, now, key) = (cache(10_000, 1.0), start(), key("a", 1));
    cache.insert(key, item(1, 100), now).unwrap();
    let hit = cache.get(&key, now);
    assert_eq!(cache.purge(&Purge::default(), now), 1);
    assert_eq!((value(hit), value(cache.get(&key, now))), (Some(1), None));
}

/// Checks the entries that a purge leaves of eight: fields 0 to 7, with bits for tenant, route and provider, each
/// stored at its number in seconds.
#[track_caller]
fn check_purge(purge: &Purge, left: &[u64]) {
    let (cache, now) = (cache(10_000, 1.0), start());
    for field in 0..8_u64 {
        let name = |bit: u64, names: [&'static str; 2]| names[usize::from(field & bit != 0)];
        let tags = tags(name(1, ["a", "b"]), name(2, ["r", "s"]), name(4, ["p", "q"]));
        let windows = Windows::default();
        cache.insert(key("", field), Item { tags, windows, ..item(0, 1) }, now + secs(field)).unwrap();
    }
    let later = now + secs(7);
    assert_eq!(cache.purge(purge, later), 8 - left.len() as u64);
    let found: Vec<u64> = (0..8).filter(|field| cache.get(&key("", *field), later).is_some()).collect();
    assert_eq!(found, left);
    assert_eq!(cache.stats().purged, 8 - left.len() as u64);
    assert_eq!(cache.stats().bytes, left.len() as u64 * (1 + OVERHEAD));
}

#[test]
fn purge_removes_entries_that_match_all_conditions() {
    let all = Purge::default();
    let b = Some("b".to_owned());
    check_purge(&all, &[]);
    check_purge(&Purge { tenant: b.clone(), ..all.clone() }, &[0, 2, 4, 6]);
    check_purge(&Purge { route: Some("s".to_owned()), ..all.clone() }, &[0, 1, 4, 5]);
    check_purge(&Purge { provider: Some("q".to_owned()), ..all.clone() }, &[0, 1, 2, 3]);
    // Stored from second 2 to second 4.
    check_purge(&Purge { age: Some(secs(3)..=secs(5)), ..all.clone() }, &[0, 1, 5, 6, 7]);
    let both = Purge { tenant: b.clone(), age: Some(secs(0)..=secs(3)), ..all.clone() };
    check_purge(&both, &[0, 1, 2, 3, 4, 6]);
    let every = Purge { tenant: b, route: Some("r".to_owned()), provider: Some("p".to_owned()), age: None };
    check_purge(&every, &[0, 2, 3, 4, 5, 6, 7]);
    check_purge(&Purge { tenant: Some("c".to_owned()), ..all }, &[0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn concurrent_writes_keep_usage_exact() {
    let cache = Arc::new(cache(20_000, 0.5));
    let now = start();
    let purge = Purge { tenant: Some("a".to_owned()), ..Purge::default() };
    let purged: u64 = std::thread::scope(|scope| {
        let work = |seed: u32| {
            let (cache, purge) = (&cache, &purge);
            scope.spawn(move || {
                let mut purged = 0;
                for step in 0..3_000_u32 {
                    let field = step.wrapping_mul(2_654_435_761).rotate_left(seed) % 64;
                    let tags = tags(["a", "b", "c"][(field % 3) as usize], "r", "p");
                    let at = now + Duration::from_millis(u64::from(step) * 20);
                    match step % 16 {
                        0 => purged += cache.purge(purge, at),
                        1..6 => drop(cache.get(&key("", field.into()), at)),
                        _ => {
                            let item = Item { tags, ..item(field, u64::from(step % 700)) };
                            match cache.insert(key("", field.into()), item, at) {
                                Ok(()) | Err(InsertError::OverQuota { .. }) => {}
                                Err(other) => panic!("{other}"),
                            }
                        }
                    }
                }
                purged
            })
        };
        let threads = [0, 1, 2, 3].map(work);
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(cache.stats().purged, purged);
    cache.shared.entries.run_pending_tasks();
    let entries: Vec<_> = cache.shared.entries.iter().map(|(_, entry)| entry).collect();
    let mut held = std::collections::BTreeMap::new();
    for entry in &entries {
        *held.entry(entry.item.tags.tenant.to_string()).or_insert(0) += entry.charge.bytes;
    }
    assert_eq!(cache.shared.usage.bytes_by_tenant(), held);
    assert_eq!(cache.stats().entries, entries.len() as u64);
    assert_eq!(cache.purge(&Purge::default(), now), entries.len() as u64);
    assert_eq!((cache.stats().entries, cache.stats().bytes), (0, 0));
}

#[test]
fn debug_output_has_no_values() {
    let (cache, now) = (cache(10_000, 1.0), start());
    cache.insert(key("a", 1), item(31_337, 100), now).unwrap();
    let printed = format!("{cache:?}");
    assert!(printed.contains("entries: 1") && !printed.contains("31337"), "{printed}");
}
