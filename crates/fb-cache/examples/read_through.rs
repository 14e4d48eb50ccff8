//! A read-through cache: a fresh entry, otherwise one shared upstream call, otherwise the last known good value.
//!
//! `cargo run -p fb-cache --example read_through`

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use fb_cache::{Cache, Item, Key, KeyBuilder, LoadError, Loaded, ReadThrough};

static IS_UP: AtomicBool = AtomicBool::new(true);

async fn upstream() -> Result<String, &'static str> {
    tokio::time::sleep(Duration::from_millis(10)).await;
    if IS_UP.load(Relaxed) { Ok("an answer".to_owned()) } else { Err("upstream is down") }
}

/// Reads the answer of a key, with its origin.
async fn read(
    answers: &ReadThrough<String, &'static str>,
    key: Key,
    now: Instant,
) -> Result<String, LoadError<&'static str>> {
    let load = || async {
        let value = upstream().await?;
        let bytes = value.len() as u64;
        Ok(Item::new(value, bytes))
    };
    Ok(match answers.get_or_load(key, now, load).await? {
        Loaded::Cached(value) => format!("{value} (cached)"),
        Loaded::New(value) => format!("{value} (new)"),
        Loaded::Stale(value, age) => format!("{value} (stale, {age:?} old)"),
    })
}

#[tokio::main(flavor = "current_thread")]
#[expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example prints its results and reads the clock"
)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let answers = ReadThrough::new(Cache::new(fb_cache::CacheConfig::default())?);
    let key = KeyBuilder::new("example v1").part("tenant", "a").json("body", br#"{"q": 1}"#)?.finish();
    let now = Instant::now();
    let (first, second) = tokio::join!(read(&answers, key, now), read(&answers, key, now));
    println!("{}\n{}", first?, second?);
    println!("{}", read(&answers, key, now + Duration::from_secs(60)).await?);
    IS_UP.store(false, Relaxed);
    println!("{}", read(&answers, key, now + Duration::from_secs(3_600)).await?);
    Ok(())
}
