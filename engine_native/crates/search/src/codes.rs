//! 1-bit codes of centred vectors, in blocks of 32.
//!
//! The idea is that of `RaBitQ` (arXiv 2405.12497): of a vector `x` around a centre `c`, only the signs of `x - c` are
//! kept, and one factor that makes `<q, x - c> ~ factor * <q, signs>` unbiased. The layout is that of FAISS's
//! `FastScan`: byte `j` of all 32 vectors of a block lies together, so that one shuffle serves all of them.

/// Vectors in a block.
pub const LANES: usize = 32;

/// How vectors of one dimension are laid out as codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Components of a vector.
    pub dimensions: usize,
}

/// The least and the greatest dimension: the sums of a scan are 16 bits wide.
pub const DIMENSIONS: std::ops::RangeInclusive<usize> = 1..=2048;

impl Layout {
    /// Bytes of one vector's code, even, so that every kernel may take two at a time.
    #[must_use]
    pub const fn code_bytes(self) -> usize {
        self.dimensions.div_ceil(16) * 2
    }

    /// Bytes of the codes of one block.
    #[must_use]
    pub const fn block_bytes(self) -> usize {
        self.code_bytes() * LANES
    }
}

/// The codes and factors of a growing list of vectors, in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Codes {
    layout: Layout,
    centre: Vec<f32>,
    len: usize,
    /// `block_bytes` per block.
    pub(crate) bits: Vec<u8>,
    /// `LANES` per block.
    pub(crate) factors: Vec<f32>,
}

impl Codes {
    /// Return an empty list around `centre`.
    #[must_use]
    pub fn new(centre: Vec<f32>) -> Self {
        Self { layout: Layout { dimensions: centre.len() }, centre, len: 0, bits: Vec::new(), factors: Vec::new() }
    }

    /// Put together what was read from a file; the lengths must fit each other.
    pub(crate) fn from_parts(centre: Vec<f32>, len: usize, bits: Vec<u8>, factors: Vec<f32>) -> Self {
        let layout = Layout { dimensions: centre.len() };
        let blocks = len.div_ceil(LANES);
        assert!(bits.len() == blocks * layout.block_bytes() && factors.len() == blocks * LANES);
        Self { layout, centre, len, bits, factors }
    }

    /// Return the number of vectors.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Tell whether there is no vector.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Return the number of blocks, the last of which may be partly filled.
    #[must_use]
    pub const fn blocks(&self) -> usize {
        self.len.div_ceil(LANES)
    }

    /// Return the layout.
    #[must_use]
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// Return the centre that the codes are around.
    #[must_use]
    pub fn centre(&self) -> &[f32] {
        &self.centre
    }

    /// Return the bytes that codes and factors take.
    #[must_use]
    pub const fn memory(&self) -> usize {
        self.bits.len() + 4 * self.factors.len()
    }

    /// Append one vector.
    ///
    /// # Panics
    /// If its length is not the dimension.
    pub fn push(&mut self, vector: &[f32]) {
        assert_eq!(vector.len(), self.layout.dimensions);
        let (block, lane) = (self.len / LANES, self.len % LANES);
        if lane == 0 {
            self.bits.resize((block + 1) * self.layout.block_bytes(), 0);
            self.factors.resize((block + 1) * LANES, 0.0);
        }
        let bytes = &mut self.bits[block * self.layout.block_bytes()..];
        for (place, (part, centre)) in vector.chunks(8).zip(self.centre.chunks(8)).enumerate() {
            let byte = part.iter().zip(centre).enumerate().map(|(bit, (x, c))| u8::from(x > c) << bit).sum();
            bytes[place * LANES + lane] = byte;
        }
        self.factors[self.len] = factor(vector, &self.centre);
        self.len += 1;
    }
}

/// Return `|x - c|^2 / |x - c|_1`: with it the estimate of `<x - c, x - c>` itself is exact.
fn factor(vector: &[f32], centre: &[f32]) -> f32 {
    let mut squares = [0.0_f32; 8];
    let mut sizes = [0.0_f32; 8];
    for (part, centre) in vector.chunks(8).zip(centre.chunks(8)) {
        for (lane, (x, c)) in part.iter().zip(centre).enumerate() {
            squares[lane] += (x - c) * (x - c);
            sizes[lane] += (x - c).abs();
        }
    }
    let size: f32 = sizes.iter().sum();
    if size > 0.0 { squares.iter().sum::<f32>() / size } else { 0.0 }
}

/// Return the mean of the vectors, summed in double precision.
#[must_use]
pub fn mean<'a>(vectors: impl Iterator<Item = &'a [f32]>, dimensions: usize) -> Vec<f32> {
    let (mut sums, mut count) = (vec![0.0_f64; dimensions], 0_u32);
    for vector in vectors {
        count += 1;
        sums.iter_mut().zip(vector).for_each(|(sum, x)| *sum += f64::from(*x));
    }
    #[allow(clippy::cast_possible_truncation)]
    sums.iter().map(|sum| (sum / f64::from(count.max(1))) as f32).collect()
}
