//! AVX2 and AVX-512: a table is a register, a code byte's half is an index into it (`pshufb`).

use super::blocks::scan_with;
use super::{Sums, dot_lanes};
use crate::bitmap::Bitmap;
use crate::codes::{Codes, LANES};
use crate::tables::Tables;
use crate::top::Top;
use std::arch::x86_64::*;
use std::ops::Range;

#[target_feature(enable = "avx2")]
pub fn scan_avx2(codes: &Codes, tables: &Tables, allowed: &Bitmap, blocks: Range<usize>, top: &mut Top) {
    scan_with(codes, tables, allowed, blocks, top, |bits, tables| sums_avx2(bits, tables));
}

#[target_feature(enable = "avx512f,avx512bw,avx2")]
pub fn scan_avx512(codes: &Codes, tables: &Tables, allowed: &Bitmap, blocks: Range<usize>, top: &mut Top) {
    scan_with(codes, tables, allowed, blocks, top, |bits, tables| sums_avx512(bits, tables));
}

#[target_feature(enable = "avx2")]
pub fn dot_avx2(left: &[f32], right: &[f32]) -> f32 {
    dot_lanes(left, right)
}

#[target_feature(enable = "avx512f,avx512bw,avx2")]
pub fn dot_avx512(left: &[f32], right: &[f32]) -> f32 {
    dot_lanes(left, right)
}

#[inline]
#[target_feature(enable = "avx2")]
fn sums_avx2(bits: &[u8], tables: &Tables) -> Sums {
    let (rows, _) = bits.as_chunks::<LANES>();
    let (low, _) = tables.low.as_chunks::<32>();
    let (high, _) = tables.high.as_chunks::<32>();
    let half = _mm256_set1_epi8(15);
    let (mut both, mut odd) = (_mm256_setzero_si256(), _mm256_setzero_si256());
    for ((row, low), high) in rows.iter().zip(low).zip(high) {
        // SAFETY: each reference is to 32 bytes; the loads are unaligned ones.
        let (row, low, high) = unsafe {
            (
                _mm256_loadu_si256(row.as_ptr().cast()),
                _mm256_loadu_si256(low.as_ptr().cast()),
                _mm256_loadu_si256(high.as_ptr().cast()),
            )
        };
        let below = _mm256_shuffle_epi8(low, _mm256_and_si256(row, half));
        let above = _mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi16::<4>(row), half));
        let entry = _mm256_add_epi8(below, above);
        both = _mm256_add_epi16(both, entry);
        odd = _mm256_add_epi16(odd, _mm256_srli_epi16::<8>(entry));
    }
    interleave(both, odd)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx2")]
fn sums_avx512(bits: &[u8], tables: &Tables) -> Sums {
    let (rows, _) = bits.as_chunks::<64>();
    let (low, _) = tables.low.as_chunks::<64>();
    let (high, _) = tables.high.as_chunks::<64>();
    let half = _mm512_set1_epi8(15);
    let (mut both, mut odd) = (_mm512_setzero_si512(), _mm512_setzero_si512());
    for ((row, low), high) in rows.iter().zip(low).zip(high) {
        // SAFETY: each reference is to 64 bytes; the loads are unaligned ones.
        let (row, low, high) = unsafe {
            (
                _mm512_loadu_si512(row.as_ptr().cast()),
                _mm512_loadu_si512(low.as_ptr().cast()),
                _mm512_loadu_si512(high.as_ptr().cast()),
            )
        };
        let below = _mm512_shuffle_epi8(low, _mm512_and_si512(row, half));
        let above = _mm512_shuffle_epi8(high, _mm512_and_si512(_mm512_srli_epi16::<4>(row), half));
        let entry = _mm512_add_epi8(below, above);
        both = _mm512_add_epi16(both, entry);
        odd = _mm512_add_epi16(odd, _mm512_srli_epi16::<8>(entry));
    }
    // The two halves of the registers hold two bytes of the same 32 codes.
    interleave(
        _mm256_add_epi16(_mm512_castsi512_si256(both), _mm512_extracti64x4_epi64::<1>(both)),
        _mm256_add_epi16(_mm512_castsi512_si256(odd), _mm512_extracti64x4_epi64::<1>(odd)),
    )
}

/// Take the sums of even and odd lanes apart and put them in order: `both` holds `even + 256 * odd` modulo 2^16.
#[inline]
#[target_feature(enable = "avx2")]
fn interleave(both: __m256i, odd: __m256i) -> Sums {
    let even = _mm256_sub_epi16(both, _mm256_slli_epi16::<8>(odd));
    let (first, second) = (_mm256_unpacklo_epi16(even, odd), _mm256_unpackhi_epi16(even, odd));
    let mut sums = [0_u16; LANES];
    // SAFETY: the array has room for two registers of 16 sums; the stores are unaligned ones.
    unsafe {
        let out = sums.as_mut_ptr().cast::<__m256i>();
        _mm256_storeu_si256(out, _mm256_permute2x128_si256::<0x20>(first, second));
        _mm256_storeu_si256(out.add(1), _mm256_permute2x128_si256::<0x31>(first, second));
    }
    sums
}
