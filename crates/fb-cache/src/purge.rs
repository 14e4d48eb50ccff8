//! Selection of entries to purge.

use std::{
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use crate::entry::Entry;

/// The conditions of a purge. Entries that meet all given conditions are removed; without conditions, all entries are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purge {
    /// Only entries of this tenant.
    pub tenant: Option<String>,
    /// Only entries of this route.
    pub route: Option<String>,
    /// Only entries with answers of this provider.
    pub provider: Option<String>,
    /// Only entries with an age in this range, both ends included.
    pub age: Option<RangeInclusive<Duration>>,
}

impl Purge {
    pub(crate) fn matches<V>(&self, entry: &Entry<V>, now: Instant) -> bool {
        let Self { tenant, route, provider, age } = self;
        let tags = &entry.item.tags;
        let names = [(tenant, &tags.tenant), (route, &tags.route), (provider, &tags.provider)];
        names.into_iter().all(|(name, tag)| name.as_deref().is_none_or(|name| name == &**tag))
            && age.as_ref().is_none_or(|age| age.contains(&entry.lifetime.age(now)))
    }
}
