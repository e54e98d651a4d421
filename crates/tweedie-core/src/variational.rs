//! The terms of a variational bound, on tensors: Gaussian divergences and decoders.
//!
//! # Reference
//! Ho et al. 2020, eq. 5 and 13, arXiv:2006.11239.

use crate::per_sample_sum;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::f64::consts::{SQRT_2, TAU};
use tweedie_math::ParameterError;

/// `KL(N(μ_q, q²) ‖ N(μ_p, p²)) = ½ ((q/p)² − 1) − ln (q/p) + (q/p)² s` for each value.
///
/// `log_ratio` is `ln (q/p)`, and `shift` is `s = (μ_q − μ_p)²/(2 q²)`.
#[must_use]
pub fn gaussian_kl<const D: usize>(log_ratio: Tensor<D>, shift: Tensor<D>) -> Tensor<D> {
    let square = (log_ratio.clone() * 2.0).exp();
    (square.clone() - 1.0) * 0.5 - log_ratio + shift * square
}

/// How the last estimate defines a distribution of the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Decoder {
    /// The density of the Gaussian, for continuous data.
    #[default]
    Density,
    /// The Gaussian's integral over a bin, for quantised data. The bins at `min` and `max`
    /// extend to infinity (Ho et al., eq. 13). Probabilities are clamped to at least 10⁻¹².
    Discretised {
        /// The width of a bin.
        bin: f64,
        /// The smallest value of the data.
        min: f64,
        /// The largest value of the data.
        max: f64,
    },
}

impl Decoder {
    /// Checks the bins.
    ///
    /// # Errors
    /// [`ParameterError`] unless the width is above 0 and `max` above `min`.
    pub fn check(self) -> Result<(), ParameterError> {
        if let Self::Discretised { bin, min, max } = self {
            ParameterError::require_positive("bin", bin)?;
            ParameterError::require(min < max, "max", "above min", max)?;
        }
        Ok(())
    }

    /// The cost `−log p(x₀)` of each sample in nats, for a Gaussian around `estimate` with standard
    /// deviation `std`.
    #[must_use]
    pub fn cost<const D: usize>(
        self,
        clean: &Tensor<D>,
        estimate: Tensor<D>,
        std: f64,
    ) -> Tensor<1> {
        let centred = (clean.clone() - estimate) / std;
        match self {
            Self::Density => per_sample_sum(centred.square() * 0.5 + (0.5 * TAU.ln() + std.ln())),
            Self::Discretised { bin, min, max } => {
                let half = 0.5 * bin / std;
                let below = |x: Tensor<D>| ((x / SQRT_2).erf() + 1.0) * 0.5;
                let upper = below(centred.clone() + half);
                let lower = below(centred - half);
                // The outermost bins extend to infinity.
                let edge = 0.25 * bin;
                let upper = upper.mask_fill(clean.clone().greater_scalar(max - edge), 1.0);
                let lower = lower.mask_fill(clean.clone().lower_scalar(min + edge), 0.0);
                per_sample_sum((upper - lower).clamp_min(1e-12).log() * -1.0)
            }
        }
    }
}
