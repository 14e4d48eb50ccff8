//! What can go wrong, and the words for it.

mod parse;
mod play;

use std::time::Duration;

use bytes::Bytes;

pub use self::parse::ParseFaultError;
pub(crate) use self::parse::{Order, USAGE};
pub(crate) use self::play::Play;

/// How a simulated provider fails.
///
/// In a streamed answer an event is one SSE event or one NDJSON line. A plain answer counts as two events, its
/// halves. A fault placed after more events than there are comes before the last one, so that it is never lost.
///
/// `FromStr` and `Display` speak the language of `POST /sim/fault`:
///
/// ```
/// use fb_sim::Fault;
///
/// let fault: Fault = "status=429 retry-after=2".parse()?;
/// assert_eq!(fault, Fault::status(429).with_header("retry-after", "2"));
/// assert_eq!(fault.to_string(), "status=429 retry-after=2");
/// # Ok::<(), fb_sim::ParseFaultError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing listens: connects are refused, idle connections are closed, open ones end with their answer.
    /// Takes effect at once and lasts until healed, also when queued: refused connections can't be counted.
    Refuse,
    /// RST once the request was read.
    Reset,
    /// RST once the connection was accepted; no request is read or counted. On a kept-alive connection, like
    /// [`Fault::Reset`].
    ResetOnAccept,
    /// FIN once the connection was accepted; no request is read or counted. On a kept-alive connection, FIN once
    /// the request was read.
    CloseOnAccept,
    /// Reads the request and never answers.
    StallHeaders,
    /// Status and headers, then nothing.
    StallBody,
    /// Stops without a word after some events.
    StallMid {
        /// Events sent before.
        after_events: usize,
    },
    /// The body one byte at a time.
    Drip {
        /// Pause before each byte.
        every: Duration,
    },
    /// FIN after some bytes of the body: short of its content length, or of its last chunk. A plain answer
    /// always lacks its last byte at least.
    CutAt {
        /// Body bytes sent before.
        byte: usize,
    },
    /// Ends the connection after some events, short of the content length or the last chunk.
    CutAfterEvents {
        /// Events sent before.
        events: usize,
        /// RST instead of FIN.
        reset: bool,
    },
    /// A clean HTTP end after some events, with nothing that says the answer is complete: no `[DONE]`, no
    /// `message_stop`, no `done`.
    EndEarly {
        /// Events sent before.
        events: usize,
    },
    /// An answer of this status.
    Status {
        /// From 200 to 999.
        status: u16,
        /// Added to the dialect's own, which they replace where the names are equal.
        headers: Vec<(String, String)>,
        /// `None`: what a real provider of the dialect sends with this status.
        body: Option<String>,
    },
    /// The dialect's error inside a stream that began well; in place of a plain answer, the error with status 200.
    StreamError {
        /// Events sent before.
        after_events: usize,
        /// The error's JSON. `None`: the dialect's "overloaded".
        body: Option<String>,
    },
    /// The dialect's "out of money": a 429 that waiting doesn't cure.
    Quota,
    /// The dialect's "prompt too long".
    ContextLength,
    /// 200 and no body.
    Empty200,
    /// The right answer short of one closing brace, at a truthful length; in a stream, its second event is.
    MalformedJson,
    /// 200 and a page made for people, as from a captive portal.
    Html,
    /// The right answer as `text/plain`.
    WrongContentType,
    /// The content policy of the provider.
    Block(BlockForm),
    /// Answers well, then closes the kept-alive connection without having said so.
    CloseKeepAlive,
    /// Answers well, then closes the kept-alive connection when the next request comes in on it. That request is
    /// counted, and gets no byte of an answer.
    CloseOnNext,
    /// These bytes in place of an HTTP answer, then FIN.
    Raw(Bytes),
}

/// The ways a content policy shows. Ollama has none of them: there every form is a refusal in plain words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BlockForm {
    /// The request is refused with status 400.
    Http400,
    /// 200 with nothing said, and `finish_reason: content_filter` or `stop_reason: refusal`.
    FinishReason,
    /// 200 with a refusal in words: `message.refusal`, or text with `stop_reason: refusal`.
    Refusal,
    /// The first half of the answer, then as [`BlockForm::FinishReason`].
    MidStream,
}

impl Fault {
    /// An answer of this status with the body a real provider of the dialect sends.
    pub fn status(status: u16) -> Self {
        Self::Status { status, headers: Vec::new(), body: None }
    }

    /// Adds a header to a [`Fault::Status`]; other faults stay as they are.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        if let Self::Status { headers, .. } = &mut self {
            headers.push((name.into(), value.into()));
        }
        self
    }

    /// Sets the body of a [`Fault::Status`] or [`Fault::StreamError`]; other faults stay as they are.
    #[must_use]
    pub fn with_body(mut self, text: impl Into<String>) -> Self {
        if let Self::Status { body, .. } | Self::StreamError { body, .. } = &mut self {
            *body = Some(text.into());
        }
        self
    }
}
