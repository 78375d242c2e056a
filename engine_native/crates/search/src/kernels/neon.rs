//! NEON: a table is a register, a code byte's half is an index into it (`tbl`).

use super::Sums;
use super::blocks::scan_with;
use crate::bitmap::Bitmap;
use crate::codes::{Codes, LANES};
use crate::tables::Tables;
use crate::top::Top;
use std::arch::aarch64::*;
use std::ops::Range;

#[target_feature(enable = "neon")]
pub fn scan(codes: &Codes, tables: &Tables, allowed: &Bitmap, blocks: Range<usize>, top: &mut Top) {
    scan_with(codes, tables, allowed, blocks, top, |bits, tables| sums(bits, tables));
}

#[inline]
#[target_feature(enable = "neon")]
fn sums(bits: &[u8], tables: &Tables) -> Sums {
    let (rows, _) = bits.as_chunks::<LANES>();
    let (low, _) = tables.low.as_chunks::<32>();
    let (high, _) = tables.high.as_chunks::<32>();
    let half = vdupq_n_u8(15);
    let mut sums = [vdupq_n_u16(0); 4];
    for ((row, low), high) in rows.iter().zip(low).zip(high) {
        // SAFETY: each reference is to 32 bytes, of which 16 are read.
        let (low, high) = unsafe { (vld1q_u8(low.as_ptr()), vld1q_u8(high.as_ptr())) };
        for side in 0..2 {
            // SAFETY: the row has 32 bytes, and 16 are read from 0 or 16 on.
            let codes = unsafe { vld1q_u8(row.as_ptr().add(16 * side)) };
            let below = vqtbl1q_u8(low, vandq_u8(codes, half));
            let entry = vaddq_u8(below, vqtbl1q_u8(high, vshrq_n_u8::<4>(codes)));
            sums[2 * side] = vaddw_u8(sums[2 * side], vget_low_u8(entry));
            sums[2 * side + 1] = vaddw_high_u8(sums[2 * side + 1], entry);
        }
    }
    let mut out = [0_u16; LANES];
    for (place, part) in sums.into_iter().enumerate() {
        // SAFETY: four stores of 8 sums fill the array's 32.
        unsafe { vst1q_u16(out.as_mut_ptr().add(8 * place), part) };
    }
    out
}
