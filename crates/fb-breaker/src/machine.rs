//! The state machine without its lock: pure functions of values.
//!
//! Every input is a method of [`Step`], a pure function of the machine, the configuration, one random number and the time.
//! The table below lists the effect of every input in every state; a test generates and checks it. "Own" is a call of the
//! current generation, "earlier" one of a previous generation. In the table two failures in a row or 60 % of two calls
//! open the breaker, two failed probes reopen it and three successful ones close it; failures in the window are in
//! hundredths, and `·` changes nothing but the number of outstanding permits.
//!
#![doc = include_str!("machine/table.md")]

mod lease;
mod pass;

mod closed;
mod half_open;

mod state;
mod step;

pub(crate) use self::{
    pass::{Pass, Verdict},
    state::Machine,
    step::Step,
};

#[cfg(test)]
mod tests;
