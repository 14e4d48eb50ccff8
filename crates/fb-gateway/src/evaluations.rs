//! The file of results that `fb eval` writes, and which targets passed by it.

pub(crate) mod target;

use std::{
    collections::{BTreeMap, HashMap},
    fs::{File, OpenOptions},
    io::{self, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use fb::{AnswerContent, CalledTool, Evaluations, Route, providers::ProviderConfig};
use serde::{Deserialize, Serialize};

use self::target::{Listed, listed};
use crate::jsonl::{MAX_LINE, for_each_line};

/// A line of the file of results.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Outcome(Outcome),
    Evaluation(Evaluation),
}

/// How a [`Line`] is written: half a line that begins otherwise is not ours to cut.
const BEGINNINGS: [&[u8]; 2] = [b"{\"outcome\":", b"{\"evaluation\":"];

/// Most bytes that are kept of an answer's text, and of its calls: twice that is less than a line even where JSON makes six
/// bytes of every one.
const MAX_SAID: usize = 64 << 10;
/// Bytes that a call takes in a line beside its words.
const AROUND_CALL: usize = 32;

/// What came of one case at one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) route: String,
    pub(crate) target: String,
    pub(crate) case: String,
    /// Of the case's text and of what the target's answers are made of: another one is another question.
    pub(crate) key: String,
    pub(crate) verdict: Verdict,
    /// Why it did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    /// What was said, if the answer came through; see [`kept`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) said: Option<AnswerContent>,
    pub(crate) calls: u32,
    pub(crate) took_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cost_nanos: Option<u64>,
}

/// How an answer was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Pass,
    /// It was given, and is not good enough; or the target cannot take the request.
    Fail,
    /// There was none to judge: the target was down, slow or not to be reached. It is asked again the next time.
    Error,
}

/// What came of all cases at one target: the last one of a route, a target and its settings counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Evaluation {
    pub(crate) route: String,
    pub(crate) target: String,
    /// What its answers were made of.
    pub(crate) of: String,
    pub(crate) cases: u64,
    pub(crate) passed: u64,
    #[serde(with = "humantime_serde")]
    pub(crate) at: SystemTime,
}

impl Evaluation {
    fn passes(&self, min_pass: f64) -> bool {
        passes(self.passed, self.cases, min_pass)
    }
}

/// Whether so large a share passed; of no cases none did.
pub(crate) fn passes(passed: u64, cases: u64, min_pass: f64) -> bool {
    cases > 0 && share(passed, cases) >= min_pass
}

/// The share of the cases that passed, 0 to 1; 55 of 100 are what 0.55 is read as.
#[expect(clippy::cast_precision_loss, reason = "a file of cases has at most a million lines")]
pub(crate) fn share(passed: u64, cases: u64) -> f64 {
    passed as f64 / cases.max(1) as f64
}

/// The file of results, open to be appended to; or none.
pub(crate) struct Results {
    file: Option<(PathBuf, File)>,
    /// By route, target and key.
    known: HashMap<(String, String, String), Outcome>,
}

impl Results {
    /// Reads what a file holds and opens it, or creates it. Half a line at its end, of a run that was killed, is cut off.
    ///
    /// # Errors
    /// A file that cannot be read, or holds anything else; it stays as it is.
    pub(crate) fn open(file: Option<&Path>) -> Result<Self, String> {
        let mut known = HashMap::new();
        let Some(path) = file else { return Ok(Self { file: None, known }) };
        let at = |error: io::Error| format!("{}: {error}", path.display());
        let mut opened = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(at)?;
        let Held { lines, bytes, is_open } = read(path, &mut opened)?;
        opened.set_len(bytes).map_err(at)?;
        if is_open {
            opened.write_all(b"\n").map_err(at)?;
        }
        for line in lines {
            if let Line::Outcome(outcome) = line {
                let Outcome { route, target, key, .. } = &outcome;
                known.insert((route.clone(), target.clone(), key.clone()), outcome);
            }
        }
        Ok(Self { file: Some((path.to_owned(), opened)), known })
    }

    /// What is known, if there was an answer to judge.
    pub(crate) fn known(&self, route: &str, target: &str, key: &str) -> Option<&Outcome> {
        let known = self.known.get(&(route.to_owned(), target.to_owned(), key.to_owned()));
        known.filter(|outcome| outcome.verdict != Verdict::Error)
    }

    /// Writes an outcome down.
    pub(crate) fn note(&mut self, outcome: &Outcome) -> Result<(), String> {
        self.write(&Line::Outcome(outcome.clone()))
    }

    pub(crate) fn evaluated(&mut self, evaluation: &Evaluation) -> Result<(), String> {
        self.write(&Line::Evaluation(evaluation.clone()))
    }

