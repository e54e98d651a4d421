//! The laws of operators, on all of them.

#![allow(
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a test may stop at once, and compares exactly where it means to"
)]

mod catalogue;
mod input;
mod laws;
mod nonlinear;
mod spectral;

use burn::tensor::{DType, Device, Tensor};
use tweedie_core::{HostNoise, Noise};

fn random(shape: [usize; 4], seed: u64, dtype: DType) -> Tensor<4> {
    HostNoise::seeded(seed).normal_like(&Tensor::zeros(shape, (&Device::flex(), dtype)))
}

fn norm(x: Tensor<4>) -> f64 {
    x.square().sum().sqrt().into_scalar::<f64>()
}
