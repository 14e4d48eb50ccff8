//! A stream on its way to the cache.

/// Keeps a copy of what passes, to be stored when all of it has passed and to be replayed by iterating over it.
///
/// It holds at most its limit: what would pass that makes it give up and drop what it has.
#[derive(Debug)]
pub struct Recording<T> {
    /// `None` after it gave up.
    items: Option<Vec<T>>,
    bytes: u64,
    limit: u64,
}

impl<T: Clone> Recording<T> {
    /// A recording of at most `limit` bytes, see [`Cache::max_entry_bytes`](crate::Cache::max_entry_bytes).
    pub fn new(limit: u64) -> Self {
        Self { items: Some(Vec::new()), bytes: 0, limit }
    }

    /// Keeps a copy of the item, which takes so many bytes; nothing is copied after it gave up.
    pub fn push(&mut self, item: &T, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limit {
            self.items = None;
        }
        if let Some(items) = &mut self.items {
            items.push(item.clone());
        }
    }

    /// All items and how many bytes they take, or `None` if they passed the limit. Call it only when the stream came to
    /// its proper end: a recording cannot tell.
    pub fn finish(self) -> Option<(Vec<T>, u64)> {
        let Self { items, bytes, limit: _ } = self;
        items.map(|items| (items, bytes))
    }
}

#[cfg(test)]
mod tests;
