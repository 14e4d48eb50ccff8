//! Reading the files of `[record]`.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    time::Duration,
};

use fb_telemetry::record::{RecordEntry, RecordedFailure};

use crate::{input, jsonl::for_each_line, stdout::millis};

/// Longest duration of a request or call, in milliseconds: a week.
const MAX_MILLIS: u64 = 7 * 24 * 60 * 60 * 1_000;
/// Longest time from the first request to the last.
const MAX_SPAN: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Reads files of records and sorts the entries by the time at which the requests began.
///
/// # Errors
/// The first invalid line, as `FILE:LINE`; files without a request; a span of more than 366 days.
pub(super) fn read(files: &[PathBuf]) -> Result<Vec<RecordEntry>, String> {
    let mut entries = Vec::new();
    for file in files {
        add(&mut entries, BufReader::new(input::open(file)?))
            .map_err(|(line, error)| format!("{}:{line}  {error}", file.display()))?;
    }
    sorted(entries)
}

fn add(entries: &mut Vec<RecordEntry>, reader: impl BufRead) -> Result<(), (usize, String)> {
    for_each_line(reader, |line| {
        entries.push(parse(line)?);
        Ok(())
    })
}

pub(super) fn sorted(mut entries: Vec<RecordEntry>) -> Result<Vec<RecordEntry>, String> {
    entries.sort_by_key(|entry| entry.began);
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
        return Err("no request in the records".to_owned());
    };
    if last.began.duration_since(first.began).is_ok_and(|span| span > MAX_SPAN) {
        return Err("expected requests of at most 366 days".to_owned());
    }
    Ok(entries)
}

fn parse(line: &str) -> Result<RecordEntry, String> {
    let entry: RecordEntry = serde_json::from_str(line).map_err(|error| error.to_string())?;
    if !entry.is_known() {
        return Err(format!("version {} is not known; expected a record of version 1", entry.version));
    }
    let calls = entry.attempts.iter().flat_map(|call| {
        let retry_after = call.failure.as_ref().and_then(RecordedFailure::hint).map(millis);
        [Some(call.at_ms), Some(call.took_ms), call.first_ms, retry_after]
    });
    let durations = calls.chain([Some(entry.took_ms), entry.timeout_ms]).flatten();
    match durations.max() {
        Some(longest) if longest > MAX_MILLIS => Err(format!("expected times of at most {MAX_MILLIS} ms")),
        _ => Ok(entry),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"version":1,"began":"2027-01-15T08:00:00Z","id":"req_00000000000000000000000000000007","route":"default","asked":"gpt-4o","tenant":null,"stream":false,"needs":[],"input_tokens":12,"max_output":null,"timeout_ms":null,"outcome":"failed","by":null,"level":"full","cache":null,"took_ms":1500,"cost_nanos":null,"attempts":[{"target":"a/m","number":1,"at_ms":0,"took_ms":100,"end":"failed","failure":{"kind":"rate_limited","status":429,"hint_ms":2000}}],"skips":[]}"#;

    /// Returns the times at which the requests began.
    fn check(text: &str) -> Result<Vec<String>, String> {
        let mut entries = Vec::new();
        add(&mut entries, text.as_bytes()).map_err(|(line, error)| format!("{line}  {error}"))?;
        let began = |entry: &RecordEntry| humantime::format_rfc3339_millis(entry.began).to_string();
        Ok(sorted(entries)?.iter().map(began).collect())
    }

    #[test]
    fn records_are_sorted_by_time_and_invalid_lines_are_rejected() {
        let earlier = GOOD.replace("08:00:00Z", "07:59:59.750Z");
        let began = ["2027-01-15T07:59:59.750Z", "2027-01-15T08:00:00.000Z"].map(str::to_owned).to_vec();
        assert_eq!(check(&format!("{GOOD}\n\n{earlier}\n")), Ok(began));
        assert_eq!(check("\n"), Err("no request in the records".to_owned()));
        for (bad, expected) in [
            (
                GOOD.replace("\"version\":1", "\"version\":2"),
                "version 2 is not known; expected a record of version 1",
            ),
            (
                GOOD.replace("\"took_ms\":1500", "\"took_ms\":604800001"),
                "expected times of at most 604800000 ms",
            ),
            (
                GOOD.replace("\"hint_ms\":2000", "\"hint_ms\":18446744073709551615"),
                "expected times of at most",
            ),
            (GOOD.replace("rate_limited", "rated"), "\"rated\" is not a failure kind"),
            (GOOD[..200].to_owned(), "EOF while parsing"),
        ] {
            let error = check(&format!("{GOOD}\n{bad}\n")).unwrap_err();
            assert!(error.starts_with("2  ") && error.contains(expected), "{error}");
        }
        let late = GOOD.replace("2027", "2029");
        assert_eq!(
            check(&format!("{GOOD}\n{late}\n")),
            Err("expected requests of at most 366 days".to_owned())
        );
    }
}
