//! The one-line language of faults.

use std::fmt;
use std::mem;
use std::str::FromStr;
use std::time::Duration;

use ::http::{HeaderName, HeaderValue};
use bytes::Bytes;

use crate::fault::{BlockForm, Fault};

/// Each fault as it is written. The first word up to `=` is its name.
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

/// What `GET /sim` answers.
pub(crate) const USAGE: &str = "\
POST /sim/fault    [next=REQUESTS | for=TIME] FAULT    fail so, until changed
POST /sim/heal                                         be well again
GET  /sim/counters                                     what arrived, as JSON

FAULT is one of
  refuse                                      nothing listens (only `for=` brings it back over HTTP)
  reset  reset-on-accept  close-on-accept     RST or FIN instead of an answer
  stall-headers  stall-body  stall-after=2    silence: at once, after the headers, after two events
  drip=50ms                                   the body byte by byte
  cut-at=100  cut-after=2 [reset]             the connection ends after 100 bytes, after two events
  end-early=2                                 a clean end after two events, nothing says it is complete
  status=429 retry-after=2 [body=...]         an error answer; the body is the provider's own by default
  stream-error=2 [body=...]                   an error inside the stream after two events
  quota  context-length                       out of money; prompt too long
  empty  malformed  html  wrong-content-type  200, but not an answer
  block=http-400|finish-reason|refusal|mid-stream
  close-keep-alive  close-on-next             a well answer on a connection that does not live on
  raw=...                                     these bytes instead of HTTP
";

/// A text that names no fault; says what was expected.
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

/// A fault and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    UntilChanged(Fault),
    Next(u32, Fault),
    For(Duration, Fault),
}

impl FromStr for Order {
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
        let mut words = words(text)?.into_iter();
        let first = words.next().unwrap_or_default();
        let (name, value) = match first.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (first.as_str(), None),
        };
        let form = form(name)?;
        let mut phrase = Phrase { name, form, options: words.collect(), body };
        let fault = match value {
            None => phrase.bare()?,
            Some(value) => phrase.valued(value)?,
        };
        phrase.must_be_used_up()?;
        Ok(fault)
    }
}

/// A fault in words, with what its name does not say yet.
struct Phrase<'t> {
    name: &'t str,
    form: &'static str,
    options: Vec<String>,
    body: Option<String>,
}

impl Phrase<'_> {
    fn bare(&self) -> Result<Fault, ParseFaultError> {
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

    fn valued(&mut self, value: &str) -> Result<Fault, ParseFaultError> {
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
        let status = status.ok_or_else(|| self.error(&format!("`{code}` is no number from 200 to 999")))?;
        let mut headers = Vec::new();
        for option in mem::take(&mut self.options) {
            let Some((name, value)) = option.split_once('=') else {
                return Err(self.error(&format!("`{option}` is no header")));
            };
            if HeaderName::try_from(name).is_err() || HeaderValue::try_from(value).is_err() {
                return Err(self.error(&format!("`{option}` is no header HTTP allows")));
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
            _ => Err(self.error(&format!("`{form}` is none of them"))),
        }
    }

    fn must_be_used_up(&self) -> Result<(), ParseFaultError> {
        if let Some(option) = self.options.first() {
            return Err(self.error(&format!("`{option}` is too much")));
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
    let known = FORMS.iter().find(|form| first_name(form) == name);
    known.copied().ok_or_else(|| {
        let names: Vec<_> = FORMS.iter().copied().map(first_name).collect();
        let problem =
            if name.is_empty() { "no fault named".to_owned() } else { format!("unknown fault `{name}`") };
        ParseFaultError::new(format!("{problem}; expected one of {}", names.join(", ")))
    })
}

fn first_name(form: &'static str) -> &'static str {
    form.split(['=', ' ']).next().unwrap_or(form)
}

/// Splits at white space, but not between double quotes, which go.
fn words(text: &str) -> Result<Vec<String>, ParseFaultError> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for letter in text.chars() {
        match letter {
            '"' => quoted = !quoted,
            space if space.is_whitespace() && !quoted => words.push(String::new()),
            letter => {
                if let Some(word) = words.last_mut() {
                    word.push(letter);
                }
            }
        }
    }
    if quoted {
        return Err(ParseFaultError::new(format!("a quote is not closed in `{text}`")));
    }
    words.retain(|word| !word.is_empty());
    Ok(words)
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
