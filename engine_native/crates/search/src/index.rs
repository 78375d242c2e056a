//! The codes of a list of rows that the caller keeps.
//!
//! Invariant: row `n` of the index is row `n` of the caller's vectors. Rows are only appended; which of them count is
//! said with each search.

use crate::bitmap::Bitmap;
use crate::codes::{Codes, DIMENSIONS, mean};
use crate::error::Error;
use crate::kernels::Simd;
use crate::search::{Hit, Query, search};

/// A centre is the mean of at most so many rows, spread over all there were.
const CENTRE_ROWS: usize = 65_536;
/// How much the rows grow until a centre of fewer is taken anew: the codes are then encoded again.
const GROWTH: usize = 4;
/// Below so many rows a search is exact, so a better centre would bring nothing.
const FEW: usize = 1_024;

/// An index over vectors of one dimension.
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    pub(crate) codes: Codes,
    /// How many rows there were when the centre was taken.
    pub(crate) centred: usize,
    simd: Simd,
}

impl Index {
    /// Return an empty index.
    ///
    /// # Errors
    /// [`Error::Input`] for a dimension outside [`DIMENSIONS`].
    pub fn new(dimensions: usize) -> Result<Self, Error> {
        if !DIMENSIONS.contains(&dimensions) {
            let (least, most) = (DIMENSIONS.start(), DIMENSIONS.end());
            return Err(Error::Input(format!("vectors have {least} to {most} dimensions, not {dimensions}")));
        }
        Ok(Self::from_codes(Codes::new(vec![0.0; dimensions]), 0))
    }

    /// Put together what a file holds.
    pub(crate) fn from_codes(codes: Codes, centred: usize) -> Self {
        Self { codes, centred, simd: Simd::best() }
    }

    /// Return the number of rows.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.codes.len()
    }

    /// Tell whether there is no row.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// Return the components of a row.
    #[must_use]
    pub const fn dimensions(&self) -> usize {
        self.codes.layout().dimensions
    }

    /// Return the bytes that the index holds in memory.
    #[must_use]
    pub const fn memory(&self) -> usize {
        self.codes.memory()
    }

    /// Encode the rows that `vectors` has behind those of the index.
    ///
    /// # Errors
    /// [`Error::Input`] if they are not whole rows, fewer than before, more than 2^32, or one of the new rows is not
    /// finite; nothing is appended then.
    pub fn extend(&mut self, vectors: &[f32]) -> Result<(), Error> {
        let (known, total) = (self.len(), self.rows_of(vectors)?);
        let rows = |from: usize| vectors[from * self.dimensions()..].chunks_exact(self.dimensions());
        if let Some(place) = rows(known).position(|vector| !vector.iter().all(|x| x.is_finite())) {
            return Err(Error::Input(format!("row {} holds a value that is not finite", known + place)));
        }
        if total > known && self.centred < CENTRE_ROWS && total >= GROWTH * self.centred.max(FEW / GROWTH) {
            let step = total.div_ceil(CENTRE_ROWS);
            self.codes = Codes::new(mean(rows(0).step_by(step), self.dimensions()));
            self.centred = total;
        }
        for vector in vectors[self.len() * self.dimensions()..].chunks_exact(self.dimensions()) {
            self.codes.push(vector);
        }
        Ok(())
    }

    /// Return the `count` rows nearest to `query` by scalar product, best first.
    ///
    /// `vectors` holds at least the rows of the index; a row counts if its byte of `allowed` is not 0.
    ///
    /// # Errors
    /// [`Error::Input`] if a length does not fit, or the query is not finite.
    pub fn nearest(
        &self,
        vectors: &[f32],
        query: &[f32],
        count: usize,
        allowed: Option<&[u8]>,
        threads: usize,
    ) -> Result<Vec<Hit>, Error> {
        self.rows_of(vectors)?;
        if query.len() != self.dimensions() || !query.iter().all(|x| x.is_finite()) {
            let (wanted, found) = (self.dimensions(), query.len());
            return Err(Error::Input(format!("a query has {wanted} finite components; this one has {found}")));
        }
        let allowed = match allowed {
            Some(mask) if mask.len() != self.len() => {
                return Err(Error::Input(format!("the mask has {} rows instead of {}", mask.len(), self.len())));
            }
            Some(mask) => Bitmap::of_mask(mask),
            None => Bitmap::all(self.len()),
        };
        Ok(search(self.simd, &self.codes, vectors, Query { vector: query, count, allowed: &allowed, threads }))
    }

    fn rows_of(&self, vectors: &[f32]) -> Result<usize, Error> {
        let rows = vectors.len() / self.dimensions();
        if !vectors.len().is_multiple_of(self.dimensions()) || u32::try_from(rows).is_err() {
            let (components, dimensions) = (vectors.len(), self.dimensions());
            return Err(Error::Input(format!("{components} components are no rows of {dimensions}")));
        }
        if rows < self.len() {
            return Err(Error::Input(format!("{rows} rows are given, but {} are indexed", self.len())));
        }
        Ok(rows)
    }
}
