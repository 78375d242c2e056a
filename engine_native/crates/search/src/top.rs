//! The best candidates of a scan.

/// A row and what it is estimated at, without the part that all rows share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// `<query, row - centre>`, estimated.
    pub estimate: f32,
    /// The row's number.
    pub row: u32,
}

impl Candidate {
    /// Return it as a number: the better, the smaller; of equals the lower row. Numbers are sorted without branches.
    #[inline]
    const fn key(self) -> u64 {
        let bits = self.estimate.to_bits();
        // The bits of floats ascend with their values, those of negative ones descend.
        let ascending = if bits >> 31 == 0 { bits | 1 << 31 } else { !bits };
        (!ascending as u64) << 32 | self.row as u64
    }

    #[allow(clippy::cast_possible_truncation)] // Two halves of 32 bits each.
    const fn of(key: u64) -> Self {
        let ascending = !((key >> 32) as u32);
        let bits = if ascending >> 31 == 1 { ascending & !(1 << 31) } else { !ascending };
        Self { estimate: f32::from_bits(bits), row: key as u32 }
    }
}

/// The best candidates so far.
pub struct Top {
    keep: usize,
    /// Candidates not above it are not among the best.
    pub threshold: f32,
    found: Vec<u64>,
}

impl Top {
    /// Keep the best `keep` candidates, at least one.
    #[must_use]
    pub fn new(keep: usize) -> Self {
        Self { keep, threshold: f32::NEG_INFINITY, found: Vec::with_capacity(2 * keep) }
    }

    /// Take in one that is above the threshold.
    #[inline]
    pub fn push(&mut self, candidate: Candidate) {
        self.found.push(candidate.key());
        if self.found.len() == 2 * self.keep {
            self.shrink();
        }
    }

    fn shrink(&mut self) {
        if self.found.len() > self.keep {
            let (_, last, _) = self.found.select_nth_unstable(self.keep - 1);
            self.threshold = Candidate::of(*last).estimate;
            self.found.truncate(self.keep);
        }
    }

    /// Take over what another part of the scan found.
    pub fn merge(&mut self, other: Self) {
        self.found.extend(other.found);
        self.shrink();
    }

    /// Return the best candidates, best first, of equals the lower row.
    #[must_use]
    pub fn into_sorted(mut self) -> Vec<Candidate> {
        self.shrink();
        self.found.sort_unstable();
        self.found.into_iter().map(Candidate::of).collect()
    }
}
