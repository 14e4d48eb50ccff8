//! The control endpoints, so that a shell or another language can drive the simulator.

use ::http::{Method, StatusCode};
use serde::Serialize;

use crate::control::Shared;
use crate::counters::Counters;
use crate::fault::{Order, USAGE};

#[derive(Serialize)]
struct Report<'s> {
    dialect: &'static str,
    /// In force for the next inference request.
    fault: Option<String>,
    #[serde(flatten)]
    counters: &'s Counters,
}

/// Status and text.
pub(crate) fn answer(shared: &Shared, method: &Method, path: &str, body: &[u8]) -> (StatusCode, String) {
    match (method.as_str(), path) {
        ("POST", "/sim/fault") => match String::from_utf8_lossy(body).parse() {
            Ok(order) => {
                obey(shared, order);
                (StatusCode::OK, state(shared))
            }
            Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")),
        },
        ("POST", "/sim/heal") => {
            shared.heal();
            (StatusCode::OK, state(shared))
        }
        ("GET", "/sim/counters") => report(shared),
        ("GET", "/sim" | "/sim/") => (StatusCode::OK, USAGE.to_owned()),
        _ => (StatusCode::NOT_FOUND, format!("no such control: {method} {path}\n\n{USAGE}")),
    }
}

fn obey(shared: &Shared, order: Order) {
    match order {
        Order::UntilChanged(fault) => shared.fault(fault, None),
        Order::Next(count, fault) => shared.fault_next(count, fault),
        Order::For(time, fault) => shared.fault(fault, Some(tokio::time::Instant::now() + time)),
    }
}

fn state(shared: &Shared) -> String {
    match shared.upcoming_fault() {
        Some(fault) => format!("{}: {fault}\n", shared.dialect),
        None => format!("{}: well\n", shared.dialect),
    }
}

fn report(shared: &Shared) -> (StatusCode, String) {
    let report = Report {
        dialect: shared.dialect.as_str(),
        fault: shared.upcoming_fault().map(|fault| fault.to_string()),
        counters: &shared.log.counters(),
    };
    match serde_json::to_string(&report) {
        Ok(json) => (StatusCode::OK, json + "\n"),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}
