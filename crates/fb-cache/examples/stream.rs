//! A stream is forwarded and recorded, stored after its complete end, and replayed.
//!
//! `cargo run -p fb-cache --example stream`

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fb_cache::{Cache, CacheConfig, Item, Key, KeyBuilder, Recording, Tags, Windows};

/// The stored value: the pieces of a stream.
type Pieces = Arc<[&'static str]>;

/// Forwards a stream and stores it if it ends completely; `None` stands for a broken connection.
#[expect(clippy::print_stdout, reason = "the output is the purpose of an example")]
fn forward(cache: &Cache<Pieces>, key: Key, stream: &[Option<&'static str>], now: Instant) {
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
    reason = "an example prints its results and reads the clock"
)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cache = Cache::new(CacheConfig::with(|config| {
        config.max_bytes = 10_000;
        config.max_entry_bytes = 20;
    }))?;
    let key = |name: &str| KeyBuilder::new("stream v1").part("tenant", "a").part("name", name).finish();
    let now = Instant::now();
    forward(&cache, key("whole"), &[Some("once "), Some("upon "), Some("a time")], now);
    forward(&cache, key("broken"), &[Some("once "), None], now);
    forward(&cache, key("long"), &[Some("once upon a time there was")], now);
    for name in ["whole", "broken", "long"] {
        match cache.get(&key(name), now + Duration::from_secs(60)) {
            Some(hit) => hit.value().iter().for_each(|piece| println!("replayed: {piece}")),
            None => println!("{name}: not stored"),
        }
    }
    Ok(())
}
