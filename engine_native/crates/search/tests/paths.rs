//! Every path computes the same bits, and what the scan finds is what exact search finds.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

use memento_search::{Bitmap, Codes, Index, LANES, Query, Simd, Tables, candidates, mean, search};
use proptest::prelude::*;

/// A generator of unit vectors, good enough and the same everywhere (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40;
        bits as f32 / (1_u32 << 23) as f32 - 1.0
    }

    fn unit(&mut self, dimensions: usize) -> Vec<f32> {
        let vector: Vec<f32> = (0..dimensions).map(|_| self.next()).collect();
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-6);
        vector.iter().map(|x| x / length).collect()
    }

    fn rows(&mut self, count: usize, dimensions: usize) -> Vec<f32> {
        (0..count).flat_map(|_| self.unit(dimensions)).collect()
    }
}

fn encoded(vectors: &[f32], dimensions: usize) -> Codes {
    let mut codes = Codes::new(mean(vectors.chunks_exact(dimensions), dimensions));
    vectors.chunks_exact(dimensions).for_each(|vector| codes.push(vector));
    codes
}

/// Cases of a property, and the most dimensions and rows; Miri is slower by a factor of thousands.
const CASES: (u32, usize, usize) = if cfg!(miri) { (2, 70, 70) } else { (96, 700, 300) };

#[test]
fn the_fastest_path_is_the_one_to_expect() {
    let names: Vec<_> = Simd::available().into_iter().map(Simd::name).collect();
    assert_eq!(names.first(), Some(&Simd::best().name()));
    assert_eq!(names.last(), Some(&Simd::PORTABLE.name()));
    assert_eq!(names.contains(&"neon"), cfg!(target_arch = "aarch64"));
    #[cfg(target_arch = "x86_64")]
    assert_eq!(names.contains(&"avx2"), is_x86_feature_detected!("avx2"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES.0))]

    #[test]
    fn all_paths_are_bit_identical(
        dimensions in 1..=CASES.1, count in 1..CASES.2, keep in 1_usize..64, seed in 1_u64.., mask in any::<u64>(),
    ) {
        let mut random = Random(seed);
        let (vectors, query) = (random.rows(count, dimensions), random.unit(dimensions));
        let codes = encoded(&vectors, dimensions);
        let tables = Tables::new(codes.layout(), &query, codes.centre());
        let mask: Vec<u8> = (0..count).map(|row| u8::from(mask >> (row % 61) & 1 == 1)).collect();
        let allowed = Bitmap::of_mask(&mask);
        let wanted = candidates(Simd::PORTABLE, &codes, &tables, &allowed, keep, 1);
        prop_assert_eq!(wanted.len(), keep.min(allowed.count()));
        for simd in Simd::available() {
            let found = candidates(simd, &codes, &tables, &allowed, keep, 1);
            prop_assert_eq!(bits(&found), bits(&wanted), "{}", simd.name());
            for vector in vectors.chunks_exact(dimensions) {
                prop_assert_eq!(simd.dot(vector, &query).to_bits(), Simd::PORTABLE.dot(vector, &query).to_bits());
            }
        }
    }

    /// With more rows than are all scored exactly.
    #[test]
    fn all_paths_find_the_same(dimensions in 1..=CASES.1 / 17, count in 1_100_usize..1_200, seed in 1_u64..) {
        let mut random = Random(seed);
        let (vectors, query) = (random.rows(count, dimensions), random.unit(dimensions));
        let (codes, allowed) = (encoded(&vectors, dimensions), Bitmap::all(count));
        let asked = Query { vector: &query, count: 10, allowed: &allowed, threads: 1 };
        let wanted = search(Simd::PORTABLE, &codes, &vectors, asked);
        for simd in Simd::available() {
            prop_assert_eq!(search(simd, &codes, &vectors, asked), wanted.as_slice(), "{}", simd.name());
        }
    }

    #[test]
    fn the_sums_hold_at_the_extremes(dimensions in prop::sample::select(vec![1_usize, 16, 384, 2048]), sign: bool) {
        let value = if sign { 1.0 } else { -1.0 };
        let query = vec![value; dimensions];
        let vectors: Vec<f32> = (0..LANES + 1).flat_map(|row| vec![if row % 2 == 0 { 1.0 } else { -1.0 }; dimensions]).collect();
        let mut codes = Codes::new(vec![0.0; dimensions]);
        vectors.chunks_exact(dimensions).for_each(|vector| codes.push(vector));
        let tables = Tables::new(codes.layout(), &query, codes.centre());
        for simd in Simd::available() {
            for found in candidates(simd, &codes, &tables, &Bitmap::all(LANES + 1), 64, 1) {
                let exact = if (found.row % 2 == 0) == sign { dimensions as f32 } else { -(dimensions as f32) };
                prop_assert!((found.estimate - exact).abs() < 0.01 * dimensions as f32, "{found:?} {}", simd.name());
            }
        }
    }
}

