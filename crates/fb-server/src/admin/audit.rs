//! The audit log: a line for each change by an operator.

use http::request::Parts;
use serde_json::Value;
use tracing::{field::display, info};

use crate::{log::AUDIT, rejected::Peer};

/// Logs a change: the address that it came from, the action, the subject, and the state before and after it. All
/// operators share one token, so only the address distinguishes them.
pub(super) fn record(parts: &Parts, action: &str, subject: &str, before: &Value, after: &Value) {
    let peer = parts.extensions.get().map(|Peer(address)| display(address));
    info!(target: AUDIT, operator = "admin", peer, action, subject, %before, %after, "changed by an operator");
}
