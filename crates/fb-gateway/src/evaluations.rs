//! The results file of `fb eval`, and the evaluations that targets passed.

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

use self::target::{EvalTarget, eval_targets};
use crate::jsonl::{MAX_LINE, for_each_line};

/// A line of the results file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Outcome(CaseOutcome),
    Evaluation(Evaluation),
}

/// The beginnings of a [`Line`]. An incomplete last line with another beginning was not written by `fb eval` and is not
/// cut.
const LINE_PREFIXES: [&[u8]; 2] = [b"{\"outcome\":", b"{\"evaluation\":"];

/// Most bytes that are kept of the text of an answer, and as many of its tool calls. Both together fit into a line even
/// if JSON escapes every byte with six.
const MAX_ANSWER: usize = 64 << 10;
/// Bytes of a tool call in a line beside its name and arguments.
const CALL_OVERHEAD: usize = 32;

/// The outcome of one case at one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CaseOutcome {
    pub(crate) route: String,
    pub(crate) target: String,
    pub(crate) case: String,
    /// Hash of the case and of the target's digest. An outcome is reused only for the same key.
    pub(crate) key: String,
    pub(crate) verdict: Verdict,
    /// The reason why the case did not pass.
    #[serde(rename = "why", default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// The answer, if there was one, as [`truncated`] returns it.
    #[serde(rename = "said", default, skip_serializing_if = "Option::is_none")]
    pub(crate) answer: Option<AnswerContent>,
    pub(crate) calls: u32,
    pub(crate) took_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cost_nanos: Option<u64>,
}

/// The verdict on the answer to a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Pass,
    /// The answer does not meet the expectation, or the target cannot carry the request.
    Fail,
    /// There was no answer, because the target was down, slow or unreachable. The next run repeats the case.
    Error,
}

/// The outcome of all cases at one target. The last evaluation of a route, target and digest counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Evaluation {
    pub(crate) route: String,
    pub(crate) target: String,
    /// The digest of the settings that the target had.
    #[serde(rename = "of")]
    pub(crate) digest: String,
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

/// Returns whether the share of passed cases is at least `min_pass`; false if there are no cases.
pub(crate) fn passes(passed: u64, cases: u64, min_pass: f64) -> bool {
    cases > 0 && share(passed, cases) >= min_pass
}

/// Returns the share of passed cases, 0 to 1, rounded as a literal is parsed: 55 of 100 equal `0.55`.
#[expect(clippy::cast_precision_loss, reason = "a file of cases has at most a million lines")]
pub(crate) fn share(passed: u64, cases: u64) -> f64 {
    passed as f64 / cases.max(1) as f64
}

/// The results file, open for appending. Without a file, nothing is kept.
pub(crate) struct ResultsFile {
    file: Option<(PathBuf, File)>,
    /// Outcomes by route, target and key.
    outcomes: HashMap<(String, String, String), CaseOutcome>,
}

impl ResultsFile {
    /// Opens and reads a file, or creates it. An incomplete last line, left by a killed run, is removed.
    ///
    /// # Errors
    /// If the file cannot be read, or contains anything else; it is not changed then.
    pub(crate) fn open(file: Option<&Path>) -> Result<Self, String> {
        let mut outcomes = HashMap::new();
        let Some(path) = file else { return Ok(Self { file: None, outcomes }) };
        let context = |error: io::Error| format!("{}: {error}", path.display());
        let mut opened =
            OpenOptions::new().read(true).append(true).create(true).open(path).map_err(context)?;
        let FileContent { lines, bytes, lacks_newline } = read(path, &mut opened)?;
        opened.set_len(bytes).map_err(context)?;
        if lacks_newline {
            opened.write_all(b"\n").map_err(context)?;
        }
        for line in lines {
            if let Line::Outcome(outcome) = line {
                let CaseOutcome { route, target, key, .. } = &outcome;
                outcomes.insert((route.clone(), target.clone(), key.clone()), outcome);
            }
        }
        Ok(Self { file: Some((path.to_owned(), opened)), outcomes })
    }

    /// Returns the outcome of an earlier run; `None` if there was none, or no answer.
    pub(crate) fn known(&self, route: &str, target: &str, key: &str) -> Option<&CaseOutcome> {
        let known = self.outcomes.get(&(route.to_owned(), target.to_owned(), key.to_owned()));
        known.filter(|outcome| outcome.verdict != Verdict::Error)
    }

