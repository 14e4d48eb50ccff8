use std::{fmt, sync::Arc};

use fb_core::{Event, Observer};

/// An observer that forwards every event to several observers, in order.
#[derive(Clone)]
pub struct FanOut(Arc<[Arc<dyn Observer>]>);

impl FanOut {
    /// Creates an observer that forwards to these.
    pub fn new(observers: impl IntoIterator<Item = Arc<dyn Observer>>) -> Self {
        Self(observers.into_iter().collect())
    }
}

impl Observer for FanOut {
    fn on_event(&self, event: &Event<'_>) {
        for observer in &*self.0 {
            observer.on_event(event);
        }
    }
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

    #[test]
    fn every_observer_gets_every_event_in_order() {
        let events = Arc::default();
        let log = |name| Arc::new(Log(name, Arc::clone(&events))) as Arc<dyn Observer>;
        everything(&FanOut::new([log("first"), log("second")]), "default", ["a", "a", "b"]);
        let kinds = "Ended Started Ended Hop Started Ended Finished FirstToken Breaker ProviderBreaker Ladder Resumed";
        let expected = kinds.split(' ').flat_map(|kind| [format!("first {kind}"), format!("second {kind}")]);
        assert_eq!(*events.lock(), expected.collect::<Vec<_>>());
    }
}
