//! Comparison of the cache with a simple map as a model.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use proptest::prelude::*;

use super::{OVERHEAD, cache, key, secs, start, tags, value};
use crate::{InsertError, Item, Purge, Windows};

const LIMIT: u64 = 2_000;

#[derive(Debug, Clone)]
enum Action {
    Insert { field: u8, tenant: usize, bytes: u64, fresh: u64, stale: u64 },
    Get(u8),
    GetStale(u8),
    Purge { tenant: Option<usize>, age: Option<(u64, u64)> },
    Sweep,
    Wait(u64),
}

#[derive(Debug)]
struct ModelEntry {
    tenant: String,
    value: u32,
    weight: u64,
    stored: u64,
    fresh: u64,
    stale: u64,
}

#[derive(Debug, Default)]
struct Model {
    rows: BTreeMap<u8, ModelEntry>,
    now: u64,
}

impl Model {
    fn bytes_by_tenant(&self) -> BTreeMap<String, u64> {
        let mut bytes = BTreeMap::new();
        for row in self.rows.values() {
            *bytes.entry(row.tenant.clone()).or_insert(0) += row.weight;
        }
        bytes
    }

    fn insert(&mut self, field: u8, row: ModelEntry) -> Result<(), InsertError> {
        if row.fresh + row.stale == 0 {
            return Err(InsertError::ZeroWindows);
        }
        if row.weight > 1_000 + OVERHEAD {
            return Err(InsertError::TooLarge { bytes: row.weight - OVERHEAD, limit: 1_000 });
        }
        let would_use = |model: &Self| {
            let others = model.rows.iter().filter(|(other, it)| **other != field && it.tenant == row.tenant);
            others.map(|(_, it)| it.weight).sum::<u64>() + row.weight
        };
        while would_use(self) > LIMIT {
            let own = self.rows.iter().filter(|(_, it)| it.tenant == row.tenant);
            let oldest = own.min_by_key(|(_, it)| it.value).map(|(field, _)| *field);
            oldest.and_then(|field| self.rows.remove(&field));
        }
        self.rows.insert(field, row);
        Ok(())
    }

    fn find(&mut self, field: u8, and_stale: bool) -> Option<u32> {
        let row = self.rows.get(&field)?;
        let age = self.now - row.stored;
        if age >= row.fresh + row.stale {
            self.rows.remove(&field);
            return None;
        }
        (age < row.fresh || and_stale).then_some(row.value)
    }

    fn remove(&mut self, matches: impl Fn(&ModelEntry) -> bool) -> u64 {
        let before = self.rows.len();
        self.rows.retain(|_, row| !matches(row));
        (before - self.rows.len()) as u64
    }

    fn sweep(&mut self) -> u64 {
        let now = self.now;
        self.remove(|row| now - row.stored >= row.fresh + row.stale)
    }
}

fn action() -> impl Strategy<Value = Action> {
    let bytes = prop_oneof![8 => 0_u64..1_000, 1 => 1_000_u64..1_003];
    let insert = (0_u8..8, 0_usize..3, bytes, 0_u64..30, 0_u64..30).prop_map(
        |(field, tenant, bytes, fresh, stale)| Action::Insert {
            field,
            tenant,
            bytes,
            fresh: fresh.saturating_sub(5),
            stale: stale.saturating_sub(5),
        },
    );
    let age = (0_u64..60, 0_u64..60).prop_map(|(a, b)| (a.min(b), a.max(b)));
    let purge = (prop::option::of(0_usize..3), prop::option::of(age));
    prop_oneof![
        6 => insert,
        3 => (0_u8..8).prop_map(Action::Get),
        3 => (0_u8..8).prop_map(Action::GetStale),
        1 => purge.prop_map(|(tenant, age)| Action::Purge { tenant, age }),
        1 => Just(Action::Sweep),
        3 => (0_u64..20).prop_map(Action::Wait),
    ]
}

proptest! {
    #[test]
    fn cache_behaves_like_the_model(actions in prop::collection::vec(action(), 1..60)) {
        let cache = cache(LIMIT * 4, 0.25);
        let begin: Instant = start();
        let mut model = Model::default();
        for (count, action) in actions.into_iter().enumerate() {
            let now = begin + Duration::from_secs(model.now);
            match action {
                Action::Insert { field, tenant, bytes, fresh, stale } => {
                    let value = u32::try_from(count).unwrap();
                    let tenant = ["a", "b", "c"][tenant];
                    let windows = Windows { fresh: secs(fresh), stale_if_error: secs(stale) };
                    let item = Item { value, bytes, tags: tags(tenant, "r", "p"), windows };
                    let (tenant, weight, stored) = (tenant.to_owned(), bytes + OVERHEAD, model.now);
                    let row = ModelEntry { tenant, value, weight, stored, fresh, stale };
                    prop_assert_eq!(cache.insert(key("", field.into()), item, now), model.insert(field, row));
                }
                Action::Get(field) => {
                    prop_assert_eq!(value(cache.get(&key("", field.into()), now)), model.find(field, false));
                }
                Action::GetStale(field) => {
                    prop_assert_eq!(value(cache.get_stale(&key("", field.into()), now)), model.find(field, true));
                }
                Action::Purge { tenant, age } => {
                    let tenant = tenant.map(|tenant| ["a", "b", "c"][tenant].to_owned());
                    let ages = age.map(|(from, to)| secs(from)..=secs(to));
                    let purge = Purge { tenant: tenant.clone(), age: ages, ..Purge::default() };
                    let at = model.now;
                    let purged = model.remove(|row| {
                        tenant.as_ref().is_none_or(|tenant| *tenant == row.tenant)
                            && age.is_none_or(|(from, to)| (from..=to).contains(&(at - row.stored)))
                    });
                    prop_assert_eq!(cache.purge(&purge, now), purged);
                }
                Action::Sweep => prop_assert_eq!(cache.sweep(now), model.sweep()),
                Action::Wait(time) => model.now += time,
            }
            prop_assert_eq!(cache.shared.usage.bytes_by_tenant(), model.bytes_by_tenant());
            let stats = cache.stats();
            let held = model.bytes_by_tenant().values().sum::<u64>();
            prop_assert_eq!((stats.entries, stats.bytes), (model.rows.len() as u64, held));
        }
    }
}
