use fb_core::{Chat, Format, Image, ImageSource, Json, Message, Part, Role, Schema, Tool};

use super::*;

#[track_caller]
fn check(signals: &Signals<'_>, expected: Complexity) {
    assert_eq!(Rules::default().classify(signals), expected, "{signals:?}");
}

/// A text of `count` words without keywords.
fn words(count: usize) -> String {
    vec!["word"; count].join(" ")
}

fn long() -> String {
    words(13)
}

#[test]
fn default_rules_classify_typical_requests() {
    for (text, expected) in [
        ("hello", Complexity::Simple),
        ("What is the capital of France?", Complexity::Simple),
        ("Would you please be so kind and translate the line below for my aunt in Lyon?", Complexity::Simple),
        (
            "Write a friendly letter to my landlord about the heating, which has been cold since Monday.",
            Complexity::Moderate,
        ),
        ("", Complexity::Moderate),
        ("Prove it.", Complexity::Complex),
        ("What is 2 + 2? Think Step By Step.", Complexity::Complex),
        ("refactor this", Complexity::Complex),
        ("What is wrong?\n```\nlet x = 1\n```", Complexity::Complex),
        ("Who? When? (And where?)", Complexity::Complex),
        ("improve this", Complexity::Simple),
    ] {
        check(&Signals::from_text(text), expected);
    }
}

#[test]
fn complex_keywords_take_precedence_over_length() {
    for text in [
        "Compare Redis and Postgres",
        "Explain why the sky is blue.",
        "Design a cache",
        "Review this paragraph, please.",
        "What is the best architecture?",
    ] {
        check(&Signals::from_text(text), Complexity::Complex);
    }
}

#[test]
fn preset_brief_classifies_by_its_keywords_alone() {
    let rules: Rules = "brief".parse().unwrap();
    assert_eq!(rules, Rules::brief());
    let text = words(500);
    for (signals, expected) in [
        (Signals::from_text("What is Python?"), Complexity::Simple),
        (Signals::from_text("List the trade-offs"), Complexity::Complex),
        (Signals::from_text("hello"), Complexity::Moderate),
        (Signals::from_text("Prove it."), Complexity::Moderate),
        (Signals::from_text("Information on listeners, reformatted."), Complexity::Moderate),
        (Signals { turns: 50, images: 9, tools: 9, ..Signals::from_text(&text) }, Complexity::Moderate),
    ] {
        assert_eq!(rules.classify(&signals), expected, "{signals:?}");
    }
    let error = "breif".parse::<Rules>().unwrap_err();
    assert_eq!(error.to_string(), "preset = \"breif\": expected \"brief\"");
}

#[test]
fn explain_returns_the_first_matching_rule() {
    let rules = Rules::default();
    let print = |text: &str| {
        let (class, evidence) = rules.explain(&Signals::from_text(text));
        format!("{class}, {evidence}")
    };
    assert_eq!(print("hello there"), "simple, words: 2");
    assert_eq!(print(&format!("translate {}", long())), "simple, keyword \"translate\"");
    assert_eq!(print("Prove it."), "complex, keyword \"prove\"");
    assert_eq!(print("Who? When? (And where?)"), "complex, questions: 3");
    assert_eq!(print(&long()), "moderate, no sign of either");
}

#[test]
fn counts_match_from_their_threshold_on() {
    use Complexity::{Complex, Moderate};
    let text = long();
    let plain = || Signals::from_text(&text);
    check(&Signals::from_text(&words(12)), Complexity::Simple);
    check(&plain(), Moderate);
    check(&Signals::from_text(&words(199)), Moderate);
    check(&Signals::from_text(&words(200)), Complex);
    check(&Signals { tokens: 3_999, ..plain() }, Moderate);
    check(&Signals { tokens: 4_000, ..plain() }, Complex);
    check(&Signals { turns: 11, ..plain() }, Moderate);
    check(&Signals { turns: 12, ..plain() }, Complex);
    check(&Signals { tools: 4, ..plain() }, Moderate);
    check(&Signals { tools: 5, ..plain() }, Complex);
    check(&Signals { images: 2, ..plain() }, Moderate);
    check(&Signals { images: 3, ..plain() }, Complex);
}

