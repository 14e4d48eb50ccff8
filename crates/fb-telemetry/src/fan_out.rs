use std::{
    any::Any,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use fb_core::{Event, Observer};

/// An observer that forwards every event to several observers, in order.
///
/// A panic of one of them is caught: neither the other observers nor the request see it. The first panic of each is
/// logged as a `tracing` event of level error.
#[derive(Clone, Default)]
pub struct FanOut(Arc<[Isolated]>);

/// An observer with the memory of its first panic.
#[derive(Clone)]
struct Isolated {
    observer: Arc<dyn Observer>,
    has_panicked: Arc<AtomicBool>,
}

impl FanOut {
    /// Creates an observer that forwards to these.
    pub fn new(observers: impl IntoIterator<Item = Arc<dyn Observer>>) -> Self {
        Self(observers.into_iter().map(Isolated::new).collect())
    }

    /// Returns an observer that forwards to these and then to another one.
    #[must_use]
    pub fn and(&self, observer: Arc<dyn Observer>) -> Self {
        Self(self.0.iter().cloned().chain([Isolated::new(observer)]).collect())
    }

    /// Returns `true` if there is no observer to forward to.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Observer for FanOut {
    fn on_event(&self, event: &Event<'_>) {
        for isolated in &*self.0 {
            isolated.on_event(event);
        }
    }
}

impl Isolated {
    fn new(observer: Arc<dyn Observer>) -> Self {
        Self { observer, has_panicked: Arc::default() }
    }

    fn on_event(&self, event: &Event<'_>) {
        // An observer is shared by all requests, so that it must keep its own state consistent in any case.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.observer.on_event(event)))
            && !self.has_panicked.swap(true, Ordering::Relaxed)
        {
            let message = message(&*panic);
            tracing::error!(message, "an observer panicked; further panics of it are not logged");
        }
    }
}

/// Returns the message of a panic.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("(no message)")
}

impl fmt::Debug for FanOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FanOut of {}", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::samples::everything;

    struct Log(&'static str, Arc<Mutex<Vec<String>>>);

    impl Observer for Log {
        fn on_event(&self, event: &Event<'_>) {
            let kind = format!("{event:?}");
            let kind = kind.split(' ').next().unwrap();
            self.1.lock().push(format!("{} {kind}", self.0));
        }
    }

    struct Panics;

    impl Observer for Panics {
        fn on_event(&self, _event: &Event<'_>) {
            panic!("an observer of the test");
        }
    }

    #[test]
    fn every_observer_gets_every_event_in_order_even_if_one_panics() {
        let events = Arc::default();
        let log = |name| Arc::new(Log(name, Arc::clone(&events))) as Arc<dyn Observer>;
        let both = FanOut::new([log("first"), Arc::new(Panics)]).and(log("second"));
        everything(&both, "default", ["a", "a", "b"]);
        let kinds = "Ended Started Ended Hop Started Ended Finished FirstToken Breaker ProviderBreaker Ladder Resumed Rejected";
        let expected = kinds.split(' ').flat_map(|kind| [format!("first {kind}"), format!("second {kind}")]);
        assert_eq!(*events.lock(), expected.collect::<Vec<_>>());
    }
}
