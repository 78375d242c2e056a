//! Nearest memories, and how near given ones are: a memory is as near as the best of its passages.

use crate::directory::{DEAD, Directory};
use crate::error::Error;
use crate::index::Index;
use crate::kernels::Simd;
use crate::search::Hit;
use std::collections::HashSet;

/// A filter that leaves less than one row in so many is answered from those rows alone, exactly.
const NARROW: usize = 8;

/// The rows that the caller keeps.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// All vectors, one after the other.
    pub vectors: &'a [f32],
    /// The memory of each row, [`DEAD`] where it belongs to none.
    pub nums: &'a [i64],
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The vector to be near to.
    pub query: &'a [f32],
    /// How many memories.
    pub count: usize,
    /// The memories that count; all where there is no list.
    pub among: Option<&'a [i64]>,
    /// The most threads that the scan may use.
    pub threads: usize,
}

impl Directory {
    /// Return the nearest memories with the scalar products of their best rows, best first.
    ///
    /// `index` covers the first rows; those behind are scored one by one.
    ///
    /// # Errors
    /// [`Error::Input`] if a length does not fit, or the query is not finite.
    pub fn nearest(&self, index: &Index, rows: Rows<'_>, wanted: Wanted<'_>) -> Result<Vec<(i64, f32)>, Error> {
        let total = rows.nums.len();
        if rows.vectors.len() != total * index.dimensions() || total < index.len() {
            let (components, covered) = (rows.vectors.len(), index.len());
            return Err(Error::Input(format!("{components} components and {covered} codes for {total} rows")));
        }
        if wanted.query.len() != index.dimensions() {
            let (expected, found) = (index.dimensions(), wanted.query.len());
            return Err(Error::Input(format!("a query has {expected} components; this one has {found}")));
        }
        let mask = self.mask(rows.nums, wanted.among);
        let live = mask.as_ref().map_or(total, |mask| mask.iter().filter(|byte| **byte != 0).count());
        if wanted.count == 0 || live == 0 {
            return Ok(Vec::new());
        }
        let covered = if live * NARROW < total { 0 } else { index.len() };
        let rest = scored(rows.vectors, wanted.query, covered..total, mask.as_deref());
        let passages = if self.rows() == self.len() { 1 } else { 2 };
        let mut most = live.min(wanted.count.saturating_mul(passages));
        loop {
            let mut hits = rest.clone();
            if covered > 0 {
                let mask = mask.as_ref().map(|mask| &mask[..covered]);
                hits.extend(index.nearest(rows.vectors, wanted.query, most, mask, wanted.threads)?);
            }
            let best = best_passages(&mut hits, rows.nums, wanted.count, most);
            if best.len() == wanted.count || most == live {
                return Ok(best);
            }
            // Many passages of few memories: look further down.
            most = live.min(8 * most);
        }
    }

    /// Return the scalar product of a query with each memory, of its best row; NaN for one that is not known.
    ///
    /// # Errors
    /// [`Error::Input`] if a memory's rows are not there.
    pub fn similarities(&self, vectors: &[f32], query: &[f32], nums: &[i64]) -> Result<Vec<f32>, Error> {
        let simd = Simd::best();
        let similarity = |num: &i64| {
            let span = self.find(*num).rows();
            let own = vectors.get(span.start * query.len()..span.end * query.len());
            let own = own.ok_or_else(|| Error::Input(format!("there are no rows {span:?} in the vectors")))?;
            let scores = own.chunks_exact(query.len().max(1)).map(|row| simd.dot(row, query));
            // `max` passes over what is not a number.
            Ok(scores.fold(f32::NAN, f32::max))
        };
        nums.iter().map(similarity).collect()
    }

    /// Return a byte for each row, 0 where it does not count; nothing where all do.
    fn mask(&self, nums: &[i64], among: Option<&[i64]>) -> Option<Vec<u8>> {
        let Some(among) = among else {
            return (self.rows() < nums.len()).then(|| nums.iter().map(|num| u8::from(*num != DEAD)).collect());
        };
        let mut mask = vec![0; nums.len()];
        for num in among {
            if let Some(own) = mask.get_mut(self.find(*num).rows()) {
                own.fill(1);
            }
        }
        Some(mask)
    }
}

/// Score rows one by one; what is not a number is left out.
fn scored(vectors: &[f32], query: &[f32], rows: std::ops::Range<usize>, mask: Option<&[u8]>) -> Vec<Hit> {
    let simd = Simd::best();
    let rows = rows.filter(|row| mask.is_none_or(|mask| mask[*row] != 0));
    let hits = rows.map(|row| Hit { row, score: simd.dot(&vectors[row * query.len()..][..query.len()], query) });
    hits.filter(|hit| !hit.score.is_nan()).collect()
}

/// Return the memories of the best `most` rows, each with its best, `count` at most.
fn best_passages(hits: &mut Vec<Hit>, nums: &[i64], count: usize, most: usize) -> Vec<(i64, f32)> {
    let best_first = |left: &Hit, right: &Hit| right.score.total_cmp(&left.score).then(left.row.cmp(&right.row));
    if most < hits.len() {
        hits.select_nth_unstable_by(most - 1, best_first);
        hits.truncate(most);
    }
    hits.sort_unstable_by(best_first);
    let mut seen = HashSet::with_capacity(count.min(hits.len()));
    let memories = hits.iter().map(|hit| (nums[hit.row], hit.score));
    memories.filter(|(num, _)| *num != DEAD && seen.insert(*num)).take(count).collect()
}
