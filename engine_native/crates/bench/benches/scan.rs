//! `cargo bench`: the scan by path, encoding, and what memory can do.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use memento_search::{Bitmap, Codes, Index, Simd, Tables, candidates, mean};
use std::hint::black_box;
use std::time::Duration;

const DIMENSIONS: usize = 384;

fn rows(count: usize) -> Vec<f32> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u32 << 24) as f32 - 0.5
    };
    (0..count * DIMENSIONS).map(|_| next() * 0.17).collect()
}

/// All of it in two minutes.
fn short(group: &mut BenchmarkGroup<WallTime>) {
    group.sample_size(20).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
}

fn scan(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scan");
    short(&mut group);
    for count in [100_000, 1_000_000] {
        let few = rows(10_000);
        let mut codes = Codes::new(mean(few.chunks_exact(DIMENSIONS), DIMENSIONS));
        few.chunks_exact(DIMENSIONS).cycle().take(count).for_each(|vector| codes.push(vector));
        let tables = Tables::new(codes.layout(), &few[..DIMENSIONS], codes.centre());
        let allowed = Bitmap::all(count);
        group.throughput(Throughput::Bytes(codes.memory() as u64));
        for simd in Simd::available() {
            group.bench_function(BenchmarkId::new(simd.name(), count), |bencher| {
                bencher.iter(|| candidates(simd, &codes, &tables, black_box(&allowed), 512, 1));
            });
        }
        let threads = BenchmarkId::new("two threads", count);
        group.bench_function(threads, |bencher| {
            bencher.iter(|| candidates(Simd::best(), &codes, &tables, black_box(&allowed), 512, 2));
        });
        let words: Vec<u64> = vec![1; codes.memory() / 8];
        group.bench_function(BenchmarkId::new("summing as many bytes", count), |bencher| {
            bencher.iter(|| black_box(&words).iter().fold(0_u64, |sum, word| sum.wrapping_add(*word)));
        });
    }
    group.finish();
}

fn parts(criterion: &mut Criterion) {
    let vectors = rows(10_000);
    let mut group = criterion.benchmark_group("parts");
    short(&mut group);
    group.bench_function("encode 10,000", |bencher| {
        bencher.iter(|| {
            let mut index = Index::new(DIMENSIONS).expect("a dimension in range");
            index.extend(black_box(&vectors)).map(|()| index)
        });
    });
    let codes = Codes::new(vec![0.0; DIMENSIONS]);
    group.bench_function("tables", |bencher| {
        bencher.iter(|| Tables::new(codes.layout(), black_box(&vectors[..DIMENSIONS]), codes.centre()));
    });
    group.bench_function("10 scalar products", |bencher| {
        let query = &vectors[..DIMENSIONS];
        let ten = black_box(&vectors[..10 * DIMENSIONS]);
        bencher.iter(|| ten.chunks_exact(DIMENSIONS).map(|row| Simd::best().dot(row, query)).sum::<f32>());
    });
    group.finish();
}

criterion_group!(benches, scan, parts);
criterion_main!(benches);
