//! A cache that loads what it lacks.

use std::{
    fmt,
    future::Future,
    time::{Duration, Instant},
};

use thiserror::Error;

use crate::{
    cache::Cache,
    entry::Item,
    flights::{FlightError, Flights, FlightsConfig},
    key::Key,
};

/// A cache with the loads that fill it: concurrent callers of a key without a fresh value share one load. A clone is a handle to
/// the same cache and loads.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use fb_cache::{Cache, CacheConfig, Item, KeyBuilder, Loaded, ReadThrough};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pages = ReadThrough::new(Cache::new(CacheConfig::default())?);
/// let key = KeyBuilder::new("page v1").part("path", "/").finish();
/// let now = Instant::now();
/// let load = || async { Ok::<_, &str>(Item::new("a page", 6)) };
/// assert_eq!(pages.get_or_load(key, now, load).await, Ok(Loaded::New("a page")));
/// assert_eq!(pages.get_or_load(key, now, load).await, Ok(Loaded::Cached("a page")));
///
/// // An hour later the page is stale, and used only because no new one can be loaded.
/// let (hour, fail) = (Duration::from_secs(3_600), || async { Err("down") });
/// assert_eq!(pages.get_or_load(key, now + hour, fail).await, Ok(Loaded::Stale("a page", hour)));
/// # Ok(())
/// # }
/// ```
pub struct ReadThrough<V, E> {
    cache: Cache<V>,
    flights: Flights<Result<V, E>>,
}

/// A value with its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loaded<V> {
    /// A fresh value of the cache.
    Cached(V),
    /// A new value, loaded by this caller or by one that it joined.
    New(V),
    /// A stale value of the cache, with its age, because the load failed.
    Stale(V, Duration),
}

impl<V> Loaded<V> {
    /// Returns the value.
    pub fn into_value(self) -> V {
        match self {
            Self::Cached(value) | Self::New(value) | Self::Stale(value, _) => value,
        }
    }
}

/// An error of a load, for which there is no stale value either.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LoadError<E> {
    /// The load returned an error.
    #[error("the load failed: {0}")]
    Failed(E),
    /// The load ended without a result.
    #[error(transparent)]
    Ended(#[from] FlightError),
}

impl<V, E> ReadThrough<V, E>
where
    V: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    /// Creates the loads of a cache, with the default settings of single flights.
    pub fn new(cache: Cache<V>) -> Self {
        Self::with_flights(cache, FlightsConfig::default())
    }

    /// Creates the loads of a cache.
    pub fn with_flights(cache: Cache<V>, config: FlightsConfig) -> Self {
        Self { cache, flights: Flights::new(config) }
    }

    /// Returns the cache.
    pub const fn cache(&self) -> &Cache<V> {
        &self.cache
    }

    /// Returns the fresh value of a key, or else loads and stores one, or else the stale value.
    ///
    /// A loaded value is stored with the time `now` of the request, so that it never seems newer than it is. A value that cannot
    /// be stored, for instance because it is too large, is returned all the same.
    ///
    /// # Errors
    ///
    /// Returns the error of the load if there is no stale value.
    ///
    /// # Cancel safety
    ///
    /// As for [`Flights::run`]: dropping one caller does not affect the others.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with an enabled timer.
    pub async fn get_or_load<F, A>(&self, key: Key, now: Instant, load: F) -> Result<Loaded<V>, LoadError<E>>
    where
        F: FnOnce() -> A + Send + 'static,
        A: Future<Output = Result<Item<V>, E>> + Send + 'static,
    {
        if let Some(hit) = self.cache.get(&key, now) {
            return Ok(Loaded::Cached(hit.value().clone()));
        }
        let cache = self.cache.clone();
        let fill = move || async move {
            let item = load().await?;
            let value = item.value.clone();
            let _stored = cache.insert(key, item, now);
            Ok(value)
        };
        let error = match self.flights.run(key, None, fill).await {
            Ok((Ok(value), _role)) => return Ok(Loaded::New(value)),
            Ok((Err(error), _role)) => LoadError::Failed(error),
            Err(error) => LoadError::Ended(error),
        };
        let hit = self.cache.get_stale(&key, now).ok_or(error)?;
        Ok(Loaded::Stale(hit.value().clone(), hit.age()))
    }
}

impl<V, E> Clone for ReadThrough<V, E> {
    fn clone(&self) -> Self {
        Self { cache: self.cache.clone(), flights: self.flights.clone() }
    }
}

impl<V: Send + Sync + 'static, E> fmt::Debug for ReadThrough<V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cache, flights } = self;
        f.debug_struct("ReadThrough").field("cache", cache).field("flights", flights).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    };

    use super::*;
    use crate::{CacheConfig, KeyBuilder};

    #[tokio::test(start_paused = true)]
    async fn concurrent_callers_share_a_load_and_errors_are_not_stored() {
        let cache = Cache::new(CacheConfig::default()).unwrap();
        let read = ReadThrough::new(cache);
        let key = KeyBuilder::new("test v1").part("key", "a").finish();
        let now = tokio::time::Instant::now().into_std();
        let loads = Arc::new(AtomicU32::new(0));
        let call = |result: Result<u32, &'static str>| {
            let loads = Arc::clone(&loads);
            let load = move || async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                loads.fetch_add(1, Relaxed);
                result.map(|value| Item::new(value, 4))
            };
            read.get_or_load(key, now, load)
        };
        let down = Err(LoadError::Failed("down"));
        assert_eq!(tokio::join!(call(Err("down")), call(Err("down"))), (down.clone(), down));
        assert_eq!(tokio::join!(call(Ok(7)), call(Ok(8))), (Ok(Loaded::New(7)), Ok(Loaded::New(7))));
        assert_eq!(call(Ok(9)).await.map(Loaded::into_value), Ok(7));
        assert_eq!(loads.load(Relaxed), 2);
    }

    #[tokio::test]
    async fn value_that_is_too_large_is_returned_and_a_panic_is_an_error() {
        let read = ReadThrough::new(Cache::new(CacheConfig::default()).unwrap());
        let key = KeyBuilder::new("test v1").finish();
        let now = tokio::time::Instant::now().into_std();
        let large = || async { Ok::<_, &str>(Item::new(7, u64::MAX)) };
        for _ in 0..2 {
            assert_eq!(read.get_or_load(key, now, large).await, Ok(Loaded::New(7)));
        }
        let panics = || async { panic!("on purpose") };
        assert_eq!(read.get_or_load(key, now, panics).await, Err(LoadError::Ended(FlightError::Panicked)));
    }
}
