//! What an entry is found by.

mod json;

use std::{
    fmt,
    hash::{BuildHasher, Hash, Hasher},
};

pub use self::json::InvalidJson;

/// First byte of a field: what kind of value it has.
const ABSENT: u8 = 0;
const BYTES: u8 = 1;
const JSON: u8 = 2;

/// What an entry is found by: a BLAKE3 hash of everything that its value depends on.
///
/// Two keys are equal only if the same fields with the same values went into their [`KeyBuilder`]s in the same order.
/// The tenant must be one of them: nothing else keeps one tenant's entries from another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key([u8; 32]);

impl Key {
    /// The hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first eight bytes.
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
    /// 64 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Collects what a value depends on.
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
    /// Begins a key. Keys of different domains differ whatever their fields: put the kind of request and a version into
    /// it.
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

    /// Adds a field that has no value, which is different from every value and from no such field.
    #[must_use]
    pub fn absent(mut self, name: &str) -> Self {
        self.field(ABSENT, name);
        self
    }

    /// Adds a field whose value is a JSON document, by what it means and not by how it is written.
    ///
    /// White space, the order of an object's members, escapes in strings and the notation of numbers (`1`, `1.0`,
    /// `1e0`) make no difference; the order of an array does. Numbers are compared by all their digits, and surrogates
    /// without a partner as they stand.
    ///
    /// # Errors
    ///
    /// [`InvalidJson`] when the value is none, is nested in more than 128 arrays and objects, names a member twice
    /// (readers disagree on which of the two counts), or has an exponent beyond 64 bits.
    pub fn json(mut self, name: &str, value: &[u8]) -> Result<Self, InvalidJson> {
        self.field(JSON, name);
        json::push(&mut self.encoded, value)?;
        Ok(self)
    }

    /// The key of all that was added.
    pub fn finish(self) -> Key {
        Key(*blake3::hash(&self.encoded).as_bytes())
    }

    fn field(&mut self, kind: u8, name: &str) {
        self.encoded.push(kind);
        push_bytes(&mut self.encoded, name.as_bytes());
    }
}

impl fmt::Debug for KeyBuilder {
    // What is collected are prompts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyBuilder").field("bytes", &self.encoded.len()).finish()
    }
}

/// With its length first, so that no two sequences of values look alike.
fn push_bytes(encoded: &mut Vec<u8>, bytes: &[u8]) {
    encoded.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    encoded.extend_from_slice(bytes);
}

/// Takes the head of a key for its hash: it is random already. Whoever wants many keys in one bucket must search for
/// them, and pay for an answer to each before it is stored.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        // Only keys are hashed, and they write one number; this serves whatever else comes.
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
