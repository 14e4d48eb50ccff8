//! The control endpoints under `/sim`, for shells and other languages.

use ::http::Method;
use serde::Serialize;

use crate::answer::{Answer, to_json};
use crate::control::SimState;
use crate::counters::Counters;
use crate::fault_syntax::{FaultSchedule, USAGE};

#[derive(Serialize)]
struct Report<'s> {
    dialect: &'static str,
    /// The fault of the next inference request.
    fault: Option<String>,
    #[serde(flatten)]
    counters: &'s Counters,
}

pub(crate) fn answer(state: &SimState, method: &Method, path: &str, body: &[u8]) -> Answer {
    match (method.as_str(), path) {
        ("POST", "/sim/fault") => match String::from_utf8_lossy(body).parse() {
            Ok(schedule) => {
                apply(state, schedule);
                text(200, fault_line(state))
            }
            Err(error) => text(400, format!("{error}\n")),
        },
        ("POST", "/sim/heal") => {
            state.heal();
            text(200, fault_line(state))
        }
        ("GET", "/sim/counters") => report(state),
        ("GET", "/sim" | "/sim/") => text(200, USAGE.to_owned()),
        _ => text(404, format!("no such control: {method} {path}\n\n{USAGE}")),
    }
}

fn apply(state: &SimState, schedule: FaultSchedule) {
    match schedule {
        FaultSchedule::UntilChanged(fault) => state.fault(fault, None),
        FaultSchedule::Next(count, fault) => state.fault_next(count, fault),
        FaultSchedule::For(time, fault) => state.fault(fault, Some(tokio::time::Instant::now() + time)),
    }
}

fn fault_line(state: &SimState) -> String {
    match state.upcoming_fault() {
        Some(fault) => format!("{}: {fault}\n", state.dialect),
        None => format!("{}: healthy\n", state.dialect),
    }
}

fn report(state: &SimState) -> Answer {
    let report = Report {
        dialect: state.dialect.as_str(),
        fault: state.upcoming_fault().map(|fault| fault.to_string()),
        counters: &state.log.counters(),
    };
    Answer::json(200, to_json(&report) + "\n")
}

fn text(status: u16, text: String) -> Answer {
    Answer::json(status, text).with_header("content-type", "text/plain; charset=utf-8")
}
