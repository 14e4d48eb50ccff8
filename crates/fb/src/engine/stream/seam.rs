//! The seam between an answer that broke off and its continuation by another target: decides, from what was sent and from
//! what has arrived of the continuation, where the continuation goes on. Pure.

/// The way in which a target is requested to continue an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The conversation ends with the answer so far, which the model continues.
    Prefill,
    /// An instruction follows the answer so far. It requests the last words of the answer first, so that they can be found.
    Instruction,
}

/// The result of a comparison.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seam {
    /// Too little of the continuation has arrived. The next comparison is due when it has this many bytes, or ends.
    Open { until: usize },
    /// The continuation goes on after its first `skip` bytes, which the caller has or needs not. `glue` comes between.
    Joined { skip: usize, glue: &'static str },
    /// The continuation is another answer.
    Apart,
}

/// The bytes of a continuation after which it is taken as one, if nothing contradicts it: longer than the first sentence of
/// a model that introduces its answer.
const HOLD: usize = 160;
/// The bytes at the end of the answer in which a repetition may begin.
const TAIL: usize = 100;
/// The bytes at the end of the answer that an instruction quotes.
const QUOTED: usize = 60;
/// The fewest letters of a repetition that may end within a word.
const MIN_REPEATED: usize = 6;
/// The fewest letters of a repetition of whole words, which an instruction requests.
const MIN_WORDS: usize = 2;
/// The fewest letters that a text has in common with another by design, and not by chance.
const MIN_COMMON: usize = 16;
/// Punctuation that a model puts around or before the words that it repeats.
const DECORATION: &[char] = &['"', '\'', '“', '”', '‘', '’', '«', '»', '`', '*', '…', '.', '>'];
/// The first words of a sentence that introduces an answer.
const PREAMBLES: &[&str] = &[
    "sure",
    "certainly",
    "of course",
    "absolutely",
    "here is",
    "here's",
    "okay",
    "ok,",
    "understood",
    "continuing",
    "let me continue",
    "i'll continue",
    "i apologize",
    "apologies",
    "sorry",
    "the continuation",
];

/// Compares an answer with the beginning of its continuation. Whitespace does not count. `ended` if nothing follows.
pub(super) fn compare(sent: &str, continuation: &str, form: Form, ended: bool) -> Seam {
    Comparison { sent, text: continuation, form, ended }.result()
}

/// Returns the last words of an answer, which an instruction quotes.
pub(super) fn last_words(sent: &str) -> &str {
    let sent = sent.trim_end();
    suffixes(sent, QUOTED).next().unwrap_or(sent)
}

struct Comparison<'a> {
    sent: &'a str,
    text: &'a str,
    form: Form,
    ended: bool,
}

