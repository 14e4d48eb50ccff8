use fb_core::{Failure, FailureKind, Phase};

/// A scriptable failure: its name in scripts, kind, status, provider code and detail; 0 and "" mean none.
type Entry = (&'static str, FailureKind, u16, &'static str, &'static str);

/// The name of a kind selects its first entry.
#[rustfmt::skip]
const TABLE: [Entry; 26] = [
    ("refused",     FailureKind::Connect,                   0,   "",                                     "connection refused"),
    ("timeout",     FailureKind::Timeout(Phase::Total),     0,   "",                                     "no answer in time"),
    ("unreachable", FailureKind::Timeout(Phase::Connect),   0,   "",                                     "no connection in time"),
    ("reset",       FailureKind::Network,                   0,   "",                                     "connection reset"),
    ("stale",       FailureKind::StaleConnection,           0,   "",                                     "kept-alive connection was closed"),
    ("interrupted", FailureKind::Interrupted,               0,   "",                                     "ended before its end signal"),
    ("529",         FailureKind::Overloaded,                529, "overloaded_error",                     "Overloaded"),
    ("500",         FailureKind::ServerError,               500, "",                                     "Internal Server Error"),
    ("502",         FailureKind::ServerError,               502, "",                                     "Bad Gateway"),
    ("503",         FailureKind::ServerError,               503, "",                                     "Service Unavailable"),
    ("504",         FailureKind::ServerError,               504, "",                                     "Gateway Timeout"),
    ("429",         FailureKind::RateLimited,               429, "rate_limit_exceeded",                  "Rate limit reached"),
    ("quota",       FailureKind::QuotaExhausted,            429, "insufficient_quota",                   "You exceeded your current quota"),
    ("402",         FailureKind::QuotaExhausted,            402, "billing_error",                        "Insufficient balance"),
    ("401",         FailureKind::Auth,                      401, "invalid_api_key",                      "Incorrect API key provided"),
    ("403",         FailureKind::Permission,                403, "permission_error",                     "The key may not use this model"),
    ("region",      FailureKind::Region,                    403, "unsupported_country_region_territory", "Country not supported"),
    ("404",         FailureKind::ModelNotFound,             404, "model_not_found",                      "The model does not exist"),
    ("context",     FailureKind::ContextLength,             400, "context_length_exceeded",              "The prompt is too long"),
    ("400",         FailureKind::InvalidRequest,            400, "invalid_request_error",                "Invalid request"),
    ("422",         FailureKind::InvalidRequest,            422, "invalid_request_error",                "Unprocessable request"),
    ("413",         FailureKind::TooLarge,                  413, "request_too_large",                    "The request is too large"),
    ("malformed",   FailureKind::Malformed,                 0,   "",                                     "body is not JSON"),
    ("quality",     FailureKind::Quality,                   0,   "",                                     "rejected by a gate"),
    ("520",         FailureKind::Unknown { server: true },  520, "",                                     "an unknown error"),
    ("418",         FailureKind::Unknown { server: false }, 418, "",                                     "I'm a teapot"),
];

/// Returns the failure with this name in scripts, as it occurs before the head of an answer.
pub(crate) fn failure(name: &str) -> Option<Failure> {
    let status = entry(name)?.2;
    let failure = in_stream(name)?;
    Some(if status == 0 { failure } else { failure.with_status(status) })
}

/// Returns the same failure as it occurs inside an answer with status 200.
pub(crate) fn in_stream(name: &str) -> Option<Failure> {
    let (_, kind, _, code, detail) = *entry(name)?;
    let code = (!code.is_empty()).then(|| code.to_owned());
    Some(Failure::new(kind, detail).with_code(code))
}

/// Returns the failure of an answer that ended too early.
pub(crate) fn interrupted() -> Failure {
    Failure::new(FailureKind::Interrupted, "ended before its end signal")
}

fn entry(name: &str) -> Option<&'static Entry> {
    let exact = TABLE.iter().find(|entry| entry.0 == name);
    exact.or_else(|| TABLE.iter().find(|entry| entry.1.name() == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_can_be_scripted_by_its_name() {
        for kind in FailureKind::ALL {
            assert_eq!(failure(kind.name()).map(|failure| failure.kind()), Some(kind));
        }
    }

    #[test]
    fn failures_carry_realistic_statuses_and_codes() {
        let print = |name| failure(name).unwrap().to_string();
        assert_eq!(print("503"), "server_error (503)");
        assert_eq!(print("529"), "overloaded (529 overloaded_error)");
        assert_eq!(print("refused"), "connect (connection refused)");
        assert_eq!(in_stream("529").unwrap().to_string(), "overloaded (overloaded_error)");
        assert_eq!(failure("418").unwrap().kind(), FailureKind::Unknown { server: false });
        assert_eq!(failure("interrupted"), Some(interrupted()));
    }
}
