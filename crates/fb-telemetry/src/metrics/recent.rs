/// A moving average: the mean of all values up to [`Recent::WINDOW`] of them, and an exponential average with the weight
/// `1 / WINDOW` for each new value after that.
#[derive(Debug, Default)]
pub(super) struct Recent {
    count: f64,
    mean: f64,
}

impl Recent {
    /// Large enough to resolve a share of a few per cent, and small enough to follow an outage within minutes.
    const WINDOW: f64 = 100.0;

    /// Adds a value and returns the average.
    pub(super) fn add(&mut self, yes: bool) -> f64 {
        self.count = (self.count + 1.0).min(Self::WINDOW);
        self.mean += (f64::from(u8::from(yes)) - self.mean) / self.count;
        self.mean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn average_is_the_mean_at_first_and_exponential_later() {
        let mut recent = Recent::default();
        let first = [true, false, false, false].map(|yes| format!("{:.3}", recent.add(yes)));
        assert_eq!(first, ["1.000", "0.500", "0.333", "0.250"]);
        for _ in 0..1_000 {
            recent.add(true);
        }
        let after = (0..100).map(|_| recent.add(false)).last().unwrap();
        assert!((0.36..0.37).contains(&after), "1/e of what was: {after}");
    }
}