fn bits(found: &[memento_search::Candidate]) -> Vec<(u32, u32)> {
    found.iter().map(|one| (one.row, one.estimate.to_bits())).collect()
}

/// Return how many of the ten nearest rows are found, and how many there are.
fn found_of_ten(index: &Index, vectors: &[f32], query: &[f32], allowed: Option<&[u8]>) -> (usize, usize) {
    let mut exact: Vec<(f32, usize)> = vectors
        .chunks_exact(query.len())
        .enumerate()
        .filter(|(row, _)| allowed.is_none_or(|mask| mask[*row] == 1))
        .map(|(row, vector)| (Simd::best().dot(vector, query), row))
        .collect();
    exact.select_nth_unstable_by(10, |left, right| right.0.total_cmp(&left.0));
    let hits = index.nearest(vectors, query, 10, allowed, 2).unwrap();
    assert!(hits.windows(2).all(|pair| pair[0].score >= pair[1].score));
    (exact[..10].iter().filter(|(_, row)| hits.iter().any(|hit| hit.row == *row)).count(), 10)
}

fn indexed(vectors: &[f32], dimensions: usize) -> Index {
    let mut index = Index::new(dimensions).unwrap();
    index.extend(&vectors[..3_000 * dimensions]).unwrap();
    index.extend(vectors).unwrap();
    index
}

#[cfg_attr(miri, ignore = "four million components")]
#[test]
fn it_finds_what_exact_search_finds() {
    let (dimensions, rows) = (384, 10_000);
    let mut random = Random(7);
    // Rows crowd around 200 places, as texts crowd around topics; a query lies near a place, too.
    let places = random.rows(200, dimensions);
    let near = |place: &[f32], random: &mut Random| {
        place.iter().zip(random.unit(dimensions)).map(|(x, y)| 0.8 * x + 0.6 * y).collect::<Vec<_>>()
    };
    let vectors: Vec<f32> =
        (0..rows).flat_map(|row| near(&places[row % 200 * dimensions..][..dimensions], &mut random)).collect();
    let index = indexed(&vectors, dimensions);
    let mask: Vec<u8> = (0..rows).map(|row| u8::from(row % 3 != 0)).collect();
    let (mut found, mut wanted) = (0, 0);
    for place in places.chunks_exact(dimensions).take(50) {
        let query = near(place, &mut random);
        for allowed in [None, Some(mask.as_slice())] {
            let (some, all) = found_of_ten(&index, &vectors, &query, allowed);
            (found, wanted) = (found + some, wanted + all);
        }
    }
    assert!(found * 1000 >= wanted * 999, "{found} of {wanted}");
}

#[cfg_attr(miri, ignore = "four million components")]
#[test]
fn it_finds_them_where_nothing_is_near() {
    let (dimensions, rows) = (384, 12_000);
    let mut random = Random(13);
    let vectors = random.rows(rows, dimensions);
    let index = indexed(&vectors, dimensions);
    let queries = random.rows(40, dimensions);
    let found = queries.chunks_exact(dimensions).map(|query| found_of_ten(&index, &vectors, query, None).0);
    let found: usize = found.sum();
    assert!(found >= 399, "{found} of 400");
}

#[cfg_attr(miri, ignore = "five million components: fewer are not divided among threads")]
#[test]
fn threads_find_the_same() {
    let (dimensions, rows) = (16, 300_000);
    let mut random = Random(11);
    let vectors = random.rows(rows, dimensions);
    let mut index = Index::new(dimensions).unwrap();
    index.extend(&vectors).unwrap();
    for query in random.rows(5, dimensions).chunks_exact(dimensions) {
        let one = index.nearest(&vectors, query, 10, None, 1).unwrap();
        assert_eq!(index.nearest(&vectors, query, 10, None, 3).unwrap(), one);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let vectors = vec![0.5; 40 * 16];
    let mut index = Index::new(16).unwrap();
    index.extend(&vectors).unwrap();
    let refused = [
        Index::new(0).err(),
        Index::new(2049).err(),
        index.clone().extend(&vectors[..8]).err(),
        index.clone().extend(&vectors[1..]).err(),
        index.clone().extend(&[vectors.clone(), vec![f32::NAN; 16]].concat()).err(),
        index.nearest(&vectors[16..], &vectors[..16], 1, None, 1).err(),
        index.nearest(&vectors, &vectors[..15], 1, None, 1).err(),
        index.nearest(&vectors, &[f32::INFINITY; 16], 1, None, 1).err(),
        index.nearest(&vectors, &vectors[..16], 1, Some(&[1; 39]), 1).err(),
    ];
    assert!(refused.iter().all(|error| matches!(error, Some(memento_search::Error::Input(_)))), "{refused:?}");
    assert!(index.nearest(&vectors, &vectors[..16], 0, None, 1).unwrap().is_empty());
    assert!(index.nearest(&vectors, &vectors[..16], 5, Some(&[0; 40]), 1).unwrap().is_empty());
    assert!(Index::new(16).unwrap().nearest(&[], &vectors[..16], 5, None, 1).unwrap().is_empty());
}
