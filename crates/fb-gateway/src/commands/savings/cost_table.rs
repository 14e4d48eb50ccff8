//! The cost of requests by class and target.

use fb::{Complexity, MissingPrice, Money, Price, Savings, ServedRequest, Usage, savings};

use super::prices::PricedTarget;
use crate::stdout::table;

/// The requests of one class that one target serves.
#[derive(Debug)]
struct Row {
    class: Option<Complexity>,
    served_by: PricedTarget,
    usages: Vec<Usage>,
}

/// The cost of requests, beside their cost at the best model.
#[derive(Debug)]
pub(super) struct CostTable {
    rows: Vec<Row>,
    /// The candidates for the best model.
    candidates: Vec<PricedTarget>,
}

impl CostTable {
    pub(super) const fn new(candidates: Vec<PricedTarget>) -> Self {
        Self { rows: Vec::new(), candidates }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn add(&mut self, class: Option<Complexity>, served_by: PricedTarget, usage: Usage) {
        match self.rows.iter_mut().find(|row| row.class == class && row.served_by == served_by) {
            Some(row) => row.usages.push(usage),
            None => self.rows.push(Row { class, served_by, usages: vec![usage] }),
        }
    }

    /// Returns the candidate at which all requests cost most; the first one of several.
    fn best(&self) -> Option<&PricedTarget> {
        let usages = || self.rows.iter().flat_map(|row| &row.usages);
        let cost = |one: &PricedTarget| usages().map(|usage| one.price.cost(*usage)).sum::<Money>();
        // Reversed, because `max_by_key` returns the last of equal elements.
        self.candidates.iter().rev().max_by_key(|one| cost(one))
    }

    /// Formats the rows, their totals and the savings.
    ///
    /// # Errors
    /// If there is no candidate for the best model.
    pub(super) fn print(mut self) -> Result<String, String> {
        let best = self.best().ok_or("no target to compare with")?.clone();
        self.rows.sort_by(|a, b| (a.class, &a.served_by.target).cmp(&(b.class, &b.served_by.target)));
        let head = ["class", "target", "requests", "cost", "best model"];
        let mut lines = vec![head.map(str::to_owned).to_vec()];
        let (mut total, mut count) = (Savings::default(), 0);
        for row in &self.rows {
            let sum = row.savings(best.price).map_err(|error| error.to_string())?;
            total.spent += sum.spent;
            total.against_best += sum.against_best;
            count += row.usages.len();
            let class = row.class.map_or_else(|| "-".to_owned(), |class| class.to_string());
            lines.push(cells(class, &row.served_by.target.to_string(), row.usages.len(), sum));
        }
        lines.push(cells("total".to_owned(), "", count, total));
        let saved = match total.saved_percent() {
            None => "nothing to save".to_owned(),
            Some(percent) if percent < 0.0 => format!("{:.1} % more expensive", -percent),
            Some(percent) => format!("{percent:.1} % saved"),
        };
        let (always_best, routed) = (rounded(total.against_best), rounded(total.spent));
        let (table, best) = (table(&lines, 3), best.target);
        Ok(format!("{table}\n\nrouted {routed}, always best ({best}) {always_best}: {saved}"))
    }
}

/// Formats an amount in whole cents, or with four decimals if it is less than a cent.
fn rounded(amount: Money) -> String {
    const CENT: u64 = 10_000_000;
    if amount.nanos() < CENT {
        return amount.to_string();
    }
    let cents = amount.nanos().saturating_add(CENT / 2) / CENT;
    format!("${}.{:02}", cents / 100, cents % 100)
}

impl Row {
    fn savings(&self, best: Price) -> Result<Savings, MissingPrice> {
        let target = &self.served_by.target;
        let served: Vec<_> =
            self.usages.iter().map(|usage| ServedRequest { target, usage: *usage }).collect();
        savings(&served, |_| Some(self.served_by.price), best)
    }
}

fn cells(class: String, target: &str, requests: usize, sum: Savings) -> Vec<String> {
    vec![class, target.to_owned(), requests.to_string(), sum.spent.to_string(), sum.against_best.to_string()]
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn priced(name: &str, input: f64, output: f64) -> PricedTarget {
        PricedTarget { target: name.parse().unwrap(), price: Price { input, output } }
    }

    fn usage(input: u64, output: u64) -> Usage {
        Usage { input, output, ..Usage::default() }
    }

    #[test]
    fn every_class_and_target_has_a_row_and_totals_are_exact() {
        let (small, large) = (priced("a/small", 0.1, 0.4), priced("b/large", 3.0, 15.0));
        let mut costs = CostTable::new(vec![small.clone(), large.clone()]);
        assert!(costs.is_empty());
        costs.add(Some(Complexity::Complex), large, usage(4_000, 1_000));
        for _ in 0..3 {
            costs.add(Some(Complexity::Simple), small.clone(), usage(1_000, 500));
        }
        costs.add(None, small, usage(10, 10));
        expect![[r#"
            class    target   requests     cost  best model
            -        a/small         1  $0.0000     $0.0002
            simple   a/small         3  $0.0009     $0.0315
            complex  b/large         1  $0.0270     $0.0270
            total                    5  $0.0279     $0.0587

            routed $0.03, always best (b/large) $0.06: 52.4 % saved"#]]
        .assert_eq(&costs.print().unwrap());
    }

    #[test]
    fn first_of_equally_expensive_models_is_best_and_a_loss_is_reported() {
        let (a, b) = (priced("a/m", 1.0, 1.0), priced("b/m", 1.0, 1.0));
        let mut costs = CostTable::new(vec![a, b]);
        costs.add(None, priced("c/m", 1.5, 1.5), usage(1_000, 1_000));
        expect![[r#"
            class  target  requests     cost  best model
            -      c/m            1  $0.0030     $0.0020
            total                 1  $0.0030     $0.0020

            routed $0.0030, always best (a/m) $0.0020: 50.0 % more expensive"#]]
        .assert_eq(&costs.print().unwrap());
    }
}
