//! Failures of which no code shows whether the request or the target is the cause: only distinct requests that fail alike
//! are evidence against the target.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::{Duration, Instant},
};

use fb_core::{ChatRequest, Failure, FailureKind, Role};

/// The number of distinct conversations in a row with equal failures that are evidence against the target.
const DISTINCT: usize = 3;
/// The time after which a failure is no evidence any more.
const WINDOW: Duration = Duration::from_secs(300);

/// The latest unexplained failures of a target, all of them alike.
#[derive(Debug, Default)]
pub(super) struct Suspicion {
    alike: Option<(FailureKind, Option<u16>, Option<String>)>,
    /// Fingerprints of the requests, with the times of their failures.
    requests: Vec<(u64, Instant)>,
}

impl Suspicion {
    /// Records a failure of the request with this fingerprint. Returns true if the target is the cause, and starts again.
    pub(super) fn record(&mut self, failure: &Failure, request: u64, at: Instant) -> bool {
        let alike = (failure.kind(), failure.status(), failure.code().map(ToOwned::to_owned));
        if self.alike.as_ref() != Some(&alike) {
            *self = Self { alike: Some(alike), requests: Vec::new() };
        }
        self.requests.retain(|(_, since)| at.saturating_duration_since(*since) < WINDOW);
        if !self.requests.iter().any(|(known, _)| *known == request) {
            self.requests.push((request, at));
        }
        let is_target = self.requests.len() >= DISTINCT;
        if is_target {
            *self = Self::default();
        }
        is_target
    }

    /// Forgets the failures, as the target answered.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Returns a number that differs between conversations: between tenants, and between first messages of the user. Further
/// turns and other settings make no difference, as what a firewall blocks stays in the history of a conversation.
pub(super) fn fingerprint(request: &ChatRequest) -> u64 {
    let mut hasher = DefaultHasher::new();
    request.options().tenant.hash(&mut hasher);
    let first = request.chat().ok().and_then(|chat| {
        let mut of_user = chat.messages.iter().filter(|message| message.role == Role::User);
        of_user.next().or_else(|| chat.messages.first())
    });
    match (first, request.raw()) {
        (Some(message), _) => format!("{:?}", message.parts).hash(&mut hasher),
        (None, Some(raw)) => raw.bytes.hash(&mut hasher),
        (None, None) => {}
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use fb_core::{Chat, Message, Options};

    use super::*;

    #[test]
    fn only_distinct_requests_that_fail_alike_are_evidence() {
        let began = crate::clock::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let forbidden = Failure::new(FailureKind::Permission, "").with_status(403);
        let missing = Failure::new(FailureKind::ModelNotFound, "").with_status(404);
        let mut suspicion = Suspicion::default();
        let mut record = |failure, request, seconds| suspicion.record(failure, request, at(seconds));
        // The same request, however often.
        assert!((0..9).all(|second| !record(&forbidden, 1, second)));
        assert!(!record(&forbidden, 2, 10));
        // Another failure in between.
        assert!(!record(&missing, 3, 11));
        assert!(!record(&forbidden, 1, 12));
        assert!(!record(&forbidden, 2, 13));
        assert!(record(&forbidden, 3, 14));
        // After a verdict, and after the window, the count starts again.
        assert!(!record(&forbidden, 1, 15));
        assert!(!record(&forbidden, 2, 16));
        assert!(!record(&forbidden, 3, 316));
    }

    #[test]
    fn fingerprints_differ_between_conversations() {
        let chat = |messages: &[(Role, &str)], max_tokens| {
            let messages = messages.iter().map(|(role, text)| Message::text(*role, *text)).collect();
            Chat { messages, max_tokens, ..Chat::default() }
        };
        let of = |chat| fingerprint(&ChatRequest::from_chat("m", chat));
        let first = [(Role::System, "be brief"), (Role::User, "a")];
        let second = [&first[..], &[(Role::Assistant, "b"), (Role::User, "c")]].concat();
        assert_eq!(of(chat(&first, None)), of(chat(&second, Some(1))), "a later turn");
        assert_ne!(of(chat(&first, None)), of(chat(&[(Role::User, "b")], None)));
        let acme = Options { tenant: Some("acme".into()), ..Options::default() };
        let of_acme = ChatRequest::from_chat("m", chat(&first, None)).with_options(acme);
        assert_ne!(of(chat(&first, None)), fingerprint(&of_acme));
    }
}
