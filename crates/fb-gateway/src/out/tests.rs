use expect_test::expect;

use super::table;

#[test]
fn columns_are_as_wide_as_their_widest_cell() {
    let rows = [["class", "target", "cost"], ["simple", "a/small", "$1"], ["", "", "$10.25"]];
    let rows = rows.map(|row| row.map(str::to_owned).to_vec());
    expect![[r#"
        class   target     cost
        simple  a/small      $1
                         $10.25"#]]
    .assert_eq(&table(&rows, 1));
}
