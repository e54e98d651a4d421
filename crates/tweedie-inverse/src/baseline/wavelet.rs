//! Sparse wavelets: `argmin ½ ‖y − A x‖² + λ ‖W x‖₁`, by FISTA.
//!
//! `W` is the orthonormal Haar transform over several levels. Its coarse coefficients are not
//! penalised. With cycle spinning, the shrinkage of each iteration is averaged over shifts of the
//! image, which removes the blocks of one grid; the iteration then no longer minimises the sum
//! above.
//!
//! `x ← Wᵀ soft(W (z + τ Aᵀ (y − A z)), τ λ)`, `z = x + momentum`, with `τ = 1/‖A‖²`.
//!
//! # Reference
//! Beck & Teboulle 2009, "A Fast Iterative Shrinkage-Thresholding Algorithm for Linear Inverse
//! Problems"; Coifman & Donoho 1995 (cycle spinning).

use crate::measurement::LinearGaussian;
use crate::operator::error::{fits, require};
use crate::operator::operator_norm;
use crate::solver::SolveError;
use crate::solver::iterations::finite;
use burn::tensor::Tensor;

/// Restoration with sparse Haar wavelets, for any linear operator.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::{HostNoise, Noise};
/// use tweedie_inverse::baseline::Wavelets;
/// use tweedie_inverse::measurement::Measurement;
/// use tweedie_inverse::noise::GaussianNoise;
/// use tweedie_inverse::operator::Identity;
///
/// let flat = Tensor::<4>::zeros([1, 1, 16, 16], &Device::flex());
/// let camera = GaussianNoise::new(0.1)?;
/// let measured = Measurement::simulate(Identity, camera, flat, &mut HostNoise::seeded(7))?;
/// let x = Wavelets::new(0.2).restore(&measured)?;
/// assert!(x.abs().mean().into_scalar::<f32>() < 0.03);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wavelets {
    lambda: f64,
    levels: usize,
    iterations: usize,
    shifts: usize,
}

impl Wavelets {
    /// Creates the method with weight `lambda` of the coefficients, in units of the image, with 3
    /// levels, 100 iterations and 4 shifts along each axis.
    #[must_use]
    pub fn new(lambda: f64) -> Self {
        Self {
            lambda,
            levels: 3,
            iterations: 100,
            shifts: 4,
        }
    }

    /// Sets the number of levels. Height and width have to be multiples of `2^levels`.
    #[must_use]
    pub fn with_levels(self, levels: usize) -> Self {
        Self { levels, ..self }
    }

    /// Sets the number of iterations.
    #[must_use]
    pub fn with_iterations(self, iterations: usize) -> Self {
        Self { iterations, ..self }
    }

    /// Sets the number of shifts along each axis, in each iteration's shrinkage; 1 is the plain
    /// transform.
    #[must_use]
    pub fn with_shifts(self, shifts: usize) -> Self {
        Self { shifts, ..self }
    }

    /// Returns the restored image `[b, c, h, w]`. The noise level of the measurement is not used;
    /// choose `lambda` for it.
    ///
    /// # Errors
    /// [`SolveError`] if the weight is outside `[10⁻¹⁸, 10¹⁸]`, there are no levels or shifts, the
    /// image cannot be halved that often, the measurement is not finite or does not fit the
    /// operator, or the operator's norm is not found.
    pub fn restore(&self, problem: &impl LinearGaussian<4>) -> Result<Tensor<4>, SolveError> {
        let legal = (1e-18..=1e18).contains(&self.lambda);
        let expected = "from 1e-18 to 1e18";
        require("weight of the wavelets", self.lambda, expected, legal)?;
        let (levels, shifts) = (self.levels, self.shifts);
        let some = (1..=16).contains(&levels);
        require("number of levels", levels as f64, "from 1 to 16", some)?;
        let few = (1..=64).contains(&shifts);
        require("number of shifts", shifts as f64, "from 1 to 64", few)?;
        let (a, y) = (problem.linear(), problem.y());
        let shape = a.input_shape(y.dims())?;
        let block = 1 << levels;
        let whole = shape[2].is_multiple_of(block) && shape[3].is_multiple_of(block);
        fits("wavelets", &shape, whole, || {
            format!("a height and a width that are multiples of {block}")
        })?;
        finite(&y)?;
        let norm = operator_norm(a, shape, &y.device())?.value;
        // The norm is approached from below.
        let tau = if norm > 0.0 {
            0.98 / (norm * norm)
        } else {
            0.0
        };
        let mut x = a.adjoint(y.clone());
        let mut z = x.clone();
        let mut t = 1.0_f64;
        for _ in 0..self.iterations {
            let residual = y.clone() - a.apply(z.clone());
            let next = self.shrink(z + a.adjoint(residual) * tau, tau * self.lambda);
            let grown = 0.5 * (1.0 + (1.0 + 4.0 * t * t).sqrt());
            z = next.clone() + (next.clone() - x) * ((t - 1.0) / grown);
            (x, t) = (next, grown);
        }
        Ok(x)
    }

