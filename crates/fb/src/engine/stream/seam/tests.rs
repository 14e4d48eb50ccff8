use std::fmt::Write;

use expect_test::expect;

use super::{
    Form::{Instruction, Prefill},
    *,
};

const SENT: &str = "The capital of France is Paris. It is known for the Eiffel";

/// Feeds a continuation one character at a time. Returns the whole answer, and the bytes held before it went on.
fn feed(sent: &str, continuation: &str, form: Form) -> String {
    let (mut held, mut due) = (String::new(), 0);
    let mut joined = None;
    for c in continuation.chars() {
        held.push(c);
        if joined.is_none() && held.len() >= due {
            match compare(sent, &held, form, false) {
                Seam::Open { until } => {
                    assert!(until > held.len(), "{held:?} makes no progress");
                    due = until;
                }
                Seam::Joined { skip, glue } => joined = Some((skip, glue, held.len())),
                Seam::Apart => return format!("apart after {}", held.len()),
            }
        }
    }
    let (skip, glue, after) = match joined {
        Some(joined) => joined,
        None => match compare(sent, &held, form, true) {
            Seam::Open { until } => panic!("waits for {until} bytes after the end"),
            Seam::Joined { skip, glue } => (skip, glue, held.len()),
            Seam::Apart => return "apart at its end".to_owned(),
        },
    };
    format!("{after:>3}: {:?}", format!("{sent}|{glue}{}", &held[skip..]))
}

/// The rest of [`SENT`].
const REST: &str = " Tower, which was built for the World Fair of 1889, and for the Louvre, the largest museum of the world, \
                    with more than 35,000 works on display, and for many other sights.";

/// Prints every row: its name, and what becomes of the sent text and the continuation.
fn table(rows: &[(&str, &str, String)]) -> String {
    let mut table = String::new();
    for (name, sent, continuation) in rows {
        let line = feed(sent, continuation, Instruction).replace(REST, " […]");
        writeln!(table, "{name}\n  {line}").unwrap();
    }
    table
}

/// The beginning and the rest of a table, of which every row resembles the first.
const TABLE: &str = "| name of the product | price in euros |\n| name of the product 1 | price in euros 1.50 |\n\
                     | name of the product 2 | price in euros 2.50 |\n| name of the product 3 | price in euros 3.50 |\n";
const TABLE_REST: &str = "| name of the product 4 | price in euros 4.50 |\n| name of the product 5 | price in euros 5.50 |\n\
                          | name of the product 6 | price in euros 6.50 |\n";

/// The beginning and the rest of a program.
const CODE: &str = "assert_eq!(parse(\"one\"), Some(1));\nassert_eq!(parse(\"two\"), Some(2));\n\
                    assert_eq!(parse(\"three\"), Some(3));\nassert_eq!(parse(\"four\"), Some(4));\n\
                    assert_eq!(parse(\"five\"), Some(5));";
const CODE_REST: &str = "\nassert_eq!(parse(\"six\"), Some(6));\nassert_eq!(parse(\"seven\"), Some(7));\n\
                         assert_eq!(parse(\"eight\"), Some(8));\nassert_eq!(parse(\"nine\"), Some(9));";

