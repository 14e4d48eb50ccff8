use fb_core::{Money, TargetId};
use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{
    dollars,
    families::{Cost, Ratio, Register, usd},
    labels::{RecordLabels, TargetLabels, TenantLabels, WindowLabels},
};
use crate::names::Label;

/// What is counted elsewhere, and read when metrics are fetched.
///
/// Its names become labels as they are, so they must be configured ones.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Readings {
    /// The account of each tenant, by name.
    pub tenants: Vec<(String, Account)>,
    /// Whether the ledger of what tenants spend cannot be written; `None` where there is none.
    pub ledger_failing: Option<bool>,
    /// The share of each target's latest answers that passed the quality gates, 0 to 1.
    pub quality: Vec<(TargetId, f64)>,
    /// Requests that were to be recorded; `None` where none are.
    pub records: Option<Records>,
}

/// What a tenant has spent, holds and may spend. All calls are in it, also those that were cut, lost a race or were
/// repaired.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Account {
    /// Tokens, input and output, since the start of the process.
    pub tokens: u64,
    /// Spent since the start of the process.
    pub cost: Money,
    /// Spent in this day of UTC.
    pub day: Money,
    /// Spent in this month of UTC.
    pub month: Money,
    /// Held by calls in flight.
    pub reserved: Money,
    /// Most US dollars per day.
    pub day_limit: Option<f64>,
    /// Most US dollars per month.
    pub month_limit: Option<f64>,
}

/// Requests that were to be recorded since the start of the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Records {
    /// Lines in the file.
    pub written: u64,
    /// Those that are not and will not be.
    pub lost: u64,
}

impl Readings {
    /// The readings as metrics of their own: nothing is kept from one scrape to the next.
    pub(super) fn registry(&self) -> Registry {
        let mut registry = Registry::default();
        let mut with = Register(&mut registry);
        self.accounts(&mut with);
        if let Some(failing) = self.ledger_failing {
            let gauge: Gauge =
                with.plain("fb_ledger_failing", "1 while what tenants spend cannot be written");
            gauge.set(i64::from(failing));
        }
        let quality: Family<TargetLabels, Ratio> = with.plain(
            "fb_quality_score",
            "Share of the latest answers that passed the quality gates, 1 where none was checked",
        );
        for (target, score) in &self.quality {
            quality.get_or_create(&TargetLabels { target: target.to_string().into() }).set(*score);
        }
        let records: Family<RecordLabels, Counter> =
            with.plain("fb_records", "Finished requests that were to be recorded");
        if let Some(Records { written, lost }) = self.records {
            for (result, count) in [("written", written), ("lost", lost)] {
                records.get_or_create(&RecordLabels { result }).inc_by(count);
            }
        }
        registry
    }

    fn accounts(&self, with: &mut Register<'_>) {
        let tokens: Family<TenantLabels, Counter> =
            with.plain("fb_tenant_tokens", "Tokens of all calls of a tenant, input and output");
        let cost: Family<TenantLabels, Cost> =
            with.unit("fb_tenant_cost", usd(), "What all calls of a tenant cost", Family::default());
        let spent: Family<WindowLabels, Ratio> = with.unit(
            "fb_tenant_spent",
            usd(),
            "Spent by a tenant in this day or month of UTC",
            Family::default(),
        );
        let limit: Family<WindowLabels, Ratio> = with.unit(
            "fb_tenant_limit",
            usd(),
            "Most that a tenant may spend in a day or month of UTC",
            Family::default(),
        );
        let reserved: Family<TenantLabels, Ratio> = with.unit(
            "fb_tenant_reserved",
            usd(),
            "Held for the calls of a tenant in flight",
            Family::default(),
        );
        for (name, account) in &self.tenants {
            let tenant: Label = name.as_str().into();
            let whole = TenantLabels { tenant: tenant.clone() };
            tokens.get_or_create(&whole).inc_by(account.tokens);
            cost.get_or_create(&whole).inc_by(dollars(account.cost));
            reserved.get_or_create(&whole).set(dollars(account.reserved));
            let day = ("day", account.day, account.day_limit);
            for (window, used, most) in [day, ("month", account.month, account.month_limit)] {
                let labels = WindowLabels { tenant: tenant.clone(), window };
                spent.get_or_create(&labels).set(dollars(used));
                if let Some(most) = most {
                    limit.get_or_create(&labels).set(most);
                }
            }
        }
    }
}
