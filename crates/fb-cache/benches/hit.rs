//! The cost of a hit, a key and an insertion, with hits and insertions compared with plain moka in the same run.

use std::{
    hash::{BuildHasher, Hasher},
    hint::black_box,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use criterion::{BatchSize, Criterion, Throughput, criterion_group};
use fb_cache::{Cache, CacheConfig, Item, Key, KeyBuilder, Tags, Windows};

type Body = Arc<[u8]>;

const ENTRIES: u32 = 1_000;
const CAPACITY: u64 = 256 << 20;

/// The same hasher as in fb-cache, for a fair comparison: the head of the key is its hash.
#[derive(Clone, Copy, Default)]
struct Head(u64);

impl Hasher for Head {
    fn write(&mut self, _bytes: &[u8]) {}

    fn write_u64(&mut self, head: u64) {
        self.0 = head;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl BuildHasher for Head {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self::default()
    }
}

fn key(field: u32) -> Key {
    KeyBuilder::new("bench").part("field", field.to_le_bytes()).finish()
}

fn body() -> Body {
    vec![7; 1_000].into()
}

fn item(tags: &Tags) -> Item<Body> {
    Item { value: body(), bytes: 1_000, tags: tags.clone(), windows: Windows::default() }
}

fn tags() -> Tags {
    Tags { tenant: "a".into(), route: "r".into(), provider: "p".into() }
}

#[expect(clippy::disallowed_methods, reason = "an arbitrary start time")]
fn start() -> Instant {
    Instant::now()
}

fn ours() -> Option<Cache<Body>> {
    Cache::new(CacheConfig::with(|config| config.max_bytes = CAPACITY)).ok()
}

fn moka<K: std::hash::Hash + Eq + Send + Sync + 'static, S: BuildHasher + Clone + Send + Sync + 'static>(
    hasher: S,
) -> moka::sync::Cache<K, Body, S> {
    let sized = |_: &K, body: &Body| u32::try_from(body.len()).unwrap_or(u32::MAX);
    moka::sync::Cache::builder().max_capacity(CAPACITY).weigher(sized).build_with_hasher(hasher)
}

/// Hits with prepared keys, cycling through all entries.
fn hit(criterion: &mut Criterion) {
    let keys: Vec<Key> = (0..ENTRIES).map(key).collect();
    let (now, tags) = (start(), tags());
    let mut group = criterion.benchmark_group("hit");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));

    let Some(cache) = ours() else { return };
    let stored = keys.iter().filter(|key| cache.insert(**key, item(&tags), now).is_ok());
    assert_eq!(stored.count(), keys.len());
    let mut round = keys.iter().cycle();
    group.bench_function("fb-cache", |bench| {
        bench.iter(|| round.next().map(|key| cache.get(black_box(key), now)));
    });

    let same = moka(Head::default());
    for key in &keys {
        same.insert(*key, body());
    }
    let mut round = keys.iter().cycle();
    group.bench_function("moka, same hasher", |bench| {
        bench.iter(|| round.next().map(|key| same.get(black_box(key))));
    });

    let default = moka(std::hash::RandomState::new());
    let bytes: Vec<[u8; 32]> = keys.iter().map(|key| *key.as_bytes()).collect();
    for key in &bytes {
        default.insert(*key, body());
    }
    let mut round = bytes.iter().cycle();
    group.bench_function("moka, default hasher", |bench| {
        bench.iter(|| round.next().map(|key| default.get(black_box(key))));
    });
    group.finish();
}

/// Insertions of new keys, which evict older ones.
fn insert(criterion: &mut Criterion) {
    let (now, tags) = (start(), tags());
    let mut group = criterion.benchmark_group("insert");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    let mut fields = (0..u32::MAX).cycle();
    let mut next = move || key(fields.next().unwrap_or(0));
    let Some(cache) = ours() else { return };
    group.bench_function("fb-cache", |bench| {
        let new = || (next(), item(&tags));
        bench.iter_batched(new, |(key, item)| cache.insert(key, item, now), BatchSize::SmallInput);
    });
    let mut fields = (0..u32::MAX).cycle();
    let mut next = move || key(fields.next().unwrap_or(0));
    let same = moka(Head::default());
    group.bench_function("moka, same hasher", |bench| {
        bench.iter_batched(|| (next(), body()), |(key, body)| same.insert(key, body), BatchSize::SmallInput);
    });
    group.finish();
}

/// A chat of about `bytes` bytes with messages of two hundred characters.
fn chat(bytes: usize) -> String {
    let message = format!(r#"{{"role": "user", "content": "{}"}}"#, "some words\\n and so".repeat(10));
    let messages = vec![message.as_str(); (bytes / message.len()).max(1)].join(", ");
    format!(r#"{{"model": "default", "temperature": 0.0, "messages": [{messages}], "seed": 7}}"#)
}

fn build_key(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("key");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    for (name, bytes) in [("1 KB", 1_000), ("100 KB", 100_000)] {
        let chat = chat(bytes);
        group.throughput(Throughput::Bytes(chat.len() as u64));
        group.bench_function(name, |bench| {
            bench.iter(|| {
                let key = KeyBuilder::new("chat v1").part("tenant", "a").absent("seed");
                key.json("body", black_box(chat.as_bytes())).map(KeyBuilder::finish)
            });
        });
    }
    group.finish();
}

/// Returns the median of the last run in nanoseconds.
fn median(group: &str, name: &str) -> Option<f64> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target")), PathBuf::from);
    let path = target.join("criterion").join(group).join(name).join("new/estimates.json");
    let estimates: serde_json::Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    estimates["median"]["point_estimate"].as_f64()
}

/// Prints the medians in nanoseconds, and as multiples of moka's.
#[expect(clippy::print_stdout, reason = "the table is the result")]
fn table() {
    for (group, peers) in [
        ("hit", ["moka, same hasher", "moka, default hasher"].as_slice()),
        ("insert", &["moka, same hasher"]),
    ] {
        let Some(ours) = median(group, "fb-cache") else { continue };
        println!("\n| {group} | ns | fb-cache takes × |\n|---|---|---|\n| fb-cache | {ours:.1} | 1.00 |");
        for peer in peers {
            let Some(nanos) = median(group, peer) else { continue };
            println!("| {peer} | {nanos:.1} | {:.2} |", ours / nanos);
        }
    }
    println!("\n| key of a chat | ns |\n|---|---|");
    for name in ["1 KB", "100 KB"] {
        let Some(nanos) = median("key", name) else { continue };
        println!("| {name} | {nanos:.0} |");
    }
}

criterion_group!(benches, hit, insert, build_key);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    table();
}
