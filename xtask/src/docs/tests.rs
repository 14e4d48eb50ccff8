use super::{
    difference, doc_comment,
    kind::Kind,
    page,
    serde::renamed,
    sources::{Sources, TypeId},
};

/// Parses the files and returns the type `File` in the first one.
fn read(files: &[(&str, &str)]) -> (Sources, TypeId) {
    let files: Vec<_> = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    let sources = Sources::parse(&files).unwrap();
    let root = sources.find(&files[0].0, "File").unwrap();
    (sources, root)
}

/// Returns the page without its head, or the problems.
fn page(files: &[(&str, &str)]) -> Result<String, Vec<String>> {
    let (sources, root) = read(files);
    page::render(&sources, root).map(|page| page.trim_start_matches(page::HEAD).trim_start().to_owned())
}

const PATH: &str = "crates/fb-a/src/config.rs";

/// Returns the rows of the table of `File`, which has these fields, next to other types.
fn rows(fields: &str, types: &str) -> Vec<String> {
    let text =
        format!("#[derive(Default, Deserialize)] #[serde(default)] struct File {{ {fields} }} {types}");
    let page = page(&[(PATH, &text)]).unwrap();
    page.lines().take_while(|line| line.starts_with('|')).skip(2).map(str::to_owned).collect()
}

fn problems(fields: &str, types: &str) -> Vec<String> {
    let text = format!("#[derive(Deserialize)] #[serde(default)] struct File {{ {fields} }} {types}");
    page(&[(PATH, &text)]).unwrap_err()
}

