//! Benchmarks: `cargo bench --profile dev --bench networks --bench samplers`; figures in `docs/BENCHMARKS.md`.
