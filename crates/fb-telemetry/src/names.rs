use std::{borrow::Borrow, collections::HashMap, hash::Hash, sync::Arc};

use fb_core::TargetId;

/// The configured names. Only these become labels; every other name becomes `other`.
///
/// A configured name that is itself `other` shares its numbers with the unknown ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// The routes.
    pub routes: Vec<String>,
    /// The targets of all routes.
    pub targets: Vec<TargetId>,
    /// The tenants; `default`, which stands for a request without one, need not be among them.
    pub tenants: Vec<String>,
}

/// The tenant of a request that names none.
pub(crate) const DEFAULT_TENANT: &str = "default";
const OTHER: &str = "other";

/// The value of a label; cloning allocates nothing.
pub(crate) type Label = Arc<str>;

impl Names {
    /// Makes something for each route.
    pub(crate) fn per_route<V>(&self, make: impl FnMut(Label) -> V) -> Closed<Label, V> {
        Closed::new(self.routes.iter().map(|name| (name.as_str().into(), name.as_str().into())), make)
    }

    /// Makes something for each target.
    pub(crate) fn per_target<V>(&self, make: impl FnMut(Label) -> V) -> Closed<TargetId, V> {
        Closed::new(self.targets.iter().map(|id| (id.clone(), id.to_string().into())), make)
    }

    /// Makes something for each tenant.
    pub(crate) fn per_tenant<V>(&self, make: impl FnMut(Label) -> V) -> Closed<Label, V> {
        let names = self.tenants.iter().map(String::as_str).chain([DEFAULT_TENANT]);
        Closed::new(names.map(|name| (name.into(), name.into())), make)
    }
}

/// One value for each known key, and one for all the others together.
#[derive(Debug)]
pub(crate) struct Closed<K, V> {
    known: HashMap<K, V>,
    other: V,
}

impl<K: Hash + Eq, V> Closed<K, V> {
    fn new(keys: impl Iterator<Item = (K, Label)>, mut make: impl FnMut(Label) -> V) -> Self {
        Self { known: keys.map(|(key, label)| (key, make(label))).collect(), other: make(OTHER.into()) }
    }

    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> &V
    where
        K: Borrow<Q>,
    {
        self.known.get(key).unwrap_or(&self.other)
    }
}
