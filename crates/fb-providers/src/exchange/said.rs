use std::time::{Duration, SystemTime};

use fb_core::{BlockCategory, Failure, FailureKind, Phase};
use fb_wire::{
    errors::ErrorBody,
    headers::{self, RetryHint},
};

use crate::http::Answer;

/// What a provider says about a call that gave no answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said<'a> {
    /// The HTTP status; `None` for an error inside an answer with a good one.
    pub(crate) status: Option<u16>,
    /// What the body says.
    pub(crate) body: &'a ErrorBody,
}

/// What it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// A failure of this kind.
    Failed(FailureKind),
    /// A content-policy refusal.
    Blocked(BlockCategory),
}

impl From<FailureKind> for Class {
    fn from(kind: FailureKind) -> Self {
        Self::Failed(kind)
    }
}

impl Said<'_> {
    /// The HTTP status, or the one that an error inside an answer names as its code.
    pub(crate) fn status(&self) -> Option<u16> {
        let named = || self.body.code.as_deref()?.parse().ok().filter(|status| (400..600).contains(status));
        self.status.or_else(named)
    }

    /// Whether any of the machine-readable words is one of these, regardless of case.
    pub(crate) fn is(&self, words: &[&str]) -> bool {
        let body = self.body;
        [&body.code, &body.kind, &body.detail_code, &body.error_type, &body.inner_code, &body.status]
            .into_iter()
            .flatten()
            .any(|said| words.iter().any(|word| said.eq_ignore_ascii_case(word)))
    }

    /// Whether the message holds one of these texts, given in lower case. Only for a 4xx, or an error inside an
    /// answer, of a provider known to use these words: messages may echo a prompt.
    pub(crate) fn says(&self, texts: &[&str]) -> bool {
        // What is no JSON is some proxy's page.
        if !self.body.json || !matches!(self.status(), None | Some(400..=499)) {
            return false;
        }
        let message = self.body.message.to_lowercase();
        texts.iter().any(|text| message.contains(text))
    }

    /// The class, unless a provider that failed claims that the caller is at fault: a proxy's or a crashed
    /// server's word about context or policy is worth nothing.
    pub(crate) fn settle(&self, class: Class) -> Class {
        let Some(status) = self.status() else { return class };
        // Of the 5xx only 501 is about the request.
        let blames_the_caller = match class {
            Class::Blocked(_) | Class::Failed(FailureKind::ContextLength) => status >= 500,
            Class::Failed(FailureKind::InvalidRequest) => status >= 500 && status != 501,
            Class::Failed(_) => false,
        };
        // Whatever comes with a redirect: nobody may be followed who was not configured.
        let is_redirect = matches!(status, 300..=399);
        if blames_the_caller || is_redirect { by_status(status).into() } else { class }
    }

    /// The message, or what the status says.
    pub(crate) fn detail(&self) -> String {
        match (self.body.message.is_empty(), self.status()) {
            (false, _) => self.body.message.clone(),
            (true, Some(status)) => format!("status {status} without a message"),
            (true, None) => "an error without a message".to_owned(),
        }
    }

    /// The most telling machine-readable word.
    pub(crate) fn shown_code(&self) -> Option<String> {
        let body = self.body;
        let words = [&body.detail_code, &body.error_type, &body.code, &body.kind, &body.status];
        let is_word = |word: &&String| word.parse::<u16>().is_err();
        words.into_iter().flatten().find(is_word).cloned()
    }

    /// The provider's id of the request, if the body names it.
    pub(crate) fn request_id(&self) -> Option<&str> {
        self.body.request_id.as_deref()
    }

    /// How long the body asks to wait.
    pub(crate) const fn hint(&self) -> Option<Duration> {
        self.body.retry_delay
    }
}

/// What a status means when nothing else is known.
pub(crate) const fn by_status(status: u16) -> FailureKind {
    match status {
        400 | 411 | 414 | 415 | 422 | 431 => FailureKind::InvalidRequest,
        401 => FailureKind::Auth,
        402 => FailureKind::QuotaExhausted,
        403 => FailureKind::Permission,
        404 | 410 => FailureKind::ModelNotFound,
        408 | 504 | 522 | 524 => FailureKind::Timeout(Phase::FirstByte),
        // A lock that someone else holds, and a dependency that failed: both theirs.
        409 | 424 | 425 | 500 | 502 | 503 => FailureKind::ServerError,
        413 => FailureKind::TooLarge,
        429 => FailureKind::RateLimited,
        451 => FailureKind::Region,
        // The connection behind an edge broke: nginx says the client left, Cloudflare that its origin did.
        499 | 520 | 521 | 523 | 525 | 526 => FailureKind::Network,
        529 => FailureKind::Overloaded,
        // A redirect is not followed: it would carry the key to whoever it names.
        300..=399 => FailureKind::Malformed,
        _ => FailureKind::Unknown { server: status >= 500 },
    }
}

/// The provider's id of the request.
pub(super) fn request_id(answer: &Answer) -> Option<String> {
    headers::request_id(&|name| answer.header(name)).map(ToOwned::to_owned)
}

/// A failure with everything that the head and the body of an answer say.
pub(super) fn failure(kind: FailureKind, said: &Said<'_>, answer: &Answer) -> Failure {
    let RetryHint { after, should_retry } = headers::retry_hint(&|name| answer.header(name), wall());
    let detail = match kind {
        FailureKind::Malformed if matches!(answer.status(), 300..=399) => {
            "a redirect, which is not followed; is base_url right?".to_owned()
        }
        _ => said.detail(),
    };
    Failure::new(kind, detail)
        .with_status(answer.status())
        .with_code(said.shown_code())
        .with_request_id(request_id(answer).or_else(|| said.request_id().map(ToOwned::to_owned)))
        .with_hint(after.or_else(|| said.hint()))
        .with_should_retry(should_retry)
}

#[expect(clippy::disallowed_methods, reason = "an HTTP date can only be held against the wall clock")]
fn wall() -> SystemTime {
    SystemTime::now()
}
