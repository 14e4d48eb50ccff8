//! A replay of incidents, with the figures of the status pages of two providers: lengths, severities and overlaps.

use std::{f64::consts::TAU, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, bail, ensure};
use fastrand::Rng;
use fb_sim::{Fault, Handle, SimReply};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use super::summary::Summary;
use crate::testbed::{ClientResponse, Setup, Testbed};

/// The length of the replay in the suite.
const LENGTH: Duration = Duration::from_secs(20);
/// A minute of an incident in the suite, and in a longer replay.
const SHORT_MINUTE: Duration = Duration::from_millis(20);
const MINUTE: Duration = Duration::from_millis(100);
const SEED: u64 = 13;
/// The least number of minutes between two incidents, in place of the days between real ones.
const PAUSE: u32 = 100;

/// Time between two requests, of which every other is streamed.
const ARRIVALS: Duration = Duration::from_millis(25);
const WORDS: usize = 20;
/// The role and half of the words.
const EVENTS_BEFORE_DROP: usize = 10;

/// Returns the config of the two providers, with targets as the guides write them. A second of the default times of an
/// open breaker is a minute of the incidents, sixty times as long as in reality. A hang is left after
/// five minutes of a long replay; the suite leaves it as late, for the sake of busy machines.
fn config(minute: Duration) -> String {
    let [base, max] = [5, 15].map(|minutes| (minute * minutes).as_millis());
    let timeout = (MINUTE * 5).as_millis();
    format!(
        r#"
        [breaker]
        open = {{ base = "{base}ms", max = "{max}ms" }}
        [routes.pair]
        resume = true
        targets = [
          {{ provider = "primary", model = "gpt-6.1-sol", timeout = "{timeout}ms" }},
          {{ provider = "backup", model = "claude-sonnet-4-6", timeout = "{timeout}ms" }},
        ]
        "#
    )
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Severity {
    /// No incident.
    Background,
    Minor,
    Major,
    /// Total, with a fast error.
    Down,
    /// Total, without a response.
    Hang,
}

impl Severity {
    /// The shares of failed calls and of dropped streams.
    const fn shares(self) -> (f64, f64) {
        match self {
            Self::Background => (0.05, 0.0),
            Self::Minor => (0.25, 0.05),
            Self::Major => (0.6, 0.1),
            Self::Down | Self::Hang => (1.0, 0.0),
        }
    }

    /// Draws the severity of an incident; the shares are those of 158 incidents.
    fn draw(rng: &mut Rng) -> Self {
        match rng.u32(0..158) {
            0..82 => Self::Minor,
            82..151 => Self::Major,
            _ => *rng.choice(&[Self::Down, Self::Hang]).unwrap_or(&Self::Down),
        }
    }

    /// Applies the failures of the next `calls` calls.
    fn begin(self, sim: &Handle, calls: u32, rng: &mut Rng) {
        sim.heal();
        match self {
            Self::Down => return sim.fault(Fault::status(503)),
            Self::Hang => return sim.fault(Fault::StallHeaders),
            Self::Background | Self::Minor | Self::Major => {}
        }
        let (failed, dropped) = self.shares();
        for _ in 0..calls {
            match rng.f64() {
                drawn if drawn < failed => sim.fault_next(1, failure(rng)),
                drawn if drawn < failed + dropped => {
                    sim.fault_next(1, Fault::CutAfterEvents { events: EVENTS_BEFORE_DROP, reset: true });
                }
                _ => sim.answer_next(1),
            }
        }
    }
}

/// Draws a failure. Rate limits are between a third and two thirds of all failures.
fn failure(rng: &mut Rng) -> Fault {
    match rng.u32(0..10) {
        0..4 => Fault::status(429).with_header("retry-after-ms", "100"),
        4..7 => Fault::status(500),
        7..9 => Fault::status(503),
        _ => Fault::Reset,
    }
}

/// An incident of one of the two providers; times are since the start of the replay.
#[derive(Debug, Clone, Copy)]
struct Incident {
    provider: usize,
    severity: Severity,
    start: Duration,
    end: Duration,
}

/// Draws the incidents of a replay, in the order of their starts. One of each severity comes first. Before each is a time
/// without one, of about its length.
fn draw(rng: &mut Rng, length: Duration, minute: Duration) -> Vec<Incident> {
    let mut first = [Severity::Minor, Severity::Down, Severity::Major, Severity::Hang].into_iter();
    let mut incidents = Vec::new();
    let mut time = Duration::ZERO;
    while time < length {
        let provider = rng.usize(0..2);
        let severity = first.next().unwrap_or_else(|| Severity::draw(rng));
        let lasts = minute.mul_f64(minutes(rng, provider));
        let start = time + lasts.mul_f64(0.5 + rng.f64()).max(minute * PAUSE);
        time = start + lasts;
        incidents.push(Incident { provider, severity, start, end: time });
        if rng.u32(0..4) == 0 {
            let other = 1 - provider;
            let start = start + lasts.mul_f64(rng.f64());
            let end = start + minute.mul_f64(minutes(rng, other));
            incidents.push(Incident { provider: other, severity: Severity::draw(rng), start, end });
            time = time.max(end);
        }
    }
    incidents
}

/// Draws the length of an incident in minutes, up to ten hours, from a log-normal distribution with the median and the
/// 90th percentile of the provider.
fn minutes(rng: &mut Rng, provider: usize) -> f64 {
    let (median, p90): (f64, f64) = if provider == 0 { (74.0, 301.0) } else { (46.0, 247.0) };
    // The 90th percentile of the normal distribution is 1.28.
    let deviation = (p90 / median).ln() / 1.28;
    let normal = (-2.0 * (1.0 - rng.f64()).ln()).sqrt() * (TAU * rng.f64()).cos();
    (median * (deviation * normal).exp()).min(600.0)
}

/// Switches the failures of a provider at the start and the end of each of its incidents.
async fn switch(sim: Handle, incidents: Vec<Incident>, began: Instant, mut rng: Rng) {
    // Far more than a provider is sent in the time.
    let calls =
        |time: Duration| 100 + 4 * u32::try_from(time.as_millis() / ARRIVALS.as_millis()).unwrap_or(0);
    let mut time = Duration::ZERO;
    for Incident { severity, start, end, .. } in incidents {
        Severity::Background.begin(&sim, calls(start.saturating_sub(time)), &mut rng);
        sleep_until(began + start).await;
        severity.begin(&sim, calls(end.saturating_sub(start)), &mut rng);
        sleep_until(began + end).await;
        time = end;
    }
    Severity::Background.begin(&sim, calls(LENGTH), &mut rng);
}

/// A request; times are since the start of the replay.
#[derive(Debug)]
struct Served {
    start: Duration,
    end: Duration,
    response: ClientResponse,
    is_streamed: bool,
}

impl Served {
    /// Returns true if the caller got the whole answer.
    fn is_whole(&self) -> bool {
        let response = &self.response;
        let text = if self.is_streamed {
            response.has_done().then(|| response.streamed_text())
        } else {
            response.text().ok()
        };
        response.status == 200 && response.clean_end && text.is_some_and(|text| text == answer())
    }

    /// Returns true if both providers were in an incident at one moment of the request.
    fn meets_two_of(&self, incidents: &[Incident]) -> bool {
        let met = |number: usize| {
            let of_one = incidents.iter().filter(move |incident| incident.provider == number);
            of_one.map(|incident| (incident.start.max(self.start), incident.end.min(self.end)))
        };
        met(0).any(|(start, end)| met(1).any(|(other, until)| start.max(other) < end.min(until)))
    }
}

/// The answer of both providers, in words of one length.
fn answer() -> String {
    (1..=WORDS).map(|number| format!("w{number:04}")).collect::<Vec<_>>().join(" ")
}

/// While one of two providers is in no incident, every request gets its whole answer, 95 of 100 within half a second and
/// with at most 1.2 calls per request.
pub(super) async fn replay(fb: PathBuf, length: Option<Duration>) -> anyhow::Result<Summary> {
    let minute = if length.is_some() { MINUTE } else { SHORT_MINUTE };
    let more = config(minute);
    let length = length.unwrap_or(LENGTH);
    let testbed = Arc::new(Testbed::start(&fb, Setup { more: &more, ..Setup::default() }).await?);
    let reply = SimReply {
        latency: Duration::from_millis(50),
        chunks: WORDS,
        gap: Duration::from_millis(2),
        ..SimReply::text(answer())
    };
    let mut rng = Rng::with_seed(SEED);
    let incidents = draw(&mut rng, length, minute);
    let began = Instant::now();
    let mut switches = JoinSet::new();
    for (number, sim) in [&testbed.primary, &testbed.backup].into_iter().enumerate() {
        sim.reply(reply.clone());
        let own = incidents.iter().filter(|incident| incident.provider == number).copied().collect();
        switches.spawn(switch(sim.handle(), own, began, rng.fork()));
    }
    let served = load(&testbed, began, length).await?;
    drop(switches);

    let (exempt, served): (Vec<Served>, Vec<Served>) =
        served.into_iter().partition(|served| served.meets_two_of(&incidents));
    let failed: Vec<&Served> = served.iter().filter(|served| !served.is_whole()).collect();
    let mut times: Vec<Duration> =
        served.iter().map(|served| served.end.saturating_sub(served.start)).collect();
    times.sort_unstable();
    let p95 = *times.get(times.len() * 95 / 100).context("no requests")?;
    let [primary, backup, _] = testbed.calls();
    let requests = u64::try_from(served.len() + exempt.len())?.max(1);
    let per_hundred = 100 * (primary + backup) / requests;
    let clients = format!("{}/{} ok, p95 {} ms", served.len() - failed.len(), served.len(), p95.as_millis());
    let providers = format!("{primary} / {backup}, {per_hundred} per 100 requests");
    if let Some(first) = failed.first() {
        bail!("{clients}; {providers}; the first that is not whole: {first:?}");
    }
    ensure!(p95 < Duration::from_millis(500) && per_hundred <= 120, "{clients}; {providers}");
    Ok(Summary { clients, providers })
}

/// Sends requests at a constant rate, and returns them when all have ended.
async fn load(testbed: &Arc<Testbed>, began: Instant, length: Duration) -> anyhow::Result<Vec<Served>> {
    let mut requests = JoinSet::new();
    let mut arrivals = interval(ARRIVALS);
    arrivals.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_streamed = false;
    while began.elapsed() < length {
        arrivals.tick().await;
        is_streamed = !is_streamed;
        let testbed = Arc::clone(testbed);
        requests.spawn(async move {
            let start = began.elapsed();
            let response = testbed.chat_at("pair", is_streamed).await?;
            anyhow::Ok(Served { start, end: began.elapsed(), response, is_streamed })
        });
    }
    requests.join_all().await.into_iter().collect()
}
