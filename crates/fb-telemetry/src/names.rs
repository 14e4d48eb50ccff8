use std::{borrow::Borrow, collections::HashMap, hash::Hash, sync::Arc};

use fb_core::TargetId;
use parking_lot::RwLock;

/// The configured names. Only these become label values, and those that
/// [`Event::Reconfigured`](fb_core::Event::Reconfigured) adds later; every other name becomes `other`.
///
/// A configured name that is itself `other` shares its series with the unknown names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// The routes.
    pub routes: Vec<String>,
    /// The targets of all routes.
    pub targets: Vec<TargetId>,
    /// The tenants. `default`, which stands for a request without a tenant, is added automatically.
    pub tenants: Vec<String>,
}

/// The tenant label of a request without a tenant.
pub(crate) const DEFAULT_TENANT: &str = "default";
const OTHER: &str = "other";

/// The value of a label; cloning does not allocate.
pub(crate) type Label = Arc<str>;

impl Names {
    /// Builds a value for each route.
    pub(crate) fn per_route<V>(&self, make: impl FnMut(Label) -> V) -> GrowingMap<Label, V> {
        GrowingMap::new(self.routes.iter().map(|name| (name.as_str().into(), name.as_str().into())), make)
    }

    /// Builds a value for each target.
    #[cfg(feature = "metrics")]
    pub(crate) fn per_target<V>(&self, make: impl FnMut(Label) -> V) -> GrowingMap<TargetId, V> {
        GrowingMap::new(self.targets.iter().map(|id| (id.clone(), id.to_string().into())), make)
    }

    /// Builds a value for the provider of each target.
    #[cfg(feature = "metrics")]
    pub(crate) fn per_provider<V>(&self, make: impl FnMut(Label) -> V) -> GrowingMap<Label, V> {
        GrowingMap::new(provider_labels(&self.targets), make)
    }

    /// Builds a value for each tenant.
    pub(crate) fn per_tenant<V>(&self, make: impl FnMut(Label) -> V) -> LabelMap<Label, V> {
        let names = self.tenants.iter().map(String::as_str).chain([DEFAULT_TENANT]);
        LabelMap::new(names.map(|name| (name.into(), name.into())), make)
    }
}

/// A map with one value for each known key, and one value shared by all other keys.
#[derive(Debug)]
pub(crate) struct LabelMap<K, V> {
    known: HashMap<K, V>,
    other: V,
}

impl<K: Hash + Eq, V> LabelMap<K, V> {
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

/// A [`LabelMap`] to which keys can be added.
#[derive(Debug)]
pub(crate) struct GrowingMap<K, V> {
    known: RwLock<HashMap<K, Arc<V>>>,
    other: Arc<V>,
}

impl<K: Hash + Eq, V> GrowingMap<K, V> {
    fn new(keys: impl Iterator<Item = (K, Label)>, mut make: impl FnMut(Label) -> V) -> Self {
        let known = keys.map(|(key, label)| (key, Arc::new(make(label)))).collect();
        Self { known: RwLock::new(known), other: Arc::new(make(OTHER.into())) }
    }

    /// Adds the keys that are not known yet.
    pub(crate) fn extend(&self, keys: impl Iterator<Item = (K, Label)>, mut make: impl FnMut(Label) -> V) {
        let mut known = self.known.write();
        for (key, label) in keys {
            known.entry(key).or_insert_with(|| Arc::new(make(label)));
        }
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&K, &V)) {
        self.known.read().iter().for_each(|(key, value)| visit(key, value));
    }

    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Arc<V>
    where
        K: Borrow<Q>,
    {
        let known = self.known.read();
        Arc::clone(known.get(key).unwrap_or(&self.other))
    }
}

/// Returns the providers of these targets.
#[cfg(feature = "metrics")]
pub(crate) fn provider_labels(targets: &[TargetId]) -> impl Iterator<Item = (Label, Label)> {
    let names: std::collections::BTreeSet<&str> = targets.iter().map(|id| id.provider().as_str()).collect();
    names.into_iter().map(|name| (name.into(), name.into()))
}

/// Returns the routes of a changed configuration: a target is also a route, because requests can name it as their model.
pub(crate) fn route_labels(routes: &[String], targets: &[TargetId]) -> impl Iterator<Item = (Label, Label)> {
    let names = routes.iter().cloned().chain(targets.iter().map(ToString::to_string));
    names.map(|name| (name.as_str().into(), name.into()))
}
