//! The faults that a simulator can inject.

use std::time::Duration;

use bytes::Bytes;

/// A failure of a simulated provider.
///
/// In a streamed answer, an event is one SSE event or one NDJSON line. A plain answer counts as two events, its halves. A
/// fault after more events than the answer has takes effect before the last one, so that it is never lost.
///
/// `FromStr` and `Display` use the syntax of `POST /sim/fault`.
///
/// # Examples
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
    /// Closes the listener: connections are refused, idle connections are closed, and busy ones close after their answer.
    /// Takes effect at once and lasts until healed, even when queued, because refused connections cannot be counted.
    Refuse,
    /// Sends RST after the request was read.
    Reset,
    /// Sends RST after the connection was accepted; no request is read or counted. On a kept-alive connection, this
    /// equals [`Fault::Reset`].
    ResetOnAccept,
    /// Sends FIN after the connection was accepted; no request is read or counted. On a kept-alive connection, FIN
    /// follows after the request was read.
    CloseOnAccept,
    /// Reads the request and never answers.
    StallHeaders,
    /// Sends status and headers, then nothing.
    StallBody,
    /// Stops sending after some events, with the connection open.
    StallMid {
        /// Number of events sent before.
        after_events: usize,
    },
    /// Sends the body one byte at a time.
    Drip {
        /// Pause before each byte.
        every: Duration,
    },
    /// Sends FIN after some bytes of the body, before its content length or last chunk is complete. A plain answer
    /// always lacks at least its last byte.
    CutAt {
        /// Number of body bytes sent before.
        byte: usize,
    },
    /// Ends the connection after some events, before the content length or the last chunk is complete.
    CutAfterEvents {
        /// Number of events sent before.
        events: usize,
        /// Sends RST instead of FIN.
        reset: bool,
    },
    /// Ends the HTTP response cleanly after some events, but without the end marker of the dialect: no `[DONE]`,
    /// `message_stop` or `done`.
    EndEarly {
        /// Number of events sent before.
        events: usize,
    },
    /// Responds with this status.
    Status {
        /// The status, 200 to 999.
        status: u16,
        /// Headers that are added to those of the dialect, replacing headers of the same name.
        headers: Vec<(String, String)>,
        /// The body. `None` selects the body that a real provider of the dialect sends with this status.
        body: Option<String>,
    },
    /// Sends the dialect's error inside a stream after some events. A plain answer is replaced by the error with status
    /// 200.
    StreamError {
        /// Number of events sent before.
        after_events: usize,
        /// The JSON of the error. `None` selects the dialect's "overloaded" error.
        body: Option<String>,
    },
    /// Sends the dialect's "quota exhausted" error: a 429 that a retry cannot cure.
    Quota,
    /// Sends the dialect's "prompt too long" error.
    ContextLength,
    /// Sends status 200 without a body.
    Empty200,
    /// Sends the correct answer without one closing brace, with a consistent length; in a stream, the second event lacks
    /// it.
    MalformedJson,
    /// Sends status 200 and an HTML page, like a captive portal.
    Html,
    /// Sends the correct answer as `text/plain`.
    WrongContentType,
    /// Blocks the request by the provider's content policy.
    Block(BlockForm),
    /// Answers correctly, then closes the kept-alive connection without `connection: close`.
    CloseKeepAlive,
    /// Answers correctly, then closes the kept-alive connection when the next request arrives on it. That request is
    /// counted, and gets no byte of an answer.
    CloseOnNext,
    /// Sends these bytes instead of an HTTP response, then FIN.
    Raw(Bytes),
}

/// The forms in which a content policy blocks a request. Ollama has no content policy, so every form is a refusal as
/// ordinary text there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BlockForm {
    /// Status 400.
    Http400,
    /// Status 200 without content, and `finish_reason: content_filter` or `stop_reason: refusal`.
    FinishReason,
    /// Status 200 with a refusal as text: in `message.refusal`, or as content with `stop_reason: refusal`.
    Refusal,
    /// The first half of the answer, then the same as [`BlockForm::FinishReason`].
    MidStream,
}

impl Fault {
    /// Creates a [`Fault::Status`] with the body that a real provider of the dialect sends.
    pub fn status(status: u16) -> Self {
        Self::Status { status, headers: Vec::new(), body: None }
    }

    /// Adds a header to a [`Fault::Status`]; other faults are returned unchanged.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        if let Self::Status { headers, .. } = &mut self {
            headers.push((name.into(), value.into()));
        }
        self
    }

    /// Sets the body of a [`Fault::Status`] or [`Fault::StreamError`]; other faults are returned unchanged.
    #[must_use]
    pub fn with_body(mut self, text: impl Into<String>) -> Self {
        if let Self::Status { body, .. } | Self::StreamError { body, .. } = &mut self {
            *body = Some(text.into());
        }
        self
    }
}
