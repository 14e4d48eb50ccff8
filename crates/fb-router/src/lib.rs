//! Which targets a request goes to, in which order, and why: pure decisions.

mod rotation;
mod sticky;
