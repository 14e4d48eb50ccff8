use expect_test::expect;

use super::{percentile, table};

#[test]
fn column_is_as_wide_as_its_widest_cell() {
    let rows = [["class", "target", "cost"], ["simple", "a/small", "$1"], ["", "", "$10.25"]];
    let rows = rows.map(|row| row.map(str::to_owned).to_vec());
    expect![[r#"
        class   target     cost
        simple  a/small      $1
                         $10.25"#]]
    .assert_eq(&table(&rows, 1));
}

#[test]
fn percentile_is_one_of_the_values() {
    for (count, percent, expected) in [
        (0, 95, None),
        (1, 50, Some(1)),
        (1, 95, Some(1)),
        (20, 95, Some(19)),
        (21, 95, Some(20)),
        (4, 50, Some(2)),
    ] {
        let values: Vec<u64> = (1..=count).collect();
        assert_eq!(percentile(&values, percent), expected, "{percent} % of {count}");
    }
}