    /// Appends an outcome.
    pub(crate) fn append_outcome(&mut self, outcome: &CaseOutcome) -> Result<(), String> {
        self.write(&Line::Outcome(outcome.clone()))
    }

    /// Appends an evaluation.
    pub(crate) fn append_evaluation(&mut self, evaluation: &Evaluation) -> Result<(), String> {
        self.write(&Line::Evaluation(evaluation.clone()))
    }

    fn write(&mut self, line: &Line) -> Result<(), String> {
        let Some((path, file)) = &mut self.file else { return Ok(()) };
        let mut text = serde_json::to_vec(line).map_err(|error| error.to_string())?;
        text.push(b'\n');
        if text.len() as u64 > MAX_LINE {
            return Err(format!("{}: a result of more than {MAX_LINE} bytes", path.display()));
        }
        // One write per line, so that a kill leaves at most one incomplete line.
        file.write_all(&text).map_err(|error| format!("{}: {error}", path.display()))
    }
}

/// Truncates an answer to 64 KiB of text and as much of tool calls, each with a mark where it was cut.
pub(crate) fn truncated(answer: AnswerContent) -> AnswerContent {
    let AnswerContent { text, calls, refused } = answer;
    let (mut text_room, mut call_room, count) = (MAX_ANSWER, MAX_ANSWER, calls.len());
    let mut kept = Vec::new();
    for CalledTool { tool, arguments } in calls {
        if call_room == 0 {
            kept.push(CalledTool { tool: format!("… ({count} calls in all)"), arguments: String::new() });
            break;
        }
        let (tool, arguments) = (cut(tool, &mut call_room), cut(arguments, &mut call_room));
        kept.push(CalledTool { tool, arguments });
        call_room = call_room.saturating_sub(CALL_OVERHEAD);
    }
    AnswerContent { text: cut(text, &mut text_room), calls: kept, refused }
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

/// Returns the targets of these routes that passed with their current settings, according to a results file; none if the
/// file does not exist. A target that a route lists with several settings must have passed with each of them.
///
/// # Errors
/// If the file cannot be read; the first invalid line.
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
            let Evaluation { route, target, digest, .. } = &evaluation;
            last.insert((route.clone(), target.clone(), digest.clone()), evaluation);
        }
    }
    let mut passed = Evaluations::default();
    for (route, settings) in routes {
        let all = eval_targets(settings, providers);
        let passes = |entry: &EvalTarget| {
            let evaluation = last.get(&(route.clone(), entry.name.clone(), entry.digest.clone()));
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

/// The content of a results file.
struct FileContent {
    lines: Vec<Line>,
    /// Bytes of the complete lines.
    bytes: u64,
    /// True if the last line is complete but for its newline.
    lacks_newline: bool,
}

fn read(path: &Path, file: &mut File) -> Result<FileContent, String> {
    let context = |error: io::Error| format!("{}: {error}", path.display());
    let (start, last) = last_line(file).map_err(context)?;
    let lacks_newline = serde_json::from_slice::<Line>(&last).is_ok();
    let may_be_cut = LINE_PREFIXES.iter().any(|prefix| last.starts_with(prefix) || prefix.starts_with(&last));
    if !lacks_newline && !may_be_cut {
        return Err(format!("{}: the last line is not a result of `fb eval`", path.display()));
    }
    let bytes = if lacks_newline { start + last.len() as u64 } else { start };
    let mut lines = Vec::new();
    file.rewind().map_err(context)?;
    for_each_line(BufReader::new(file.take(bytes)), |line| {
        lines.push(serde_json::from_str(line).map_err(|error| error.to_string())?);
        Ok(())
    })
    .map_err(|(line, error)| format!("{}:{line}  {error}", path.display()))?;
    Ok(FileContent { lines, bytes, lacks_newline })
}

/// Returns the bytes after the last newline, and their position: an incomplete line of a run that was killed or is still
/// writing, or a complete one without its newline. Of a line that is too long for a result, only the end is returned.
fn last_line(file: &mut File) -> io::Result<(u64, Vec<u8>)> {
    let size = file.metadata()?.len();
    let from = size.saturating_sub(MAX_LINE);
    let mut end = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    file.take(MAX_LINE).read_to_end(&mut end)?;
    let start = end.iter().rposition(|byte| *byte == b'\n').map_or(0, |index| index + 1);
    Ok((from + start as u64, end.split_off(start)))
}
