//! Which rows count.

use crate::codes::LANES;

/// Rows that count, one bit each, a word per block; bits behind the last row are never set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bitmap {
    words: Vec<u32>,
    count: usize,
}

impl Bitmap {
    /// Return a bitmap of `rows` bits, all set.
    #[must_use]
    pub fn all(rows: usize) -> Self {
        let mut words = vec![u32::MAX; rows / LANES];
        if !rows.is_multiple_of(LANES) {
            words.push((1 << (rows % LANES)) - 1);
        }
        Self { words, count: rows }
    }

    /// Return a bitmap whose bits are set where a byte is not 0.
    #[must_use]
    pub fn of_mask(mask: &[u8]) -> Self {
        let word = |bytes: &[u8]| bytes.iter().enumerate().fold(0, |word, (bit, x)| word | u32::from(*x != 0) << bit);
        let words: Vec<u32> = mask.chunks(LANES).map(word).collect();
        let count = words.iter().map(|word| word.count_ones() as usize).sum();
        Self { words, count }
    }

    /// Return how many bits are set.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Return the words from a block on; none where the bitmap ends before it.
    pub fn words_from(&self, block: usize) -> &[u32] {
        self.words.get(block..).unwrap_or_default()
    }

    /// Return the rows whose bits are set, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(place, word)| Bits(*word).map(move |bit| place * LANES + bit))
    }
}

/// The places of a word's bits.
pub struct Bits(pub u32);

impl Iterator for Bits {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(bit)
    }
}
