//! The reference kernel, without intrinsics.

use super::Sums;
use crate::codes::LANES;
use crate::tables::Tables;

/// Add up the table entries of one block.
#[inline]
pub fn sums(bits: &[u8], tables: &Tables) -> Sums {
    let mut sums = [0_u16; LANES];
    let (rows, _) = bits.as_chunks::<LANES>();
    let (low, _) = tables.low.as_chunks::<32>();
    let (high, _) = tables.high.as_chunks::<32>();
    for ((row, low), high) in rows.iter().zip(low).zip(high) {
        for (sum, byte) in sums.iter_mut().zip(row) {
            *sum += u16::from(low[usize::from(byte & 15)] + high[usize::from(byte >> 4)]);
        }
    }
    sums
}
