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
mod solutions;
mod spectral;

use burn::tensor::{DType, Device, Tensor};
use catalogue::{Case, linear};
use tweedie_core::{HostNoise, Noise};
use tweedie_inverse::operator::AnyLinear;

const BOTH: [(DType, f64); 2] = [(DType::F32, 1e-5), (DType::F64, 1e-10)];

/// `A` with the shape of its signals, in both precisions.
fn each(law: impl Fn(&str, &AnyLinear, [usize; 4], DType, f64)) {
    for Case {
        name,
        operator,
        shape,
    } in linear()
    {
        for (dtype, tolerance) in BOTH {
            law(&name, &operator, shape, dtype, tolerance);
        }
    }
}

fn random(shape: [usize; 4], seed: u64, dtype: DType) -> Tensor<4> {
    HostNoise::seeded(seed).normal_like(&Tensor::zeros(shape, (&Device::flex(), dtype)))
}

fn norm(x: Tensor<4>) -> f64 {
    x.square().sum().sqrt().into_scalar::<f64>()
}

/// A batch is what its samples are alone, bit for bit; but a product with a matrix adds in another
/// order for one row than for several on some processors, and is as much apart as its roundings.
fn assert_together(what: &str, kind: &str, whole: Tensor<4>, parts: Tensor<4>) {
    if !["Matrix", "RandomPhase"].contains(&kind) {
        assert_eq!(whole.into_data(), parts.into_data(), "{what}");
        return;
    }
    let gap = norm(whole.clone() - parts);
    assert!(gap <= 1e-5 * norm(whole), "{what}: {gap:e}");
}
