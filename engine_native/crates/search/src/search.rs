//! The second stage: exact scalar products of the best candidates, as many as it takes.

use crate::bitmap::Bitmap;
use crate::codes::Codes;
use crate::errors::Errors;
use crate::kernels::{Simd, prefetch};
use crate::scan::candidates;
use crate::tables::Tables;
use crate::top::Candidate;

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
/// Candidates kept by the first scan: per row wanted, at least, and one of so many rows.
const KEPT: (usize, usize, usize) = (40, 1_024, 512);
/// How many times as many each further scan keeps.
const MORE: usize = 4;
/// Rows that may be expected to be missed, per row wanted.
const MISSED: f64 = 0.0002;

/// Return the rows nearest to the query, best first; of equals the lower row.
///
/// Candidates are rescored in the order of their estimates until, by the errors seen, of those behind hardly one is
/// expected among the rows wanted; where the candidates kept do not suffice, more are, and at last all rows.
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
    let mut rescored = Rescored { simd, vectors, query: query.vector, hits: Vec::new() };
    let mut keep = KEPT.1.max(KEPT.0 * count).max(allowed / KEPT.2);
    while 2 * keep < allowed {
        let found = candidates(simd, codes, &tables, query.allowed, keep, query.threads);
        if rescored.suffice(&found, tables.base, count) {
            return rescored.best(count);
        }
        keep *= MORE;
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
}

impl Rescored<'_> {
    /// Rescore candidates from the first that was not, each time as many as before; tell whether they suffice.
    fn suffice(&mut self, found: &[Candidate], base: f32, count: usize) -> bool {
        let mut next = FIRST.1.max(FIRST.0 * count).max(2 * self.hits.len());
        while let Some((batch, rest)) =
            found.get(self.hits.len()..).and_then(|left| left.split_at_checked(next - self.hits.len()))
        {
            let errors = self.rescore(batch, base);
            #[allow(clippy::cast_precision_loss)]
            if errors.expected_above(self.last(count) - base, rest, found.len()) < MISSED * count as f64 {
                return true;
            }
            next *= 2;
        }
        // More will be kept, in the same order: what was rescored need not be again.
        false
    }

    fn rescore(&mut self, batch: &[Candidate], base: f32) -> Errors {
        let (mut sum, mut squares) = (0.0, 0.0);
        for (place, candidate) in batch.iter().enumerate() {
            if let Some(soon) = batch.get(place + AHEAD) {
                prefetch(self.vector(soon.row as usize));
            }
            let hit = self.hit(candidate.row as usize);
            let error = f64::from(hit.score - base - candidate.estimate);
            sum += error;
            squares += error * error;
            self.hits.push(hit);
        }
        Errors::of_sums(sum, squares, batch.len())
    }

    /// Return the last wanted score so far, of more scores than are wanted.
    fn last(&mut self, count: usize) -> f32 {
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
