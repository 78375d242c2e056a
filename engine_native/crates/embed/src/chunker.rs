//! Tokenising, and cutting a long text into chunks that fit the model's window.
//!
//! Invariant: the chunks' spans tile the text, and the chunks' tokens are the text's tokens: nothing is dropped, and each
//! chunk tokenised alone gives the same ids again, because a cut never falls into a word.

use crate::error::Error;
use regex::Regex;
use std::path::Path;
use tokenizers::Tokenizer;

/// The model's window, `[CLS]` and `[SEP]` included.
pub const MAX_TOKENS: usize = 256;
const CONTENT_TOKENS: usize = MAX_TOKENS - 2;
const CLS: i32 = 101;
const SEP: i32 = 102;

/// White space as Python's `\s` has it: the information separators are in it.
const SPACE: &str = r"[\s\x1c-\x1f]";

/// A part of a text that fits the model's window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The first byte.
    pub start: usize,
    /// Behind the last byte.
    pub end: usize,
    /// Token ids with `[CLS]` and `[SEP]`.
    pub ids: Vec<i32>,
}

/// The model's tokenizer, and where it cuts.
pub struct Chunker {
    tokenizer: Tokenizer,
    /// Ends of sentences, then ends of lines: the better boundary first.
    boundaries: [Regex; 2],
}

impl Chunker {
    /// Read a `tokenizer.json`.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn new(file: &Path) -> Result<Self, Error> {
        let mut tokenizer = Tokenizer::from_file(file).map_err(|error| Error::new(file.display(), error))?;
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|error| Error::new(file.display(), error))?;
        // "[SEP]" in a text is five characters somebody wrote, not the end of a segment.
        tokenizer.set_encode_special_tokens(true);
        let s = SPACE;
        let sentence = format!(r#"[.!?…]+["'»”’)\]]*{s}+|[。！？]+[」』”’）]*{s}*|\n{s}*\n{s}*"#);
        let pattern = |text: &str| Regex::new(text).map_err(|error| Error::new(text, error));
        Ok(Self { tokenizer, boundaries: [pattern(&sentence)?, pattern(&format!(r"\n{s}*"))?] })
    }

    /// Return the chunks of `text` in order: one if it fits, else cut after sentences, else lines, else words.
    ///
    /// # Errors
    /// If the tokenizer refuses the text.
    pub fn chunks(&self, text: &str) -> Result<Vec<Chunk>, Error> {
        let encoding = self.tokenizer.encode(text, false).map_err(|error| Error::new("the tokenizer", error))?;
        let ids: Vec<i32> = encoding.get_ids().iter().map(|id| id.cast_signed()).collect();
        if ids.len() <= CONTENT_TOKENS {
            return Ok(vec![chunk(0, text.len(), &ids)]);
        }
        let starts: Vec<usize> = encoding.get_offsets().iter().map(|(start, _)| *start).collect();
        let mut cuts = vec![0];
        cuts.extend(self.cuts(text, &starts, &word_starts(encoding.get_word_ids())));
        let place = |cut: usize| if cut == 0 { 0 } else { starts[cut] };
        let mut chunks: Vec<Chunk> =
            cuts.windows(2).map(|pair| chunk(place(pair[0]), place(pair[1]), &ids[pair[0]..pair[1]])).collect();
        let last = cuts[cuts.len() - 1];
        chunks.push(chunk(place(last), text.len(), &ids[last..]));
        Ok(chunks)
    }

    /// Return the tokens at which a new chunk begins, each as late as the window and the best boundary allow.
    ///
    /// A word has at most 100 tokens (longer ones are `[UNK]`, one token), so every window holds a word's beginning.
    fn cuts(&self, text: &str, starts: &[usize], words: &[usize]) -> Vec<usize> {
        let places = self.boundaries.each_ref().map(|pattern| behind_matches(pattern, text, starts, words));
        let (mut cuts, mut begin) = (Vec::new(), 0);
        while starts.len() - begin > CONTENT_TOKENS {
            let limit = begin + CONTENT_TOKENS;
            let best = places.iter().map(Vec::as_slice).chain([words]);
            begin = best.filter_map(|places| last_up_to(places, limit)).find(|cut| *cut > begin).unwrap_or(limit);
            cuts.push(begin);
        }
        cuts
    }
}

fn chunk(start: usize, end: usize, content: &[i32]) -> Chunk {
    let mut ids = Vec::with_capacity(content.len() + 2);
    ids.push(CLS);
    ids.extend_from_slice(content);
    ids.push(SEP);
    Chunk { start, end, ids }
}

/// Return the indices of the tokens that begin a word (or a punctuation mark, or a CJK character).
fn word_starts(words: &[Option<u32>]) -> Vec<usize> {
    (0..words.len()).filter(|index| *index == 0 || words[*index] != words[*index - 1]).collect()
}

/// Return the words that are the first to begin at or after a match's end.
fn behind_matches(pattern: &Regex, text: &str, starts: &[usize], words: &[usize]) -> Vec<usize> {
    let first = |end: usize| words.partition_point(|word| starts[*word] < end);
    pattern.find_iter(text).filter_map(|found| words.get(first(found.end())).copied()).collect()
}

/// Return the last of the sorted `places` that is not above `limit`.
fn last_up_to(places: &[usize], limit: usize) -> Option<usize> {
    places.partition_point(|place| *place <= limit).checked_sub(1).map(|last| places[last])
}