#[test]
fn continuation_goes_on_where_the_text_ends() {
    let rows = [
        ("goes on", SENT, REST.to_owned()),
        ("goes on without its space", SENT, REST.trim_start().to_owned()),
        ("goes on within a sentence", SENT, "-shaped tower.".to_owned()),
        ("goes on with a lower-case word", "The cat", "sat on the mat.".to_owned()),
        ("goes on within a word, which is not seen", "The cata", "logue is long.".to_owned()),
        ("repeats the last words", SENT, format!("It is known for the Eiffel{REST}")),
        ("repeats a few of them", SENT, format!("the Eiffel{REST}")),
        ("quotes them", SENT, format!("\"known for the Eiffel\"{REST}")),
        ("repeats half a word", "He goes to the super", "to the supermarket every day.".to_owned()),
        ("introduces them", SENT, format!("Sure, here is the rest:\n\nknown for the Eiffel{REST}")),
        ("repeats two short words", "The cat sat on the", "on the mat.".to_owned()),
        ("repeats one short word", "The cat sat on the", "the mat.".to_owned()),
        ("repeats the letters of another word", "The cat sat on the", "then".to_owned()),
        ("goes on with words of a preamble", "That is", "of course true, and it has never been in doubt in the many years since the first observation was published by the society, nor will it be.".to_owned()),
        ("goes on with a word that begins like one", "He was", "surely late.".to_owned()),
        ("goes on with a letter that begins one", "The s", "s".to_owned()),
        ("only repeats them", SENT, "known for the Eiffel".to_owned()),
        ("space on both sides", "The cat ", " sat.".to_owned()),
        ("line feeds on both sides", "# Title\n\n", "\n\nText of the first paragraph.".to_owned()),
        ("line feed after a space", "one, ", "\ntwo".to_owned()),
        ("sentence without its space", "It rains.", "Then the sun shines.".to_owned()),
        ("ellipsis", "The cat", "… sat on the mat.".to_owned()),
        ("umlauts", "Der Bär läuft über die Brü", "über die Brücke nach Köln.".to_owned()),
        (
            "scripts without spaces",
            "東京は日本の首都であり、",
            "日本の首都であり、世界最大の都市です。".to_owned(),
        ),
        ("characters of four bytes", "🙂🙂 one two three 🙂", "three 🙂🙃 four".to_owned()),
    ];
    expect![[r##"
        goes on
          160: "The capital of France is Paris. It is known for the Eiffel| […]"
        goes on without its space
          160: "The capital of France is Paris. It is known for the Eiffel| […]"
        goes on within a sentence
           14: "The capital of France is Paris. It is known for the Eiffel|-shaped tower."
        goes on with a lower-case word
            2: "The cat| sat on the mat."
        goes on within a word, which is not seen
            2: "The cata| logue is long."
        repeats the last words
           26: "The capital of France is Paris. It is known for the Eiffel| […]"
        repeats a few of them
           10: "The capital of France is Paris. It is known for the Eiffel| […]"
        quotes them
           58: "The capital of France is Paris. It is known for the Eiffel| […]"
        repeats half a word
           12: "He goes to the super|market every day."
        introduces them
          160: "The capital of France is Paris. It is known for the Eiffel| […]"
        repeats two short words
            7: "The cat sat on the| mat."
        repeats one short word
            4: "The cat sat on the| mat."
        repeats the letters of another word
            4: "The cat sat on the| then"
        goes on with words of a preamble
          138: "That is| of course true, and it has never been in doubt in the many years since the first observation was published by the society, nor will it be."
        goes on with a word that begins like one
            5: "He was| surely late."
        goes on with a letter that begins one
            1: "The s| s"
        only repeats them
           20: "The capital of France is Paris. It is known for the Eiffel|"
        space on both sides
            5: "The cat |sat."
        line feeds on both sides
           30: "# Title\n\n|Text of the first paragraph."
        line feed after a space
            4: "one, |\ntwo"
        sentence without its space
           20: "It rains.| Then the sun shines."
        ellipsis
           19: "The cat| sat on the mat."
        umlauts
           14: "Der Bär läuft über die Brü|cke nach Köln."
        scripts without spaces
           27: "東京は日本の首都であり、|世界最大の都市です。"
        characters of four bytes
           10: "🙂🙂 one two three 🙂|🙃 four"
    "##]]
    .assert_eq(&table(&rows));
}

#[test]
fn answer_that_starts_over_is_shortened_or_apart() {
    let whole = format!("{SENT}{REST}");
    let rows = [
        ("restarts", SENT, whole.clone()),
        ("restarts with other whitespace", SENT, whole.replace(". ", ".\n\n")),
        ("restarts after a preamble", SENT, format!("Sure, here it is:\n\n{whole}")),
        ("restarts after a quotation mark", SENT, format!("“{whole}”")),
        ("restarts and ends early", SENT, "The capital of France is Paris.".to_owned()),
        ("restarts and differs", SENT, "The capital of France is Paris, the city of light.".to_owned()),
        ("restarts with other words", SENT, "France's capital is Paris. It is known for the Louvre and the Eiffel Tower, and has two million people.".to_owned()),
        ("restarts after a preamble and differs", SENT, "Of course! The capital of France is Paris, the city of light.".to_owned()),
        ("introduces and goes on", SENT, "Certainly, I will continue. Tower is a landmark of the city.".to_owned()),
        ("introduces in lower case", SENT, "sure, here is the rest: a landmark of the city.".to_owned()),
        ("restarts after a preamble in lower case", SENT, format!("sure, here it is: {whole}")),
        ("goes on with a table", TABLE, TABLE_REST.to_owned()),
        ("table restarts", TABLE, format!("{TABLE}{TABLE_REST}")),
        ("goes on with code", CODE, CODE_REST.to_owned()),
        ("short answer restarts", "Hello from op", "Hello from openai.".to_owned()),
        ("short answer differs", "Hello from op", "Hello from anthropic.".to_owned()),
        ("repetitive answer goes on", "word word word word ", "word word ".to_owned()),
        ("repetitive answer restarts", "word word word word ", "word word word word word word ".to_owned()),
        ("nothing", SENT, String::new()),
        ("only whitespace", SENT, " \n".to_owned()),
    ];
    expect![[r#"
        restarts
           58: "The capital of France is Paris. It is known for the Eiffel| […]"
        restarts with other whitespace
           59: "The capital of France is Paris. It is known for the Eiffel| […]"
        restarts after a preamble
          160: "The capital of France is Paris. It is known for the Eiffel| […]"
        restarts after a quotation mark
           61: "The capital of France is Paris. It is known for the Eiffel| […]”"
        restarts and ends early
          apart at its end
        restarts and differs
          apart at its end
        restarts with other words
          apart at its end
        restarts after a preamble and differs
          apart at its end
        introduces and goes on
          apart at its end
        introduces in lower case
          apart at its end
        restarts after a preamble in lower case
          160: "The capital of France is Paris. It is known for the Eiffel| […]"
        goes on with a table
          144: "| name of the product | price in euros |\n| name of the product 1 | price in euros 1.50 |\n| name of the product 2 | price in euros 2.50 |\n| name of the product 3 | price in euros 3.50 |\n|| name of the product 4 | price in euros 4.50 |\n| name of the product 5 | price in euros 5.50 |\n| name of the product 6 | price in euros 6.50 |\n"
        table restarts
          185: "| name of the product | price in euros |\n| name of the product 1 | price in euros 1.50 |\n| name of the product 2 | price in euros 2.50 |\n| name of the product 3 | price in euros 3.50 |\n|| name of the product 4 | price in euros 4.50 |\n| name of the product 5 | price in euros 5.50 |\n| name of the product 6 | price in euros 6.50 |\n"
        goes on with code
          145: "assert_eq!(parse(\"one\"), Some(1));\nassert_eq!(parse(\"two\"), Some(2));\nassert_eq!(parse(\"three\"), Some(3));\nassert_eq!(parse(\"four\"), Some(4));\nassert_eq!(parse(\"five\"), Some(5));|\nassert_eq!(parse(\"six\"), Some(6));\nassert_eq!(parse(\"seven\"), Some(7));\nassert_eq!(parse(\"eight\"), Some(8));\nassert_eq!(parse(\"nine\"), Some(9));"
        short answer restarts
           13: "Hello from op|enai."
        short answer differs
          apart after 13
        repetitive answer goes on
           10: "word word word word |word word "
        repetitive answer restarts
           20: "word word word word |word word "
        nothing
          apart at its end
        only whitespace
          apart at its end
    "#]]
    .assert_eq(&table(&rows));
}

#[test]
fn prefilled_continuation_is_not_held() {
    let mut table = String::new();
    for (name, sent, continuation) in [
        ("goes on", SENT, " Tower."),
        ("goes on within a word", "Hello from o", "penai."),
        ("goes on after a space that was left out", "Hello from ", " openai."),
        ("goes on as it began", "again and again and", " again and again."),
        ("returns the prefix too", "The capital of", "The capital of France is Paris."),
        ("begins as the answer did", "The cat sat. ", "The dog ran."),
        ("restarts and differs", SENT, "The capital of France is Paris, the city of light."),
        ("nothing is left", SENT, ""),
    ] {
        writeln!(table, "{name}\n  {}", feed(sent, continuation, Prefill)).unwrap();
    }
    expect![[r#"
        goes on
            7: "The capital of France is Paris. It is known for the Eiffel| Tower."
        goes on within a word
            1: "Hello from o|penai."
        goes on after a space that was left out
            8: "Hello from |openai."
        goes on as it began
           17: "again and again and| again and again."
        returns the prefix too
           14: "The capital of| France is Paris."
        begins as the answer did
           12: "The cat sat. |The dog ran."
        restarts and differs
          apart at its end
        nothing is left
            0: "The capital of France is Paris. It is known for the Eiffel|"
    "#]]
    .assert_eq(&table);
}

#[test]
fn last_words_begin_with_a_word() {
    let all: Vec<&str> = [SENT, "one", "one two \n", "東京は日本の首都であり、世界最大の都市の一つです。"]
        .map(last_words)
        .into();
    expect![[r#"
        [
            "The capital of France is Paris. It is known for the Eiffel",
            "one",
            "one two",
            "の首都であり、世界最大の都市の一つです。",
        ]"#]]
    .assert_eq(&format!("{all:#?}"));
}
