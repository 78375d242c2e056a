//! The sums of one block: table entries of 32 codes added up, in the widest registers that the processor has.
//!
//! Every path computes the same integers and the same IEEE operations in the same order: results are bit-identical.

mod blocks;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

use self::blocks::scan_with;
use crate::bitmap::Bitmap;
use crate::codes::{Codes, LANES};
use crate::tables::Tables;
use crate::top::Top;
use std::ops::Range;

/// A way to use the processor. A value is proof that this processor has what it takes: only `available` makes others
/// than `PORTABLE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Simd(Path);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    /// AVX-512 BW, 64 bytes at a time.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX2, 32 bytes at a time.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// NEON, 16 bytes at a time.
    #[cfg(target_arch = "aarch64")]
    Neon,
    Portable,
}

impl Simd {
    /// Plain Rust; the reference for the others.
    pub const PORTABLE: Self = Self(Path::Portable);

    /// Return the paths that this processor has, the fastest first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let mut found = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2");
            if avx2 && is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
                found.push(Self(Path::Avx512));
            }
            if avx2 {
                found.push(Self(Path::Avx2));
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            found.push(Self(Path::Neon));
        }
        found.push(Self::PORTABLE);
        found
    }

    /// Return the fastest path; it is looked for once.
    #[must_use]
    pub fn best() -> Self {
        static BEST: std::sync::OnceLock<Simd> = std::sync::OnceLock::new();
        *BEST.get_or_init(|| Self::available()[0])
    }

    /// Return its name: `avx512`, `avx2`, `neon` or `portable`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Path::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 => "avx2",
            #[cfg(target_arch = "aarch64")]
            Path::Neon => "neon",
            Path::Portable => "portable",
        }
    }

    /// Put what the allowed vectors of these blocks are estimated at into `top`.
    pub(crate) fn scan(self, codes: &Codes, tables: &Tables, allowed: &Bitmap, blocks: Range<usize>, top: &mut Top) {
        match self.0 {
            // SAFETY: `available` alone makes such a value, where it found these features.
            #[cfg(target_arch = "x86_64")]
            Path::Avx512 => unsafe { x86::scan_avx512(codes, tables, allowed, blocks, top) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 => unsafe { x86::scan_avx2(codes, tables, allowed, blocks, top) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Path::Neon => unsafe { neon::scan(codes, tables, allowed, blocks, top) },
            Path::Portable => scan_with(codes, tables, allowed, blocks, top, portable::sums),
        }
    }

    /// Return the scalar product in single precision, summed in 16 lanes.
    #[must_use]
    pub fn dot(self, left: &[f32], right: &[f32]) -> f32 {
        match self.0 {
            // SAFETY: as in `scan`.
            #[cfg(target_arch = "x86_64")]
            Path::Avx512 => unsafe { x86::dot_avx512(left, right) },
            // SAFETY: as in `scan`.
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 => unsafe { x86::dot_avx2(left, right) },
            // Every aarch64 that Rust compiles for has NEON: the compiler uses it here.
            #[cfg(target_arch = "aarch64")]
            Path::Neon => dot_lanes(left, right),
            Path::Portable => dot_lanes(left, right),
        }
    }
}

/// Ask for a row from memory before it is needed. Rows lie far apart, so the processor does not guess the next.
#[inline]
pub(crate) fn prefetch(row: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    for line in row.chunks(16) {
        // SAFETY: a prefetch reads nothing and faults nowhere, whatever the address.
        unsafe { std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = row; // There is no stable intrinsic.
}

/// The scalar product as every path computes it; each path compiles it for its own registers.
#[inline(always)]
fn dot_lanes(left: &[f32], right: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 16];
    let (left, left_rest) = left.as_chunks::<16>();
    let (right, right_rest) = right.as_chunks::<16>();
    for (left, right) in left.iter().zip(right) {
        for lane in 0..16 {
            sums[lane] += left[lane] * right[lane];
        }
    }
    for (lane, (x, y)) in left_rest.iter().zip(right_rest).enumerate() {
        sums[lane] += x * y;
    }
    for width in [8, 4, 2, 1] {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
    }
    sums[0]
}

/// The sums of a block, one per lane.
pub(crate) type Sums = [u16; LANES];
