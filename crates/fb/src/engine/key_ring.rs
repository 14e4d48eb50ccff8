//! The API keys of a provider as one target uses them, and the use of one by a call.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use fb_core::{AnswerHead, CallError, FailureKind, KeyInfo, KeyObserver, Provider};
use parking_lot::Mutex;

use super::{
    key_standing::KeyAdmission,
    keys::{AccountKey, KeyRest, KeyView, TargetKey, choose, choose_resting},
};
use crate::{clock::now, stats::KeyStatus};

/// The rest of a key that met a rate limit without a time, if the provider has others.
const SHORT_REST: Duration = Duration::from_secs(1);

/// The keys of a provider, which all its targets share.
pub(super) struct AccountKeys {
    /// Empty for a provider with one key at most.
    infos: Vec<KeyInfo>,
    keys: Mutex<Vec<AccountKey>>,
}

impl AccountKeys {
    pub(super) fn new(provider: &dyn Provider) -> Self {
        let infos = provider.keys().to_vec();
        let keys = vec![AccountKey::default(); infos.len().max(1)];
        Self { infos, keys: Mutex::new(keys) }
    }

    /// Updates the state of a key under the lock.
    fn update<T>(&self, key: usize, update: impl FnOnce(&mut AccountKey) -> T) -> Option<T> {
        self.keys.lock().get_mut(key).map(update)
    }

    /// Returns the key for a probe: an accepted one that is free, or else the first.
    pub(super) fn for_probe(&self, provider: &dyn Provider, at: Instant) -> usize {
        let keys = self.keys.lock().clone();
        let mut usable = keys.into_iter().enumerate().map(|(index, key)| {
            KeyView::new(key, TargetKey::default(), 1.0, || provider.key_generation(index), at)
        });
        usable.position(|key| key.rest.is_none() && !key.is_trial).unwrap_or(0)
    }
}

/// The only request that tries a rejected key, or that reads it again. Dropping it leaves that to the next.
struct KeyClaim {
    account: Arc<AccountKeys>,
    key: usize,
}

impl Drop for KeyClaim {
    fn drop(&mut self) {
        self.account.update(self.key, |key| key.standing.release());
    }
}

/// The use of a key by one call.
pub(crate) struct KeyUse {
    /// The place of the key among those of the provider.
    index: u32,
    /// The generation of the secret that the call is sent with, or of an earlier one.
    generation: u64,
    /// Set for a call that tries a rejected key; empty once the key is accepted. Boxed, as most calls are no trials.
    trial: Option<Box<Mutex<Option<KeyClaim>>>>,
}

impl KeyUse {
    /// Returns the place of the key among those of the provider.
    pub(super) const fn index(&self) -> usize {
        self.index as usize
    }

    /// Returns true if the call tries a rejected key.
    pub(super) const fn is_trial(&self) -> bool {
        self.trial.is_some()
    }

    /// Records the generation of the secret that the call is sent with. It is read before the call.
    pub(super) fn record_generation(&mut self, provider: &dyn Provider) {
        self.generation = provider.key_generation(self.index());
    }

    /// Ends the trial of the key if the end of the call shows that the provider took it.
    pub(super) fn record_end<T>(&self, called: &Result<T, CallError>) {
        let is_accepted = match called {
            Ok(_) | Err(CallError::Blocked(_)) => true,
            Err(CallError::Failed(failure)) => {
                let is_answer = failure.status().is_some_and(|status| !matches!(status, 401 | 403));
                is_answer && failure.kind() != FailureKind::Auth
            }
        };
        if is_accepted {
            self.accept();
        }
    }

    /// Records that the provider answered the call and took its key.
    fn accept(&self) {
        let claim = self.trial.as_ref().and_then(|trial| trial.lock().take());
        if let Some(claim) = claim {
            claim.account.update(claim.key, |key| key.standing.accept());
        }
    }
}

/// The keys of a provider at one target.
pub(super) struct KeyRing {
    provider: Arc<dyn Provider>,
    account: Arc<AccountKeys>,
    own: Arc<Mutex<Vec<TargetKey>>>,
}

impl KeyRing {
    pub(super) fn new(provider: Arc<dyn Provider>, account: Arc<AccountKeys>) -> Self {
        let own = vec![TargetKey::default(); account.infos.len().max(1)];
        Self { provider, account, own: Arc::new(Mutex::new(own)) }
    }

    /// Returns the ring of the same target for the keys of an account, which keeps its state if they have the same names.
    pub(super) fn with_account(&self, provider: Arc<dyn Provider>, account: Arc<AccountKeys>) -> Self {
        if self.account.infos == account.infos {
            Self { provider, account, own: Arc::clone(&self.own) }
        } else {
            Self::new(provider, account)
        }
    }

    /// Returns true if the provider has several keys.
    pub(super) fn has_several(&self) -> bool {
        !self.account.infos.is_empty()
    }

    fn count(&self) -> usize {
        self.account.infos.len().max(1)
    }

    /// Returns the name of the key of a call, if the provider has several.
    pub(super) fn name(&self, key: &KeyUse) -> Option<Arc<str>> {
        self.account.infos.get(key.index()).map(|info| Arc::clone(&info.name))
    }

    /// Calls a function with the view of every key. The states are copied, so that no lock is held meanwhile.
    fn with_views<T>(&self, at: Instant, read: impl FnOnce(&[KeyView]) -> T) -> T {
        let view = |index, account, own, weight| {
            KeyView::new(account, own, weight, || self.provider.key_generation(index), at)
        };
        if !self.has_several() {
            let first = |keys: &Mutex<Vec<AccountKey>>| keys.lock().first().copied().unwrap_or_default();
            let own = self.own.lock().first().copied().unwrap_or_default();
            return read(&[view(0, first(&self.account.keys), own, 1.0)]);
        }
        let (accounts, own) = (self.account.keys.lock().clone(), self.own.lock().clone());
        let keys = accounts.into_iter().zip(own).zip(&self.account.infos).enumerate();
        let views = keys.map(|(index, ((account, own), info))| view(index, account, own, info.weight));
        read(&views.collect::<Vec<_>>())
    }