    /// Soft thresholding of the details, averaged over shifts.
    fn shrink(&self, x: Tensor<4>, threshold: f64) -> Tensor<4> {
        let mut sum = x.zeros_like();
        for i in 0..self.shifts {
            for j in 0..self.shifts {
                let by = [i as i64, j as i64];
                let moved = x.clone().roll(&by, &[2, 3]);
                let shrunk = shrink_level(moved, threshold, self.levels);
                sum = sum + shrunk.roll(&by.map(|n| -n), &[2, 3]);
            }
        }
        sum * (1.0 / (self.shifts * self.shifts) as f64)
    }
}

/// Shrinks the details of this level and of those below it.
fn shrink_level(x: Tensor<4>, threshold: f64, levels: usize) -> Tensor<4> {
    if levels == 0 {
        return x;
    }
    let [b, c, h, w] = x.dims();
    let pairs: Tensor<6> = x.reshape([b, c, h / 2, 2, w / 2, 2]);
    let at = |i: usize, j: usize| {
        let part = pairs.clone().narrow(3, i, 1).narrow(5, j, 1);
        part.reshape([b, c, h / 2, w / 2]) * 0.5
    };
    let [p, q, r, s] = [at(0, 0), at(0, 1), at(1, 0), at(1, 1)];
    let signs =
        |by: [f64; 3]| p.clone() + q.clone() * by[0] + r.clone() * by[1] + s.clone() * by[2];
    let coarse = shrink_level(signs([1.0, 1.0, 1.0]), threshold, levels - 1);
    let soft = |x: Tensor<4>| x.clone() - x.clamp(-threshold, threshold);
    let [u, v, d] =
        [[-1.0, 1.0, -1.0], [1.0, -1.0, -1.0], [-1.0, -1.0, 1.0]].map(|by| soft(signs(by)));
    let back = |by: [f64; 3]| {
        let pixel = coarse.clone() + u.clone() * by[0] + v.clone() * by[1] + d.clone() * by[2];
        pixel.reshape([b, c, h / 2, 1, w / 2, 1]) * 0.5
    };
    let row = |first: [f64; 3], second: [f64; 3]| Tensor::cat(vec![back(first), back(second)], 5);
    let upper = row([1.0, 1.0, 1.0], [-1.0, 1.0, -1.0]);
    let lower = row([1.0, -1.0, -1.0], [-1.0, -1.0, 1.0]);
    Tensor::cat(vec![upper, lower], 3).reshape([b, c, h, w])
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test may stop at once")]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use burn::tensor::{DType, Device};
    use tweedie_core::{HostNoise, Noise};

    /// The transform is orthonormal: without a threshold it is the identity, and what shrinkage
    /// takes away is the threshold for each of the large coefficients.
    #[test]
    fn shrinkage_takes_the_threshold_from_every_detail() {
        let like = Tensor::<4>::zeros([1, 2, 8, 16], (&Device::flex(), DType::F64));
        let x = HostNoise::seeded(1).normal_like(&like) * 10.0;
        let same = shrink_level(x.clone(), 0.0, 3);
        let off = (same - x.clone()).abs().max().into_scalar::<f64>();
        assert_abs_diff_eq!(off, 0.0, epsilon = 1e-12);
        let taken = (shrink_level(x.clone(), 1e-3, 3) - x).square().sum();
        // 256 values, of which 4 are coarse.
        let expected = 252.0 * 1e-6;
        assert_abs_diff_eq!(taken.into_scalar::<f64>(), expected, epsilon = 3e-6);
    }
}
