//! The norm of a linear operator, by power iteration.

use super::{Linear, SolveError};
use crate::solver::iterations::norms;
use burn::tensor::{Device, Tensor};
use tweedie_core::{HostNoise, Noise};

/// An estimate of `‖A‖`, with its accuracy.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Norm {
    /// The largest singular value, approached from below.
    pub value: f64,
    /// The number of power iterations.
    pub iterations: usize,
    /// The relative change of the value in the last iteration.
    pub change: f64,
}

/// The norm of a linear operator, its largest singular value, by power iteration.
///
/// Signals have shape `signal`, with batch 1. Iterations approach the norm from below, until its
/// relative change is less than `10⁻⁶`, within 1,000 iterations.
///
/// ```
/// use burn::tensor::Device;
/// use tweedie_inverse::operator::{AveragePool, operator_norm};
///
/// let norm = operator_norm(&AveragePool::new(4)?, [1, 1, 8, 8], &Device::flex())?;
/// assert!((norm.value - 0.25).abs() < 1e-5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`SolveError::NotConverged`], with the last relative change as the residual.
///
/// # Panics
/// If the operator does not take the shape.
pub fn operator_norm<const D: usize, A: Linear<D> + ?Sized>(
    a: &A,
    mut signal: [usize; D],
    device: &Device,
) -> Result<Norm, SolveError> {
    const TOLERANCE: f64 = 1e-6;
    const MOST: usize = 1000;
    signal[0] = 1;
    let mut x: Tensor<D> = HostNoise::seeded(0).normal(signal, device);
    let (mut value, mut change) = (0.0, f64::INFINITY);
    for iterations in 1..=MOST {
        let length = norms(&x)[0];
        if length == 0.0 {
            let change = 0.0;
            return Ok(Norm {
                value,
                iterations,
                change,
            });
        }
        let y = a.apply(x / length);
        let found = norms(&y)[0];
        change = (found - value).abs() / found.max(f64::MIN_POSITIVE);
        value = found;
        if change < TOLERANCE {
            return Ok(Norm {
                value,
                iterations,
                change,
            });
        }
        x = a.adjoint(y);
    }
    Err(SolveError::NotConverged {
        iterations: MOST,
        residual: change,
        tolerance: TOLERANCE,
    })
}
