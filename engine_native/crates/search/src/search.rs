//! The second stage: exact scalar products of the best candidates, as many as it takes.

use crate::codes::Codes;
use crate::kernels::{Simd, prefetch};
use crate::scan::{Bitmap, Candidate, candidates};
use crate::tables::Tables;

/// How many candidates before its turn a row is asked for from memory.
const AHEAD: usize = 3;

/// What is asked.
#[derive(Clone, Copy)]
pub struct Query<'a> {
    /// The vector to be near to.
    pub vector: &'a [f32],
    /// How many rows are wanted.
    pub count: usize,
    /// The rows that count.
    pub allowed: &'a Bitmap,
    /// The most threads that the scan may use.
    pub threads: usize,
}

/// A row and its scalar product with the query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// The row's number.
    pub row: usize,
    /// In single precision.
    pub score: f32,
}

/// Candidates rescored before the first look at whether it was enough, per row wanted, and at least.
const FIRST: (usize, usize) = (5, 50);
/// Candidates rescored before it counts that none of the latest half was among the best, per row wanted, and at least;
/// for vectors of `MEASURED` dimensions. Fewer bits err more: with half of them, twice as many.
const SURE: (usize, usize) = (40, 400);
const MEASURED: usize = 384;
/// Candidates kept by the first scan: per row wanted, at least, and one of so many rows.
const KEPT: (usize, usize, usize) = (40, 512, 1_024);
/// Standard deviations of the estimates' error that the next estimate must lie below the last wanted score.
const MARGIN: f32 = 2.5;

/// Return the rows nearest to the query, best first; of equals the lower row.
///
/// Candidates are rescored in the order of their estimates until the next one is, by the error seen so far, too far
/// below the last wanted score to belong above it, or until twice as many as before brought nothing new; where the
/// candidates kept do not suffice, more are.
///
/// # Panics
/// If `vectors` has fewer rows than `codes`, or the query another dimension.
#[must_use]
pub fn search(simd: Simd, codes: &Codes, vectors: &[f32], query: Query<'_>) -> Vec<Hit> {
    let allowed = query.allowed.count();
    let count = query.count.min(allowed);
    if count == 0 {
        return Vec::new();
    }
    let tables = Tables::new(codes.layout(), query.vector, codes.centre());
    let mut rescored = Rescored { simd, vectors, query: query.vector, hits: Vec::new(), squares: 0.0 };
    let mut keep = KEPT.1.max(KEPT.0 * count).max(allowed / KEPT.2);
    while 2 * keep < allowed {
        let found = candidates(simd, codes, &tables, query.allowed, keep, query.threads);
        if rescored.suffice(&found, tables.base, count) {
            return rescored.best(count);
        }
        keep *= 8;
    }
    rescored.hits = query.allowed.iter().map(|row| rescored.hit(row)).collect();
    rescored.best(count)
}

/// The exact scores so far.
struct Rescored<'a> {
    simd: Simd,
    vectors: &'a [f32],
    query: &'a [f32],
    hits: Vec<Hit>,
    /// The sum of the squares of score minus estimate.
    squares: f32,
}

impl Rescored<'_> {
    /// Rescore candidates from the best on; tell whether none behind the last is likely to be among the best `count`.
    fn suffice(&mut self, found: &[Candidate], base: f32, count: usize) -> bool {
        let sure = SURE.1.max(SURE.0 * count) * (MEASURED / self.query.len()).max(1);
        let mut next = FIRST.1.max(FIRST.0 * count);
        while let Some(batch) = found.get(self.hits.len()..next.min(found.len())).filter(|batch| !batch.is_empty()) {
            let before = self.last(count);
            let known = self.hits.len();
            self.rescore(batch, base);
            let done = self.hits.len();
            let fruitless = self.hits[known..].iter().all(|hit| hit.score <= before);
            let last = self.last(count);
            #[allow(clippy::cast_precision_loss)]
            let margin = MARGIN * (self.squares / done as f32).sqrt();
            let far = found.get(done).is_some_and(|next| base + next.estimate + margin < last);
            if far || (fruitless && done >= sure) {
                return true;
            }
            next = 2 * done;
        }
        // More will be kept, in the same order: what was rescored need not be again.
        false
    }

    fn rescore(&mut self, batch: &[Candidate], base: f32) {
        for (place, candidate) in batch.iter().enumerate() {
            if let Some(soon) = batch.get(place + AHEAD) {
                prefetch(self.vector(soon.row as usize));
            }
            let hit = self.hit(candidate.row as usize);
            self.squares += (hit.score - base - candidate.estimate).powi(2);
            self.hits.push(hit);
        }
    }

    /// Return the last wanted score so far; as long as there are too few, everything is above it.
    fn last(&mut self, count: usize) -> f32 {
        if self.hits.len() < count {
            return f32::NEG_INFINITY;
        }
        self.hits.select_nth_unstable_by(count - 1, best_first).1.score
    }

    fn vector(&self, row: usize) -> &[f32] {
        &self.vectors[row * self.query.len()..][..self.query.len()]
    }

    fn hit(&self, row: usize) -> Hit {
        Hit { row, score: self.simd.dot(self.vector(row), self.query) }
    }

    fn best(mut self, count: usize) -> Vec<Hit> {
        if count < self.hits.len() {
            self.hits.select_nth_unstable_by(count - 1, best_first);
            self.hits.truncate(count);
        }
        self.hits.sort_unstable_by(best_first);
        self.hits
    }
}

fn best_first(left: &Hit, right: &Hit) -> std::cmp::Ordering {
    right.score.total_cmp(&left.score).then(left.row.cmp(&right.row))
}
