//! A read-through cache: a fresh entry, otherwise one shared upstream call, otherwise the last known good value.
//!
//! `cargo run -p fb-cache --example read_through`

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use fb_cache::{Cache, FlightError, Flights, FlightsConfig, Item, Key, KeyBuilder, Tags, Windows};

static IS_UP: AtomicBool = AtomicBool::new(true);

async fn upstream() -> Result<String, &'static str> {
    tokio::time::sleep(Duration::from_millis(10)).await;
    if IS_UP.load(Relaxed) { Ok("an answer".to_owned()) } else { Err("upstream is down") }
}

/// Reads through the cache. An answer is stored with the time of its request, so that it never seems newer than it is.
async fn read(
    cache: &Cache<String>,
    flights: &Flights<Result<String, &'static str>>,
    key: Key,
    now: Instant,
) -> Result<String, FlightError> {
    if let Some(hit) = cache.get(&key, now) {
        return Ok(format!("{} (cached)", hit.value()));
    }
    let store = cache.clone();
    let fill = async move || {
        let value = upstream().await?;
        let tags = Tags { tenant: "a".into(), route: "default".into(), provider: "p".into() };
        let item =
            Item { bytes: value.len() as u64, value: value.clone(), tags, windows: Windows::default() };
        let _stored = store.insert(key, item, now);
        Ok(value)
    };
    let (answer, role) = flights.run(key, None, fill).await?;
    Ok(match (answer, cache.get_stale(&key, now)) {
        (Ok(value), _) => format!("{value} ({role:?})"),
        (Err(_), Some(hit)) => format!("{} (stale, {:?} old)", hit.value(), hit.age()),
        (Err(error), None) => error.to_owned(),
    })
}

#[tokio::main(flavor = "current_thread")]
#[expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example prints its results and reads the clock"
)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cache = Cache::new(fb_cache::CacheConfig::default())?;
    let flights = Flights::new(FlightsConfig::default());
    let key = KeyBuilder::new("example v1").part("tenant", "a").json("body", br#"{"q": 1}"#)?.finish();
    let now = Instant::now();
    let (first, second) = tokio::join!(read(&cache, &flights, key, now), read(&cache, &flights, key, now));
    println!("{}\n{}", first?, second?);
    println!("{}", read(&cache, &flights, key, now + Duration::from_secs(60)).await?);
    IS_UP.store(false, Relaxed);
    println!("{}", read(&cache, &flights, key, now + Duration::from_secs(3_600)).await?);
    Ok(())
}
