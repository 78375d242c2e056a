//! Which rows belong to which memory: several, side by side, where a text was cut into passages.

use crate::error::Error;
use std::collections::BTreeMap;
use std::ops::Range;

/// The number of a row that belongs to no memory any more.
pub const DEAD: i64 = -1;
/// What was put is merged into the sorted list when it is more than so many, and one in so many.
const MERGE: (usize, usize) = (1_024, 8);

/// The rows of one memory; none where the count is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first row.
    pub first: u32,
    /// How many rows.
    pub count: u32,
}

impl Span {
    /// Return the rows.
    #[must_use]
    pub const fn rows(self) -> Range<usize> {
        self.first as usize..self.first as usize + self.count as usize
    }
}

/// Memory numbers to their rows.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// By number, ascending; no number twice.
    sorted: Vec<(i64, Span)>,
    /// What was put since; a span without rows takes a memory out.
    recent: BTreeMap<i64, Span>,
    memories: usize,
    rows: usize,
}

impl Directory {
    /// Take the memory of each row, [`DEAD`] where it belongs to none.
    ///
    /// # Errors
    /// [`Error::Input`] for more than 2^32 rows.
    pub fn new(nums: &[i64]) -> Result<Self, Error> {
        if u32::try_from(nums.len()).is_err() {
            return Err(Error::Input(format!("{} rows are more than an index holds", nums.len())));
        }
        let (mut sorted, mut first) = (Vec::with_capacity(nums.len()), 0);
        for run in nums.chunk_by(|left, right| left == right) {
            #[allow(clippy::cast_possible_truncation)] // Looked at above.
            let count = run.len() as u32;
            if run[0] != DEAD {
                sorted.push((run[0], Span { first, count }));
            }
            first += count;
        }
        // Stable, since it is quick with what is ascending or descending in long runs, as embeddings are written.
        sorted.sort_by_key(|(num, _)| *num);
        sorted.dedup_by_key(|(num, _)| *num);
        let rows = sorted.iter().map(|(_, span)| span.count as usize).sum();
        Ok(Self { memories: sorted.len(), rows, sorted, recent: BTreeMap::new() })
    }

    /// Return the number of memories.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.memories
    }

    /// Tell whether there is no memory.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.memories == 0
    }

    /// Return the number of rows that belong to a memory.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Return where a memory's rows lie; no rows for one that is not known.
    #[must_use]
    pub fn find(&self, num: i64) -> Span {
        if let Some(span) = self.recent.get(&num) {
            return *span;
        }
        let place = self.sorted.binary_search_by_key(&num, |(known, _)| *known);
        place.map_or_else(|_| Span::default(), |place| self.sorted[place].1)
    }

    /// Set where a memory's rows lie; a span without rows takes it out.
    pub fn put(&mut self, num: i64, span: Span) {
        let before = self.find(num);
        self.memories = self.memories + usize::from(span.count > 0) - usize::from(before.count > 0);
        self.rows = self.rows + span.count as usize - before.count as usize;
        self.recent.insert(num, span);
        if self.recent.len() > MERGE.0.max(self.sorted.len() / MERGE.1) {
            self.merge();
        }
    }

    /// Return the numbers of the memories that are not among these, ascending.
    #[must_use]
    pub fn others(&self, nums: &[i64]) -> Vec<i64> {
        let mut known = self.clone();
        known.merge();
        let mut named = nums.to_vec();
        named.sort_unstable();
        let other = |(num, _): &(i64, Span)| named.binary_search(num).is_err().then_some(*num);
        known.sorted.iter().filter_map(other).collect()
    }

    fn merge(&mut self) {
        let recent = std::mem::take(&mut self.recent);
        self.sorted.retain(|(num, _)| !recent.contains_key(num));
        self.sorted.extend(recent.into_iter().filter(|(_, span)| span.count > 0));
        self.sorted.sort_by_key(|(num, _)| *num);
    }
}
