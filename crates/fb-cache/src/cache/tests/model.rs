//! A cache beside a map that does the same in the plainest way.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use proptest::prelude::*;

use super::{OVERHEAD, cache, key, secs, start, tags, value};
use crate::{Item, NotStored, Purge, Windows};

const LIMIT: u64 = 2_000;

#[derive(Debug, Clone)]
enum Step {
    Insert { field: u8, tenant: usize, bytes: u64, fresh: u64, stale: u64 },
    Get(u8),
    GetStale(u8),
    Purge { tenant: Option<usize>, age: Option<(u64, u64)> },
    Sweep,
    Wait(u64),
}

#[derive(Debug)]
struct Row {
    tenant: String,
    value: u32,
    weight: u64,
    stored: u64,
    fresh: u64,
    stale: u64,
}

#[derive(Debug, Default)]
struct Model {
    rows: BTreeMap<u8, Row>,
    now: u64,
}

impl Model {
    fn held(&self) -> BTreeMap<String, u64> {
        let mut held = BTreeMap::new();
        for row in self.rows.values() {
            *held.entry(row.tenant.clone()).or_insert(0) += row.weight;
        }
        held
    }

    fn insert(&mut self, field: u8, row: Row) -> Result<(), NotStored> {
        if row.fresh + row.stale == 0 {
            return Err(NotStored::NoWindow);
        }
        if row.weight > 1_000 + OVERHEAD {
            return Err(NotStored::TooLarge { bytes: row.weight - OVERHEAD, limit: 1_000 });
        }
        let would_hold = |model: &Self| {
            let others = model.rows.iter().filter(|(other, it)| **other != field && it.tenant == row.tenant);
            others.map(|(_, it)| it.weight).sum::<u64>() + row.weight
        };
        while would_hold(self) > LIMIT {
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

    fn remove(&mut self, covers: impl Fn(&Row) -> bool) -> u64 {
        let before = self.rows.len();
        self.rows.retain(|_, row| !covers(row));
        (before - self.rows.len()) as u64
    }

    fn sweep(&mut self) -> u64 {
        let now = self.now;
        self.remove(|row| now - row.stored >= row.fresh + row.stale)
    }
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = prop_oneof![8 => 0_u64..1_000, 1 => 1_000_u64..1_003];
    let insert = (0_u8..8, 0_usize..3, bytes, 0_u64..30, 0_u64..30).prop_map(
        |(field, tenant, bytes, fresh, stale)| Step::Insert {
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
        3 => (0_u8..8).prop_map(Step::Get),
        3 => (0_u8..8).prop_map(Step::GetStale),
        1 => purge.prop_map(|(tenant, age)| Step::Purge { tenant, age }),
        1 => Just(Step::Sweep),
        3 => (0_u64..20).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn a_cache_does_what_a_map_would(steps in prop::collection::vec(step(), 1..60)) {
        let cache = cache(LIMIT * 4, 0.25);
        let begin: Instant = start();
        let mut model = Model::default();
        for (count, step) in steps.into_iter().enumerate() {
            let now = begin + Duration::from_secs(model.now);
            match step {
                Step::Insert { field, tenant, bytes, fresh, stale } => {
                    let number = u32::try_from(count).unwrap();
                    let tenant = ["a", "b", "c"][tenant];
                    let windows = Windows { fresh: secs(fresh), stale_if_error: secs(stale) };
                    let item = Item { value: number, bytes, tags: tags(tenant, "r", "p"), windows };
                    let (tenant, weight, stored) = (tenant.to_owned(), bytes + OVERHEAD, model.now);
                    let row = Row { tenant, value: number, weight, stored, fresh, stale };
                    prop_assert_eq!(cache.insert(key("", field.into()), item, now), model.insert(field, row));
                }
                Step::Get(field) => {
                    prop_assert_eq!(value(cache.get(&key("", field.into()), now)), model.find(field, false));
                }
                Step::GetStale(field) => {
                    prop_assert_eq!(value(cache.get_stale(&key("", field.into()), now)), model.find(field, true));
                }
                Step::Purge { tenant, age } => {
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
                Step::Sweep => prop_assert_eq!(cache.sweep(now), model.sweep()),
                Step::Wait(time) => model.now += time,
            }
            prop_assert_eq!(cache.shared.ledger.tenants(), model.held());
            let stats = cache.stats();
            let held = model.held().values().sum::<u64>();
            prop_assert_eq!((stats.entries, stats.bytes), (model.rows.len() as u64, held));
        }
    }
}
