use expect_test::expect;

use super::*;
use crate::commands::backtest::replay::Both;

fn played(by: &str, calls: u32, took: u64, cost: Option<u64>) -> Played {
    let outcome = if by.starts_with('(') { RecordedOutcome::Failed } else { RecordedOutcome::Ok };
    let cost = cost.map(Money::from_nanos);
    Played { outcome, by: by.to_owned(), calls, took: Duration::from_millis(took), cost }
}

#[test]
fn a_table_has_every_figure_and_marks_what_differs() {
    let both = |route: &str, recorded: &Played, predicted: &Played| Both {
        route: route.to_owned(),
        recorded: recorded.clone(),
        predicted: predicted.clone(),
    };
    let (quick, none) = (played("a/m", 1, 100, Some(3_000_000)), played("(no answer)", 2, 900, None));
    let other = played("b/m", 3, 1_900, None);
    let requests = vec![
        both("small", &none, &none),
        both("default", &quick, &quick),
        both("default", &none, &other),
        both("default", &quick, &quick),
    ];
    let assumed = [("b/m", Assumed::Provider), ("c/m", Assumed::Nobody)];
    let assumed = assumed.map(|(target, like)| (target.parse().unwrap(), like)).into();
    let replayed =
        Replayed { requests, assumed, latency: Duration::from_millis(1_500), cached: 2, guessed: 1 };
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

        * differs; played in virtual time, no provider was called
        assumed: b/m was never called: it does as other models of its provider; c/m was never called: it answers in 1s 500ms; 2 answers come from the cache as they did; 1 answers that were none cost as much as one of the usual length"#]].assert_eq(&print(&compare(&replayed)));
    let nothing =
        Replayed { requests: Vec::new(), assumed: BTreeMap::new(), cached: 0, guessed: 0, ..replayed };
    assert_eq!(print(&compare(&nothing)).lines().last(), Some("assumed: nothing"));
}
