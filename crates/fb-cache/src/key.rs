//! Cache keys.

mod encoding;
mod json;

use std::{
    fmt,
    hash::{BuildHasher, Hash, Hasher},
};

use self::encoding::push_bytes;

pub use self::json::InvalidJson;

/// The first byte of a field: the kind of its value.
const ABSENT: u8 = 0;
const BYTES: u8 = 1;
const JSON: u8 = 2;

/// The key of an entry: a BLAKE3 hash of everything that the value depends on.
///
/// Two keys are equal only if their [`KeyBuilder`]s received the same fields with the same values in the same order.
/// The tenant must be one of the fields: nothing else separates the entries of different tenants.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key([u8; 32]);

impl Key {
    /// Returns the hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the first eight bytes.
    fn head(&self) -> u64 {
        self.0.first_chunk().map_or(0, |head| u64::from_le_bytes(*head))
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.head());
    }
}

impl fmt::Display for Key {
    /// Writes 64 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Collects the fields that a value depends on.
///
/// # Examples
///
/// ```
/// # use fb_cache::KeyBuilder;
/// let key = |tenant: &[u8], body: &[u8]| {
///     Ok::<_, fb_cache::InvalidJson>(
///         KeyBuilder::new("chat v1").part("tenant", tenant).absent("seed").json("body", body)?.finish(),
///     )
/// };
/// assert_eq!(key(b"a", br#"{"x": 1, "y": "A"}"#)?, key(b"a", br#"{"y":"\u0041","x":1.0}"#)?);
/// assert_ne!(key(b"a", b"{}")?, key(b"b", b"{}")?);
/// # Ok::<(), fb_cache::InvalidJson>(())
/// ```
#[derive(Clone)]
pub struct KeyBuilder {
    encoded: Vec<u8>,
}

impl KeyBuilder {
    /// Starts a key in a domain, such as the kind of request with a version. Keys of different domains never collide.
    pub fn new(domain: &str) -> Self {
        let mut encoded = Vec::new();
        push_bytes(&mut encoded, domain.as_bytes());
        Self { encoded }
    }

    /// Adds a field with its value.
    #[must_use]
    pub fn part(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.field(BYTES, name);
        push_bytes(&mut self.encoded, value.as_ref());
        self
    }

    /// Adds a field without a value, which differs from any value and from a missing field.
    #[must_use]
    pub fn absent(mut self, name: &str) -> Self {
        self.field(ABSENT, name);
        self
    }

    /// Adds a field with a JSON document, by its meaning instead of its notation.
    ///
    /// White space, the order of object members, string escapes and the notation of numbers (`1`, `1.0`, `1e0`) do not
    /// matter; the order of arrays does. Numbers are compared with all their digits, and unpaired surrogates as they
    /// are.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidJson`] if the value is not JSON, is nested more than 128 levels deep, has duplicate object
    /// members (parsers disagree on which one counts), or has an exponent beyond 64 bits.
    pub fn json(mut self, name: &str, value: &[u8]) -> Result<Self, InvalidJson> {
        self.field(JSON, name);
        json::push(&mut self.encoded, value)?;
        Ok(self)
    }

    /// Returns the key of all added fields.
    pub fn finish(self) -> Key {
        Key(*blake3::hash(&self.encoded).as_bytes())
    }

    fn field(&mut self, kind: u8, name: &str) {
        self.encoded.push(kind);
        push_bytes(&mut self.encoded, name.as_bytes());
    }
}

impl fmt::Debug for KeyBuilder {
    // Shows no content, because the fields contain prompts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyBuilder").field("bytes", &self.encoded.len()).finish()
    }
}

/// Uses the head of a key as its hash, because it is random already.
///
/// Forcing many keys into one bucket takes a search for such keys, and a paid answer for each before it is stored.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        // Keys only use `write_u64`; this method completes the trait.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, head: u64) {
        self.0 = head;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl BuildHasher for KeyHasher {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self::default()
    }
}

#[cfg(test)]
mod tests;
