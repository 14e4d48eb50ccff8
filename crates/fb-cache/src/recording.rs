//! Recording of a stream for the cache.

/// A copy of the items of a stream, to be stored after the end of the stream and replayed later.
///
/// The recording is bounded: an item beyond the limit discards the whole recording.
///
/// # Examples
///
/// ```
/// use fb_cache::Recording;
///
/// let mut recording = Recording::new(10);
/// for piece in ["once ", "upon"] {
///     recording.push(&piece, piece.len() as u64);
/// }
/// assert_eq!(recording.finish(), Some((vec!["once ", "upon"], 9)));
/// ```
#[derive(Debug)]
pub struct Recording<T> {
    /// `None` once the limit was exceeded.
    items: Option<Vec<T>>,
    bytes: u64,
    limit: u64,
}

impl<T: Clone> Recording<T> {
    /// Creates a recording of at most `limit` bytes; see [`Cache::max_entry_bytes`](crate::Cache::max_entry_bytes).
    pub fn new(limit: u64) -> Self {
        Self { items: Some(Vec::new()), bytes: 0, limit }
    }

    /// Appends a copy of an item of `bytes` bytes. Nothing is copied once the limit was exceeded.
    pub fn push(&mut self, item: &T, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limit {
            self.items = None;
        }
        if let Some(items) = &mut self.items {
            items.push(item.clone());
        }
    }

    /// Returns all items and their total bytes, or `None` if they exceeded the limit.
    ///
    /// Call this only after the stream has ended completely: a recording cannot detect a broken stream.
    pub fn finish(self) -> Option<(Vec<T>, u64)> {
        let Self { items, bytes, limit: _ } = self;
        items.map(|items| (items, bytes))
    }
}

#[cfg(test)]
mod tests;
