//! A cache of compiled schemas.

use std::{
    collections::VecDeque,
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use fb_core::Json;
use parking_lot::Mutex;

use super::compiled::Compiled;

/// Maximum number of cached schemas. A compiled schema takes up to a few megabytes.
const MAX_ENTRIES: usize = 64;

/// Maps the text of a schema to its compiled form. Errors are cached too, so that an unusable schema is compiled only
/// once.
#[derive(Default)]
pub(crate) struct Cache {
    hasher: RandomState,
    /// Most recently used first. At this size a list is as fast as a map.
    entries: Mutex<VecDeque<Entry>>,
}

#[derive(Clone)]
struct Entry {
    hash: u64,
    text: Json,
    found: Result<Arc<Compiled>, String>,
}

impl Cache {
    /// Returns the compiled schema, compiling it on a miss.
    pub(crate) fn get(&self, schema: &Json) -> Result<Arc<Compiled>, String> {
        let hash = self.hasher.hash_one(schema.get());
        if let Some(found) = self.lookup(hash, schema) {
            return found;
        }
        // Compiled outside the lock: two requests may compile the same schema, but none waits for another's.
        let found = Compiled::new(schema.get()).map(Arc::new);
        let mut entries = self.entries.lock();
        entries.truncate(MAX_ENTRIES - 1);
        entries.push_front(Entry { hash, text: schema.clone(), found: found.clone() });
        found
    }

    fn lookup(&self, hash: u64, schema: &Json) -> Option<Result<Arc<Compiled>, String>> {
        let mut entries = self.entries.lock();
        let at = entries.iter().position(|entry| entry.hash == hash && entry.text == *schema)?;
        entries.swap(0, at);
        Some(entries[0].found.clone())
    }
}

#[cfg(test)]
mod tests;
