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
fn enabled_targets_are_candidates_and_a_missing_price_is_an_error() {
    let config = config::parse(CONFIG).unwrap().fb;
    let names = |route: &str| {
        let found = prices::route_targets(&config, route)?;
        Ok::<_, String>(found.iter().map(|one| one.target.to_string()).collect::<Vec<_>>())
    };
    assert_eq!(names("usual"), Ok(vec!["a/large".to_owned(), "a/small".to_owned()]));
    assert_eq!(
        names("unpriced"),
        Err("a/local in the route unpriced has no price; set price = { input = .., output = .. }".to_owned())
    );
    assert_eq!(
        names("other"),
        Err("no route \"other\"; routes: blind, default, small, unpriced; or name a target in --best PROVIDER/MODEL"
            .to_owned())
    );
    let price =
        |id: &TargetId| prices::find_target(&config, id).map(|one| (one.price.input, one.price.output));
    assert_eq!(price(&id("a/large")), Ok((3.0, 15.0)), "another route sets its price");
    assert_eq!(price(&id("a/none")), Err("no route has the target a/none".to_owned()));
}

#[test]
fn request_goes_to_the_route_of_its_class_and_needs_an_admissible_target() {
    let config = config::parse(CONFIG).unwrap().fb;
    let client = Client::builder().config(&config).unwrap().seed(0).build().unwrap();
    let run = |line: &str| {
        let mut costs = CostTable::new(vec![prices::find_target(&config, &id("a/large")).unwrap()]);
        add(&mut costs, &config, &client, &Query::parse(line, "default")?)?;
        let printed = costs.print()?;
        Ok::<_, String>(printed.lines().nth(1).unwrap_or_default().to_owned())
    };
    assert_eq!(
        run(r#"{"text": "hello", "output_tokens": 1000}"#).unwrap(),
        "simple  a/small         1  $0.0004     $0.0150"
    );
    assert_eq!(
        run(r#"{"text": "prove it", "output_tokens": 1000}"#).unwrap(),
        "complex  a/large         1  $0.0150     $0.0150"
    );
    assert_eq!(
        run(r#"{"model": "a/small", "text": "prove it", "output_tokens": 1000}"#).unwrap(),
        "-      a/small         1  $0.0004     $0.0150"
    );
    let picture = r#"{"model": "blind", "messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/x.png"}}]}]}"#;
    assert_eq!(run(picture).unwrap_err(), "no target may be called; a/blind: vision: sees no pictures");
    assert!(
        run(r#"{"model": "unpriced", "text": "hi"}"#)
            .unwrap_err()
            .starts_with("a/local in the route unpriced")
    );
}
