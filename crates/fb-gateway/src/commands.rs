//! The commands of `fb`, one module each.

pub(crate) mod backtest;
pub(crate) mod check;
pub(crate) mod demo;
pub(crate) mod drill;
pub(crate) mod env;
pub(crate) mod eval;
pub(crate) mod explain;
pub(crate) mod plan;
pub(crate) mod savings;
pub(crate) mod serve;
