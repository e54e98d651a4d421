//! Laws of operators, tested on all of them.

#![allow(
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a test may stop at once, and compares exactly where it means to"
)]

mod input;
mod laws;
mod nonlinear;
mod solutions;
mod solvers;
mod spectral;
mod volumes;

use approx::abs_diff_eq;
use burn::tensor::{DType, Device, Tensor};
use tweedie_catalogue::{LinearCase, linear_operators};
use tweedie_core::{HostNoise, Noise};
use tweedie_inverse::operator::AnyLinear;

const BOTH: [(DType, f64); 2] = [(DType::F32, 1e-5), (DType::F64, 1e-10)];

/// Calls `law` for every linear operator, with the shape of its signals, in both precisions.
fn each(law: impl Fn(&str, &AnyLinear, [usize; 4], DType, f64)) {
    for LinearCase {
        name,
        operator,
        shape,
    } in linear_operators()
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

/// Asserts that a batch equals its samples computed alone, bit for bit.
///
/// On some processors, a matrix product sums in another order for one row than for several.
/// Operators that use one are compared up to rounding.
fn assert_together(what: &str, kind: &str, whole: Tensor<4>, parts: Tensor<4>) {
    if !["Matrix", "RandomPhase"].contains(&kind) {
        assert_eq!(whole.into_data(), parts.into_data(), "{what}");
        return;
    }
    let gap = norm(whole.clone() - parts);
    assert!(
        abs_diff_eq!(gap, 0.0, epsilon = 1e-5 * norm(whole)),
        "{what}: {gap:e}"
    );
}
