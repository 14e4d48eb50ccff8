#![doc = include_str!("../README.md")]

mod losses;

pub use self::losses::{Loss, Losses, MaxLoss, Severity, TooMuchLost};
