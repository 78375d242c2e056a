//! The walk over blocks of codes that every path shares.

use super::Sums;
use crate::bitmap::{Bitmap, Bits};
use crate::codes::{Codes, LANES};
use crate::tables::Tables;
use crate::top::{Candidate, Top};
use std::ops::Range;

/// The scan that every path compiles with its own `sums`.
#[inline(always)]
pub fn scan_with(
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
    let words = allowed.words_from(blocks.start);
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
