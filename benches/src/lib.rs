//! Code that the benchmarks share; their results are in `docs/BENCHMARKS.md`.

mod cases;
pub mod classifier;
mod layers;
mod machine;

pub use cases::{CaseError, in_precision, measure};
pub use machine::machine;

use tweedie::models::{Attend, Conditioning, Heads, Resampling, UnetLevel};
use tweedie::prelude::UnetConfig;

/// Returns the network of 1.1 million parameters that the small image sets are trained with.
#[must_use]
pub fn mnist_size() -> UnetConfig {
    let attending = UnetLevel::new(64)
        .with_attention(Attend::Pixels)
        .with_heads(Heads::Width(8));
    UnetConfig::new(1)
        .with_levels(vec![UnetLevel::new(32), UnetLevel::new(64), attending])
        .with_blocks(1)
}

/// Returns the network of ADM for 256×256 pixels, without classes and without a learned variance.
#[must_use]
pub fn adm_256() -> UnetConfig {
    let plain = |channels| UnetLevel::new(channels).with_resampling(Resampling::Residual);
    let attending = |channels| {
        plain(channels)
            .with_attention(Attend::Pixels)
            .with_heads(Heads::Width(64))
    };
    let levels = vec![
        plain(256),
        plain(256),
        plain(512),
        attending(512),
        attending(1024),
        attending(1024),
    ];
    UnetConfig::new(3)
        .with_levels(levels)
        .with_conditioning(Conditioning::ScaleShift)
        .with_epsilon(1e-5)
}

/// Returns the peak resident set of this process in MB, or NaN if the system does not report it.
#[must_use]
pub fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.map_or(f64::NAN, |kilobytes| kilobytes * 1024.0 / 1e6)
}
