use fb::{Complexity, Config, Money, Price, Route, Savings, ServedRequest, Target, TargetId, Usage, savings};

use crate::stdout::table;

/// A target and what its tokens cost.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Priced {
    pub(super) target: TargetId,
    pub(super) price: Price,
}

/// The targets of a route and of its classes, each with its price.
///
/// # Errors
/// When there is no such route, or when a target has no price: it might be the dearest.
pub(super) fn candidates(config: &Config, route: &str) -> Result<Vec<Priced>, String> {
    let Some(named) = find(config, route) else {
        let known = config.routes.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        return Err(format!(
            "no route {route:?}; routes: {known}; or name a target in --best PROVIDER/MODEL"
        ));
    };
    let classes = [&named.classes.simple, &named.classes.moderate, &named.classes.complex];
    let classes = classes.into_iter().flatten().filter_map(|name| find(config, name));
    let mut found: Vec<Priced> = Vec::new();
    for route in [named].into_iter().chain(classes) {
        for target in route.targets.iter().filter(|target| target.enabled) {
            let one = of(route, target)?;
            if !found.contains(&one) {
                found.push(one);
            }
        }
    }
    Ok(found)
}

/// A target of any route.
pub(super) fn priced(config: &Config, id: &TargetId) -> Result<Priced, String> {
    let all =
        config.routes.values().flat_map(|route| route.targets.iter().map(move |target| (route, target)));
    let mut named = all.filter(|(_, target)| is(target, id)).peekable();
    let first = named.peek().copied();
    // Where several routes name it, one of them may say its price.
    let found = named.find(|(_, target)| target.price.is_some()).or(first);
    let (route, target) = found.ok_or_else(|| format!("no route has the target {id}"))?;
    of(route, target)
}

/// What a target's tokens cost by the words of this route, or of any when the route is the target alone.
pub(super) fn price_in(config: &Config, route: &str, id: &TargetId) -> Result<Price, String> {
    let own = config.routes.get(route).and_then(|route| {
        route.targets.iter().find(|target| target.enabled && is(target, id)).map(|target| (route, target))
    });
    match own {
        Some((route, target)) => of(route, target),
        None => priced(config, id),
    }
    .map(|priced| priced.price)
}

fn find<'a>(config: &'a Config, name: &str) -> Option<&'a Route> {
    let alias = |route: &&Route| route.aliases.iter().any(|alias| alias == name);
    config.routes.get(name).or_else(|| config.routes.values().find(alias))
}

fn is(target: &Target, id: &TargetId) -> bool {
    target.provider == id.provider().as_str() && target.model == id.model()
}

fn of(route: &Route, target: &Target) -> Result<Priced, String> {
    let name = target.name();
    let Some(price) = target.price else {
        let route = &route.name;
        return Err(format!(
            "{name} in the route {route} has no price; give it price = {{ input = .., output = .. }}"
        ));
    };
    let target = name.parse().map_err(|error| format!("{name}: {error}"))?;
    Ok(Priced { target, price })
}

/// Who served how many requests of a class, and what for.
#[derive(Debug)]
struct Row {
    class: Option<Complexity>,
    served: Priced,
    usages: Vec<Usage>,
}

/// What was reckoned so far.
#[derive(Debug)]
pub(super) struct Ledger {
    rows: Vec<Row>,
    /// Among these is the best model.
    compared: Vec<Priced>,
}

