use std::fmt::Write;

use expect_test::expect;
use fb_core::{Attempt, Block, BlockCategory, InvalidRequest, Phase, Refusal, Trace};

use super::*;
use crate::{BuildError, Ended, Error};

const WAIT: Duration = Duration::from_secs(5);

fn report(skips: &[Skip]) -> Report {
    let attempt = |skip: &Skip| {
        Attempt::new("a/m".parse().unwrap(), 0, AttemptEnd::Skipped { why: skip.clone(), reopens: None })
    };
    Report::with(|report| report.trace = Trace::new(skips.iter().map(attempt).collect()))
}

fn exhausted(cause: Option<Failure>, skips: &[Skip]) -> Error {
    Error::Exhausted(Box::new(Ended { cause, report: report(skips), reopens: Some(WAIT) }))
}

/// Prints status, code, type, retryability and `Retry-After`.
fn print(table: &mut String, name: &str, http: HttpError) {
    let HttpError { status, code, error_type, retryable, retry_after } = http;
    let error_type = format!("{error_type:?}");
    let retry = if retryable { "retry" } else { "-" };
    let after = retry_after.map(|wait| format!(" after {wait:?}")).unwrap_or_default();
    writeln!(table, "{name:<20} {status} {code:<24} {error_type:<18} {retry}{after}").unwrap();
}

