use expect_test::expect;

use super::*;
use crate::commands::backtest::replay::ReplayedRequest;

fn result(answered_by: &str, calls: u32, took: u64, cost: Option<u64>) -> RequestResult {
    let outcome = if answered_by.starts_with('(') { RecordedOutcome::Failed } else { RecordedOutcome::Ok };
    let cost = cost.map(Money::from_nanos);
    let (answered_by, took) = (answered_by.to_owned(), Duration::from_millis(took));
    RequestResult { outcome, answered_by, calls, took, cost }
}

#[test]
fn table_has_every_figure_and_marks_differences() {
    let request = |route: &str, recorded: &RequestResult, predicted: &RequestResult| ReplayedRequest {
        route: route.to_owned(),
        recorded: recorded.clone(),
        predicted: predicted.clone(),
    };
    let (quick, none) = (result("a/m", 1, 100, Some(3_000_000)), result("(no answer)", 2, 900, None));
    let other = result("b/m", 3, 1_900, None);
    let requests = vec![
        request("small", &none, &none),
        request("default", &quick, &quick),
        request("default", &none, &other),
        request("default", &quick, &quick),
    ];
    let assumptions = [("b/m", Assumption::LikeProvider), ("c/m", Assumption::Success)];
    let assumptions = assumptions.map(|(target, assumption)| (target.parse().unwrap(), assumption)).into();
    let replay =
        Replay { requests, assumptions, latency: Duration::from_millis(1_500), cached: 2, estimated: 1 };
    expect![[r#"
        route    figure             recorded  predicted
        default  requests                  3          3
        default  success              66.7 %    100.0 %  *
        default  calls per request      1.33       1.67  *
        default  p50                 0.100 s    0.100 s
        default  p95                 0.900 s    1.900 s  *
        default  cost                $0.0060    $0.0060
        default  by (no answer)            1          0  *
        default  by a/m                    2          2
        default  by b/m                    0          1  *
        small    requests                  1          1
        small    success               0.0 %      0.0 %
        small    calls per request      2.00       2.00
        small    p50                 0.900 s    0.900 s
        small    p95                 0.900 s    0.900 s
        small    cost                      -          -
        small    by (no answer)            1          1

        * differs; replayed in virtual time, no provider was called
        assumed: b/m was never called: it behaves like other models of its provider; c/m was never called: it answers in 1s 500ms; 2 answers come from the cache again; 1 answer to requests without a recorded answer, with the median output"#]].assert_eq(&print(&compare(&replay)));
    let nothing =
        Replay { requests: Vec::new(), assumptions: BTreeMap::new(), cached: 0, estimated: 0, ..replay };
    assert_eq!(print(&compare(&nothing)).lines().last(), Some("assumed: nothing"));
}
