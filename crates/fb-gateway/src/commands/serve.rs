//! `fb serve`: runs the gateway.

use std::{net::SocketAddr, path::Path, process::ExitCode, sync::Arc, time::Duration};

use fb::Client;
use fb_server::{Log, Shutdown};
use fb_telemetry::record::{RecordConfig, Recorder};
use tokio::sync::oneshot;

use crate::{
    config::{self, LoadedConfig, from_environment},
    runtime::{StopSignal, StopSignals, hangup_signal, ignore_hangups, runtime},
    stdout::print_line,
};

/// Runs the gateway until SIGINT or SIGTERM.
pub(crate) fn serve(config: Option<&Path>, listen: Option<SocketAddr>) -> Result<ExitCode, String> {
    runtime()?.block_on(async {
        let (hangups, signals) = (hangup_signal()?, StopSignals::start()?);
        let (mut loaded, origin) = if let Some(file) = config {
            (config::load(file)?, format!("config {}", file.display()))
        } else {
            let (fb, found) = from_environment::from_environment().await?;
            let loaded = LoadedConfig { fb, ..LoadedConfig::default() };
            (loaded, format!("no config; found {}", from_environment::describe(&found)))
        };
        if let Some(listen) = listen {
            loaded.server.listen = listen;
        }
        let log = Arc::new(Log::init(loaded.server.log));
        let recorder = loaded.record.as_ref().map(record).transpose()?.map(Arc::new);
        let (observer, scrape) = fb_server::observers(&log, &loaded.fb, &loaded.drift, recorder.as_ref())
            .map_err(|error| error.to_string())?;
        let client = Client::builder()
            .config(&loaded.fb)
            .and_then(|builder| builder.observer(Arc::new(observer)).build())
            .map_err(|error| error.to_string())?;
        let (operator, owner) = (client.clone(), client.clone());
        let gateway = fb_server::start(&loaded.server, &loaded.fb, client)
            .await
            .map_err(|error| format!("cannot listen on {}: {error}", loaded.server.listen))?;
        let gateway = match &loaded.admin {
            Some(admin) if loaded.server.operator_routes => gateway.with_operator_routes(admin),
            Some(admin) => gateway.with_operators(admin),
            None => Ok(gateway),
        }
        .map_err(|error| error.to_string())?;
        announce(&loaded, &origin, gateway.addr());
        for warning in loaded.all_warnings() {
            print_line(&format!("  warning: {warning}"));
        }
        let prober = operator.probe();
        let stop = stop(signals, gateway.shutdown(), loaded.server.drain_delay);
        if let Some(admin) = &loaded.admin {
            let admin = fb_server::start_admin(admin, operator, scrape)
                .await
                .map_err(|error| format!("cannot listen on {}: {error}", admin.listen))?
                .ending_with(&gateway);
            print_line(&format!("  admin http://{}/v1/health", admin.addr()));
            // Operators look at the gateway until it has ended.
            let (ended, end) = oneshot::channel::<()>();
            let gateway = async {
                gateway.run_until(stop).await;
                drop(ended);
            };
            let admin = admin.run_until(async {
                let _ended = end.await;
            });
            tokio::select! {
                _ = async { tokio::join!(gateway, admin) } => {}
                () = ignore_hangups(hangups) => {}
            }
        } else {
            tokio::select! {
                () = gateway.run_until(stop) => {}
                () = ignore_hangups(hangups) => {}
            }
        }
        prober.shutdown().await;
        let closed = owner.close().await;
        if let Some(recorder) = recorder {
            recorder.close();
        }
        log.flush();
        closed.map_err(|error| format!("the latest spend of the tenants is not on disk: {error}"))?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Completes when the gateway has to stop accepting connections: after a delay for a supervisor, in which balancers notice
/// that the gateway is not ready, and at once after SIGINT or a second signal.
async fn stop(mut signals: StopSignals, shutdown: Shutdown, delay: Duration) {
    let signal = signals.next().await;
    shutdown.begin();
    if signal == StopSignal::Terminate {
        let _elapsed = tokio::time::timeout(delay, signals.next()).await;
    }
}

fn record(config: &RecordConfig) -> Result<Recorder, String> {
    Recorder::start(config).map_err(|error| format!("record.file {}: {error}", config.file.display()))
}

/// Prints the address, the providers with the sources of their keys, and the routes.
fn announce(loaded: &LoadedConfig, origin: &str, addr: SocketAddr) {
    print_line(&format!("fb  http://{addr}/v1   ({origin})"));
    for (name, provider) in &loaded.fb.providers {
        let address = provider.base_url.as_deref().unwrap_or("its default address");
        let key = match (&provider.api_key, provider.api_keys.len()) {
            (Some(key), _) => format!(", key from {key:?}"),
            (None, 0) => String::new(),
            (None, count) => format!(", {count} keys: {}", provider.key_names().join(", ")),
        };
        print_line(&format!("  provider {name}: {} at {address}{key}", provider.kind));
    }
    for route in loaded.fb.routes.values() {
        print_line(&format!("  route {}:", route.name));
        for target in &route.targets {
            let off = if target.enabled { "" } else { "  (disabled)" };
            print_line(&format!("    {}/{}{off}", target.provider, target.model));
        }
    }
}
