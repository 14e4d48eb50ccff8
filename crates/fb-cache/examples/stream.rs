//! A stream is passed on and recorded, stored after its proper end, and replayed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fb_cache::{Cache, CacheConfig, Item, Key, KeyBuilder, Recording, Tags, Windows};

/// What is stored: the pieces as they came.
type Pieces = Arc<[&'static str]>;

/// Passes a stream on, `None` being a connection that broke, and stores it if it ended well.
#[expect(clippy::print_stdout, reason = "an example shows what it does")]
fn pass_on(cache: &Cache<Pieces>, key: Key, stream: &[Option<&'static str>], now: Instant) {
    let mut recording = Recording::new(cache.max_entry_bytes());
    for piece in stream {
        let Some(piece) = piece else { return println!("... broke off") };
        println!("live: {piece}");
        recording.push(piece, piece.len() as u64);
    }
    let Some((pieces, bytes)) = recording.finish() else { return println!("too large to keep") };
    let tags = Tags { tenant: "a".into(), route: "default".into(), provider: "p".into() };
    let item = Item { value: pieces.into(), bytes, tags, windows: Windows::default() };
    println!("stored: {:?}", cache.insert(key, item, now));
}

#[expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example shows what it does, at some time"
)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cache = Cache::new(CacheConfig { max_bytes: 10_000, max_entry_bytes: 20, ..CacheConfig::default() })?;
    let key = |name: &str| KeyBuilder::new("stream v1").part("tenant", "a").part("name", name).finish();
    let now = Instant::now();
    pass_on(&cache, key("whole"), &[Some("once "), Some("upon "), Some("a time")], now);
    pass_on(&cache, key("broken"), &[Some("once "), None], now);
    pass_on(&cache, key("long"), &[Some("once upon a time there was")], now);
    for name in ["whole", "broken", "long"] {
        match cache.get(&key(name), now + Duration::from_secs(60)) {
            Some(hit) => hit.value().iter().for_each(|piece| println!("replayed: {piece}")),
            None => println!("{name}: not stored"),
        }
    }
    Ok(())
}
