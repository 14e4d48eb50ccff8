use fb_core::Note;

/// The differences from the caller's request, each noted once.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<Note>);

impl Notes {
    /// Adds a note, unless there is one with the same text for a field with the same name.
    pub(super) fn add(&mut self, field: impl Into<String>, what: impl Into<String>) {
        let note = Note::new(field, what);
        if !self.0.iter().any(|old| old.what == note.what && last_name(&old.field) == last_name(&note.field))
        {
            self.0.push(note);
        }
    }

    pub(super) fn into_vec(self) -> Vec<Note> {
        self.0
    }
}

/// Returns the last name of a path, without indexes.
fn last_name(path: &str) -> &str {
    let name = path.rsplit_once('.').map_or(path, |(_, name)| name);
    name.split_once('[').map_or(name, |(name, _)| name)
}