#[test]
fn every_error_has_one_row() {
    let mut table = String::new();
    let block = Block::in_stream(BlockCategory::Input, "filtered");
    let blocked = Ended { cause: block, report: report(&[]), reopens: None };
    let key = Skip::KeyRejected;
    let budget = |money| Skip::Budget { limit: "limit", money, of_key: false };
    let inadmissible = Skip::Inadmissible(Refusal::new("tools", "not supported"));
    let errors = [
        ("blocked", Error::Blocked(Box::new(blocked))),
        ("invalid request", Error::InvalidRequest(InvalidRequest::field("n", "n: 2; expected 1"))),
        ("unknown model", Error::UnknownModel { model: "m".to_owned(), routes: Vec::new() }),
        ("build", Error::Build(BuildError { problems: Vec::new() })),
        ("money budget", exhausted(None, &[Skip::Cooling, budget(true), budget(false)])),
        ("rate budget", exhausted(None, &[budget(false), key.clone()])),
        ("no target", exhausted(None, &[])),
        ("inadmissible", exhausted(None, &[inadmissible.clone(), inadmissible.clone()])),
        ("key rejected", exhausted(None, &[key.clone(), key.clone()])),
        ("no time", exhausted(None, &[Skip::NoTime])),
        ("mixed skips", exhausted(None, &[Skip::NoTime, key, inadmissible])),
    ];
    for (name, error) in &errors {
        print(&mut table, name, error.http());
    }
    for kind in FailureKind::ALL.into_iter().chain([FailureKind::Timeout(Phase::Connect)]) {
        print(&mut table, kind.name(), exhausted(Some(Failure::new(kind, "")), &[]).http());
    }
    let unknown = || Failure::new(FailureKind::Unknown { server: false }, "");
    print(&mut table, "unknown", exhausted(Some(unknown()), &[]).http());
    for status in [402, 408, 418, 429] {
        print(&mut table, "unknown", exhausted(Some(unknown().with_status(status)), &[]).http());
    }
    expect![[r#"
        blocked              400 content_filter           InvalidRequest     -
        invalid request      400 invalid_request          InvalidRequest     -
        unknown model        404 model_not_found          InvalidRequest     -
        build                500 invalid_config           Api                retry
        money budget         402 budget_exceeded          InsufficientQuota  - after 5s
        rate budget          429 budget_exceeded          RateLimit          - after 5s
        no target            503 no_target                Unavailable        retry after 5s
        inadmissible         400 unsupported_parameter    InvalidRequest     -
        key rejected         502 upstream_credentials     Api                - after 5s
        no time              504 deadline_exceeded        Api                retry after 5s
        mixed skips          503 all_targets_unavailable  Unavailable        retry after 5s
        connect              502 upstream_unreachable     Api                retry after 5s
        timeout              504 upstream_timeout         Api                retry after 5s
        network              502 upstream_network         Api                retry after 5s
        stale_connection     502 upstream_network         Api                retry after 5s
        interrupted          502 upstream_interrupted     Api                retry after 5s
        overloaded           503 upstream_overloaded      Unavailable        retry after 5s
        server_error         502 upstream_error           Api                retry after 5s
        rate_limited         429 rate_limit_exceeded      RateLimit          retry after 5s
        quota_exhausted      429 insufficient_quota       InsufficientQuota  - after 5s
        auth                 502 upstream_credentials     Api                - after 5s
        permission           502 upstream_permission      Api                - after 5s
        region               502 upstream_region          Api                - after 5s
        model_not_found      404 model_not_found          InvalidRequest     -
        context_length       400 context_length_exceeded  InvalidRequest     -
        invalid_request      400 invalid_request          InvalidRequest     -
        too_large            413 request_too_large        InvalidRequest     -
        malformed            502 upstream_malformed       Api                retry after 5s
        quality              502 quality_gate             Api                retry after 5s
        unknown              502 upstream_error           Api                retry after 5s
        timeout              504 upstream_timeout         Api                retry after 5s
        unknown              400 invalid_request          InvalidRequest     -
        unknown              402 invalid_request          InsufficientQuota  - after 5s
        unknown              408 invalid_request          InvalidRequest     retry
        unknown              418 invalid_request          InvalidRequest     -
        unknown              429 invalid_request          RateLimit          retry after 5s
    "#]]
    .assert_eq(&table);
}

#[test]
fn every_server_rejection_has_one_row() {
    let mut table = String::new();
    let codes = [
        ErrorCode::InvalidRequest,
        ErrorCode::ModelNotFound,
        ErrorCode::RequestTooLarge,
        ErrorCode::RequestTimeout,
        ErrorCode::Overloaded,
        ErrorCode::UnknownUrl,
        ErrorCode::MethodNotAllowed,
        ErrorCode::InvalidAdminToken,
        ErrorCode::HeadTooLarge,
        ErrorCode::InvalidApiKey,
        ErrorCode::ForbiddenOrigin,
        ErrorCode::AdminTokenNotConfigured,
        ErrorCode::TargetNotFound,
        ErrorCode::RouteNotFound,
        ErrorCode::ProviderNotFound,
        ErrorCode::ProviderInUse,
        ErrorCode::TraceNotFound,
        ErrorCode::UnknownLevel,
    ];
    for code in codes {
        print(&mut table, &format!("{code:?}").chars().take(20).collect::<String>(), code.http());
    }
    expect![[r#"
        InvalidRequest       400 invalid_request          InvalidRequest     -
        ModelNotFound        404 model_not_found          InvalidRequest     -
        RequestTooLarge      413 request_too_large        InvalidRequest     -
        RequestTimeout       408 request_timeout          InvalidRequest     -
        Overloaded           503 overloaded               Unavailable        retry after 1s
        UnknownUrl           404 unknown_url              InvalidRequest     -
        MethodNotAllowed     405 method_not_allowed       InvalidRequest     -
        InvalidAdminToken    401 invalid_admin_token      InvalidRequest     -
        HeadTooLarge         431 head_too_large           InvalidRequest     -
        InvalidApiKey        401 invalid_api_key          InvalidRequest     -
        ForbiddenOrigin      403 forbidden_origin         InvalidRequest     -
        AdminTokenNotConfigu 403 admin_token_not_configured InvalidRequest     -
        TargetNotFound       404 target_not_found         InvalidRequest     -
        RouteNotFound        404 route_not_found          InvalidRequest     -
        ProviderNotFound     404 provider_not_found       InvalidRequest     -
        ProviderInUse        409 provider_in_use          InvalidRequest     -
        TraceNotFound        404 trace_not_found          InvalidRequest     -
        UnknownLevel         400 unknown_level            InvalidRequest     -
    "#]]
    .assert_eq(&table);
}

#[test]
fn surfaced_and_interrupted_report_their_cause() {
    let ended =
        |kind| Box::new(Ended { cause: Failure::new(kind, ""), report: report(&[]), reopens: Some(WAIT) });
    let surfaced = Error::Surfaced(ended(FailureKind::InvalidRequest)).http();
    assert_eq!((surfaced.status, surfaced.retry_after), (400, None), "waiting does not help");
    let interrupted = Error::Interrupted(ended(FailureKind::Overloaded)).http();
    assert_eq!((interrupted.status, interrupted.retry_after), (503, Some(WAIT)));
}
