//! Turns by weight, exact over time.

/// Takes turns so that after `n` turns under the same weights each place had `n · weight / sum` of them, less than one
/// off.
///
/// A turn adds to each place what its weight earned (its lag) and takes a whole turn from the one chosen: of those
/// that are owed something, the one that must be served soonest lest its lag reach a whole turn. To choose the
/// largest lag instead, as smooth weighted round robin does, can leave a place a turn or more behind when there are
/// many places of very different weight.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rotation {
    /// What each place is owed: whole turns times `sum`. All together they are 0, but for rounding when `sum` changes.
    lags: Vec<i128>,
    sum: i128,
}

impl Rotation {
    /// Whose turn it is; `None` when no weight is more than 0. Places of weight 0 have no turn, and neither earn nor
    /// lose: a share stays exact over the turns a place takes part in.
    ///
    /// With at most 4,096 places of at most 2⁴⁰ nothing overflows.
    pub(crate) fn turn(&mut self, weights: &[u64]) -> Option<usize> {
        let sum: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
        if sum == 0 {
            return None;
        }
        self.lags.resize(weights.len(), 0);
        if self.sum != sum && self.sum != 0 {
            let old = self.sum;
            self.lags.iter_mut().for_each(|lag| *lag = *lag * sum / old);
        }
        self.sum = sum;
        for (lag, weight) in self.lags.iter_mut().zip(weights) {
            *lag += i128::from(*weight);
        }
        let chosen = self.chosen(weights)?;
        self.lags[chosen] -= sum;
        Some(chosen)
    }

    fn chosen(&self, weights: &[u64]) -> Option<usize> {
        let places = || weights.iter().zip(&self.lags).enumerate().filter(|(_, (weight, _))| **weight > 0);
        // Time until the lag is a whole turn, as a fraction; two are compared without dividing.
        let spare = |(weight, lag): (&u64, &i128)| (self.sum - lag, i128::from(*weight));
        let soonest = places().filter(|(_, (_, lag))| **lag > 0).min_by(|(_, a), (_, b)| {
            let ((room_a, weight_a), (room_b, weight_b)) = (spare(*a), spare(*b));
            (room_a * weight_b).cmp(&(room_b * weight_a))
        });
        // None is owed anything when those that are take no part.
        let most_owed = || places().max_by_key(|(_, (_, lag))| **lag);
        soonest.or_else(most_owed).map(|(place, _)| place)
    }
}

#[cfg(test)]
mod tests;
