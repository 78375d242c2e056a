//! The first stage: estimate every allowed vector and keep the best.

use crate::bitmap::Bitmap;
use crate::codes::Codes;
use crate::kernels::Simd;
use crate::tables::Tables;
use crate::top::{Candidate, Top};

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
