use fb_core::{Money, TargetId};
use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{
    families::{Cost, Ratio, Register, dollars, usd},
    labels::{RecordLabels, TargetLabels, TenantLabels, WindowLabels},
};
use crate::names::Label;

/// Values that other components count, read at each scrape.
///
/// Names become label values unchanged, so they must be configured names.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Readings {
    /// The account of each tenant, by name.
    pub tenants: Vec<(String, Account)>,
    /// `true` while the ledger of the tenants' spending cannot be written; `None` without a ledger.
    pub ledger_failing: Option<bool>,
    /// The quality score of each target: the share of its recent answers that passed the quality gates, 0 to 1.
    pub quality: Vec<(TargetId, f64)>,
    /// Numbers of recorded requests; `None` without recording.
    pub records: Option<Records>,
}

/// The account of a tenant: spent, reserved and allowed amounts. It includes all calls, even those that were cut, lost a
/// race or were repaired.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct Account {
    /// Tokens, input and output, since the start of the process.
    pub tokens: u64,
    /// Spent since the start of the process.
    pub cost: Money,
    /// Spent in this day of UTC.
    pub day: Money,
    /// Spent in this month of UTC.
    pub month: Money,
    /// Reserved for calls in flight.
    pub reserved: Money,
    /// Limit in US dollars per day.
    pub day_limit: Option<f64>,
    /// Limit in US dollars per month.
    pub month_limit: Option<f64>,
}

/// Numbers of recorded and lost requests since the start of the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Records {
    /// Requests written to the file.
    pub written: u64,
    /// Requests that could not be recorded.
    pub lost: u64,
}

impl Readings {
    /// Builds a registry for one scrape; no state is kept between scrapes.
    pub(super) fn registry(&self) -> Registry {
        let mut registry = Registry::default();
        let mut with = Register(&mut registry);
        self.accounts(&mut with);
        if let Some(failing) = self.ledger_failing {
            let gauge: Gauge =
                with.plain("fb_ledger_failing", "1 while the spending of tenants cannot be written");
            gauge.set(i64::from(failing));
        }
        let quality: Family<TargetLabels, Ratio> = with.plain(
            "fb_quality_score",
            "Share of recent answers that passed the quality gates, 1 if none was checked",
        );
        for (target, score) in &self.quality {
            quality.get_or_create(&TargetLabels { target: target.to_string().into() }).set(*score);
        }
        let records: Family<RecordLabels, Counter> =
            with.plain("fb_records", "Finished requests by the result of recording them");
        if let Some(Records { written, lost }) = self.records {
            for (result, count) in [("written", written), ("lost", lost)] {
                records.get_or_create(&RecordLabels { result }).inc_by(count);
            }
        }
        registry
    }

    fn accounts(&self, with: &mut Register<'_>) {
        let tokens: Family<TenantLabels, Counter> =
            with.plain("fb_tenant_tokens", "Tokens of all calls of the tenant, input and output");
        let cost: Family<TenantLabels, Cost> =
            with.unit("fb_tenant_cost", usd(), "Cost of all calls of the tenant", Family::default());
        let spent: Family<WindowLabels, Ratio> = with.unit(
            "fb_tenant_spent",
            usd(),
            "Spending of the tenant in this UTC day or month",
            Family::default(),
        );
        let limit: Family<WindowLabels, Ratio> = with.unit(
            "fb_tenant_limit",
            usd(),
            "Spending limit of the tenant per UTC day or month",
            Family::default(),
        );
        let reserved: Family<TenantLabels, Ratio> = with.unit(
            "fb_tenant_reserved",
            usd(),
            "Amount reserved for the tenant's calls in flight",
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

fb_core::with_changes!(Account, Readings);
