use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use fb_core::{InvalidConfig, KeyInfo};
use http::{HeaderMap, HeaderName, HeaderValue};
use parking_lot::RwLock;
use secrecy::{ExposeSecret, SecretString};
use tokio::{task::spawn_blocking, time::timeout};

use crate::{
    api_key::{self, ApiKey},
    secret::Secret,
};

/// Maximum time to wait for the file of a key.
const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// The API keys of an upstream by reference, and the header that carries one.
#[derive(Debug)]
pub(crate) struct Keys {
    /// None for an upstream that needs no key.
    pub(crate) keys: Vec<ApiKey>,
    pub(crate) header: KeyHeader,
}

/// The headers of every request, one set for each key.
pub(super) struct Credentials {
    sets: Vec<Arc<HeaderSet>>,
    infos: Vec<KeyInfo>,
}

impl Credentials {
    /// Reads the keys and adds each to a set of the headers.
    pub(super) fn new(headers: &HeaderMap, keys: Keys) -> Result<Self, InvalidConfig> {
        let Keys { keys, header } = keys;
        let infos = api_key::infos(&keys);
        let fields = (0..keys.len()).map(|index| match infos.len() {
            0 => "api_key".to_owned(),
            _ => format!("api_keys[{index}]"),
        });
        let keys = keys.into_iter().zip(fields);
        let keys = keys.map(|(key, field)| Some(Key { secret: key.secret, header, field }));
        let mut sets = keys.map(|key| HeaderSet::new(headers.clone(), key)).collect::<Result<Vec<_>, _>>()?;
        if sets.is_empty() {
            sets.push(HeaderSet::new(headers.clone(), None)?);
        }
        Ok(Self { sets: sets.into_iter().map(Arc::new).collect(), infos })
    }

    /// Returns the names and weights of the keys, if there are several.
    pub(super) fn infos(&self) -> &[KeyInfo] {
        &self.infos
    }

    /// Returns the headers with a key, by its place among the keys.
    pub(super) fn headers(&self, key: usize) -> HeaderMap {
        self.sets.get(key).map(|set| set.headers()).unwrap_or_default()
    }

    /// Returns the generation of a key. A request with headers that are read later has this secret or a later one.
    pub(super) fn generation(&self, key: usize) -> u64 {
        self.sets.get(key).map_or(0, |set| set.generation.load(Ordering::Acquire))
    }

    /// Reads a key again. A file that cannot be read in time changes nothing now; once it is read, later requests use
    /// it.
    pub(super) async fn reload(&self, key: usize) {
        if let Some(set) = self.sets.get(key) {
            set.reload().await;
        }
    }
}

/// A reference to the secret of one key, and its place in a request and in the config.
struct Key {
    secret: Secret,
    header: KeyHeader,
    field: String,
}

impl Key {
    fn insert(&self, headers: &mut HeaderMap) -> Result<(), InvalidConfig> {
        self.header.insert(headers, &self.secret.resolve(&self.field)?, &self.field)
    }
}

/// The headers with one key, which may change.
struct HeaderSet {
    headers: RwLock<HeaderMap>,
    key: Option<Key>,
    /// The number of secrets that took the place of another one.
    generation: AtomicU64,
    /// True while the file of the key is read, which takes for ever on a disk that hangs.
    reading: AtomicBool,
}

impl HeaderSet {
    fn new(mut headers: HeaderMap, key: Option<Key>) -> Result<Self, InvalidConfig> {
        if let Some(key) = &key {
            key.insert(&mut headers)?;
        }
        let headers = RwLock::new(headers);
        Ok(Self { headers, key, generation: AtomicU64::new(0), reading: AtomicBool::new(false) })
    }

    fn headers(&self) -> HeaderMap {
        self.headers.read().clone()
    }

    async fn reload(self: &Arc<Self>) {
        let Some(key) = &self.key else { return };
        if !key.secret.is_file() {
            self.read();
            return;
        }
        if self.reading.swap(true, Ordering::AcqRel) {
            return;
        }
        let set = Arc::clone(self);
        let reading = spawn_blocking(move || {
            set.read();
            set.reading.store(false, Ordering::Release);
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

/// The header that carries an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyHeader {
    /// `authorization: Bearer KEY`.
    Bearer,
    /// The key alone, in the named header.
    Named(&'static str),
}

impl KeyHeader {
    /// Returns true if the key is in the header of this name.
    pub(super) fn is(self, name: &HeaderName) -> bool {
        match self {
            Self::Bearer => *name == http::header::AUTHORIZATION,
            Self::Named(own) => *name == own,
        }
    }

    /// Adds the key to the headers; the value is marked as sensitive.
    fn insert(self, headers: &mut HeaderMap, key: &SecretString, field: &str) -> Result<(), InvalidConfig> {
        let (name, mut text) = match self {
            Self::Bearer => (http::header::AUTHORIZATION, format!("Bearer {}", key.expose_secret())),
            Self::Named(name) => (HeaderName::from_static(name), key.expose_secret().to_owned()),
        };
        let value = HeaderValue::try_from(std::mem::take(&mut text));
        let mut value = value.map_err(|_invalid| {
            InvalidConfig::new(
                field,
                "(hidden)",
                "expected a key of visible ASCII characters, without line breaks",
            )
        })?;
        value.set_sensitive(true);
        headers.insert(name, value);
        Ok(())
    }
}
