//! The output of the demo.

use std::{
    io::{IsTerminal, stdout},
    time::Duration,
};

use fb::{Attempt, AttemptEnd, Event, Observer};

use crate::stdout::print_line;

/// An observer that prints each attempt when it ends, in colour on a terminal unless `NO_COLOR` is set.
pub(super) struct Screen {
    colour: bool,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self { colour: stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() }
    }

    pub(super) fn title(&self, title: &str) {
        print_line(&self.paint("1", &format!("\n {title}")));
    }

    pub(super) fn answer(&self, status: u16, text: &str) {
        let text: String = text.chars().take(100).collect();
        let line = if status == 200 { format!("   → {text:?}") } else { format!("   → {status} {text}") };
        print_line(&self.paint("2", &line));
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn row(&self, attempt: &Attempt) -> String {
        let Attempt { target, number, took, end, next, .. } = attempt;
        let (number, took) = match end {
            AttemptEnd::Skipped { .. } => (String::new(), String::new()),
            _ => (number.to_string(), millis(*took)),
        };
        let end_text = end.to_string();
        let code = match end {
            AttemptEnd::Ok { .. } => "32",
            AttemptEnd::Failed(_) | AttemptEnd::Blocked { .. } => "31",
            AttemptEnd::Running | AttemptEnd::Cancelled | AttemptEnd::Skipped { .. } => "33",
        };
        let line = format!("   {:<28} {number:<2} {end_text:<44} {took:>8}  {next}", target.to_string());
        self.paint(code, line.trim_end())
    }
}

fn millis(took: Duration) -> String {
    format!("{} ms", took.as_millis())
}

impl Observer for Screen {
    fn on_event(&self, event: &Event<'_>) {
        if let Event::Ended { attempt, .. } = event {
            print_line(&self.row(attempt));
        }
    }
}
