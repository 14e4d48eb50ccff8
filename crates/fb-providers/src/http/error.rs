use std::{error::Error, io};

use fb_core::{Failure, FailureKind, Phase};

/// Why no head of an answer came.
///
/// reqwest's own predicates mislead (a cut body "is decode", a reset at accept "is connect"), so the causes behind
/// the error decide; the table of the tests shows what each fault looks like.
pub(super) fn sending(error: reqwest::Error) -> Failure {
    let kind = if error.is_connect() {
        if error.is_timeout() { FailureKind::Timeout(Phase::Connect) } else { FailureKind::Connect }
    } else {
        match Cause::of(&error) {
            Cause::NoHttp => FailureKind::Malformed,
            Cause::Closed => FailureKind::StaleConnection,
            Cause::TimedOut => FailureKind::Timeout(Phase::FirstByte),
            Cause::Broken => FailureKind::Network,
        }
    };
    failure(kind, error)
}

/// Why a body broke off.
pub(super) fn reading(error: reqwest::Error) -> Failure {
    let kind = match Cause::of(&error) {
        Cause::NoHttp => FailureKind::Malformed,
        Cause::Closed | Cause::TimedOut | Cause::Broken => FailureKind::Interrupted,
    };
    failure(kind, error)
}

/// What stands at the bottom of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// What came is not HTTP.
    NoHttp,
    /// The peer closed the connection before an answer began. On a kept-alive connection that is nobody's fault;
    /// hyper's error is the same on a fresh one.
    Closed,
    TimedOut,
    Broken,
}

impl Cause {
    fn of(error: &reqwest::Error) -> Self {
        let mut next: Option<&(dyn Error + 'static)> = Some(error);
        let mut found = Self::Broken;
        while let Some(error) = next {
            if let Some(hyper) = error.downcast_ref::<hyper::Error>() {
                if hyper.is_parse() || hyper.is_parse_status() {
                    return Self::NoHttp;
                }
                if hyper.is_incomplete_message() || hyper.is_closed() {
                    return Self::Closed;
                }
                if hyper.is_canceled() {
                    // Never written; what closed the connection may stand behind it.
                    found = Self::Closed;
                }
                if hyper.is_timeout() {
                    return Self::TimedOut;
                }
            }
            if let Some(io) = error.downcast_ref::<io::Error>() {
                match io.kind() {
                    // A chunked body with sizes that are none.
                    io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => return Self::NoHttp,
                    io::ErrorKind::TimedOut => return Self::TimedOut,
                    io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => return Self::Broken,
                    _ => {}
                }
            }
            next = error.source();
        }
        found
    }
}

/// A failure that says the deepest cause in a few words. The URL is left out: it may stand in a log.
fn failure(kind: FailureKind, error: reqwest::Error) -> Failure {
    let error = error.without_url();
    let mut deepest: &(dyn Error + 'static) = &error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    let detail: String = deepest.to_string().chars().take(200).collect();
    Failure::new(kind, detail).with_source(error)
}
