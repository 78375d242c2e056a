//! 1-bit codes of a text's words, for late interaction (MaxSim: Khattab and Zaharia, arXiv 2004.12832).
//!
//! A token that is a word is kept as the signs of its last hidden state.

use crate::chunker::Chunk;
use regex::Regex;
use std::collections::HashSet;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU8, Ordering};

/// The codes of a text at most: its first words.
pub const MOST_CODES: usize = 64;

/// What a continued word, or a word's beginning, is marked with: `WordPiece`, `SentencePiece`, byte-level BPE.
const MARKERS: [&str; 3] = ["##", "▁", "Ġ"];

const UNKNOWN: u8 = 0;
const KEPT: u8 = 1;
const SKIPPED: u8 = 2;

/// Which tokens of a vocabulary are kept. Each is looked at once, when it first comes.
pub struct Words {
    stop_words: HashSet<String>,
    /// By token id; two threads that look at one at once find the same.
    known: Vec<AtomicU8>,
}

impl Words {
    /// Take the stop words, in lower case, and the size of the vocabulary.
    pub fn new(stop_words: HashSet<String>, vocabulary: usize) -> Self {
        Self { stop_words, known: std::iter::repeat_with(|| AtomicU8::new(UNKNOWN)).take(vocabulary).collect() }
    }

    /// Return for each chunk of a text which of its ids are kept: of each id the first, [`MOST_CODES`] in all.
    pub fn places(&self, chunks: &[Chunk], token: impl Fn(u32) -> Option<String>) -> Vec<Vec<usize>> {
        let mut seen: Vec<i32> = Vec::new();
        let mut first = |id: i32| {
            let kept = seen.len() < MOST_CODES && self.keeps(id, &token) && !seen.contains(&id);
            if kept {
                seen.push(id);
            }
            kept
        };
        chunks.iter().map(|chunk| chunk.own.clone().filter(|place| first(chunk.ids[*place])).collect()).collect()
    }

    fn keeps(&self, id: i32, token: impl Fn(u32) -> Option<String>) -> bool {
        let id = id.cast_unsigned();
        let look = || token(id).is_some_and(|token| is_word(&token, &self.stop_words));
        let Some(known) = self.known.get(id as usize) else { return look() };
        match known.load(Ordering::Relaxed) {
            UNKNOWN => {
                let kept = look();
                known.store(if kept { KEPT } else { SKIPPED }, Ordering::Relaxed);
                kept
            }
            state => state == KEPT,
        }
    }
}

/// Letters with their marks (Devanagari writes vowels so), and digits.
static LETTERS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^[\p{L}\p{M}\p{N}]+$").expect("a pattern"));

/// Tell whether a token is kept: letters and digits alone, more than one ASCII letter, and no stop word.
fn is_word(token: &str, stop_words: &HashSet<String>) -> bool {
    let word = MARKERS.iter().find_map(|marker| token.strip_prefix(marker)).unwrap_or(token).to_lowercase();
    // One byte is one ASCII character.
    let says_enough = word.len() > 1 || word.starts_with(|only: char| only.is_ascii_digit());
    says_enough && LETTERS.is_match(&word) && !stop_words.contains(&word)
}

/// Return the bytes of a code of `dimensions` bits.
pub const fn code_bytes(dimensions: usize) -> usize {
    dimensions.div_ceil(8)
}

/// Return one bit for each component, 1 where it is above 0, the first in the highest bit (as `numpy.packbits`).
pub fn signs(state: &[f32]) -> impl Iterator<Item = u8> {
    let bits = |part: &[f32]| part.iter().fold(0, |bits, x| bits << 1 | u8::from(*x > 0.0)) << (8 - part.len());
    state.chunks(8).map(bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn chunk(before: usize, ids: &[i32], after: usize) -> Chunk {
        let ids = [vec![1; before], ids.to_vec(), vec![1; after]].concat();
        Chunk { start: 0, end: 0, own: before..ids.len() - after, ids }
    }

    fn words(vocabulary: usize) -> Words {
        Words::new(["the".into()].into(), vocabulary)
    }

    /// A vocabulary in which every even id is a word.
    fn even(id: u32) -> Option<String> {
        Some(if id.is_multiple_of(2) { format!("w{id}") } else { "##-".into() })
    }

    #[test]
    fn words_are_kept_and_nothing_else() {
        let stop = ["the".into(), "é".into()].into();
        for token in ["word", "##ing", "▁Haus", "Ġrun", "7", "##7", "ß", "漢", "utf8", "²", "##É2"] {
            assert!(is_word(token, &stop), "{token}");
        }
        for token in ["", "##", "▁", "a", "##a", "Z", "ĠThe", "THE", "É", "-", "[UNK]", "it's", "a b", "▁▁ab", "####ab"]
        {
            assert!(!is_word(token, &stop), "{token}");
        }
    }

    #[test]
    fn prompts_and_special_tokens_do_not_count() {
        let found = words(9).places(&[chunk(2, &[4, 3, 6], 1), chunk(1, &[8], 0)], |_| Some("word".into()));
        assert_eq!(found, [vec![2, 3, 4], vec![1]]);
    }

    #[test]
    fn an_id_counts_once_in_a_text() {
        let chunks = [chunk(1, &[4, 2, 4, 3], 1), chunk(1, &[2, 6], 1)];
        assert_eq!(words(9).places(&chunks, even), [vec![1, 2], vec![2]]);
        assert_eq!(words(9).places(&chunks[1..], even), [vec![1, 2]]);
    }

    #[test]
    fn a_long_text_has_its_first_words() {
        let ids: Vec<i32> = (0..1_000).collect();
        let found = words(1_000).places(&[chunk(0, &ids[..80], 0), chunk(0, &ids[80..], 0)], even);
        assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [40, MOST_CODES - 40]);
        assert_eq!(found[1].last(), Some(&46));
    }

    #[test]
    fn a_token_is_looked_at_once() {
        let looks = Cell::new(0);
        let token = |id: u32| {
            looks.set(looks.get() + 1);
            even(id)
        };
        let words = words(5);
        for _ in 0..3 {
            assert_eq!(words.places(&[chunk(0, &[2, 3], 0)], token), [vec![0]]);
        }
        assert_eq!(looks.get(), 2);
        // Tokens that were added behind the vocabulary, and what no vocabulary has.
        assert_eq!(words.places(&[chunk(0, &[8, 9, -1], 0)], |id| even(id).filter(|_| id < 9)), [vec![0]]);
    }

    #[test]
    fn signs_are_packed_as_numpy_does() {
        let packed = |state: &[f32]| signs(state).collect::<Vec<u8>>();
        assert_eq!(packed(&[1.0, -1.0, 0.0, 0.1, -0.0, f32::NAN, f32::INFINITY, 1e-40]), [0b1001_0011]);
        assert_eq!(packed(&[1.0, -1.0, 1.0]), [0b1010_0000]);
        assert_eq!(packed(&[-1.0, 1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, 1.0]), [0b0100_0000, 0b1000_0000]);
        assert!(packed(&[]).is_empty());
        assert_eq!([1, 8, 9, 384].map(code_bytes), [1, 1, 2, 48]);
    }
}
