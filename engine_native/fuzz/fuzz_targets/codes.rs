//! A file of codes from hostile bytes: refused, or sound in every later call.
//!
//! The first byte of an input says how the rest is treated: with bit 0 its epoch and checksums are put right, so that
//! what lies behind them is reached; with bit 1 every third row counts. The file may have up to 64 dimensions.

#![no_main]
#![allow(clippy::unwrap_used, missing_docs)] // A finding is a panic.

use libfuzzer_sys::{Corpus, fuzz_target};
use memento_search::{Epoch, Index, Simd};
use std::sync::LazyLock;

const EPOCH: &Epoch = b"0123456789abcdef";
const DIMENSIONS: usize = 64;
const ROWS: usize = 3_000;
/// Rows that the caller has; some seeds have more.
const MOST: usize = 2_300;
const CHECKSUM: usize = 48;
const CENTRE: usize = 52;

/// Rows for a file of any number of dimensions.
static VECTORS: LazyLock<Vec<f32>> = LazyLock::new(|| {
    (0..ROWS * DIMENSIONS).map(|place| ((place * 2_654_435_761) % 1_000) as f32 / 1_000.0 - 0.5).collect()
});

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some((control, bytes)) = input.split_first() else { return Corpus::Reject };
    let dimensions = bytes.get(12..16).map_or(0, |field| u32::from_le_bytes(field.try_into().unwrap()) as usize);
    let dimensions = dimensions.min(DIMENSIONS);
    let mut bytes = bytes.to_vec();
    if control & 1 == 1 {
        repair(&mut bytes, CENTRE + 4 * dimensions);
    }
    if let Ok(index) = Index::read(&*bytes, bytes.len() as u64, dimensions, EPOCH, MOST) {
        assert!(index.len() <= MOST);
        use_it(index, &bytes, control & 2 == 2);
    }
    Corpus::Keep
});

/// Put the epoch and both checksums right in a file whose header's checksum stands at `end`.
fn repair(bytes: &mut [u8], end: usize) {
    if bytes.len() < end + 4 {
        return;
    }
    bytes[32..CHECKSUM].copy_from_slice(EPOCH);
    let body = crc32fast::hash(&bytes[end + 4..]);
    bytes[CHECKSUM..CENTRE].copy_from_slice(&body.to_le_bytes());
    let header = crc32fast::hash(&bytes[..end]);
    bytes[end..end + 4].copy_from_slice(&header.to_le_bytes());
}

/// Do what Memento does with an index that was read: write it, add rows, search.
fn use_it(mut index: Index, bytes: &[u8], masked: bool) {
    let mut written = Vec::new();
    index.write(&mut written, EPOCH).unwrap();
    assert_eq!(written, bytes, "what was read is written as it was");
    let (dimensions, rows) = (index.dimensions(), index.len() + 40);
    let vectors = &VECTORS[..rows * dimensions];
    index.extend(vectors).unwrap();
    let mask: Vec<u8> = (0..rows).map(|row| u8::from(!masked || row % 3 == 0)).collect();
    for (query, count) in vectors.chunks_exact(dimensions).zip([1, 10, 60]) {
        let hits = index.nearest(vectors, query, count, masked.then_some(&mask), 1).unwrap();
        assert_eq!(hits.len(), count.min(mask.iter().filter(|x| **x == 1).count()));
        assert!(hits.windows(2).all(|pair| pair[0].score >= pair[1].score));
        for hit in hits {
            let row = &vectors[hit.row * dimensions..][..dimensions];
            assert!(mask[hit.row] == 1 && hit.score == Simd::PORTABLE.dot(row, query));
        }
    }
}