impl Comparison<'_> {
    fn result(&self) -> Seam {
        let start = self.text.len() - self.text.trim_start_matches(is_decoration).len();
        if start == self.text.len() {
            return match (self.ended, self.form) {
                (false, _) => self.open(0),
                (true, Form::Prefill) => Seam::Joined { skip: start, glue: "" },
                (true, Form::Instruction) => Seam::Apart,
            };
        }
        if let Some(seam) = self.at(start) {
            return seam;
        }
        if self.form == Form::Prefill {
            return self.join(0);
        }
        let later = self.sentences().find_map(|start| self.after_preamble(start));
        if let Some(seam) = later {
            return seam;
        }
        let preamble = Preamble::of(self.text);
        let is_within = self.is_within_a_sentence();
        match preamble {
            Preamble::No if is_within => return self.join(0),
            Preamble::Unclear if is_within && !self.ended => {
                return Seam::Open { until: self.text.len() + 1 };
            }
            Preamble::No | Preamble::Unclear | Preamble::Yes => {}
        }
        if !self.ended && self.text.len() < HOLD {
            return Seam::Open { until: HOLD };
        }
        // Within a sentence, "of course" introduces nothing unless a colon follows.
        let introduces = preamble == Preamble::Yes && (!is_within || self.text.contains(':'));
        let is_apart = introduces || (!is_within && is_rephrased(self.sent, self.text));
        if is_apart { Seam::Apart } else { self.join(0) }
    }

    /// Compares the text at `start` with the beginning of the answer and with its last words.
    fn at(&self, start: usize) -> Option<Seam> {
        let text = self.text.get(start..)?;
        let common = match walk(self.sent, text) {
            Walk::Whole(end) => return Some(self.join(start + end)),
            Walk::Short(_) if !self.ended => return Some(self.open(start)),
            // The whole text repeats the beginning of the answer. Where the answer repeats itself, that is no restart.
            Walk::Short(_) if occurs_twice(self.sent, text) => return Some(self.join(0)),
            Walk::Short(_) => return Some(Seam::Apart),
            Walk::Differs(common) => common,
        };
        if self.form == Form::Instruction
            && let Some(seam) = self.repeated(start, MIN_WORDS)
        {
            return Some(seam);
        }
        let least = match self.form {
            Form::Prefill => MIN_COMMON,
            Form::Instruction => (letters(self.sent).count() / 2).clamp(MIN_REPEATED, MIN_COMMON),
        };
        let is_restart = common >= least && !occurs_twice(self.sent, &first_letters(text, common));
        is_restart.then_some(Seam::Apart)
    }

    /// Compares the text at `start` as [`at`](Self::at) does, but regards only what is common by design.
    fn after_preamble(&self, start: usize) -> Option<Seam> {
        let text = self.text.get(start..)?;
        let introduces = Preamble::of(self.text) == Preamble::Yes;
        let least = if introduces { MIN_REPEATED } else { MIN_COMMON };
        // Where the answer itself begins like this more than once, that is no restart.
        let is_restart = |common: usize| {
            common >= least && (introduces || !occurs_twice(self.sent, &first_letters(text, common)))
        };
        match walk(self.sent, text) {
            Walk::Whole(end) => Some(self.join(start + end)),
            Walk::Short(common) if is_restart(common) && !self.ended => Some(self.open(start)),
            Walk::Short(common) | Walk::Differs(common) if is_restart(common) => Some(Seam::Apart),
            Walk::Short(_) | Walk::Differs(_) => self.repeated(start, least),
        }
    }

    /// Looks for a repetition of the last words of the answer at `start`. A short one counts if a word ends with it.
    fn repeated(&self, start: usize, least: usize) -> Option<Seam> {
        let text = self.text.get(start..)?;
        let more = || Seam::Open { until: self.text.len() + 1 };
        suffixes(self.sent, TAIL).find_map(|suffix| {
            let length = letters(suffix).count();
            let is_short = length < MIN_REPEATED;
            if length < least || (is_short && !suffix.chars().all(is_spaced_script)) {
                return None;
            }
            match walk(suffix, text) {
                Walk::Whole(end) => match text.get(end..).and_then(|rest| rest.chars().next()) {
                    None if is_short && !self.ended => Some(more()),
                    Some(next) if is_short && next.is_alphanumeric() => None,
                    Some(_) | None => Some(self.join(start + end)),
                },
                Walk::Short(_) if !self.ended => Some(more()),
                Walk::Short(_) | Walk::Differs(_) => None,
            }
        })
    }

    /// Returns the positions after the first sentences of the text, where an answer may begin after a preamble.
    fn sentences(&self) -> impl Iterator<Item = usize> {
        let ends = self.text.char_indices().take_while(|(at, _)| *at < HOLD);
        ends.filter(|(_, c)| matches!(c, ':' | '.' | '!' | '\n')).map(|(at, c)| {
            let rest = self.text.get(at + c.len_utf8()..).unwrap_or_default();
            self.text.len() - rest.trim_start_matches(is_decoration).len()
        })
    }

    /// Returns true if the text begins within a sentence, and the answer does not: it is no restart and has no preamble.
    fn is_within_a_sentence(&self) -> bool {
        let first = |text: &str| text.trim_start().chars().next();
        let is_lower = |text: &str| first(text).is_some_and(char::is_lowercase);
        let is_punctuation = first(self.text).is_some_and(|c| matches!(c, ',' | ';' | ')' | '!' | '?'));
        is_punctuation || (is_lower(self.text) && !is_lower(self.sent))
    }

    /// Waits for more of a text that repeats the beginning of the answer from `start` on.
    fn open(&self, start: usize) -> Seam {
        let length = self.text.len();
        // A repetition is complete after about as many bytes. Before that, a few comparisons suffice.
        let until = (2 * length).max(64).min(start + self.sent.len());
        Seam::Open { until: until.max(length + 1) }
    }

    /// Joins the text after its first `skip` bytes: without whitespace that the answer ends with, and without the end of a
    /// quotation.
    fn join(&self, skip: usize) -> Seam {
        let mut skip = skip;
        let rest = |skip: usize| self.text.get(skip..).unwrap_or_default();
        let is_quote = |c: char| matches!(c, '"' | '”' | '’' | '»' | '`');
        let is_quoted = self.text.starts_with(['"', '“', '‘', '«', '`']);
        if skip > 0
            && is_quoted
            && let Some(after) = rest(skip).strip_prefix(is_quote)
        {
            skip = self.text.len() - after.len();
        }
        if skip == 0 && self.form == Form::Instruction {
            let after = self.text.trim_start_matches("...").trim_start_matches('…');
            skip = self.text.len() - after.len();
        }
        let last = self.sent.trim_end();
        let sent_space = self.sent.get(last.len()..).unwrap_or_default();
        let common = sent_space.chars().zip(rest(skip).chars()).take_while(|(sent, next)| sent == next);
        let skip = skip + common.map(|(c, _)| c.len_utf8()).sum::<usize>();
        let is_apart = !sent_space.is_empty() || rest(skip).starts_with(char::is_whitespace);
        // A model begins its answer without a space, though one belongs there.
        let needs_space = self.form == Form::Instruction && skip == 0 && !is_apart;
        let ends = last.chars().next_back().zip(rest(skip).chars().next());
        let glue =
            if needs_space && ends.is_some_and(|(last, next)| is_spaced(last, next)) { " " } else { "" };
        Seam::Joined { skip, glue }
    }
}

