//! The directory against a plain map, and nearest memories against looking at every row.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, clippy::cast_possible_wrap)] // A test fails by panicking.

use memento_search::{DEAD, Directory, Error, Index, Rows, Simd, Span, Wanted};
use proptest::prelude::*;
use std::collections::BTreeMap;

const DIMENSIONS: usize = 16;

/// Numbers that come again and again, and spans that need not make sense.
fn puts() -> impl Strategy<Value = Vec<(i64, Span)>> {
    let span = (0_u32..50, 0_u32..4).prop_map(|(first, count)| Span { first, count });
    prop::collection::vec((-3_i64..40, span), 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 256 }))]

    #[test]
    fn a_directory_is_a_map(nums in prop::collection::vec(-1_i64..30, 0..60), puts in puts()) {
        let mut directory = Directory::new(&nums).unwrap();
        let mut expected = BTreeMap::new();
        for (row, num) in nums.iter().enumerate().filter(|(_, num)| **num != DEAD) {
            let span = expected.entry(*num).or_insert(Span { first: row as u32, count: 0 });
            // Of rows that lie apart, which a store never writes, the first run counts.
            span.count += u32::from(span.first + span.count == row as u32);
        }
        for (num, span) in puts.into_iter().cycle().take(3_000) {
            directory.put(num, span);
            expected.insert(num, span);
        }
        expected.retain(|_, span| span.count > 0);
        prop_assert_eq!(directory.len(), expected.len());
        prop_assert_eq!(directory.rows(), expected.values().map(|span| span.count as usize).sum::<usize>());
        for num in -5..45 {
            prop_assert_eq!(directory.find(num).rows().len(), expected.get(&num).map_or(0, |span| span.rows().len()));
        }
        let some: Vec<i64> = expected.keys().copied().step_by(2).collect();
        let others: Vec<i64> = expected.keys().copied().skip(1).step_by(2).collect();
        prop_assert_eq!(directory.others(&some), others);
    }

    #[test]
    fn nearest_memories_are_those_of_the_best_rows(
        values in prop::collection::vec(-1.0_f32..1.0, DIMENSIONS * 60),
        counts in prop::collection::vec(1_usize..5, 15),
        dead in prop::collection::vec(any::<bool>(), 15),
        covered in 0_usize..=15,
        count in 0_usize..20,
        among in prop::option::of(prop::collection::vec(-2_i64..20, 0..20)),
    ) {
        let owner = |place: usize| if dead[place] { DEAD } else { place as i64 };
        let nums: Vec<i64> = counts.iter().enumerate().flat_map(|(place, count)| vec![owner(place); *count]).collect();
        let vectors = &values[..nums.len() * DIMENSIONS];
        let mut index = Index::new(DIMENSIONS).unwrap();
        index.extend(&vectors[..covered * DIMENSIONS]).unwrap();
        let query = &values[DIMENSIONS * 59..];
        let mut expected: Vec<(i64, f32)> = (0..15).map(owner).filter(|num| *num != DEAD).map(|num| {
            let rows = vectors.chunks_exact(DIMENSIONS).zip(&nums).filter(|(_, owner)| **owner == num);
            (num, rows.map(|(row, _)| Simd::best().dot(row, query)).fold(f32::MIN, f32::max))
        }).collect();
        let directory = Directory::new(&nums).unwrap();
        let all: Vec<i64> = (-2..20).collect();
        for (num, similar) in all.iter().zip(directory.similarities(vectors, query, &all).unwrap()) {
            let known = expected.iter().find(|(known, _)| known == num);
            prop_assert!(known.map_or(similar.is_nan(), |(_, score)| *score == similar));
        }
        expected.retain(|(num, _)| among.as_ref().is_none_or(|among| among.contains(num)));
        expected.sort_by(|left, right| right.1.total_cmp(&left.1));
        expected.truncate(count);
        let wanted = Wanted { query, count, among: among.as_deref(), threads: 1 };
        let found = directory.nearest(&index, Rows { vectors, nums: &nums }, wanted).unwrap();
        let scores = |found: &[(i64, f32)]| found.iter().map(|(_, score)| *score).collect::<Vec<_>>();
        prop_assert_eq!(scores(&found), scores(&expected));
    }
}

#[test]
fn what_is_not_a_number_is_found_by_nobody() {
    let (mut vectors, nums) = (vec![0.5; 3 * DIMENSIONS], [7, 8, 9]);
    vectors[DIMENSIONS] = f32::NAN;
    let (directory, index) = (Directory::new(&nums).unwrap(), Index::new(DIMENSIONS).unwrap());
    let wanted = Wanted { query: &[0.5; DIMENSIONS], count: 3, among: None, threads: 1 };
    let found = directory.nearest(&index, Rows { vectors: &vectors, nums: &nums }, wanted).unwrap();
    assert_eq!(found.iter().map(|(num, _)| *num).collect::<Vec<_>>(), [7, 9]);
}

#[test]
fn rows_that_are_not_there_are_an_error() {
    let mut directory = Directory::new(&[1, 2]).unwrap();
    directory.put(3, Span { first: 9, count: u32::MAX });
    let vectors = vec![0.0; 2 * DIMENSIONS];
    let query = [0.0; DIMENSIONS];
    assert!(matches!(directory.similarities(&vectors, &query, &[3]), Err(Error::Input(_))));
    let index = Index::new(DIMENSIONS).unwrap();
    let wanted = Wanted { query: &query, count: 1, among: Some(&[3]), threads: 1 };
    let rows = Rows { vectors: &vectors, nums: &[1, 2] };
    assert!(directory.nearest(&index, rows, wanted).unwrap().is_empty());
    let everything = Wanted { count: usize::MAX, among: None, ..wanted };
    assert_eq!(directory.nearest(&index, rows, everything).unwrap().len(), 2);
    let wanted = Wanted { query: &query[1..], ..wanted };
    assert!(matches!(directory.nearest(&index, rows, wanted), Err(Error::Input(_))));
}
