//! Lets a world happen, in virtual time, and writes down what was seen from outside.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::Arc,
    time::{Duration, Instant},
};

use fb_budget::AccountStats;
use fb_core::{AttemptEnd, Observer, Report, Skip, StreamEvent};
use fb_testkit::{CallRecord, Script, script};
use futures_util::{StreamExt, future::join_all};
use tokio::{
    runtime,
    time::{sleep, timeout},
};

use super::{
    watch::{Heard, Look, Watch},
    world::{Caller, World},
};
use crate::{Answer, Client, Error, Record, clock::now};

/// Longer than anything in a world may take.
const DAY: Duration = Duration::from_hours(24);

/// What was seen.
pub(super) struct Played {
    /// In the order of the world's callers.
    pub(super) told: Vec<Told>,
    /// Every call of every provider, in order.
    pub(super) calls: Vec<CallRecord>,
    /// What was said of all requests, of those whose caller left too.
    pub(super) heard: Heard,
    /// What tenants used, step by step.
    pub(super) looks: Vec<Look>,
    /// What they had used in the end.
    pub(super) used: BTreeMap<String, AccountStats>,
    /// What is remembered of all requests.
    pub(super) records: Vec<Arc<Record>>,
    /// Guards that outlived all requests.
    pub(super) leaks: Vec<String>,
}

/// What one caller was told.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) began: Instant,
    /// Whether its tenant had used so much by then that it was to take the cheaper route.
    pub(super) downshifted: bool,
    /// When the stream was handed out.
    pub(super) opened: Option<Instant>,
    pub(super) ended: Instant,
    pub(super) text: String,
    /// Ids of tool calls.
    pub(super) tools: Vec<String>,
    /// End signals.
    pub(super) dones: u32,
    /// What came after the end.
    pub(super) surplus: u32,
    pub(super) end: End,
}

impl Told {
    pub(super) fn report(&self) -> Option<&Report> {
        match &self.end {
            End::Whole(report) => Some(report),
            End::Error(error) => error.report(),
            End::Left => None,
        }
    }
}

/// How it ended for a caller.
#[derive(Debug)]
pub(super) enum End {
    Whole(Report),
    Error(Error),
    /// It left.
    Left,
}

/// Plays a world. A request that does not end within a day is an error.
pub(super) fn play(world: &World) -> Result<Played, String> {
    let runtime = runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let played = async { timeout(DAY, play_all(world)).await };
    runtime.block_on(played).map_err(|_elapsed| "not over after a day".to_owned())
}