/// The comparison of a text with the beginning of another.
enum Walk {
    /// The other begins with the text, which ends there after this many bytes.
    Whole(usize),
    /// The other is the beginning of the text, with this many letters.
    Short(usize),
    /// They differ after this many letters.
    Differs(usize),
}

fn walk(text: &str, other: &str) -> Walk {
    let mut others = letters(other);
    let (mut common, mut end) = (0, 0);
    for (_, letter) in letters(text) {
        match others.next() {
            None => return Walk::Short(common),
            Some((_, next)) if next != letter => return Walk::Differs(common),
            Some((at, next)) => end = at + next.len_utf8(),
        }
        common += 1;
    }
    Walk::Whole(end)
}

/// Returns the characters of a text other than whitespace, with their positions.
fn letters(text: &str) -> impl Iterator<Item = (usize, char)> {
    text.char_indices().filter(|(_, c)| !c.is_whitespace())
}

/// Returns the ends of a text that begin with a word in its last bytes, the longest first. In a script without spaces every
/// character begins a word.
fn suffixes(text: &str, bytes: usize) -> impl Iterator<Item = &str> {
    let from = text.len().saturating_sub(bytes);
    let mut before = None;
    let starts = text.char_indices().filter(move |(at, c)| {
        let begins = before.is_none_or(|before: char| before.is_whitespace() || !is_spaced_script(before));
        before = Some(*c);
        begins && *at >= from && !c.is_whitespace()
    });
    starts.filter_map(|(at, _)| text.get(at..))
}

/// Returns the first letters of a text.
fn first_letters(text: &str, count: usize) -> String {
    letters(text).take(count).map(|(_, c)| c).collect()
}

/// Returns true if the letters of `part` occur at two places in `text`.
fn occurs_twice(text: &str, part: &str) -> bool {
    let compact = |text: &str| letters(text).map(|(_, c)| c).collect::<String>();
    let (text, part) = (compact(text), compact(part));
    !part.is_empty() && text.find(&part) != text.rfind(&part)
}

/// Whether a text begins with a sentence that introduces an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Preamble {
    Yes,
    /// Too little of the text has arrived.
    Unclear,
    No,
}

impl Preamble {
    fn of(text: &str) -> Self {
        let head: String = text.chars().take(32).collect::<String>().to_lowercase();
        let head = head.trim_start_matches(is_decoration);
        if PREAMBLES.iter().any(|preamble| preamble.starts_with(head)) {
            return Self::Unclear;
        }
        let begins = |preamble: &str| {
            head.strip_prefix(preamble).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
        };
        if PREAMBLES.iter().any(|preamble| begins(preamble)) { Self::Yes } else { Self::No }
    }
}

/// Returns true if a text begins as the answer does, with other words: if half of its first words occur in the same order
/// at the beginning of the answer, and not because the answer repeats itself, as a table does.
fn is_rephrased(sent: &str, text: &str) -> bool {
    let words = |text: &str, most: usize| -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.take(most).map(str::to_lowercase).collect()
    };
    let resembles = |first: &[String], beginning: &[String]| {
        let common = common_words(first, beginning);
        common >= 4 && 2 * common >= first.len()
    };
    let sent = words(sent, usize::MAX);
    let (before, last) = sent.split_at(sent.len().saturating_sub(16));
    let beginning = |sent: &[String]| sent.get(..32).unwrap_or(sent).to_vec();
    resembles(&words(text, 16), &beginning(&sent)) && !resembles(last, &beginning(before))
}

/// Returns the length of the longest common subsequence.
fn common_words(one: &[String], other: &[String]) -> usize {
    let mut lengths = vec![0; other.len() + 1];
    for word in one {
        let mut diagonal = 0;
        for (at, candidate) in other.iter().enumerate() {
            let above = lengths[at + 1];
            lengths[at + 1] = if word == candidate { diagonal + 1 } else { above.max(lengths[at]) };
            diagonal = above;
        }
    }
    lengths.last().copied().unwrap_or_default()
}

fn is_decoration(c: char) -> bool {
    c.is_whitespace() || DECORATION.contains(&c)
}

/// Returns true if a space belongs between two characters where a model may have left it out.
fn is_spaced(last: char, next: char) -> bool {
    let is_letter = |c: char| c.is_alphanumeric() && is_spaced_script(c);
    match last {
        ',' | ';' | '!' | '?' => is_letter(next),
        '.' | ':' => is_letter(next) && next.is_uppercase(),
        _ => is_letter(last) && is_letter(next),
    }
}

/// Returns true for scripts that separate words by spaces: all that precede those of East Asia, and Korean.
fn is_spaced_script(c: char) -> bool {
    c < '\u{e00}' || ('\u{1e00}'..'\u{2e80}').contains(&c) || ('\u{ac00}'..'\u{d7b0}').contains(&c)
}

#[cfg(test)]
mod tests;
