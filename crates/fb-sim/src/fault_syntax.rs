//! The one-line syntax of faults.

use std::fmt;
use std::mem;
use std::str::FromStr;
use std::time::Duration;

use ::http::{HeaderName, HeaderValue};
use bytes::Bytes;

use crate::fault::{BlockForm, Fault};

/// The syntax of each fault. The first word up to `=` is its name.
const FORMS: &[&str] = &[
    "refuse",
    "reset",
    "reset-on-accept",
    "close-on-accept",
    "stall-headers",
    "stall-body",
    "stall-after=EVENTS",
    "drip=PAUSE",
    "cut-at=BYTES",
    "cut-after=EVENTS [reset]",
    "end-early=EVENTS",
    "status=CODE [HEADER=VALUE ...] [body=REST]",
    "stream-error=EVENTS [body=REST]",
    "quota",
    "context-length",
    "empty",
    "malformed",
    "html",
    "wrong-content-type",
    "block=http-400|finish-reason|refusal|mid-stream",
    "close-keep-alive",
    "close-on-next",
    "raw=REST",
];

/// The help text of `GET /sim`.
pub(crate) const USAGE: &str = "\
POST /sim/fault    [next=REQUESTS | for=TIME] FAULT    set a fault, until changed
POST /sim/heal                                         remove all faults
GET  /sim/counters                                     counters, as JSON

FAULT is one of
  refuse                                      listener closed (over HTTP, only `for=` reopens it)
  reset  reset-on-accept  close-on-accept     RST or FIN instead of an answer
  stall-headers  stall-body  stall-after=2    no data: at all, after the headers, after two events
  drip=50ms                                   the body byte by byte
  cut-at=100  cut-after=2 [reset]             the connection ends after 100 bytes, after two events
  end-early=2                                 a clean end after two events, without an end marker
  status=429 retry-after=2 [body=...]         an error response; by default with the provider's own body
  stream-error=2 [body=...]                   an error inside the stream after two events
  quota  context-length                       quota exhausted; prompt too long
  empty  malformed  html  wrong-content-type  status 200, but not a valid answer
  block=http-400|finish-reason|refusal|mid-stream
  close-keep-alive  close-on-next             a healthy answer on a connection that is closed after it
  raw=...                                     these bytes instead of HTTP
";

/// The error for an invalid fault; its message contains the expected syntax.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseFaultError {
    message: String,
}

impl ParseFaultError {
    fn new(message: String) -> Self {
        Self { message }
    }
}

/// A fault and its duration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FaultSchedule {
    UntilChanged(Fault),
    Next(u32, Fault),
    For(Duration, Fault),
}

impl FromStr for FaultSchedule {
    type Err = ParseFaultError;

    fn from_str(text: &str) -> Result<Self, ParseFaultError> {
        let text = text.trim();
        let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        if let Some(count) = first.strip_prefix("next=") {
            return Ok(Self::Next(number("next", count)?, rest.parse()?));
        }
        if let Some(time) = first.strip_prefix("for=") {
            return Ok(Self::For(duration("for", time)?, rest.parse()?));
        }
        text.parse().map(Self::UntilChanged)
    }
}

impl FromStr for Fault {
    type Err = ParseFaultError;

    fn from_str(text: &str) -> Result<Self, ParseFaultError> {
        let text = text.trim();
        if let Some(bytes) = text.strip_prefix("raw=") {
            return Ok(Self::Raw(Bytes::copy_from_slice(bytes.as_bytes())));
        }
        let (text, body) = match text.split_once(" body=") {
            Some((text, body)) => (text, Some(body.to_owned())),
            None => (text, None),
        };
        let mut tokens = tokens(text)?.into_iter();
        let first = tokens.next().unwrap_or_default();
        let (name, value) = match first.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (first.as_str(), None),
        };
        let form = form(name)?;
        let mut parser = FaultParser { name, form, options: tokens.collect(), body };
        let fault = match value {
            None => parser.without_value()?,
            Some(value) => parser.with_value(value)?,
        };
        parser.expect_end()?;
        Ok(fault)
    }
}

