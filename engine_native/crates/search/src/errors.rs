//! When to stop rescoring: how many of the rows left are expected to belong to the best.

use crate::top::Candidate;

/// Rows whose scores differ by less are equally good.
const TIE: f64 = 1e-6;
/// Of the rows that were not kept, this part of as many as were is taken to be as good as the last one kept.
const NOT_KEPT: f64 = 0.25;
/// A row's estimate stands for this part of the rows before it: they are in order, so theirs are hardly better.
const STRIDE: usize = 16;

/// How far the scores of one batch lie above their estimates: the mean and the standard deviation.
///
/// The best estimates are the ones most too high, so the latest batch tells most about the rows behind it.
pub struct Errors {
    mean: f64,
    deviation: f64,
}

impl Errors {
    /// Put together what was summed up over `count` scores.
    #[allow(clippy::cast_precision_loss)]
    pub fn of_sums(sum: f64, squares: f64, count: usize) -> Self {
        let mean = sum / count as f64;
        let deviation = (squares / count as f64 - mean * mean).max(0.0).sqrt();
        // Where estimates are exact, as for rows that are all alike, a tie must still count as far away.
        Self { mean, deviation: deviation.max(TIE / 8.0) }
    }

    /// Return how many rows are expected to score above `score`: of `rest`, which is in order, and of those that were
    /// not kept behind it. Not a number if one of the parts is not; infinite if `rest` says nothing.
    #[allow(clippy::cast_precision_loss)]
    pub fn expected_above(&self, score: f32, rest: &[Candidate], kept: usize) -> f64 {
        let Some(last) = rest.last() else { return f64::INFINITY };
        let chance = |candidate: &Candidate| {
            upper_tail((f64::from(score) + TIE - f64::from(candidate.estimate) - self.mean) / self.deviation)
        };
        let (mut expected, mut place) = (NOT_KEPT * kept as f64 * chance(last), 0);
        while place < rest.len() {
            let alike = (1 + place / STRIDE).min(rest.len() - place);
            expected += alike as f64 * chance(&rest[place]);
            place += alike;
        }
        expected
    }
}

/// Return the chance that a normal variable lies `deviations` above its mean; never less (Mills' ratio).
fn upper_tail(deviations: f64) -> f64 {
    if deviations < 0.5 {
        return 1.0;
    }
    (-deviations * deviations / 2.0).exp() / (deviations * std::f64::consts::TAU.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(estimates: &[f32]) -> Vec<Candidate> {
        estimates.iter().map(|estimate| Candidate { estimate: *estimate, row: 0 }).collect()
    }

    #[test]
    fn the_tail_is_that_of_the_normal_distribution() {
        for (deviations, exact) in [(1.0, 0.158_655), (2.0, 0.022_750), (3.0, 0.001_350), (5.0, 2.867e-7)] {
            let bound = upper_tail(deviations);
            assert!(bound >= exact && bound < exact * (1.0 + 1.0 / (deviations * deviations)) * 1.3, "{deviations}");
        }
        assert!(upper_tail(-3.0) >= 1.0 && upper_tail(f64::NAN).is_nan());
    }

    #[test]
    fn rows_far_below_are_not_expected_and_near_ones_are() {
        // Scores lie 0.01 below their estimates, give or take 0.02.
        let errors = Errors::of_sums(-1.0, 0.05, 100);
        assert!((errors.mean + 0.01).abs() < 1e-9 && (errors.deviation - 0.02).abs() < 1e-9);
        assert!(errors.expected_above(0.5, &candidates(&[0.38; 100]), 200) < 1e-6);
        let near = errors.expected_above(0.5, &candidates(&[0.47; 100]), 100);
        assert!((2.275..4.0).contains(&near), "{near}");
        assert!(errors.expected_above(0.5, &[], 100).is_infinite());
    }

    #[test]
    fn ties_are_not_worth_looking_at() {
        let errors = Errors::of_sums(0.0, 0.0, 50);
        assert!(errors.expected_above(0.5, &candidates(&[0.5; 1_000]), 2_000) < 1e-9);
        assert!(errors.expected_above(0.5, &candidates(&[0.6; 1_000]), 2_000) >= 1_000.0);
    }
}