    /// Returns the rest of the key that is free first, if all rest.
    pub(super) fn rest(&self, at: Instant) -> Option<KeyRest> {
        self.with_views(at, |keys| choose(keys, 0.0).err())
    }

    /// Takes a key for a call: a free one or, for a call to a target that rests, the one that is free first. Where there are
    /// several, a random number decides.
    pub(super) fn take(
        &self,
        may_rest: bool,
        at: Instant,
        random: impl FnOnce() -> f64,
    ) -> Result<KeyUse, KeyRest> {
        let random = if self.has_several() { random() } else { 0.0 };
        let choice = || {
            self.with_views(at, |keys| {
                choose(keys, random).or_else(|rest| choose_resting(keys).filter(|_| may_rest).ok_or(rest))
            })
        };
        // Another request may begin the trial of the chosen key first.
        loop {
            let index = choice()?;
            let generation = self.provider.key_generation(index);
            let admission = self.account.update(index, |key| key.standing.admit(generation, at));
            let trial = match admission {
                None | Some(KeyAdmission::Free) => None,
                Some(KeyAdmission::Trial) => {
                    let claim = KeyClaim { account: Arc::clone(&self.account), key: index };
                    Some(Box::new(Mutex::new(Some(claim))))
                }
                Some(KeyAdmission::Denied(_)) => continue,
            };
            return Ok(KeyUse { index: u32::try_from(index).unwrap_or(0), generation, trial });
        }
    }

    /// Reads each resting key again, at most every two seconds. A key that changed may be tried at once.
    pub(super) async fn read_resting(&self, at: Instant) {
        let rejected = |key: &AccountKey| key.standing.is_rejected();
        if !self.account.keys.lock().iter().any(rejected) {
            return;
        }
        for key in 0..self.count() {
            let generation = self.provider.key_generation(key);
            if self.account.update(key, |state| state.standing.try_read(generation, at)) == Some(true) {
                let _claim = KeyClaim { account: Arc::clone(&self.account), key };
                self.provider.reload_key(key).await;
            }
        }
    }

    /// Records that a call was rejected for its key.
    pub(super) fn reject(&self, key: &KeyUse, at: Instant) {
        let current = self.provider.key_generation(key.index());
        let (sent, is_trial) = (key.generation, key.is_trial());
        self.account.update(key.index(), |state| state.standing.reject(sent, current, is_trial, at));
    }

    /// Lets a key rest at all targets of its provider. A running rest is never shortened.
    pub(super) fn cool_down_everywhere(&self, key: &KeyUse, wait: Duration, at: Instant) {
        let until = at.checked_add(wait);
        self.account.update(key.index(), |state| state.cooling_until = state.cooling_until.max(until));
    }

    /// Lets a key rest at this target. Without a time, only one of several keys rests, for a second.
    pub(super) fn cool_down(&self, key: &KeyUse, wait: Option<Duration>, at: Instant) {
        let short = self.has_several().then_some(SHORT_REST);
        if let Some(until) = wait.or(short).and_then(|wait| at.checked_add(wait))
            && let Some(state) = self.own.lock().get_mut(key.index())
        {
            state.cooling_until = state.cooling_until.max(Some(until));
        }
    }

    /// Ends the cool-downs of a key, which was answered although it rested. What its rate limits leave stays known.
    pub(super) fn end_rest(&self, key: &KeyUse) {
        self.account.update(key.index(), |state| state.cooling_until = None);
        if let Some(state) = self.own.lock().get_mut(key.index()) {
            state.cooling_until = None;
        }
    }

    /// Reads every key again, and forgets everything that keeps calls from one.
    pub(super) async fn reset(&self) {
        let count = self.count();
        for key in 0..count {
            self.provider.reload_key(key).await;
        }
        *self.account.keys.lock() = vec![AccountKey::default(); count];
        *self.own.lock() = vec![TargetKey::default(); count];
    }

    /// Returns the observer of the answers to a call.
    pub(super) const fn observer<'a>(&'a self, key: &'a KeyUse) -> AnswerObserver<'a> {
        AnswerObserver { ring: self, key }
    }

    /// Returns the status of every key; none if there is a single one.
    pub(super) fn status(&self, at: Instant) -> Vec<KeyStatus> {
        let infos = &self.account.infos;
        self.with_views(at, |keys| {
            let status = |(info, key): (&KeyInfo, &KeyView)| KeyStatus {
                name: Arc::clone(&info.name),
                rejected: matches!(key.rest, Some(KeyRest::Rejected(_))),
                free_in: key.rest.map(KeyRest::left),
                share_left: key.share_left,
            };
            infos.iter().zip(keys).map(status).collect()
        })
    }
}

/// Records what the answers to a call show about its key.
pub(super) struct AnswerObserver<'a> {
    ring: &'a KeyRing,
    key: &'a KeyUse,
}

impl fmt::Debug for AnswerObserver<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerObserver").field("key", &self.key.index).finish_non_exhaustive()
    }
}

impl KeyObserver for AnswerObserver<'_> {
    /// Records the rate limits. A success ends the trial of the key; whether an error rejects the key is known from its
    /// body only.
    fn on_head(&self, head: AnswerHead) {
        if let Some(state) = self.ring.own.lock().get_mut(self.key.index()) {
            state.record_limits(head.limits, now());
        }
        if matches!(head.status, 200..=299) {
            self.key.accept();
        }
    }
}
