use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
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
    /// True while the file of the key is read, which takes for ever on a disk that hangs.
    reading: AtomicBool,
}

impl Credentials {
    /// Reads the key and adds it to the headers.
    pub(super) fn new(mut headers: HeaderMap, key: Option<Key>) -> Result<Self, InvalidConfig> {
        if let Some(key) = &key {
            key.insert(&mut headers)?;
        }
        Ok(Self { headers: RwLock::new(headers), key, reading: AtomicBool::new(false) })
    }

    pub(super) fn headers(&self) -> HeaderMap {
        self.headers.read().clone()
    }

    /// Reads the key again and returns true if it changed. A file that cannot be read in time changes nothing now; once
    /// it is read, later requests use it.
    pub(super) async fn reload(self: &Arc<Self>) -> bool {
        let Some(key) = &self.key else { return false };
        if !key.secret.is_file() {
            return self.read();
        }
        if self.reading.swap(true, Ordering::AcqRel) {
            return false;
        }
        let credentials = Arc::clone(self);
        let reading = spawn_blocking(move || {
            let is_another = credentials.read();
            credentials.reading.store(false, Ordering::Release);
            is_another
        });
        matches!(timeout(READ_TIMEOUT, reading).await, Ok(Ok(true)))
    }

    fn read(&self) -> bool {
        let Some(key) = &self.key else { return false };
        let mut headers = self.headers();
        if key.insert(&mut headers).is_err() || headers == *self.headers.read() {
            return false;
        }
        *self.headers.write() = headers;
        true
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
