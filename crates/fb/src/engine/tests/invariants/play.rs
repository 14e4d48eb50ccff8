//! Plays a world in virtual time, and records everything visible from outside.

use std::{
    collections::BTreeMap,
    fmt::Write,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use fb_budget::AccountStats;
use fb_core::{AttemptEnd, Observer, Report, Skip, StreamEvent};
use fb_testkit::{CallRecord, Script, script};
use futures_util::{
    StreamExt,
    future::{Either, join_all, select},
};
use parking_lot::Mutex;
use tokio::{
    runtime,
    time::{sleep, timeout},
};

use super::{
    changes,
    watch::{Finished, Hop, Observed, Snapshot, Watch},
    world::{Caller, World},
};
use crate::{Answer, Client, Error, Record, Stats, clock::now};

/// Longer than any world may take.
const DAY: Duration = Duration::from_hours(24);

/// The record of a played world.
pub(super) struct Played {
    /// The results in the order of the world's callers.
    pub(super) received: Vec<Received>,
    /// Every call of every provider, in order.
    pub(super) calls: Vec<CallRecord>,
    /// The events of all requests, including cancelled ones.
    pub(super) observed: Observed,
    /// The usage of the tenants after every step.
    pub(super) snapshots: Vec<Snapshot>,
    /// The usage of the tenants at the end.
    pub(super) used: BTreeMap<String, AccountStats>,
    /// The counts of the client at the end.
    pub(super) stats: Stats,
    /// The traces of all requests.
    pub(super) records: Vec<Arc<Record>>,
    /// The times at which providers or routes changed.
    pub(super) changed: Vec<Instant>,
    /// Guards that outlived all requests.
    pub(super) leaks: Vec<String>,
}

/// Everything that one caller received.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) began: Instant,
    /// True if its tenant was near its limit, so that the request takes the cheaper route.
    pub(super) downshifted: bool,
    /// The time at which the stream was handed out.
    pub(super) opened: Option<Instant>,
    pub(super) ended: Instant,
    pub(super) text: String,
    /// Ids of tool calls.
    pub(super) tools: Vec<String>,
    /// The number of end signals.
    pub(super) end_signals: u32,
    /// The number of events after the end.
    pub(super) surplus: u32,
    pub(super) end: End,
}

impl Received {
    pub(super) fn report(&self) -> Option<&Report> {
        match &self.end {
            End::Whole(report) => Some(report),
            End::Error(error) => error.report(),
            End::Left => None,
        }
    }
}

/// The end of a request for its caller.
#[derive(Debug)]
pub(super) enum End {
    Whole(Report),
    Error(Error),
    /// The caller left.
    Left,
}

/// Plays a world. A request that does not end within a day is an error.
pub(super) fn play(world: &World) -> Result<Played, String> {
    let runtime = runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let played = async { timeout(DAY, play_all(world)).await };
    runtime.block_on(played).map_err(|_elapsed| "not finished after a day".to_owned())
}

async fn play_all(world: &World) -> Played {
    let script = script(&world.script);
    for (name, provider) in script.providers() {
        provider.signed();
        if world.keys > 1 {
            provider.with_keys(world.keys);
        }
        for (target, capabilities) in world.targets.iter().zip(&world.capabilities) {
            if target.provider == name {
                provider.with_model_capabilities(&target.model, *capabilities);
            }
        }
    }
    if let Some((model, text)) = &world.own_script {
        let own = fb_testkit::script(text).provider("own");
        script.provider(&world.target(model).provider).follow_for_model(model, &own);
    }
    let watch = Arc::new(Watch::default());
    let client = client(world, &script, &watch);
    if !world.tenants.is_empty() {
        watch.begin(&client, &script);
    }
    if let Some(decision) = world.forced {
        client.set_level(None, Some(decision));
    }
    let requests = world.callers.iter().map(|caller| watch.steps(send(world, &client, caller)));
    let changed = Mutex::default();
    let changes = pin!(changes::apply(world, &client, &script, &changed));
    let received = match select(join_all(requests), changes).await {
        Either::Left((received, _changes)) => received,
        Either::Right(_) => unreachable!("changes do not end"),
    };
    // Tasks of coalesced calls that no caller waits for end as soon as they run.
    sleep(Duration::from_millis(1)).await;
    let mut leaks = leaks(&client, &script);
    let mut calls: Vec<CallRecord> =
        script.providers().iter().flat_map(|(_, provider)| provider.log()).collect();
    calls.sort_by_key(|made| made.index);
    let (observed, snapshots) = watch.end();
    let used = client.tenants().into_iter().map(|(name, used, _)| (name, used)).collect();
    let (records, stats) = (client.traces(usize::MAX), client.stats());
    for target in &world.targets {
        leaks.extend(taken_slot(&client, world, &target.model).await);
    }
    let changed = changed.lock().clone();
    Played { received, calls, observed, snapshots, used, stats, records, changed, leaks }
}