#[test]
fn requests_with_tools_schema_or_images_are_never_simple() {
    let bare = Signals::from_text("hello");
    check(&bare, Complexity::Simple);
    check(&Signals { tools: 1, ..bare.clone() }, Complexity::Moderate);
    check(&Signals { schema: true, ..bare.clone() }, Complexity::Moderate);
    check(&Signals { images: 1, ..bare }, Complexity::Moderate);
}

#[test]
fn signals_cover_the_conversation_and_the_latest_user_message() {
    let user = |parts| Message { role: Role::User, name: None, parts };
    let image =
        Part::Image(Image { source: ImageSource::Url("https://e.com/a.png".to_owned()), detail: None });
    let chat = Chat {
        messages: vec![
            Message::text(Role::System, "1234"),
            user(vec![image.clone()]),
            Message::text(Role::Assistant, "5678"),
            user(vec![Part::Text("ab".to_owned()), image, Part::Text("cd".to_owned())]),
            Message::text(Role::Assistant, "9"),
        ],
        tools: vec![Tool { name: "look".to_owned(), description: None, parameters: None, strict: None }],
        format: Format::JsonSchema(Schema {
            name: "s".to_owned(),
            description: None,
            schema: Json::parse("{}").unwrap(),
            strict: None,
        }),
        ..Chat::default()
    };
    // 19 bytes.
    let expected = Signals { text: "ab\ncd".into(), tokens: 5, turns: 4, tools: 1, schema: true, images: 2 };
    assert_eq!(Signals::from_chat(&chat), expected);
    let nothing = Signals::default();
    assert_eq!(Signals::from_chat(&Chat::default()), nothing);
}

#[test]
fn words_code_blocks_and_questions_are_counted() {
    let counts = |text| {
        let signals = Signals::from_text(text);
        (signals.words(), signals.code_blocks(), signals.questions())
    };
    assert_eq!(counts(""), (0, 0, 0));
    assert_eq!(counts("Really?? See http://e.com/?q=1 for \"why?\""), (5, 0, 2));
    assert_eq!(counts("```a``` ```b"), (2, 2, 0));
}

#[test]
fn rules_can_be_replaced() {
    let rules: Rules = toml::from_str(
        r#"
            complex = { words = 0, code_blocks = 0, keywords = ["Quantum"] }
            simple = { words = 0, keywords = [""] }
        "#,
    )
    .unwrap();
    for (text, expected) in [
        ("refactor ```this```", Complexity::Moderate),
        (&*words(500), Complexity::Moderate),
        ("quantum leap", Complexity::Complex),
        ("hello", Complexity::Moderate),
    ] {
        assert_eq!(rules.classify(&Signals::from_text(text)), expected, "{text}");
    }
    let default: Rules = toml::from_str("").unwrap();
    assert_eq!(default, Rules::default());
}

#[test]
fn custom_classifier_replaces_the_rules() {
    struct Always;
    impl Classifier for Always {
        fn classify(&self, _: &Signals<'_>) -> Complexity {
            Complexity::Complex
        }
    }
    let classifiers: [Box<dyn Classifier>; 2] = [Box::new(Rules::default()), Box::new(Always)];
    let found = classifiers.map(|classifier| classifier.classify(&Signals::from_text("hello")));
    assert_eq!(found, [Complexity::Simple, Complexity::Complex]);
}

#[test]
fn classes_map_to_routes() {
    let routes: ClassRoutes = toml::from_str("simple = \"small\"\ncomplex = \"large\"").unwrap();
    let classes = [Complexity::Simple, Complexity::Moderate, Complexity::Complex];
    let expected = [("simple", Some("small")), ("moderate", None), ("complex", Some("large"))];
    let found = classes.map(|class| (class.to_string(), routes.route(class)));
    assert_eq!(found, expected.map(|(class, route)| (class.to_owned(), route)));
}
