//! The first stage: estimate every allowed vector and keep the best.

use crate::codes::{Codes, LANES};
use crate::kernels::{Simd, Sums};
use crate::tables::Tables;
use std::ops::Range;

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

    /// Return the rows whose bits are set, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(place, word)| Bits(*word).map(move |bit| place * LANES + bit))
    }
}

/// The places of a word's bits.
struct Bits(u32);

impl Iterator for Bits {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(bit)
    }
}

/// A row and what it is estimated at, without the part that all rows share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// `<query, row - centre>`, estimated.
    pub estimate: f32,
    /// The row's number.
    pub row: u32,
}

impl Candidate {
    /// Return it as a number: the better, the smaller; of equals the lower row. Numbers are sorted without branches.
    #[inline]
    const fn key(self) -> u64 {
        let bits = self.estimate.to_bits();
        // The bits of floats ascend with their values, those of negative ones descend.
        let ascending = if bits >> 31 == 0 { bits | 1 << 31 } else { !bits };
        (!ascending as u64) << 32 | self.row as u64
    }

    #[allow(clippy::cast_possible_truncation)] // Two halves of 32 bits each.
    const fn of(key: u64) -> Self {
        let ascending = !((key >> 32) as u32);
        let bits = if ascending >> 31 == 1 { ascending & !(1 << 31) } else { !ascending };
        Self { estimate: f32::from_bits(bits), row: key as u32 }
    }
}

/// The best candidates so far.
pub struct Top {
    keep: usize,
    /// Candidates not above it are not among the best.
    threshold: f32,
    found: Vec<u64>,
}

impl Top {
    /// Keep the best `keep` candidates, at least one.
    #[must_use]
    pub fn new(keep: usize) -> Self {
        Self { keep, threshold: f32::NEG_INFINITY, found: Vec::with_capacity(2 * keep) }
    }

    #[inline]
    fn push(&mut self, candidate: Candidate) {
        self.found.push(candidate.key());
        if self.found.len() == 2 * self.keep {
            self.shrink();
        }
    }

    fn shrink(&mut self) {
        if self.found.len() > self.keep {
            let (_, last, _) = self.found.select_nth_unstable(self.keep - 1);
            self.threshold = Candidate::of(*last).estimate;
            self.found.truncate(self.keep);
        }
    }

    /// Take over what another part of the scan found.
    pub fn merge(&mut self, other: Self) {
        self.found.extend(other.found);
        self.shrink();
    }

    /// Return the best candidates, best first, of equals the lower row.
    #[must_use]
    pub fn into_sorted(mut self) -> Vec<Candidate> {
        self.shrink();
        self.found.sort_unstable();
        self.found.into_iter().map(Candidate::of).collect()
    }
}

/// Blocks below which a further thread costs more than it saves: starting it takes about 30 us.
const BLOCKS_PER_THREAD: usize = 4096;

/// Return the best `keep` of the allowed rows by their estimates, best first.
#[must_use]
pub fn candidates(
    simd: Simd,
    codes: &Codes,
    tables: &Tables,
    allowed: &Bitmap,
    keep: usize,
    threads: usize,
) -> Vec<Candidate> {
    let blocks = codes.blocks();
    let parts = threads.min(blocks / BLOCKS_PER_THREAD).max(1);
    let part = |place: usize| {
        let mut top = Top::new(keep);
        simd.scan(codes, tables, allowed, blocks * place / parts..blocks * (place + 1) / parts, &mut top);
        top
    };
    let mut top = Top::new(keep);
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..parts).map(|place| (place, scope.spawn(move || part(place)))).collect();
        top = part(0);
        for (place, other) in others {
            // A thread that could not finish is no reason to leave its part out.
            top.merge(other.join().unwrap_or_else(|_| part(place)));
        }
    });
    top.into_sorted()
}

/// The scan that every path compiles with its own `sums`.
#[inline(always)]
pub(crate) fn scan_with(
    codes: &Codes,
    tables: &Tables,
    allowed: &Bitmap,
    blocks: Range<usize>,
    top: &mut Top,
    sums: impl Fn(&[u8], &Tables) -> Sums,
) {
    let size = codes.layout().block_bytes();
    let bits = codes.bits[blocks.start * size..blocks.end * size].chunks_exact(size);
    let (factors, _) = codes.factors[blocks.start * LANES..blocks.end * LANES].as_chunks::<LANES>();
    // A bitmap may end early: what it does not name is not allowed.
    let words = allowed.words.get(blocks.start..).unwrap_or_default();
    for (place, ((bits, factors), word)) in bits.zip(factors).zip(words).enumerate() {
        if *word == 0 {
            continue;
        }
        let sums = sums(bits, tables);
        let mut estimates = [0.0_f32; LANES];
        let mut above = [0_u8; LANES];
        for lane in 0..LANES {
            estimates[lane] = factors[lane] * (tables.scale * f32::from(sums[lane]) + tables.offset);
            above[lane] = u8::from(estimates[lane] > top.threshold);
        }
        let hits = word & packed(&above);
        if hits != 0 {
            collect(&estimates, hits, (blocks.start + place) * LANES, top);
        }
    }
}

/// Return the lowest bits of 32 bytes that are 0 or 1: a multiplication brings those of eight bytes side by side.
#[inline(always)]
fn packed(flags: &[u8; LANES]) -> u32 {
    let (eights, _) = flags.as_chunks::<8>();
    let bits = |eight: &[u8; 8]| u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    #[allow(clippy::cast_possible_truncation)] // Four times eight bits.
    eights.iter().rev().fold(0, |all, eight| all << 8 | bits(eight) as u32)
}

fn collect(estimates: &[f32; LANES], hits: u32, first: usize, top: &mut Top) {
    for lane in Bits(hits) {
        // The threshold may have risen since the block was compared with it.
        if estimates[lane] > top.threshold {
            #[allow(clippy::cast_possible_truncation)] // `Index::extend` refuses more rows than 2^32.
            top.push(Candidate { estimate: estimates[lane], row: (first + lane) as u32 });
        }
    }
}