fn client(world: &World, script: &Script, watch: &Arc<Watch>) -> Client {
    let mut builder = Client::builder()
        .seed(world.seed)
        .breaker(world.breaker.clone())
        .health(world.health.clone())
        .retry_budget(world.budget.clone())
        .observer(Arc::clone(watch) as Arc<dyn Observer>)
        .route(world.route.clone());
    if let Some(cheap) = &world.cheap {
        builder = builder.route(cheap.clone());
    }
    for (name, limits) in &world.tenants {
        builder = builder.tenant(name, limits.clone());
    }
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    builder.build().unwrap()
}

async fn send(world: &World, client: &Client, caller: &Caller) -> Received {
    sleep(caller.starts).await;
    let began = now();
    let mut received = Received {
        began,
        downshifted: is_downshifted(world, client, caller),
        opened: None,
        ended: began,
        text: String::new(),
        tools: Vec::new(),
        end_signals: 0,
        surplus: 0,
        end: End::Left,
    };
    let leaves = caller.leaves.unwrap_or(DAY);
    let end = if caller.streams {
        timeout(leaves, streamed(client, caller, &mut received)).await
    } else {
        timeout(leaves, plain(client, caller, &mut received)).await
    };
    if let Ok(end) = end {
        received.end = end;
    }
    received.ended = now();
    received
}

/// Returns true if a request that begins now takes the cheaper route.
fn is_downshifted(world: &World, client: &Client, caller: &Caller) -> bool {
    let accounts = world.accounts_of(caller);
    let tier = world.tenants.get(&accounts[0]).map(|limits| limits.tier).unwrap_or_default();
    let near_limit = client
        .tenants()
        .iter()
        .any(|(name, _, standing)| accounts.contains(name) && standing.downshifts(tier));
    world.cheap.is_some() && caller.model == world.route.name && near_limit
}

async fn plain(client: &Client, caller: &Caller, received: &mut Received) -> End {
    match client.chat(caller.request()).await {
        Ok(Answer { reply, report }) => {
            received.text = reply.text;
            received.tools = reply.tool_calls.into_iter().map(|call| call.id).collect();
            received.end_signals = 1;
            End::Whole(report)
        }
        Err(error) => End::Error(error),
    }
}

async fn streamed(client: &Client, caller: &Caller, received: &mut Received) -> End {
    let mut stream = match client.stream(caller.request()).await {
        Ok(stream) => stream,
        Err(error) => return End::Error(error),
    };
    received.opened = Some(now());
    let end = loop {
        match stream.next().await {
            None => break End::Whole(stream.report()),
            Some(Err(error)) => break End::Error(error),
            Some(Ok(frame)) => {
                for event in frame.events {
                    received.surplus += received.end_signals;
                    match event {
                        StreamEvent::Text(text) => received.text.push_str(&text),
                        StreamEvent::ToolCall(delta) => received.tools.extend(delta.id),
                        StreamEvent::Done => received.end_signals += 1,
                        _ => {}
                    }
                }
                if !caller.pace.is_zero() {
                    sleep(caller.pace).await;
                }
            }
        }
    };
    received.surplus += u32::from(stream.next().await.is_some());
    end
}

/// Returns the guards that are still held although no request is in flight.
fn leaks(client: &Client, script: &Script) -> Vec<String> {
    let mut leaks = Vec::new();
    if client.outstanding_permits() > 0 {
        leaks.push(format!("{} permits are outstanding", client.outstanding_permits()));
    }
    for (name, provider) in script.providers() {
        if provider.in_flight() > 0 {
            leaks.push(format!("{} calls to {name} are in flight", provider.in_flight()));
        }
    }
    leaks
}

