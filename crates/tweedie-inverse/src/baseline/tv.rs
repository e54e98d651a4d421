//! Total variation: `argmin ½ ‖y − A x‖² + λ Σ |∇x|`, by Chambolle and Pock's primal–dual
//! algorithm.
//!
//! With the dual variables `p` of `A x` and `q` of `∇x`, and steps `τ σ ‖(A, ∇)‖² < 1`:
//!
//! * `p ← (p + σ (A x̄ − y))/(1 + σ)`
//! * `q ← (q + σ ∇x̄)/max(1, |q + σ ∇x̄|/λ)`, with the length over both directions
//! * `x′ = x − τ (Aᵀ p − div q)`, `x̄ = 2x′ − x`
//!
//! # Reference
//! Rudin, Osher & Fatemi 1992; Chambolle & Pock 2011, algorithm 1 and section 6.2.

use crate::measurement::LinearGaussian;
use crate::operator::error::require;
use crate::operator::operator_norm;
use crate::solver::SolveError;
use burn::tensor::Tensor;

/// Total variation restoration (denoising, deblurring, inpainting, …) for any linear operator.
///
/// The variation is computed for each channel separately.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::{HostNoise, Noise};
/// use tweedie_inverse::baseline::TotalVariation;
/// use tweedie_inverse::measurement::Measurement;
/// use tweedie_inverse::noise::GaussianNoise;
/// use tweedie_inverse::operator::Identity;
///
/// // The step edge is kept, and the noise is removed.
/// let edge = Tensor::<4>::cat(
///     vec![
///         Tensor::zeros([1, 1, 16, 8], &Device::flex()),
///         Tensor::ones([1, 1, 16, 8], &Device::flex()),
///     ],
///     3,
/// );
/// let mut noise = HostNoise::seeded(7);
/// let camera = GaussianNoise::new(0.1)?;
/// let measured = Measurement::simulate(Identity, camera, edge.clone(), &mut noise)?;
/// let x = TotalVariation::new(0.2).restore(&measured)?;
/// assert!((x - edge).abs().mean().into_scalar::<f32>() < 0.04);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TotalVariation {
    lambda: f64,
    iterations: usize,
}

impl TotalVariation {
    /// Creates the method with weight `lambda` of the variation, in units of the image, and 300
    /// iterations.
    #[must_use]
    pub fn new(lambda: f64) -> Self {
        Self {
            lambda,
            iterations: 300,
        }
    }

    /// Sets the number of iterations.
    #[must_use]
    pub fn with_iterations(self, iterations: usize) -> Self {
        Self { iterations, ..self }
    }

    /// Returns the image `[b, c, h, w]` of minimal energy, iterated from `Aᵀ y`. The noise level of
    /// the measurement is not used; choose `lambda` for it.
    ///
    /// # Errors
    /// [`SolveError`] if the weight is outside `[10⁻¹⁸, 10¹⁸]`, if the measurement is not finite or
    /// does not fit the operator, or if the operator's norm is not found.
    pub fn restore(&self, problem: &impl LinearGaussian<4>) -> Result<Tensor<4>, SolveError> {
        let legal = (1e-18..=1e18).contains(&self.lambda);
        let expected = "from 1e-18 to 1e18";
        require("weight of the variation", self.lambda, expected, legal)?;
        let (a, y) = (problem.linear(), problem.y());
        let shape = a.input_shape(y.dims())?;
        crate::solver::iterations::finite(&y)?;
        let norm = operator_norm(a, shape, &y.device())?.value;
        // ‖∇‖² ≤ 8. `norm` is a lower bound of ‖A‖, hence the factor 1.01.
        let step = 0.99 / (1.01 * norm * norm + 8.0).sqrt();
        let mut x = a.adjoint(y.clone());
        let mut ahead = x.clone();
        let mut p = y.zeros_like();
        let mut q = [x.zeros_like(), x.zeros_like()];
        for _ in 0..self.iterations {
            p = (p + (a.apply(ahead.clone()) - y.clone()) * step) / (1.0 + step);
            let [down, right] = gradient(&ahead);
            let [first, second] = q;
            let (first, second) = (first + down * step, second + right * step);
            let length = (first.clone().square() + second.clone().square()).sqrt();
            let scale = (length / self.lambda).clamp_min(1.0).recip();
            q = [first * scale.clone(), second * scale];
            let next = x.clone() - (a.adjoint(p.clone()) - divergence(&q)) * step;
            ahead = next.clone() * 2.0 - x;
            x = next;
        }
        Ok(x)
    }
}

/// Differences to the next row and to the next column; 0 in the last row and column.
fn gradient(x: &Tensor<4>) -> [Tensor<4>; 2] {
    [2, 3].map(|along| {
        let n = x.dims()[along];
        if n == 1 {
            return x.zeros_like();
        }
        let tail = x.clone().narrow(along, n - 1, 1);
        let next = Tensor::cat(vec![x.clone().narrow(along, 1, n - 1), tail], along);
        next - x.clone()
    })
}

/// `−∇ᵀ q`. The last difference is always 0, so the last entry of `q` is not used.
fn divergence(q: &[Tensor<4>; 2]) -> Tensor<4> {
    let along = |q: &Tensor<4>, along: usize| {
        let n = q.dims()[along];
        if n == 1 {
            return q.zeros_like();
        }
        let zero = q.clone().narrow(along, 0, 1) * 0.0;
        let inner = q.clone().narrow(along, 0, n - 1);
        let here = Tensor::cat(vec![inner.clone(), zero.clone()], along);
        here - Tensor::cat(vec![zero, inner], along)
    };
    along(&q[0], 2) + along(&q[1], 3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::Measurement;
    use crate::noise::GaussianNoise;
    use crate::operator::Identity;
    use approx::abs_diff_eq;
    use burn::tensor::Device;

    /// For eight zeros and eight ones, each half moves by `λ/8` towards the other, along either
    /// axis.
    #[test]
    fn a_line_of_pixels_is_denoised() {
        for (shape, along) in [([1, 1, 1, 8], 3), ([1, 1, 8, 1], 2)] {
            let zeros = Tensor::<4>::zeros(shape, &Device::flex());
            let y = Tensor::cat(vec![zeros.clone(), zeros + 1.0], along);
            let noise = GaussianNoise::new(0.1).expect("a noise");
            let total = TotalVariation::new(0.2).with_iterations(2000);
            let x = total.restore(&Measurement::new(Identity, noise, y));
            let x: Vec<f64> = x.expect("an image").into_data().iter::<f64>().collect();
            for (i, x) in x.into_iter().enumerate() {
                let expected = if i < 8 { 0.025 } else { 0.975 };
                assert!(
                    abs_diff_eq!(x, expected, epsilon = 1e-3),
                    "{shape:?}, pixel {i}: {x}"
                );
            }
        }
    }
}
