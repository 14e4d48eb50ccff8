use super::*;

const CONFIG: &str = r#"
[providers.a]
kind = "compatible"
base_url = "http://127.0.0.1:9"

[routes.default]
aliases = ["usual"]
classes = { simple = "small" }
targets = [
    { provider = "a", model = "large", price = { input = 3.0, output = 15.0 } },
    { provider = "a", model = "spare", enabled = false },
]
[routes.small]
targets = [{ provider = "a", model = "small", price = { input = 0.1, output = 0.4 } }]
[routes.unpriced]
targets = [{ provider = "a", model = "local" }, { provider = "a", model = "large" }]
[routes.blind]
targets = [{ provider = "a", model = "blind", capabilities = { vision = false } }]
"#;

fn id(text: &str) -> TargetId {
    text.parse().unwrap()
}

#[test]
fn only_what_may_be_called_is_compared_and_what_has_no_price_is_named() {
    let config = config::parse(CONFIG).unwrap().fb;
    let names = |route: &str| {
        let found = ledger::candidates(&config, route)?;
        Ok::<_, String>(found.iter().map(|one| one.target.to_string()).collect::<Vec<_>>())
    };
    assert_eq!(names("usual"), Ok(vec!["a/large".to_owned(), "a/small".to_owned()]));
    assert_eq!(
        names("unpriced"),
        Err("a/local in the route unpriced has no price; give it price = { input = .., output = .. }"
            .to_owned())
    );
    assert_eq!(
        names("other"),
        Err("no route \"other\"; routes: blind, default, small, unpriced; or name a target in --best PROVIDER/MODEL"
            .to_owned())
    );
    let price = |id: &TargetId| ledger::priced(&config, id).map(|one| (one.price.input, one.price.output));
    assert_eq!(price(&id("a/large")), Ok((3.0, 15.0)), "another route says its price");
    assert_eq!(price(&id("a/none")), Err("no route has the target a/none".to_owned()));
}

#[test]
fn a_request_goes_to_the_route_of_its_class_and_one_that_nobody_may_see_is_an_error() {
    let config = config::parse(CONFIG).unwrap().fb;
    let client = Client::builder().config(&config).unwrap().seed(0).build().unwrap();
    let ask = |line: &str| {
        let mut ledger = Ledger::new(vec![ledger::priced(&config, &id("a/large")).unwrap()]);
        add(&mut ledger, &config, &client, &Query::read(line, "default")?)?;
        let printed = ledger.print()?;
        Ok::<_, String>(printed.lines().nth(1).unwrap_or_default().to_owned())
    };
    assert_eq!(
        ask(r#"{"text": "hello", "output_tokens": 1000}"#).unwrap(),
        "simple  a/small         1  $0.0004      $0.0150"
    );
    assert_eq!(
        ask(r#"{"text": "prove it", "output_tokens": 1000}"#).unwrap(),
        "complex  a/large         1  $0.0150      $0.0150"
    );
    assert_eq!(
        ask(r#"{"model": "a/small", "text": "prove it", "output_tokens": 1000}"#).unwrap(),
        "-      a/small         1  $0.0004      $0.0150"
    );
    let picture = r#"{"model": "blind", "messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/x.png"}}]}]}"#;
    assert_eq!(ask(picture).unwrap_err(), "nobody may be asked; a/blind: vision: sees no pictures");
    assert!(
        ask(r#"{"model": "unpriced", "text": "hi"}"#)
            .unwrap_err()
            .starts_with("a/local in the route unpriced")
    );
}
