//! What metrics read from a client.

use std::sync::Arc;

use fb_core::Observer;
use fb_telemetry::{Names, Observable, Readings};

use crate::Client;

impl Observable for Client {
    fn names(&self) -> Names {
        let targets = self.targets().into_iter().map(|(id, _)| id).collect();
        let tenants = self.engine.tenant_accounts().into_iter().map(|(name, _)| name).collect();
        let mut names = Names { routes: self.routes(), targets, tenants };
        // A target is also a route, because requests can name it as their model.
        names.routes.extend(names.targets.iter().map(ToString::to_string));
        names
    }

    fn readings(&self) -> Readings {
        Readings::with(|readings| {
            readings.tenants = self.engine.tenant_accounts();
            readings.ledger_failing = self.engine.has_ledger().then(|| self.ledger_failure().is_some());
            readings.quality = self.quality();
            readings.records = None;
        })
    }

    fn attach(&self, observer: Arc<dyn Observer>) {
        self.add_observer(observer);
    }
}
