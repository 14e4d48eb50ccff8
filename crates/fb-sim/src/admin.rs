//! The control endpoints, so that a shell or another language can drive the simulator.

use ::http::Method;
use serde::Serialize;

use crate::answer::Answer;
use crate::control::Shared;
use crate::counters::Counters;
use crate::dialect::to_json;
use crate::fault::{Order, USAGE};

#[derive(Serialize)]
struct Report<'s> {
    dialect: &'static str,
    /// In force for the next inference request.
    fault: Option<String>,
    #[serde(flatten)]
    counters: &'s Counters,
}

pub(crate) fn answer(shared: &Shared, method: &Method, path: &str, body: &[u8]) -> Answer {
    match (method.as_str(), path) {
        ("POST", "/sim/fault") => match String::from_utf8_lossy(body).parse() {
            Ok(order) => {
                obey(shared, order);
                text(200, state(shared))
            }
            Err(error) => text(400, format!("{error}\n")),
        },
        ("POST", "/sim/heal") => {
            shared.heal();
            text(200, state(shared))
        }
        ("GET", "/sim/counters") => report(shared),
        ("GET", "/sim" | "/sim/") => text(200, USAGE.to_owned()),
        _ => text(404, format!("no such control: {method} {path}\n\n{USAGE}")),
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

fn report(shared: &Shared) -> Answer {
    let report = Report {
        dialect: shared.dialect.as_str(),
        fault: shared.upcoming_fault().map(|fault| fault.to_string()),
        counters: &shared.log.counters(),
    };
    Answer::json(200, to_json(&report) + "\n")
}

fn text(status: u16, text: String) -> Answer {
    Answer::json(status, text).with_header("content-type", "text/plain; charset=utf-8")
}
