//! Weighted round robin with exact shares.

/// Weighted round robin: after `n` turns under constant weights each index was chosen `n · weight / sum` times, off by
/// less than one.
///
/// Every turn adds each index's weight to its lag and subtracts a whole turn from the lag of the chosen index. The
/// choice is the index with a positive lag that would reach a whole turn first. Choosing the largest lag instead, as
/// smooth weighted round robin does, can leave an index a turn or more behind when there are many very different
/// weights.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rotation {
    /// Turns owed to each index, times `sum`. They add up to 0, except for rounding when `sum` changes.
    lags: Vec<i128>,
    sum: i128,
}

impl Rotation {
    /// Returns the index of the next turn, or `None` if no weight is greater than 0.
    ///
    /// An index of weight 0 is not chosen and its lag stays constant, so shares are exact over the turns in which an
    /// index takes part. Nothing overflows with at most 4,096 indices of at most 2⁴⁰.
    pub(crate) fn next(&mut self, weights: &[u64]) -> Option<usize> {
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
        let chosen = self.choose(weights)?;
        self.lags[chosen] -= sum;
        Some(chosen)
    }

    fn choose(&self, weights: &[u64]) -> Option<usize> {
        let entries = || weights.iter().zip(&self.lags).enumerate().filter(|(_, (weight, _))| **weight > 0);
        // The time until the lag reaches a whole turn, as a fraction: cross-multiplied below to avoid rounding.
        let slack = |(weight, lag): (&u64, &i128)| (self.sum - lag, i128::from(*weight));
        let soonest = entries().filter(|(_, (_, lag))| **lag > 0).min_by(|(_, a), (_, b)| {
            let ((room_a, weight_a), (room_b, weight_b)) = (slack(*a), slack(*b));
            (room_a * weight_b).cmp(&(room_b * weight_a))
        });
        // No entry has a positive lag if the indices that do have weight 0 now.
        let largest_lag = || entries().max_by_key(|(_, (_, lag))| **lag);
        soonest.or_else(largest_lag).map(|(index, _)| index)
    }
}

#[cfg(test)]
mod tests;
