use std::{error::Error, io};

use fb_core::{Failure, FailureKind, Phase};

/// Classifies an error before the head of a response.
///
/// The clients' own predicates are misleading (a cut body `is_decode`, a reset at accept `is_connect`), so the chain of
/// sources is inspected. The fault matrix in the tests shows the result for each fault.
pub(super) fn before_head(is_connect: bool, error: impl Error + Send + Sync + 'static) -> Failure {
    let kind = match (is_connect, Cause::find(&error)) {
        (true, Cause::TimedOut) => FailureKind::Timeout(Phase::Connect),
        (true, Cause::NotHttp | Cause::Closed | Cause::Broken) => FailureKind::Connect,
        (false, Cause::NotHttp) => FailureKind::Malformed,
        (false, Cause::Closed) => FailureKind::StaleConnection,
        (false, Cause::TimedOut) => FailureKind::Timeout(Phase::FirstByte),
        (false, Cause::Broken) => FailureKind::Network,
    };
    failure(kind, error)
}

/// Classifies an error while reading a body.
pub(super) fn in_body(error: impl Error + Send + Sync + 'static) -> Failure {
    let kind = match Cause::find(&error) {
        Cause::NotHttp => FailureKind::Malformed,
        Cause::Closed | Cause::TimedOut | Cause::Broken => FailureKind::Interrupted,
    };
    failure(kind, error)
}

/// The underlying cause of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// The peer sent something other than HTTP.
    NotHttp,
    /// The peer closed the connection before a response began. On a kept-alive connection this is normal; hyper
    /// reports the same error on a fresh one.
    Closed,
    TimedOut,
    Broken,
}

impl Cause {
    fn find(error: &(dyn Error + 'static)) -> Self {
        let mut next: Option<&(dyn Error + 'static)> = Some(error);
        let mut found = Self::Broken;
        while let Some(error) = next {
            if error.downcast_ref().is_some_and(reqwest::Error::is_timeout) {
                return Self::TimedOut;
            }
            if let Some(hyper) = error.downcast_ref::<hyper::Error>() {
                if hyper.is_parse() || hyper.is_parse_status() {
                    return Self::NotHttp;
                }
                if hyper.is_incomplete_message() || hyper.is_closed() {
                    return Self::Closed;
                }
                if hyper.is_canceled() {
                    // The request was never written; the reason may follow in the chain.
                    found = Self::Closed;
                }
                if hyper.is_timeout() {
                    return Self::TimedOut;
                }
            }
            if let Some(io) = error.downcast_ref::<io::Error>() {
                match io.kind() {
                    // A chunked body with invalid chunk sizes.
                    io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => return Self::NotHttp,
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

/// Creates a failure with the innermost cause as its detail.
fn failure(kind: FailureKind, error: impl Error + Send + Sync + 'static) -> Failure {
    let mut deepest: &(dyn Error + 'static) = &error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    let detail: String = deepest.to_string().chars().take(200).collect();
    Failure::new(kind, detail).with_source(error)
}
