/// Implements `with` for types with `Default`. Other crates cannot list their fields, as more may follow.
macro_rules! with_changes {
    ($($type:ident),+) => {$(
        impl $type {
            /// Returns the default with these changes.
            #[must_use]
            pub fn with(change: impl FnOnce(&mut Self)) -> Self {
                let mut value = Self::default();
                change(&mut value);
                value
            }
        }
    )+};
}

pub(crate) use with_changes;
