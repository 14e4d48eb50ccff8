#![doc = include_str!("../README.md")]

mod losses;
mod score;

pub use self::losses::{Loss, Losses, MaxLoss, Severity, TooMuchLost};
pub use self::score::{Score, rank_penalty};