    fn write(&mut self, line: &Line) -> Result<(), String> {
        let Some((path, file)) = &mut self.file else { return Ok(()) };
        let mut text = serde_json::to_vec(line).map_err(|error| error.to_string())?;
        text.push(b'\n');
        if text.len() as u64 > MAX_LINE {
            return Err(format!("{}: a result of more than {MAX_LINE} bytes", path.display()));
        }
        // One call a line: a kill leaves whole lines, and at most half of one.
        file.write_all(&text).map_err(|error| format!("{}: {error}", path.display()))
    }
}

/// An answer as results hold it: at most 64 KiB of text, and as much of calls. What was cut says so.
pub(crate) fn kept(said: AnswerContent) -> AnswerContent {
    let AnswerContent { text, calls, refused } = said;
    let (mut for_text, mut room, count) = (MAX_SAID, MAX_SAID, calls.len());
    let mut kept = Vec::new();
    for CalledTool { tool, arguments } in calls {
        if room == 0 {
            kept.push(CalledTool { tool: format!("… ({count} calls in all)"), arguments: String::new() });
            break;
        }
        kept.push(CalledTool { tool: cut(tool, &mut room), arguments: cut(arguments, &mut room) });
        room = room.saturating_sub(AROUND_CALL);
    }
    AnswerContent { text: cut(text, &mut for_text), calls: kept, refused }
}

fn cut(text: String, room: &mut usize) -> String {
    if text.len() <= *room {
        *room -= text.len();
        return text;
    }
    let kept = &text[..text.floor_char_boundary(*room)];
    *room = 0;
    format!("{kept}… ({} bytes in all)", text.len())
}

/// Which targets of these routes passed, by the file of results, with the settings they have now; none if there is no such
/// file. A name that a route lists with several settings has passed with all of them.
///
/// # Errors
/// A file that cannot be read, or its first line that is no result.
pub(crate) fn evaluations(
    path: &Path,
    min_pass: f64,
    routes: &BTreeMap<String, Route>,
    providers: &BTreeMap<String, ProviderConfig>,
) -> Result<Evaluations, String> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Evaluations::default()),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let mut last = HashMap::new();
    for line in read(path, &mut file)?.lines {
        if let Line::Evaluation(evaluation) = line {
            let Evaluation { route, target, of, .. } = &evaluation;
            last.insert((route.clone(), target.clone(), of.clone()), evaluation);
        }
    }
    let mut passed = Evaluations::default();
    for (route, settings) in routes {
        let all = listed(settings, providers);
        let passes = |entry: &Listed| {
            let evaluation = last.get(&(route.clone(), entry.name.clone(), entry.of.clone()));
            evaluation.is_some_and(|evaluation| evaluation.passes(min_pass))
        };
        for entry in &all {
            if all.iter().filter(|other| other.name == entry.name).all(passes)
                && let Ok(target) = entry.name.parse()
            {
                passed.record_pass(route, &target);
            }
        }
    }
    Ok(passed)
}

/// What a file holds.
struct Held {
    lines: Vec<Line>,
    /// Bytes that they take.
    bytes: u64,
    /// Whether the last one lacks its end.
    is_open: bool,
}

fn read(path: &Path, file: &mut File) -> Result<Held, String> {
    let at = |error: io::Error| format!("{}: {error}", path.display());
    let (start, rest) = rest(file).map_err(at)?;
    let is_open = serde_json::from_slice::<Line>(&rest).is_ok();
    if !is_open && !BEGINNINGS.iter().any(|ours| rest.starts_with(ours) || ours.starts_with(&rest)) {
        return Err(format!("{}: its end is no result; expected a file of `fb eval`", path.display()));
    }
    let bytes = if is_open { start + rest.len() as u64 } else { start };
    let mut lines = Vec::new();
    file.rewind().map_err(at)?;
    for_each_line(BufReader::new(file.take(bytes)), |line| {
        lines.push(serde_json::from_str(line).map_err(|error| error.to_string())?);
        Ok(())
    })
    .map_err(|(line, error)| format!("{}:{line}  {error}", path.display()))?;
    Ok(Held { lines, bytes, is_open })
}

/// What stands behind the last end of a line, and where: half a line of a run that was killed or writes just now, or a whole
/// one that lost its end. Of a line that is too long for a result, its end.
fn rest(file: &mut File) -> io::Result<(u64, Vec<u8>)> {
    let size = file.metadata()?.len();
    let from = size.saturating_sub(MAX_LINE);
    let mut end = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    file.take(MAX_LINE).read_to_end(&mut end)?;
    let start = end.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
    Ok((from + start as u64, end.split_off(start)))
}
