use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use fb_core::InvalidConfig;
use http::{HeaderMap, HeaderName, HeaderValue};
use parking_lot::RwLock;
use secrecy::{ExposeSecret, SecretString};
use tokio::{task::spawn_blocking, time::timeout};

use crate::secret::Secret;

/// Maximum time to wait for the file of a key.
const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// An API key by reference, and the header that carries it.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) secret: Secret,
    pub(crate) header: KeyHeader,
}

/// The headers of every request, of which that of the key may change.
pub(super) struct Credentials {
    headers: RwLock<HeaderMap>,
    key: Option<Key>,
    /// The number of secrets that took the place of another one.
    generation: AtomicU64,
    /// True while the file of the key is read, which takes for ever on a disk that hangs.
    reading: AtomicBool,
}

impl Credentials {
    /// Reads the key and adds it to the headers.
    pub(super) fn new(mut headers: HeaderMap, key: Option<Key>) -> Result<Self, InvalidConfig> {
        if let Some(key) = &key {
            key.insert(&mut headers)?;
        }
        let headers = RwLock::new(headers);
        Ok(Self { headers, key, generation: AtomicU64::new(0), reading: AtomicBool::new(false) })
    }

    pub(super) fn headers(&self) -> HeaderMap {
        self.headers.read().clone()
    }

    /// Returns the generation of the key. A request whose headers are read later has this key or a later one.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Reads the key again. A file that cannot be read in time changes nothing now; once it is read, later requests use
    /// it.
    pub(super) async fn reload(self: &Arc<Self>) {
        let Some(key) = &self.key else { return };
        if !key.secret.is_file() {
            self.read();
            return;
        }
        if self.reading.swap(true, Ordering::AcqRel) {
            return;
        }
        let credentials = Arc::clone(self);
        let reading = spawn_blocking(move || {
            credentials.read();
            credentials.reading.store(false, Ordering::Release);
        });
        let _in_time = timeout(READ_TIMEOUT, reading).await;
    }

    fn read(&self) {
        let Some(key) = &self.key else { return };
        let mut headers = self.headers();
        if key.insert(&mut headers).is_err() {
            return;
        }
        let mut current = self.headers.write();
        if headers != *current {
            *current = headers;
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
    }
}

impl Key {
    fn insert(&self, headers: &mut HeaderMap) -> Result<(), InvalidConfig> {
        self.header.insert(headers, &self.secret.resolve("api_key")?)
    }
}

/// The header that carries an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyHeader {
    /// `authorization: Bearer KEY`.
    Bearer,
    /// The key alone, in the named header.
    Named(&'static str),
}

impl KeyHeader {
    /// Adds the key to the headers; the value is marked as sensitive.
    fn insert(self, headers: &mut HeaderMap, key: &SecretString) -> Result<(), InvalidConfig> {
        let (name, mut text) = match self {
            Self::Bearer => (http::header::AUTHORIZATION, format!("Bearer {}", key.expose_secret())),
            Self::Named(name) => (HeaderName::from_static(name), key.expose_secret().to_owned()),
        };
        let value = HeaderValue::try_from(std::mem::take(&mut text));
        let mut value = value.map_err(|_invalid| {
            InvalidConfig::new(
                "api_key",
                "(hidden)",
                "expected a key of visible ASCII characters, without line breaks",
            )
        })?;
        value.set_sensitive(true);
        headers.insert(name, value);
        Ok(())
    }
}
