use super::*;

fn schema(n: usize) -> Json {
    Json::parse(&format!("{{\"maximum\":{n}}}")).unwrap()
}

#[test]
fn schema_is_compiled_once() {
    let cache = Cache::default();
    let first = cache.get(&schema(1)).unwrap();
    assert!(Arc::ptr_eq(&first, &cache.get(&schema(1)).unwrap()));
    assert!(!Arc::ptr_eq(&first, &cache.get(&schema(2)).unwrap()));
}

#[test]
fn least_recently_used_schema_is_evicted() {
    let cache = Cache::default();
    let kept = cache.get(&schema(0)).unwrap();
    let lost = cache.get(&schema(1)).unwrap();
    for n in 2..=MAX_ENTRIES {
        let _used = cache.get(&schema(0));
        let _new = cache.get(&schema(n));
    }
    assert_eq!(cache.entries.lock().len(), MAX_ENTRIES);
    assert!(Arc::ptr_eq(&kept, &cache.get(&schema(0)).unwrap()));
    assert!(!Arc::ptr_eq(&lost, &cache.get(&schema(1)).unwrap()));
    assert_eq!(cache.entries.lock().len(), MAX_ENTRIES);
}

#[test]
fn unusable_schema_is_cached_too() {
    let cache = Cache::default();
    let none = Json::parse("[]").unwrap();
    let first = cache.get(&none).err();
    assert!(first.is_some());
    assert_eq!(cache.get(&none).err(), first);
    assert_eq!(cache.entries.lock().len(), 1);
}