impl Ledger {
    pub(super) const fn new(compared: Vec<Priced>) -> Self {
        Self { rows: Vec::new(), compared }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn add(&mut self, class: Option<Complexity>, served: Priced, usage: Usage) {
        match self.rows.iter_mut().find(|row| row.class == class && row.served == served) {
            Some(row) => row.usages.push(usage),
            None => self.rows.push(Row { class, served, usages: vec![usage] }),
        }
    }

    /// The model at which all requests cost most; the first of those that cost the same.
    fn best(&self) -> Option<&Priced> {
        let usages = || self.rows.iter().flat_map(|row| &row.usages);
        let cost = |one: &Priced| usages().map(|usage| one.price.cost(*usage)).sum::<Money>();
        // `max_by_key` would take the last.
        self.compared.iter().rev().max_by_key(|one| cost(one))
    }

    /// The table of classes, the two totals and what is saved.
    pub(super) fn print(mut self) -> Result<String, String> {
        let best = self.best().ok_or("no target to compare with")?.clone();
        self.rows.sort_by(|a, b| (a.class, &a.served.target).cmp(&(b.class, &b.served.target)));
        let head = ["class", "target", "requests", "cost", "at the best"];
        let mut lines = vec![head.map(str::to_owned).to_vec()];
        let (mut total, mut count) = (Savings::default(), 0);
        for row in &self.rows {
            let sum = row.reckon(best.price).map_err(|error| error.to_string())?;
            total.spent += sum.spent;
            total.against_best += sum.against_best;
            count += row.usages.len();
            let class = row.class.map_or_else(|| "-".to_owned(), |class| class.to_string());
            lines.push(line(class, &row.served.target.to_string(), row.usages.len(), sum));
        }
        lines.push(line("total".to_owned(), "", count, total));
        let saved = match total.saved_percent() {
            None => "the best costs nothing".to_owned(),
            Some(percent) if percent < 0.0 => format!("{:.1} % dearer", -percent),
            Some(percent) => format!("{} saved, {percent:.1} %", total.saved()),
        };
        Ok(format!("{}\n\nbest {}: {saved}", table(&lines, 3), best.target))
    }
}

impl Row {
    fn reckon(&self, best: Price) -> Result<Savings, fb::MissingPrice> {
        let target = &self.served.target;
        let queries: Vec<_> =
            self.usages.iter().map(|usage| ServedRequest { target, usage: *usage }).collect();
        savings(&queries, |_| Some(self.served.price), best)
    }
}

fn line(class: String, target: &str, requests: usize, sum: Savings) -> Vec<String> {
    vec![class, target.to_owned(), requests.to_string(), sum.spent.to_string(), sum.against_best.to_string()]
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn priced(name: &str, input: f64, output: f64) -> Priced {
        Priced { target: name.parse().unwrap(), price: Price { input, output } }
    }

    fn usage(input: u64, output: u64) -> Usage {
        Usage { input, output, ..Usage::default() }
    }

    #[test]
    fn every_class_and_target_has_a_line_and_totals_are_exact() {
        let (small, large) = (priced("a/small", 0.1, 0.4), priced("b/large", 3.0, 15.0));
        let mut ledger = Ledger::new(vec![small.clone(), large.clone()]);
        assert!(ledger.is_empty());
        ledger.add(Some(Complexity::Complex), large, usage(4_000, 1_000));
        for _ in 0..3 {
            ledger.add(Some(Complexity::Simple), small.clone(), usage(1_000, 500));
        }
        ledger.add(None, small, usage(10, 10));
        expect![[r#"
            class    target   requests     cost  at the best
            -        a/small         1  $0.0000      $0.0002
            simple   a/small         3  $0.0009      $0.0315
            complex  b/large         1  $0.0270      $0.0270
            total                    5  $0.0279      $0.0587

            best b/large: $0.0308 saved, 52.4 %"#]]
        .assert_eq(&ledger.print().unwrap());
    }

    #[test]
    fn of_models_that_cost_the_same_the_first_is_best_and_a_dearer_way_says_so() {
        let (a, b) = (priced("a/m", 1.0, 1.0), priced("b/m", 1.0, 1.0));
        let mut ledger = Ledger::new(vec![a, b]);
        ledger.add(None, priced("c/m", 1.5, 1.5), usage(1_000, 1_000));
        expect![[r#"
            class  target  requests     cost  at the best
            -      c/m            1  $0.0030      $0.0020
            total                 1  $0.0030      $0.0020

            best a/m: 50.0 % dearer"#]]
        .assert_eq(&ledger.print().unwrap());
    }
}
