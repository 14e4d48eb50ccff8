//! What is thrown out on an operator's word.

use std::{
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use crate::entry::Entry;

/// Which entries to throw out: those that meet every condition that is given; all of them if none is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purge {
    /// Only entries of this tenant.
    pub tenant: Option<String>,
    /// Only entries of this route.
    pub route: Option<String>,
    /// Only entries that this provider answered.
    pub provider: Option<String>,
    /// Only entries stored so long ago, both ends included.
    pub age: Option<RangeInclusive<Duration>>,
}

impl Purge {
    pub(crate) fn covers<V>(&self, entry: &Entry<V>, now: Instant) -> bool {
        let Self { tenant, route, provider, age } = self;
        let tags = &entry.item.tags;
        let names = [(tenant, &tags.tenant), (route, &tags.route), (provider, &tags.provider)];
        names.into_iter().all(|(asked, tag)| asked.as_deref().is_none_or(|asked| asked == &**tag))
            && age.as_ref().is_none_or(|age| age.contains(&entry.age(now)))
    }
}
