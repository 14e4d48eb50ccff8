//! Schemas compiled once.

use std::{
    collections::VecDeque,
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use fb_core::Json;
use parking_lot::Mutex;

use super::compiled::Compiled;

/// Most schemas that are kept, the latest used. A compiled schema takes up to a few megabytes.
const MOST: usize = 64;

/// Compiled schemas by their text; what cannot be used is kept too, so that it is not tried again each time.
#[derive(Default)]
pub(crate) struct Cache {
    hasher: RandomState,
    /// The latest used first. So few that a list is as quick as a map.
    entries: Mutex<VecDeque<Entry>>,
}

#[derive(Clone)]
struct Entry {
    hash: u64,
    text: Json,
    found: Result<Arc<Compiled>, String>,
}

impl Cache {
    /// The schema, compiled now if it is not there.
    pub(crate) fn get(&self, schema: &Json) -> Result<Arc<Compiled>, String> {
        let hash = self.hasher.hash_one(schema.get());
        if let Some(found) = self.known(hash, schema) {
            return found;
        }
        // Compiled without the lock: two requests may do it at once, none waits for another's schema.
        let found = Compiled::new(schema.get()).map(Arc::new);
        let mut entries = self.entries.lock();
        entries.truncate(MOST - 1);
        entries.push_front(Entry { hash, text: schema.clone(), found: found.clone() });
        found
    }

    fn known(&self, hash: u64, schema: &Json) -> Option<Result<Arc<Compiled>, String>> {
        let mut entries = self.entries.lock();
        let at = entries.iter().position(|entry| entry.hash == hash && entry.text == *schema)?;
        entries.swap(0, at);
        Some(entries[0].found.clone())
    }
}

#[cfg(test)]
mod tests;
