//! Checks a few answers and prints their defects and the repairs that a target would get.

use std::{error::Error, time::Instant};

use fb_core::{
    Capabilities, Chat, ChatRequest, Format, Json, Message, Note, Part, Reply, Role, Schema, Tool, ToolCall,
};
use fb_quality::{Defect, Gates, Losses, MaxLoss, QualityConfig, Score, rank_penalty, repair};

fn person() -> Result<Chat, Box<dyn Error>> {
    let schema = r#"{
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
        "required": ["name", "age"],
        "additionalProperties": false
    }"#;
    let schema =
        Schema { name: "person".to_owned(), description: None, schema: Json::parse(schema)?, strict: None };
    let messages = vec![Message::text(Role::User, "Who wrote it, and how old was she?")];
    Ok(Chat { messages, format: Format::JsonSchema(schema), ..Chat::default() })
}

fn weather() -> Result<Chat, Box<dyn Error>> {
    let parameters = Json::parse(r#"{"type": "object", "required": ["city"]}"#)?;
    let tool =
        Tool { name: "weather".to_owned(), description: None, parameters: Some(parameters), strict: None };
    Ok(Chat { tools: vec![tool], ..Chat::default() })
}

fn text(text: &str) -> Reply {
    Reply { text: text.to_owned(), ..Reply::default() }
}

fn calling(name: &str, arguments: &str) -> Reply {
    let call = ToolCall { id: "call_1".to_owned(), name: name.to_owned(), arguments: arguments.to_owned() };
    Reply { tool_calls: vec![call], ..Reply::default() }
}

#[expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example prints to its user, and needs a time"
)]
fn main() -> Result<(), Box<dyn Error>> {
    let config = QualityConfig::with(|config| {
        config.schema = true;
        config.tools = true;
        config.empty = true;
        config.truncated = true;
        config.repetition = true;
        config.max_loss = MaxLoss::Minor;
    });
    let no_apology = |_: &Chat, reply: &Reply| {
        let is_sorry = reply.text.contains("As a language model");
        if is_sorry { Err(Defect::new("an apology, expected an answer")) } else { Ok(()) }
    };
    let gates = Gates::new(config, vec![Box::new(no_apology)])?;

    let (person, weather, plain) = (person()?, weather()?, Chat::default());
    let mut score = Score::default();
    let now = Instant::now();
    for (chat, reply) in [
        (&person, text(r#"{"name": "Mary Shelley", "age": 20}"#)),
        (&person, text(r#"{"name": "Mary Shelley", "age": "twenty"}"#)),
        (&person, text("```json\n{\"name\": \"Mary Shelley\", \"age\": 20}\n```")),
        (&weather, calling("weather", r#"{"town": "Ulm"}"#)),
        (&weather, calling("forecast", "{}")),
        (&plain, text("")),
        (&plain, text(&"and so on ".repeat(200))),
        (&plain, text("As a language model, I cannot know.")),
    ] {
        let checked = gates.check(chat, &reply);
        score.record(checked.is_ok(), now);
        let Err(defect) = checked else {
            println!("passes");
            continue;
        };
        println!("{defect}");
        let repaired = repair(&ChatRequest::from_chat("default", chat.clone()), &reply, &defect);
        let last = repaired.as_ref().and_then(|request| request.chat().ok()?.messages.last());
        match last.map(|message| &*message.parts) {
            Some([Part::Text(text)]) => println!("    repair: {text}"),
            _ => println!("    next target"),
        }
    }
    let value = score.value(now);
    println!("\nscore {value:.2}, weight times {:.2}", rank_penalty(value));

    let notes = [Note::new("user", "left out: no records of users"), Note::new("seed", "left out: no seed")];
    let losses = Losses::new(&plain, &notes, &Capabilities::default());
    print!("\n{losses}");
    if let Err(error) = losses.check(gates.config().max_loss) {
        println!("{error}");
    }
    Ok(())
}
