//! What the benchmarks share; figures in `docs/BENCHMARKS.md`.

use tweedie::models::{Attend, Heads, Level};
use tweedie::prelude::UnetConfig;

/// The network of 1.1 million parameters that small image sets are trained with.
#[must_use]
pub fn mnist_size() -> UnetConfig {
    let attending = Level::new(64)
        .with_attention(Attend::Pixels)
        .with_heads(Heads::Width(8));
    UnetConfig::new(1)
        .with_levels(vec![Level::new(32), Level::new(64), attending])
        .with_blocks(1)
}

/// The largest resident set of this process so far in MB, where the system tells.
#[must_use]
pub fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.map_or(f64::NAN, |kilobytes| kilobytes * 1024.0 / 1e6)
}
