use std::{fmt, sync::Arc};

use fb_core::{Event, Observer};

/// Tells several observers, in their order.
#[derive(Clone)]
pub struct Fan(Arc<[Arc<dyn Observer>]>);

impl Fan {
    /// Tells these.
    pub fn new(observers: impl IntoIterator<Item = Arc<dyn Observer>>) -> Self {
        Self(observers.into_iter().collect())
    }
}

impl Observer for Fan {
    fn on(&self, event: &Event<'_>) {
        for observer in &*self.0 {
            observer.on(event);
        }
    }
}

impl fmt::Debug for Fan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fan of {}", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::samples::everything;

    struct Heard(&'static str, Arc<Mutex<Vec<String>>>);

    impl Observer for Heard {
        fn on(&self, event: &Event<'_>) {
            let kind = format!("{event:?}");
            let kind = kind.split(' ').next().unwrap();
            self.1.lock().push(format!("{} {kind}", self.0));
        }
    }

    #[test]
    fn everybody_hears_everything_in_turn() {
        let heard = Arc::default();
        let ear = |name| Arc::new(Heard(name, Arc::clone(&heard))) as Arc<dyn Observer>;
        everything(&Fan::new([ear("first"), ear("second")]), "default", ["a", "a", "b"]);
        let kinds = "Ended Started Ended Started Ended Finished FirstToken Breaker Ladder";
        let expected = kinds.split(' ').flat_map(|kind| [format!("first {kind}"), format!("second {kind}")]);
        assert_eq!(*heard.lock(), expected.collect::<Vec<_>>());
    }
}