/// A fault that is being parsed: its name, and the parts that are not consumed yet.
struct FaultParser<'t> {
    name: &'t str,
    form: &'static str,
    options: Vec<String>,
    body: Option<String>,
}

impl FaultParser<'_> {
    fn without_value(&self) -> Result<Fault, ParseFaultError> {
        Ok(match self.name {
            "refuse" => Fault::Refuse,
            "reset" => Fault::Reset,
            "reset-on-accept" => Fault::ResetOnAccept,
            "close-on-accept" => Fault::CloseOnAccept,
            "stall-headers" => Fault::StallHeaders,
            "stall-body" => Fault::StallBody,
            "quota" => Fault::Quota,
            "context-length" => Fault::ContextLength,
            "empty" => Fault::Empty200,
            "malformed" => Fault::MalformedJson,
            "html" => Fault::Html,
            "wrong-content-type" => Fault::WrongContentType,
            "close-keep-alive" => Fault::CloseKeepAlive,
            "close-on-next" => Fault::CloseOnNext,
            _ => return Err(self.error("it needs a value")),
        })
    }

    fn with_value(&mut self, value: &str) -> Result<Fault, ParseFaultError> {
        Ok(match self.name {
            "stall-after" => Fault::StallMid { after_events: number(self.name, value)? },
            "drip" => Fault::Drip { every: duration(self.name, value)? },
            "cut-at" => Fault::CutAt { byte: number(self.name, value)? },
            "cut-after" => {
                let events = number(self.name, value)?;
                let reset = self.options.pop_if(|option| option == "reset").is_some();
                Fault::CutAfterEvents { events, reset }
            }
            "end-early" => Fault::EndEarly { events: number(self.name, value)? },
            "status" => self.status(value)?,
            "stream-error" => {
                let after_events = number(self.name, value)?;
                Fault::StreamError { after_events, body: self.body.take() }
            }
            "block" => Fault::Block(self.block(value)?),
            _ => return Err(self.error("it takes no value")),
        })
    }

    fn status(&mut self, code: &str) -> Result<Fault, ParseFaultError> {
        let status = code.parse().ok().filter(|status| (200..=999).contains(status));
        let status =
            status.ok_or_else(|| self.error(&format!("`{code}` is not a number from 200 to 999")))?;
        let mut headers = Vec::new();
        for option in mem::take(&mut self.options) {
            let Some((name, value)) = option.split_once('=') else {
                return Err(self.error(&format!("`{option}` is not a header")));
            };
            if HeaderName::try_from(name).is_err() || HeaderValue::try_from(value).is_err() {
                return Err(self.error(&format!("`{option}` is not a valid HTTP header")));
            }
            headers.push((name.to_owned(), value.to_owned()));
        }
        Ok(Fault::Status { status, headers, body: self.body.take() })
    }

    fn block(&self, form: &str) -> Result<BlockForm, ParseFaultError> {
        match form {
            "http-400" => Ok(BlockForm::Http400),
            "finish-reason" => Ok(BlockForm::FinishReason),
            "refusal" => Ok(BlockForm::Refusal),
            "mid-stream" => Ok(BlockForm::MidStream),
            _ => Err(self.error(&format!("unknown form `{form}`"))),
        }
    }

    fn expect_end(&self) -> Result<(), ParseFaultError> {
        if let Some(option) = self.options.first() {
            return Err(self.error(&format!("unexpected `{option}`")));
        }
        if self.body.is_some() {
            return Err(self.error("it takes no body"));
        }
        Ok(())
    }

    fn error(&self, problem: &str) -> ParseFaultError {
        ParseFaultError::new(format!("{}: {problem}; expected `{}`", self.name, self.form))
    }
}

fn form(name: &str) -> Result<&'static str, ParseFaultError> {
    let known = FORMS.iter().find(|form| keyword(form) == name);
    known.copied().ok_or_else(|| {
        let names: Vec<_> = FORMS.iter().copied().map(keyword).collect();
        let problem =
            if name.is_empty() { "missing fault".to_owned() } else { format!("unknown fault `{name}`") };
        ParseFaultError::new(format!("{problem}; expected one of {}", names.join(", ")))
    })
}

