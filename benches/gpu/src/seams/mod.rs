//! The computations that are compared, from single kernels to whole runs.

mod chains;
mod kernels;
mod networks;
mod operators;
mod posterior;

pub(crate) use networks::half_precision;

use crate::seam::Seam;
use tweedie::prelude::*;

pub(crate) fn all() -> Vec<Seam> {
    [
        kernels::seams(),
        networks::seams(),
        chains::seams(),
        operators::seams(),
        posterior::seams(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Returns the same normal values on every device.
fn normal<const D: usize>(seed: u64, shape: [usize; D], device: &Device) -> Tensor<D> {
    HostNoise::seeded(seed).normal(shape, device)
}
