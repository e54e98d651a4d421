//! Noise models: draws agree with densities, and gradients with finite differences.

#![allow(
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a test may stop at once, and compares exactly where it means to"
)]

mod after;
mod density;
mod draws;
mod hole;
mod weights;

use burn::tensor::{DType, Device, Tensor, TensorData};
use tweedie_inverse::noise::{AnyNoise, NoiseModel};
use tweedie_inverse::operator::OperatorError;

fn ok<T>(built: Result<T, OperatorError>) -> T {
    built.expect("a noise")
}

fn row(values: &[f64]) -> Tensor<2> {
    let data = TensorData::new(values.to_vec(), [1, values.len()]);
    Tensor::from_data(data, (&Device::flex(), DType::F64))
}

fn log_density(noise: &AnyNoise, y: f64, mean: f64) -> f64 {
    noise
        .log_likelihood(row(&[y]), row(&[mean]))
        .into_scalar::<f64>()
}
