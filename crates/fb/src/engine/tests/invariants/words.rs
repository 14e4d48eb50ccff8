/// The words of one call, in order from the first.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) model: String,
    /// The index of the call among those of its provider.
    pub(super) call: usize,
    /// The number of words.
    pub(super) count: usize,
}

impl Words {
    /// Reads the signatures in a text and in the ids of tool calls: the words of every call, in order of appearance.
    pub(super) fn read(text: &str, tools: &[String]) -> Result<Vec<Self>, String> {
        let mut all: Vec<Self> = Vec::new();
        let tool_marks = tools.iter().map(|id| (id.as_str(), false));
        let text_marks = text.split_whitespace().map(|word| (word, true));
        for (word, is_text) in tool_marks.chain(text_marks).filter(|(word, _)| word.contains('@')) {
            let (model, call, index) = signature(word).ok_or_else(|| format!("no signature: {word:?}"))?;
            if all.last().is_none_or(|known| (known.model.as_str(), known.call) != (model, call)) {
                all.push(Self { model: model.to_owned(), call, count: 0 });
            }
            if let Some(known) = all.last_mut().filter(|_| is_text) {
                if index != Some(known.count) {
                    return Err(format!("words lost, doubled or out of order: {text:?}"));
                }
                known.count += 1;
            }
        }
        // A fixed answer has no signature, and is never mixed with signed words.
        let bare = text.split_whitespace().filter(|word| !word.contains('@')).count();
        if !all.is_empty() && bare > 0 {
            return Err(format!("unsigned words: {text:?}"));
        }
        Ok(all)
    }
}

/// Returns model, call and index of `hello@m0#3.1`; a tool call has no index.
fn signature(word: &str) -> Option<(&str, usize, Option<usize>)> {
    let (_, mark) = word.rsplit_once('@')?;
    let (model, numbers) = mark.split_once('#')?;
    match numbers.split_once('.') {
        Some((call, index)) => Some((model, call.parse().ok()?, Some(index.parse().ok()?))),
        None => Some((model, numbers.parse().ok()?, None)),
    }
}
