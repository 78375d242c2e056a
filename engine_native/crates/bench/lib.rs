//! Criterion benchmarks of the kernels: `cargo bench -p memento-bench`.
