//! Late interaction: what it counts, and what it refuses.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

use memento_search::{Error, likeness};
use proptest::prelude::*;

/// Bit by bit, as the definition has it.
fn plain(word: &[u8], document: &[u8], bytes: usize, dimensions: usize) -> Option<f64> {
    let bit = |code: &[u8], at: usize| code[at / 8] >> (7 - at % 8) & 1;
    let differing = |code: &[u8]| (0..dimensions).filter(|at| bit(word, *at) != bit(code, *at)).count();
    let least = document.chunks_exact(bytes).map(differing).min()?;
    Some(1.0 - (2 * least) as f64 / dimensions as f64)
}

/// Some codes of `dimensions` bits, zeros behind them.
fn codes(dimensions: usize, most: usize) -> impl Strategy<Value = Vec<u8>> {
    let code = prop::collection::vec(any::<u8>(), dimensions.div_ceil(8)).prop_map(move |mut code| {
        *code.last_mut().unwrap() &= 0xff << (code.len() * 8 - dimensions);
        code
    });
    prop::collection::vec(code, 0..most).prop_map(|codes| codes.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 256 }))]
    #[test]
    fn it_is_the_best_of_each_word(
        (dimensions, words, documents) in (1_usize..=400).prop_flat_map(|dimensions| {
            (Just(dimensions), codes(dimensions, 5), prop::collection::vec(codes(dimensions, 7), 0..5))
        })
    ) {
        let bytes = dimensions.div_ceil(8);
        let given: Vec<&[u8]> = documents.iter().map(Vec::as_slice).collect();
        let all = |document: &&[u8]| {
            words.chunks_exact(bytes).filter_map(|word| plain(word, document, bytes, dimensions)).collect()
        };
        let wanted: Vec<Vec<f64>> = given.iter().map(all).collect();
        prop_assert_eq!(likeness(&words, &given, dimensions).unwrap(), wanted);
    }
}

#[test]
fn equal_codes_are_1_and_opposite_ones_minus_1() {
    let (word, opposite) = ([0b1010_0000], [0b0100_0000]);
    let both = [word, opposite].concat();
    let found = likeness(&word, &[&word, &opposite, &both, &[]], 3).unwrap();
    assert_eq!(found, [vec![1.0], vec![-1.0], vec![1.0], vec![]]);
    assert_eq!(likeness(&[], &[&word, &[]], 3).unwrap(), [vec![], vec![]] as [Vec<f64>; 2]);
}

#[test]
fn parts_of_codes_are_refused() {
    let refused = |words: &[u8], documents: &[&[u8]], dimensions| {
        matches!(likeness(words, documents, dimensions), Err(Error::Input(_)))
    };
    assert!(refused(&[0; 3], &[], 16));
    assert!(refused(&[0; 2], &[&[0; 2], &[0; 5]], 16));
    assert!(refused(&[], &[], 0));
    assert!(refused(&[0; 2_049], &[], 2_049 * 8));
    assert!(!refused(&[0; 2], &[&[0; 4]], 9));
}
