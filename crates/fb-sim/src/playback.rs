//! Application of a fault to an answer. Pure: maps a complete answer to the steps in which its body is sent.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::answer::{Answer, AnswerBody};
use crate::body::{After, Step};
use crate::connection::Ending;
use crate::dialect::Dialect;
use crate::fault::Fault;

const PORTAL: &str = "<!DOCTYPE html>\n<html><head><title>Sign in to the network</title></head>\
<body><h1>Sign in to the network</h1></body></html>\n";

/// An answer as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Playback {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) latency: Duration,
    pub(crate) length: Option<u64>,
    pub(crate) steps: Vec<Step>,
    pub(crate) after: After,
}

impl Playback {
    /// Applies `fault` to `answer`. Faults without an answer, such as [`Fault::Reset`], and [`Fault::Block`], which the
    /// dialect has already applied, change nothing here.
    pub(crate) fn new(dialect: Dialect, number: u64, answer: Answer, fault: Option<&Fault>) -> Self {
        let Some(fault) = fault else {
            return Self::healthy(answer);
        };
        match fault {
            Fault::Status { status, headers, body } => {
                let plain = answer.replaced_by(dialect.failure(*status, body.as_deref(), number));
                let changed =
                    headers.iter().fold(plain, |answer, (name, value)| answer.with_header(name, value));
                Self::healthy(changed)
            }
            Fault::Quota => Self::healthy(answer.replaced_by(dialect.quota(number))),
            Fault::ContextLength => Self::healthy(answer.replaced_by(dialect.context_length(number))),
            Fault::Empty200 => {
                Self::healthy(Answer { status: 200, body: AnswerBody::Plain(Bytes::new()), ..answer })
            }
            Fault::Html => {
                let page = AnswerBody::Plain(Bytes::from_static(PORTAL.as_bytes()));
                let answer = Answer { status: 200, body: page, ..answer };
                Self::healthy(answer.with_header("content-type", "text/html; charset=utf-8"))
            }
            Fault::WrongContentType => {
                Self::healthy(answer.with_header("content-type", "text/plain; charset=utf-8"))
            }
            Fault::MalformedJson => Self::healthy(malformed(answer)),
            Fault::StreamError { after_events, body } => {
                Self::healthy(stream_error(dialect, number, answer, *after_events, body.as_deref()))
            }
            Fault::EndEarly { events } => {
                let body = first_events(answer.body, *events);
                Self::healthy(Answer { body, ..answer })
            }
            Fault::StallBody => Self::cut_short(answer, 0, Step::Stall),
            Fault::StallMid { after_events } => Self::cut_short(answer, *after_events, Step::Stall),
            Fault::CutAfterEvents { events, reset } => {
                let ending = if *reset { Ending::Reset } else { Ending::Close };
                Self::cut_short(answer, *events, Step::Cut(ending))
            }
            Fault::CutAt { byte } => Self::cut_at(answer, *byte),
            Fault::Drip { every } => Self::drip(answer, *every),
            Fault::CloseKeepAlive => Self { after: After::Close, ..Self::healthy(answer) },
            Fault::CloseOnNext => Self { after: After::CloseOnNext, ..Self::healthy(answer) },
            Fault::Refuse
            | Fault::Reset
            | Fault::ResetOnAccept
            | Fault::CloseOnAccept
            | Fault::StallHeaders
            | Fault::Block(_)
            | Fault::Raw(_) => Self::healthy(answer),
        }
    }

    pub(crate) fn healthy(answer: Answer) -> Self {
        let Answer { status, headers, latency, body } = answer;
        let length = body.length();
        Self { status, headers, latency, length, steps: body.steps(), after: After::KeepAlive }
    }

    /// Declares the length of the complete answer, but sends only its first events.
    fn cut_short(answer: Answer, events: usize, end: Step) -> Self {
        let length = answer.body.length();
        let body =
            if events == 0 { AnswerBody::Plain(Bytes::new()) } else { first_events(answer.body, events) };
        let mut playback = Self::healthy(Answer { body, ..answer });
        playback.length = length;
        playback.steps.push(end);
        playback
    }

    fn cut_at(answer: Answer, byte: usize) -> Self {
        let length = answer.body.length();
        let mut bytes = answer.body.into_bytes();
        let last = if length.is_some() { bytes.len().saturating_sub(1) } else { bytes.len() };
        bytes.truncate(byte.min(last));
        let mut playback = Self::healthy(Answer { body: AnswerBody::Plain(bytes), ..answer });
        playback.length = length;
        playback.steps.push(Step::Cut(Ending::Close));
        playback
    }

    fn drip(answer: Answer, every: Duration) -> Self {
        let length = answer.body.length();
        let bytes = answer.body.into_bytes();
        let mut playback = Self::healthy(Answer { body: AnswerBody::Plain(Bytes::new()), ..answer });
        playback.length = length;
        playback.steps.push(Step::Drip(bytes, every));
        playback
    }
}

impl AnswerBody {
    fn length(&self) -> Option<u64> {
        match self {
            Self::Plain(bytes) => Some(bytes.len() as u64),
            Self::Events { .. } => None,
        }
    }

    fn steps(self) -> Vec<Step> {
        match self {
            Self::Plain(bytes) if bytes.is_empty() => Vec::new(),
            Self::Plain(bytes) => vec![Step::Send(bytes)],
            Self::Events { events, gap } => {
                let pauses = events.into_iter().flat_map(|event| [Step::Wait(gap), Step::Send(event)]);
                pauses.skip(1).filter(|step| *step != Step::Wait(Duration::ZERO)).collect()
            }
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Plain(bytes) => bytes,
            Self::Events { events, .. } => events.concat().into(),
        }
    }
}

/// Returns the first `count` events, but never the last one.
fn first_events(body: AnswerBody, count: usize) -> AnswerBody {
    match body {
        AnswerBody::Plain(bytes) => {
            AnswerBody::Plain(bytes.slice(..if count == 0 { 0 } else { bytes.len() / 2 }))
        }
        AnswerBody::Events { mut events, gap } => {
            events.truncate(count.min(events.len().saturating_sub(1)));
            AnswerBody::Events { events, gap }
        }
    }
}

fn stream_error(
    dialect: Dialect,
    number: u64,
    answer: Answer,
    after_events: usize,
    body: Option<&str>,
) -> Answer {
    let body = match first_events(answer.body, after_events) {
        AnswerBody::Plain(_) => AnswerBody::Plain(dialect.overloaded(body, number).into()),
        AnswerBody::Events { mut events, gap } => {
            events.push(dialect.error_event(body, number));
            AnswerBody::Events { events, gap }
        }
    };
    Answer { status: 200, body, ..answer }
}

fn malformed(answer: Answer) -> Answer {
    let body = match answer.body {
        AnswerBody::Plain(bytes) => AnswerBody::Plain(without_last_brace(&bytes)),
        AnswerBody::Events { mut events, gap } => {
            if let Some(event) = events.get_mut(1) {
                *event = without_last_brace(event);
            }
            AnswerBody::Events { events, gap }
        }
    };
    Answer { body, ..answer }
}

fn without_last_brace(bytes: &[u8]) -> Bytes {
    match bytes.iter().rposition(|byte| *byte == b'}') {
        None => Bytes::copy_from_slice(bytes),
        Some(index) => {
            let mut broken = BytesMut::from(&bytes[..index]);
            broken.extend_from_slice(&bytes[index + 1..]);
            broken.freeze()
        }
    }
}
