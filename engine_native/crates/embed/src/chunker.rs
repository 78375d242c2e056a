//! Tokenising, and cutting a long text into chunks that fit the model's window.
//!
//! Invariant: the chunks' spans tile the text, and the chunks' tokens are the text's tokens: nothing is dropped, and each
//! chunk tokenised alone gives the same ids again, because a cut never falls into a word.

use crate::error::Error;
use regex::Regex;
use std::ops::Range;
use std::path::Path;
use tokenizers::Tokenizer;

/// White space as Python's `\s` has it: the information separators are in it.
const SPACE: &str = r"[\s\x1c-\x1f]";

/// A part of a text that fits the model's window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The first byte.
    pub start: usize,
    /// Behind the last byte.
    pub end: usize,
    /// Token ids with the prompt and the special tokens (`[CLS]`, `[SEP]`), at most the model's window.
    pub ids: Vec<i32>,
    /// Which of the ids are the text's own.
    pub own: Range<usize>,
}

/// The model's tokenizer, and where it cuts.
pub struct Chunker {
    tokenizer: Tokenizer,
    /// Ends of sentences, then ends of lines: the better boundary first.
    boundaries: [Regex; 2],
    window: usize,
    /// The special tokens before and behind a text.
    special: (Vec<i32>, Vec<i32>),
}

impl Chunker {
    /// Read the `tokenizer.json` of a model that takes `window` tokens, special ones included.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn new(file: &Path, window: usize) -> Result<Self, Error> {
        let mut tokenizer = Tokenizer::from_file(file).map_err(|error| Error::new(file.display(), error))?;
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|error| Error::new(file.display(), error))?;
        // "[SEP]" in a text is five characters somebody wrote, not the end of a segment.
        tokenizer.set_encode_special_tokens(true);
        let s = SPACE;
        let sentence = format!(r#"[.!?…]+["'»”’)\]]*{s}+|[。！？]+[」』”’）]*{s}*|\n{s}*\n{s}*"#);
        let pattern = |text: &str| Regex::new(text).map_err(|error| Error::new(text, error));
        let boundaries = [pattern(&sentence)?, pattern(&format!(r"\n{s}*"))?];
        let special = special_tokens(&tokenizer)?;
        Ok(Self { tokenizer, boundaries, window, special })
    }

    /// Return the tokens of what stands before every text.
    ///
    /// # Errors
    /// If the tokenizer refuses the text.
    pub fn prompt(&self, text: &str) -> Result<Vec<i32>, Error> {
        encoded(&self.tokenizer, text, false)
    }

    /// Return the text of a token as the vocabulary has it.
    #[must_use]
    pub fn token(&self, id: u32) -> Option<String> {
        self.tokenizer.id_to_token(id)
    }

    /// Return the number of tokens in the model's vocabulary, those that were added to it not counted.
    #[must_use]
    pub fn vocabulary(&self) -> usize {
        self.tokenizer.get_vocab_size(false)
    }

    /// Return the chunks of `text` in order: one if it fits, else cut after sentences, else lines, else words.
    ///
    /// Every chunk's ids begin with the prompt's.
    ///
    /// # Errors
    /// If the tokenizer refuses the text.
    pub fn chunks(&self, text: &str, prompt: &[i32]) -> Result<Vec<Chunk>, Error> {
        let (before, after) = &self.special;
        let room = self.window.saturating_sub(before.len() + prompt.len() + after.len()).max(1);
        let first = before.len() + prompt.len();
        let chunk = |start: usize, end: usize, own: &[i32]| Chunk {
            start,
            end,
            ids: [before, prompt, own, after].concat(),
            own: first..first + own.len(),
        };
        let encoding = self.tokenizer.encode(text, false).map_err(|error| Error::new("the tokenizer", error))?;
        let ids: Vec<i32> = encoding.get_ids().iter().map(|id| id.cast_signed()).collect();
        if ids.len() <= room {
            return Ok(vec![chunk(0, text.len(), &ids)]);
        }
        let starts: Vec<usize> =
            encoding.get_offsets().iter().map(|(start, _)| text.floor_char_boundary(*start)).collect();
        let mut cuts = vec![0];
        cuts.extend(self.cuts(text, &starts, &word_starts(encoding.get_word_ids()), room));
        let place = |cut: usize| if cut == 0 { 0 } else { starts[cut] };
        let mut chunks: Vec<Chunk> =
            cuts.windows(2).map(|pair| chunk(place(pair[0]), place(pair[1]), &ids[pair[0]..pair[1]])).collect();
        let last = cuts[cuts.len() - 1];
        chunks.push(chunk(place(last), text.len(), &ids[last..]));
        Ok(chunks)
    }

    /// Return the tokens at which a new chunk begins, each as late as the window and the best boundary allow.
    ///
    /// `WordPiece` makes one token of a word of more than 100; where a tokenizer does not, a window without a word's
    /// beginning is cut at its end.
    fn cuts(&self, text: &str, starts: &[usize], words: &[usize], room: usize) -> Vec<usize> {
        let places = self.boundaries.each_ref().map(|pattern| behind_matches(pattern, text, starts, words));
        let (mut cuts, mut begin) = (Vec::new(), 0);
        while starts.len() - begin > room {
            let limit = begin + room;
            let best = places.iter().map(Vec::as_slice).chain([words]);
            begin = best.filter_map(|places| last_up_to(places, limit)).find(|cut| *cut > begin).unwrap_or(limit);
            cuts.push(begin);
        }
        cuts
    }
}

/// Return the ids that the tokenizer puts before and behind a text.
fn special_tokens(tokenizer: &Tokenizer) -> Result<(Vec<i32>, Vec<i32>), Error> {
    let (plain, framed) = (encoded(tokenizer, "a", false)?, encoded(tokenizer, "a", true)?);
    let begin = framed.windows(plain.len().max(1)).position(|part| part == plain);
    let begin = begin.ok_or_else(|| Error::new("the tokenizer", "it changes a text when it adds special tokens"))?;
    Ok((framed[..begin].to_vec(), framed[begin + plain.len()..].to_vec()))
}

fn encoded(tokenizer: &Tokenizer, text: &str, special: bool) -> Result<Vec<i32>, Error> {
    let encoding = tokenizer.encode(text, special).map_err(|error| Error::new("the tokenizer", error))?;
    Ok(encoding.get_ids().iter().map(|id| id.cast_signed()).collect())
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