#[test]
fn table_section_follows_its_parent_section() {
    let text = r#"
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct File {
            routes: BTreeMap<String, Route>,
            cache: Option<Cache>,
        }

        /// A virtual model.
        ///
        /// For programs too.
        #[derive(Deserialize)]
        struct Route {
            #[serde(skip)]
            name: String,
            /// Other names.
            #[serde(default)]
            aliases: Vec<String>,
            /// The targets.
            targets: Vec<Target>,
        }

        /// The targets.
        #[derive(Deserialize)]
        struct Target {
            /// Its name.
            model: String,
            /// Time limit | maximum. Defaults to 30 s.
            #[serde(default = "default_timeout", with = "humantime_serde")]
            timeout: Duration,
        }

        /// The cache.
        #[derive(Deserialize)]
        #[serde(default)]
        struct Cache {
            /// Size in bytes. Defaults to 2 KiB.
            max_bytes: u64,
            /// Tried first.
            first: Option<Target>,
        }

        impl Default for Cache {
            fn default() -> Self {
                Self { max_bytes: 2 << 10, first: None }
            }
        }
    "#;
    let expected = r#"
| field | type | default | meaning |
|---|---|---|---|
| `routes` | tables [`[routes.NAME]`](#routesname) | none | A virtual model. |
| `cache` | table [`[cache]`](#cache) | none | The cache. |

## `[routes.NAME]`

A virtual model.

| field | type | default | meaning |
|---|---|---|---|
| `aliases` | list of strings | none | Other names. |
| `targets` | list of tables [`[[routes.NAME.targets]]`](#routesnametargets) | **required** | The targets. |

### `[[routes.NAME.targets]]`

The targets.

| field | type | default | meaning |
|---|---|---|---|
| `model` | string | **required** | Its name. |
| `timeout` | duration (`"30s"`) | `"30s"` | Time limit \| maximum. |

## `[cache]`

The cache.

| field | type | default | meaning |
|---|---|---|---|
| `max_bytes` | integer | `2048` (2 KiB) | Size in bytes. |
| `first` | table [`[[routes.NAME.targets]]`](#routesnametargets) | none | Tried first. |
"#;
    assert_eq!(page(&[(PATH, text)]).unwrap(), expected.trim_start());
}

#[test]
fn type_of_several_tables_is_described_at_the_shallowest_position() {
    let text = r#"
        #[derive(Default, Deserialize)] #[serde(default)] struct File { deep: Deep, flat: Flat }
        /// Deep.
        #[derive(Default, Deserialize)] #[serde(default)] struct Deep { flat: Flat }
        /// Flat.
        #[derive(Default, Deserialize)] #[serde(default)] struct Flat { /** On. Defaults to true. */ on: bool }
    "#;
    let page = page(&[(PATH, text)]).unwrap();
    let headings: Vec<&str> = page.lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!(headings, ["## `[deep]`", "## `[flat]`"]);
}

#[test]
fn unit_enum_lists_its_words() {
    let text = r#"
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct File {
            /// The order.
            order: Order,
            /// Kept. Defaults to all.
            only: Option<Vec<Order>>,
        }
        /// An order. See [`File`].
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Order {
            /// By *turns*.
            #[default]
            RoundRobin,
            #[serde(rename = "random")]
            Chance,
            #[serde(skip)]
            Secret,
        }
    "#;
    let expected = r#"
| field | type | default | meaning |
|---|---|---|---|
| `order` | one of `"round_robin"`, `"random"` | `"round_robin"` | The order. |
| `only` | list of one of `"round_robin"`, `"random"` | all | Kept. |

`order`: An order. See `File`.

- `"round_robin"`: By *turns*.

`only`: An order. See `File`.

- `"round_robin"`: By *turns*.
"#;
    assert_eq!(page(&[(PATH, text)]).unwrap(), expected.trim_start());
}

#[test]
fn enum_with_payloads_is_a_choice_of_values_or_a_table() {
    let untagged = r#"
        #[derive(Deserialize)] #[serde(untagged)]
        enum After { #[serde(with = "p95")] P95, Time(#[serde(with = "humantime_serde")] Duration), Count(u8) }
    "#;
    assert_eq!(
        rows("/// Time limit. Defaults to 5 s.\n after: After,", untagged),
        ["| `after` | `\"p95\"` or duration (`\"30s\"`) or integer | `\"5s\"` | Time limit. |"]
    );
    let mixed =
        r#"#[derive(Deserialize)] #[serde(rename_all = "lowercase")] enum To { Stdout, File(PathBuf) }"#;
    assert_eq!(
        rows("/// The output. Defaults to \"stdout\".\n to: To,", mixed),
        ["| `to` | `\"stdout\"` or table [`[to]`](#to) | `\"stdout\"` | The output. |"]
    );
    let tagged = r#"
        #[derive(Default, Deserialize)] #[serde(default)] struct File { sink: Option<Sink> }
        /// A sink.
        #[derive(Deserialize)]
        #[serde(tag = "type", rename_all = "snake_case")]
        enum Sink { Memory, Disk { /** The path. */ path: PathBuf }, Net(Net) }
        #[derive(Deserialize)]
        struct Net { /** The host. */ host: String }
    "#;
    let expected = r#"
## `[sink]`

A sink.

| field | type | default | meaning |
|---|---|---|---|
| `type` | one of `"memory"`, `"disk"`, `"net"` | **required** |  |
| `path` | string | **required** | With `type = "disk"`. The path. |
| `host` | string | **required** | With `type = "net"`. The host. |
"#;
    let page = page(&[(PATH, tagged)]).unwrap();
    assert_eq!(page[page.find("\n## ").unwrap()..], *expected);
}

#[test]
fn names_follow_serde_attributes() {
    let inner = r#"
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "kebab-case")]
        struct Inner { /** A. */ two_words: bool, /** B. */ r#type: String }
    "#;
    let fields = r#"
        #[serde(flatten)] inner: Inner,
        /// C.
        #[serde(rename = "for", alias = "until")] duration: u32,
        /// D.
        #[serde(rename(serialize = "x", deserialize = "y"))] z: f64,
        #[serde(skip_deserializing)] gone: bool,
        /// E.
        #[serde(flatten)] rest: BTreeMap<String, Json>,
    "#;
    assert_eq!(
        rows(fields, inner),
        [
            "| `two-words` | `true` or `false` | `false` | A. |",
            "| `type` | string | `\"\"` | B. |",
            "| `for` or `until` | integer | `0` | C. |",
            "| `y` | number | `0` | D. |",
            "| `NAME` | any value | none | E. |",
        ]
    );
    assert_eq!(renamed("TryAnyway", Some("SCREAMING_SNAKE_CASE")).as_deref(), Some("TRY_ANYWAY"));
    assert_eq!(renamed("x", Some("aLtErNaTe")), None);
}

#[test]
fn wrapper_types_have_the_kind_of_their_content() {
    let types = r#"
        #[derive(Deserialize)] struct Name(String);
        #[derive(Deserialize)] #[serde(transparent)] struct Names { of: Vec<Name> }
        #[derive(Default, Deserialize)] #[serde(from = "String")] enum By { #[default] User, Tag(String) }
    "#;
    assert_eq!(
        rows(
            "/// A.\n one: Box<Name>, /// B.\n all: Names, /// C. Defaults to \"user\".\n by: By, /// D.\n own: Option<Overlay>,",
            types
        ),
        [
            "| `one` | string | `\"\"` | A. |",
            "| `all` | list of strings | none | B. |",
            "| `by` | string | `\"user\"` | C. |",
            "| `own` | table: overrides of [`[own]`](#own); or the name of a preset | none | D. |",
        ]
    );
}

#[test]
fn ambiguous_name_resolves_to_the_nearest_type() {
    let files = |import: &str| {
        let ramp = |words: &str| {
            format!(
                "#[derive(Default, Deserialize)] #[serde(default)] pub struct Ramp {{ /** {words}. */ on: bool }}"
            )
        };
        let root = format!(
            "{import} #[derive(Default, Deserialize)] #[serde(default)] struct File {{ ramp: Ramp }}"
        );
        [
            ("crates/gate/src/lib.rs", root),
            ("crates/fb-a/src/lib.rs", ramp("Of a")),
            ("crates/fb-b/src/lib.rs", ramp("Of b")),
            ("crates/all/src/lib.rs", "pub use {fb_a::Ramp as Slope, fb_b::Ramp};".to_owned()),
        ]
    };
    let meant = |import: &str| {
        let files = files(import);
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        page(&files).map(|page| page.split("| `false` | ").nth(1).unwrap().to_owned())
    };
    assert_eq!(meant("use fb_a::Ramp;"), Ok("Of a. |\n".to_owned()));
    assert_eq!(meant("use all::{x::Y, Ramp};"), Ok("Of b. |\n".to_owned()));
    assert_eq!(meant("use all::Slope as Ramp;"), Ok("Of a. |\n".to_owned()));
    let problem = "field ramp of File in crates/gate/src/lib.rs: its type Ramp is ambiguous: \
                   crates/fb-a/src/lib.rs or crates/fb-b/src/lib.rs";
    assert_eq!(meant(""), Err(vec![problem.to_owned()]));
}

#[test]
fn unsupported_declarations_are_reported_with_their_path() {
    let fields = r#"
        /// A.
        a: Strange,
        /// B.
        #[serde(deserialize_with = "odd")]
        b: u8,
        /// C, from 0; more is better.
        c: u8,
        /// D.
        d: Option<u8>,
        /// E.
        e: Vec<u8>,
        /// F. `None` is 5 s.
        f: Option<u8>,
    "#;
    let manual_defaults = r"impl Default for File {
        fn default() -> Self { let e = vec![1]; Self { a: Strange, b: 1, c: 2, d: None, e, f: None } }
    }";
    let no_default = "its doc comment states no default, as in \"Defaults to 30 s.\"";
    let rust_none =
        "its doc comment explains `None`, which a config file does not have; write \"Defaults to …\" instead";
    assert_eq!(
        problems(fields, manual_defaults),
        [
            format!("type Strange of field a in {PATH} is not supported"),
            format!("field b of File in {PATH}: the function odd is not supported"),
            format!("field c of File in {PATH}: {no_default}"),
            format!("field e of File in {PATH}: {no_default}"),
            format!("field f of File in {PATH}: {rust_none}"),
        ]
    );
    // Types without `Deserialize` and types of test modules are not considered.
    let others = "struct Strange; #[cfg(test)] mod tests { #[derive(Deserialize)] struct Strange {} }";
    let unknown = problems("/// A. Defaults to none.\n a: Strange,", others);
    assert_eq!(unknown, [format!("type Strange of field a in {PATH} is not supported")]);
}

#[test]
fn default_is_parsed_from_the_doc_comment() {
    let check = |kind: &Kind, text: &str, default: Option<&str>, meaning: &str| {
        let doc = doc_comment::field_doc(text, |words| kind.literal(words));
        assert_eq!(
            (doc.default.as_deref(), doc.meaning.as_str(), doc.is_required),
            (default, meaning, false)
        );
    };
    check(&Kind::Integer, "Most, 1 to 9,000. Defaults to 1,000.", Some("`1000`"), "Most, 1 to 9,000.");
    check(
        &Kind::Integer,
        "Most; more wait. Defaults to 32 MiB.",
        Some("`33554432` (32 MiB)"),
        "Most; more wait.",
    );
    check(&Kind::Integer, "Defaults to 7, as others.", Some("`7`"), "Defaults to 7, as others.");
    check(
        &Kind::Number,
        "A share. Defaults to 0.1, as others. More.",
        Some("`0.1`"),
        "A share. Defaults to 0.1, as others. More.",
    );
    check(
        &Kind::Duration,
        "A time. Defaults to 10 min. 0 is never.",
        Some("`\"10min\"`"),
        "A time. 0 is never.",
    );
    check(
        &Kind::Duration,
        "A time. Defaults to the sum of 2, or more. More.",
        Some("the sum of 2, or more"),
        "A time. More.",
    );
    check(
        &Kind::Boolean,
        "On. Defaults to false: it costs.",
        Some("`false`"),
        "On. Defaults to false: it costs.",
    );
    check(&Kind::Text, "Text. Defaults to \"A. B, c.\".", Some("`\"A. B, c.\"`"), "Text.");
    check(&Kind::Text, "By `a. Defaults to b.`; that is all.", None, "By `a. Defaults to b.`; that is all.");
    check(&Kind::Integer, "A count; 7. Default 7.", None, "A count; 7. Default 7.");
    let required = doc_comment::field_doc("A name. Required.", |_| None);
    assert_eq!((required.is_required, required.meaning.as_str()), (true, "A name."));
}

#[test]
fn links_to_items_become_plain_text() {
    let text = r#"
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct File {
            /// As [`min`](Self::min) and [the cap](crate::Cap), [`Other`] or `[table]`,
            /// [the page](https://example.invalid) or [1].
            ///
            /// Not this.
            one: bool,
        }
    "#;
    let page = page(&[(PATH, text)]).unwrap();
    let meaning = "As `min` and the cap, `Other` or `[table]`, [the page](https://example.invalid) or [1].";
    assert_eq!(page.lines().nth(2), Some(&*format!("| `one` | `true` or `false` | `false` | {meaning} |")));
}

#[test]
fn stale_page_is_reported_by_its_first_difference() {
    assert_eq!(difference("a\nb\n", "a\nb\n"), None);
    assert_eq!(difference("a\nb\nc\n", "a\nx\ny\n").as_deref(), Some("2:\n- b\n+ x"));
    assert_eq!(difference("a\n", "a\nb\n").as_deref(), Some("2:\n- (the end)\n+ b"));
    assert_eq!(difference("a\r\n", "a\n").as_deref(), Some("2: the ends of lines differ"));
}
