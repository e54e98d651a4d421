//! Benchmarks: `cargo bench --profile dev -p tweedie-benches`; figures in `docs/BENCHMARKS.md`.
