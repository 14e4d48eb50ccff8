use std::{sync::Arc, time::Duration};

use fb_core::{Failure, ProviderId, Scope};

use crate::{
    ScriptedProvider, fault,
    log::CallCounters,
    script::text::{Split, duration, split, unquote},
    step::{Break, Outcome, Step, Text},
};

mod text;

#[cfg(test)]
mod tests;

/// Scripted providers; the crate documentation describes the syntax.
#[derive(Debug, Clone)]
pub struct Script(Vec<(String, Arc<ScriptedProvider>)>);

/// Parses a script such as `openai: 429(retry-after 2s), 200 / anthropic: 200`.
///
/// # Panics
/// Panics if the script is invalid; the message contains the position and the expected syntax.
#[track_caller]
#[expect(clippy::panic, reason = "an invalid script is an error in the test")]
pub fn script(text: &str) -> Script {
    match Script::parse(text) {
        Ok(script) => script,
        Err(why) => panic!("bad script {text:?}: {why}"),
    }
}

impl Script {
    /// The providers with their names, in the order of the script. Every call returns the same instances.
    pub fn providers(&self) -> Vec<(String, Arc<ScriptedProvider>)> {
        self.0.clone()
    }

    /// The provider with this name.
    ///
    /// # Panics
    /// Panics if the script has no such provider.
    #[track_caller]
    #[expect(clippy::panic, reason = "an unknown name is an error in the test")]
    pub fn provider(&self, name: &str) -> Arc<ScriptedProvider> {
        match self.0.iter().find(|(known, _)| known == name) {
            Some((_, provider)) => Arc::clone(provider),
            None => panic!("the script has no provider {name:?}"),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut providers: Vec<(String, Arc<ScriptedProvider>)> = Vec::new();
        let counters = Arc::new(CallCounters::default());
        for part in split(text, Split::Providers)? {
            let (name, steps) = part.split_once(':').ok_or_else(|| format!("no `NAME:` in {part:?}"))?;
            let name = ProviderId::new(name.trim()).map_err(|bad| bad.to_string())?.to_string();
            if providers.iter().any(|(known, _)| *known == name) {
                return Err(format!("two providers {name:?}"));
            }
            let steps = parse_steps(&name, steps)?;
            providers.push((name, Arc::new(ScriptedProvider::new(steps, Arc::clone(&counters)))));
        }
        Ok(Self(providers))
    }
}

fn parse_steps(provider: &str, text: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    for part in split(text, Split::Steps)? {
        let (step, times) = parse_step(provider, part).map_err(|why| format!("in {part:?}: {why}"))?;
        steps.resize(steps.len() + usize::from(times), step);
    }
    Ok(steps)
}

/// Parses a step and its number of repetitions.
fn parse_step(provider: &str, text: &str) -> Result<(Step, u16), String> {
    let words = split(text, Split::Words)?;
    let (head, mut rest) = words.split_first().ok_or("nothing")?;
    let (head, mut times) = head
        .rsplit_once('x')
        .and_then(|(short, digits)| digits.parse().ok().map(|times| (short, times)))
        .unwrap_or((*head, 1));
    let mut step = Step {
        outcome: parse_outcome(provider, head)?,
        delay: Duration::ZERO,
        gap: Duration::ZERO,
        done: head != "nodone",
    };
    loop {
        rest = match rest {
            [] => break,
            ["in", time, rest @ ..] => {
                step.delay = duration(time)?;
                rest
            }
            ["gap", time, rest @ ..] => {
                step.gap = duration(time)?;
                rest
            }
            ["nodone", rest @ ..] => {
                step.done = false;
                rest
            }
            [word, rest @ ..] => {
                let digits = word.strip_prefix('x').and_then(|digits| digits.parse().ok());
                times = digits
                    .ok_or_else(|| format!("{word:?} is none of `in TIME`, `gap TIME`, `nodone`, `xN`"))?;
                rest
            }
        };
    }
    if times == 0 {
        return Err("never (`x0`)".to_owned());
    }
    Ok((step, times))
}

fn parse_outcome(provider: &str, text: &str) -> Result<Outcome, String> {
    let (name, argument) = match text.split_once('(') {
        Some((name, rest)) => (name, Some(rest.strip_suffix(')').ok_or("something after `)`")?.trim())),
        None => (text, None),
    };
    let source = format!("hello from {provider}");
    let broken = |end, words, source| Outcome::Broken(end, Text { source, words });
    // The text may repeat, and the first word must not join the last one.
    let looped = || format!("{source} ");
    Ok(match (name, argument) {
        ("200" | "nodone", None) => Outcome::Text(source),
        ("200", Some("tool")) => Outcome::Tool,
        ("200", Some(quoted)) => Outcome::Text(unquote(quoted)?),
        ("hang", None) => Outcome::Hang,
        ("pings", None) => broken(Break::Pings, 0, source),
        ("block", None) => Outcome::Refused,
        ("block", Some(argument)) => match argument.strip_prefix("mid ") {
            Some(words) => broken(Break::Blocked, number(words)?, looped()),
            None => match number(argument)? {
                status @ 400..500 => Outcome::Filtered(status),
                status => return Err(format!("a prompt is never filtered with {status}")),
            },
        },
        ("cut", Some(words)) => broken(Break::Cut, number(words)?, looped()),
        ("stall", Some(words)) => broken(Break::Stall, number(words)?, looped()),
        ("error", Some(argument)) => {
            let (words, fault) = argument.split_once(' ').ok_or("no `error(N FAILURE)`")?;
            let failure = fault::in_stream(fault.trim()).ok_or_else(|| unknown(fault))?;
            broken(Break::Failed(failure), number(words)?, looped())
        }
        (name, argument) => {
            let failure = fault::failure(name).ok_or_else(|| unknown(text))?;
            let modifiers = argument.into_iter().flat_map(|argument| argument.split(','));
            Outcome::Failed(modifiers.map(str::trim).try_fold(failure, modified)?)
        }
    })
}

fn modified(failure: Failure, modifier: &str) -> Result<Failure, String> {
    Ok(match modifier {
        "request" => failure.with_scope(Scope::Request),
        "unclear" => failure.with_scope(Scope::Unclear),
        "should-retry" => failure.with_should_retry(Some(true)),
        other => {
            let wait = other.strip_prefix("retry-after ").ok_or_else(|| {
                format!("{other:?} is none of `retry-after TIME`, `should-retry`, `request`, `unclear`")
            })?;
            failure.with_retry_after(Some(duration(wait.trim())?))
        }
    })
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    text.trim().parse().ok().ok_or_else(|| format!("{text:?} is not a number"))
}

fn unknown(word: &str) -> String {
    format!("{word:?} is neither an outcome nor a failure; the README of fb-testkit lists them")
}