/// Fills a target to its limit an hour later, and returns an error if a slot is still taken.
async fn taken_slot(client: &Client, world: &World, model: &str) -> Option<String> {
    let target = world.route.targets.iter().find(|target| target.model == model && target.enabled)?;
    let most = target.max_in_flight?;
    sleep(Duration::from_hours(1)).await;
    let name = format!("{}/{}", target.provider, target.model);
    let requests =
        (0..most).map(|_| timeout(Duration::from_secs(1), client.chat(super::super::named(&name))));
    let full = |report: &Report| {
        let skips = |end: &AttemptEnd| matches!(end, AttemptEnd::Skipped { why: Skip::AtCapacity, .. });
        report.trace.rows().iter().any(|row| skips(&row.end))
    };
    let answers = join_all(requests).await;
    let errors = answers.into_iter().flatten().filter_map(Result::err);
    let turned_away = errors.filter(|error| error.report().is_some_and(full)).count();
    (turned_away > 0).then(|| format!("{turned_away} of {most} slots of {model} stay taken"))
}

/// Formats the record as text, for replays and for the comparison of two runs.
pub(super) fn print(world: &World, played: &Played) -> String {
    let mut out = String::new();
    let begin = played.received.iter().map(|received| received.began).min().unwrap();
    let since = |at: Instant| at.saturating_duration_since(begin);
    for (caller, received) in world.callers.iter().zip(&played.received) {
        let Received { began, downshifted: _, opened, ended, text, tools, end_signals, surplus, end } =
            received;
        let mode = if caller.streams { "stream" } else { "plain" };
        writeln!(out, "{} {mode} {:?} to {:?}", caller.name, since(*began), since(*ended)).unwrap();
        writeln!(
            out,
            "  opened {:?}, {text:?} {tools:?}, {end_signals} end_signals, {surplus} after the end",
            opened.map(since)
        )
        .unwrap();
        let head = match end {
            End::Whole(_) => "whole".to_owned(),
            End::Error(error) => format!("{} {}: {error}", error.status(), error.code()),
            End::Left => "left".to_owned(),
        };
        writeln!(out, "  {head}").unwrap();
        if let Some(Report {
            id: _,
            primary,
            hops,
            served_by,
            level,
            took,
            cache,
            degraded,
            limit,
            trace,
            ..
        }) = received.report()
        {
            let [primary, by] =
                [primary.as_ref().map(ToString::to_string), served_by.as_ref().map(ToString::to_string)];
            writeln!(out, "  primary {primary:?}, {hops} hops, by {by:?} at {level} in {took:?}, {cache:?}, instead of {degraded:?}, limit {limit:?}\n{trace}")
                .unwrap();
        }
    }
    for made in &played.calls {
        let ended = made.ended.map(|(at, outcome)| (since(at), outcome));
        let user = user(made);
        writeln!(
            out,
            "call {} {} by {user} {:?} streamed {} {ended:?}",
            made.index,
            made.model,
            since(made.began),
            made.streamed
        )
        .unwrap();
    }
    for Finished { tenant, report, .. } in &played.observed.finished {
        writeln!(out, "finished {tenant:?} {}", report.trace.one_line()).unwrap();
    }
    for Hop { tenant, from, to } in &played.observed.hops {
        writeln!(out, "hop {tenant:?} {from} to {to}").unwrap();
    }
    let Stats { requests, answered, cached, cancelled, per_attempt, per_request, .. } = &played.stats;
    writeln!(out, "{requests} requests, {answered} answered, {cached} cached, {cancelled} cancelled")
        .unwrap();
    writeln!(out, "per attempt {per_attempt:?}, per request {per_request:?}").unwrap();
    for (name, used) in &played.used {
        writeln!(out, "tenant {name} {used:?}").unwrap();
    }
    writeln!(out, "leaks {:?}", played.leaks).unwrap();
    out
}

/// Returns the name of the caller that a call was made for.
pub(super) fn user(made: &CallRecord) -> &str {
    made.request.chat().ok().and_then(|chat| chat.user.as_deref()).unwrap_or_default()
}