async fn play_all(world: &World) -> Played {
    let script = script(&world.script);
    for (name, provider) in script.providers() {
        provider.signed();
        for (target, capabilities) in world.targets.iter().zip(&world.capabilities) {
            if target.provider == name {
                provider.with_model_capabilities(&target.model, *capabilities);
            }
        }
    }
    let watch = Arc::new(Watch::default());
    let client = client(world, &script, &watch);
    if !world.tenants.is_empty() {
        watch.begin(&client, &script);
    }
    if let Some(decision) = world.forced {
        client.set_level(None, Some(decision));
    }
    let asked = world.callers.iter().map(|caller| watch.steps(ask(world, &client, caller)));
    let told = join_all(asked).await;
    // The tasks of shared calls that nobody waits for end as soon as they are run.
    sleep(Duration::from_millis(1)).await;
    let mut leaks = leaks(&client, &script);
    let mut calls: Vec<CallRecord> =
        script.providers().iter().flat_map(|(_, provider)| provider.log()).collect();
    calls.sort_by_key(|made| made.index);
    let (heard, looks) = watch.end();
    let used = client.tenants().into_iter().map(|(name, used, _)| (name, used)).collect();
    let records = client.traces(usize::MAX);
    for target in &world.targets {
        leaks.extend(taken_slot(&client, world, &target.model).await);
    }
    Played { told, calls, heard, looks, used, records, leaks }
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

async fn ask(world: &World, client: &Client, caller: &Caller) -> Told {
    sleep(caller.starts).await;
    let began = now();
    let mut told = Told {
        began,
        downshifted: is_downshifted(world, client, caller),
        opened: None,
        ended: began,
        text: String::new(),
        tools: Vec::new(),
        dones: 0,
        surplus: 0,
        end: End::Left,
    };
    let patience = caller.leaves.unwrap_or(DAY);
    let end = if caller.streams {
        timeout(patience, streamed(client, caller, &mut told)).await
    } else {
        timeout(patience, plain(client, caller, &mut told)).await
    };
    if let Ok(end) = end {
        told.end = end;
    }
    told.ended = now();
    told
}

/// Whether a request that begins now is to take the cheaper route.
fn is_downshifted(world: &World, client: &Client, caller: &Caller) -> bool {
    let accounts = world.accounts_of(caller);
    let tier = world.tenants.get(&accounts[0]).map(|limits| limits.tier).unwrap_or_default();
    let much = client
        .tenants()
        .iter()
        .any(|(name, _, standing)| accounts.contains(name) && standing.downshifts(tier));
    world.cheap.is_some() && caller.model == world.route.name && much
}

async fn plain(client: &Client, caller: &Caller, told: &mut Told) -> End {
    match client.chat(caller.request()).await {
        Ok(Answer { reply, report }) => {
            told.text = reply.text;
            told.tools = reply.tool_calls.into_iter().map(|call| call.id).collect();
            told.dones = 1;
            End::Whole(report)
        }
        Err(error) => End::Error(error),
    }
}

async fn streamed(client: &Client, caller: &Caller, told: &mut Told) -> End {
    let mut stream = match client.stream(caller.request()).await {
        Ok(stream) => stream,
        Err(error) => return End::Error(error),
    };
    told.opened = Some(now());
    let end = loop {
        match stream.next().await {
            None => break End::Whole(stream.report()),
            Some(Err(error)) => break End::Error(error),
            Some(Ok(frame)) => {
                for event in frame.events {
                    told.surplus += told.dones;
                    match event {
                        StreamEvent::Text(text) => told.text.push_str(&text),
                        StreamEvent::ToolCall(delta) => told.tools.extend(delta.id),
                        StreamEvent::Done => told.dones += 1,
                        _ => {}
                    }
                }
                if !caller.pace.is_zero() {
                    sleep(caller.pace).await;
                }
            }
        }
    };
    told.surplus += u32::from(stream.next().await.is_some());
    end
}

/// What is still held though nobody asks.
fn leaks(client: &Client, script: &Script) -> Vec<String> {
    let mut leaks = Vec::new();
    if client.outstanding_permits() > 0 {
        leaks.push(format!("{} permits are out", client.outstanding_permits()));
    }
    for (name, provider) in script.providers() {
        if provider.in_flight() > 0 {
            leaks.push(format!("{} calls to {name} are under way", provider.in_flight()));
        }
    }
    leaks
}

/// Fills a target to its limit, an hour later: nothing may be in the way.
async fn taken_slot(client: &Client, world: &World, model: &str) -> Option<String> {
    let target = world.route.targets.iter().find(|target| target.model == model && target.enabled)?;
    let most = target.max_in_flight?;
    sleep(Duration::from_hours(1)).await;
    let name = format!("{}/{}", target.provider, target.model);
    let asked = (0..most).map(|_| timeout(Duration::from_secs(1), client.chat(super::super::named(&name))));
    let full = |report: &Report| {
        let skips = |end: &AttemptEnd| matches!(end, AttemptEnd::Skipped { why: Skip::AtCapacity, .. });
        report.trace.rows().iter().any(|row| skips(&row.end))
    };
    let answers = join_all(asked).await;
    let errors = answers.into_iter().flatten().filter_map(Result::err);
    let turned_away = errors.filter(|error| error.report().is_some_and(full)).count();
    (turned_away > 0).then(|| format!("{turned_away} of {most} places at {model} stay taken"))
}

/// Everything that was seen, as text: what a replay shows, and what must be the same twice.
pub(super) fn print(world: &World, played: &Played) -> String {
    let mut out = String::new();
    let begin = played.told.iter().map(|told| told.began).min().unwrap();
    let since = |at: Instant| at.saturating_duration_since(begin);
    for (caller, told) in world.callers.iter().zip(&played.told) {
        let Told { began, downshifted: _, opened, ended, text, tools, dones, surplus, end } = told;
        let mode = if caller.streams { "stream" } else { "plain" };
        writeln!(out, "{} {mode} {:?} to {:?}", caller.name, since(*began), since(*ended)).unwrap();
        writeln!(
            out,
            "  opened {:?}, {text:?} {tools:?}, {dones} dones, {surplus} after the end",
            opened.map(since)
        )
        .unwrap();
        let head = match end {
            End::Whole(_) => "whole".to_owned(),
            End::Error(error) => format!("{} {}: {error}", error.status(), error.code()),
            End::Left => "left".to_owned(),
        };
        writeln!(out, "  {head}").unwrap();
        if let Some(Report { id: _, served_by, level, took, cache, degraded, trace }) = told.report() {
            let by = served_by.as_ref().map(ToString::to_string);
            writeln!(out, "  by {by:?} at {level} in {took:?}, {cache:?}, instead of {degraded:?}\n{trace}")
                .unwrap();
        }
    }
    for made in &played.calls {
        let ended = made.ended.map(|(at, fate)| (since(at), fate));
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
    for (tenant, report) in &played.heard.reports {
        writeln!(out, "finished {tenant:?} {}", report.trace.one_line()).unwrap();
    }
    for (name, used) in &played.used {
        writeln!(out, "tenant {name} {used:?}").unwrap();
    }
    writeln!(out, "leaks {:?}", played.leaks).unwrap();
    out
}

/// Whose request a call was made for.
pub(super) fn user(made: &CallRecord) -> &str {
    made.request.chat().ok().and_then(|chat| chat.user.as_deref()).unwrap_or_default()
}