fn keyword(form: &'static str) -> &'static str {
    form.split(['=', ' ']).next().unwrap_or(form)
}

/// Splits at white space outside of double quotes, and removes the quotes.
fn tokens(text: &str) -> Result<Vec<String>, ParseFaultError> {
    let mut tokens = vec![String::new()];
    let mut quoted = false;
    for letter in text.chars() {
        match letter {
            '"' => quoted = !quoted,
            space if space.is_whitespace() && !quoted => tokens.push(String::new()),
            letter => {
                if let Some(word) = tokens.last_mut() {
                    word.push(letter);
                }
            }
        }
    }
    if quoted {
        return Err(ParseFaultError::new(format!("unclosed quote in `{text}`")));
    }
    tokens.retain(|word| !word.is_empty());
    Ok(tokens)
}

fn number<N: FromStr>(name: &str, text: &str) -> Result<N, ParseFaultError> {
    text.parse()
        .ok()
        .ok_or_else(|| ParseFaultError::new(format!("{name}={text}: expected a number, such as {name}=3")))
}

fn duration(name: &str, text: &str) -> Result<Duration, ParseFaultError> {
    let unit_at = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (count, unit) = text.split_at(unit_at);
    let in_seconds = match unit {
        "ns" => Some(1e-9),
        "us" | "µs" => Some(1e-6),
        "ms" => Some(1e-3),
        "s" => Some(1.0),
        _ => None,
    };
    let seconds = in_seconds.and_then(|unit| Some(count.parse::<f64>().ok()? * unit));
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.ok_or_else(|| {
        ParseFaultError::new(format!("{name}={text}: expected a time, such as {name}=50ms or {name}=2s"))
    })
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refuse => f.write_str("refuse"),
            Self::Reset => f.write_str("reset"),
            Self::ResetOnAccept => f.write_str("reset-on-accept"),
            Self::CloseOnAccept => f.write_str("close-on-accept"),
            Self::StallHeaders => f.write_str("stall-headers"),
            Self::StallBody => f.write_str("stall-body"),
            Self::StallMid { after_events } => write!(f, "stall-after={after_events}"),
            Self::Drip { every } => write!(f, "drip={every:?}"),
            Self::CutAt { byte } => write!(f, "cut-at={byte}"),
            Self::CutAfterEvents { events, reset } => {
                write!(f, "cut-after={events}{}", if *reset { " reset" } else { "" })
            }
            Self::EndEarly { events } => write!(f, "end-early={events}"),
            Self::Status { status, headers, body } => {
                write!(f, "status={status}")?;
                for (name, value) in headers {
                    let quote = if value.contains(char::is_whitespace) { "\"" } else { "" };
                    write!(f, " {name}={quote}{value}{quote}")?;
                }
                write_body(f, body.as_deref())
            }
            Self::StreamError { after_events, body } => {
                write!(f, "stream-error={after_events}")?;
                write_body(f, body.as_deref())
            }
            Self::Quota => f.write_str("quota"),
            Self::ContextLength => f.write_str("context-length"),
            Self::Empty200 => f.write_str("empty"),
            Self::MalformedJson => f.write_str("malformed"),
            Self::Html => f.write_str("html"),
            Self::WrongContentType => f.write_str("wrong-content-type"),
            Self::Block(form) => write!(f, "block={form}"),
            Self::CloseKeepAlive => f.write_str("close-keep-alive"),
            Self::CloseOnNext => f.write_str("close-on-next"),
            Self::Raw(bytes) => write!(f, "raw={}", String::from_utf8_lossy(bytes)),
        }
    }
}

fn write_body(f: &mut fmt::Formatter<'_>, body: Option<&str>) -> fmt::Result {
    body.map_or(Ok(()), |body| write!(f, " body={body}"))
}

impl fmt::Display for BlockForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http400 => "http-400",
            Self::FinishReason => "finish-reason",
            Self::Refusal => "refusal",
            Self::MidStream => "mid-stream",
        })
    }
}

#[cfg(test)]
mod tests;
