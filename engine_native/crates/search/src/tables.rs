//! A query as tables of small integers: what each possible half byte of a code adds to the scalar product.

use crate::codes::Layout;

/// The greatest entry. Two of them fit a byte, so a kernel adds the tables of a byte's halves before it widens.
const STEPS: f32 = 127.0;

/// The tables of one query, each entry twice (`[t, t]`, 32 bytes) because a shuffle works on 16 bytes at a time.
pub struct Tables {
    /// For the low halves of byte 0, 1, ..., 32 bytes each.
    pub(crate) low: Vec<u8>,
    /// For the high halves.
    pub(crate) high: Vec<u8>,
    /// `<q, x> ~ base + factor * (scale * sum + offset)`.
    pub(crate) scale: f32,
    pub(crate) offset: f32,
    pub(crate) base: f32,
}

impl Tables {
    /// Build the tables of `query` for codes around `centre`.
    #[must_use]
    pub fn new(layout: Layout, query: &[f32], centre: &[f32]) -> Self {
        let mut padded = query.to_vec();
        padded.resize(layout.code_bytes() * 8, 0.0);
        let sums: Vec<[f32; 16]> = padded.chunks_exact(4).map(subset_sums).collect();
        let bounds: Vec<(f32, f32)> = padded.chunks_exact(4).map(bounds).collect();
        let range = bounds.iter().fold(f32::MIN_POSITIVE, |range, (least, most)| range.max(most - least));
        let minima: f32 = bounds.iter().map(|(least, _)| least).sum();
        let mut tables = Self {
            low: Vec::with_capacity(layout.code_bytes() * 32),
            high: Vec::with_capacity(layout.code_bytes() * 32),
            scale: 2.0 * range / STEPS,
            offset: 2.0 * minima - query.iter().sum::<f32>(),
            base: query.iter().zip(centre).map(|(q, c)| q * c).sum(),
        };
        for (place, (table, (least, _))) in sums.iter().zip(&bounds).enumerate() {
            // To the nearest step; `min` also makes a number of what is none.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let entries = table.map(|sum| ((sum - least) * (STEPS / range) + 0.5).min(STEPS) as u8);
            let side = if place % 2 == 0 { &mut tables.low } else { &mut tables.high };
            side.extend_from_slice(&entries);
            side.extend_from_slice(&entries);
        }
        tables
    }
}

/// Return for each subset of the four components their sum; bit `i` of the index stands for component `i`.
fn subset_sums(part: &[f32]) -> [f32; 16] {
    let mut sums = [0.0; 16];
    for subset in 1..16_usize {
        let lowest = subset.trailing_zeros() as usize;
        sums[subset] = sums[subset & (subset - 1)] + part[lowest];
    }
    sums
}

/// Return the least and the greatest of these sums, added up in the same order.
fn bounds(part: &[f32]) -> (f32, f32) {
    part.iter().rev().fold((0.0, 0.0), |(least, most), x| (least + x.min(0.0), most + x.max(0.0)))
}
