//! Weights of the noise levels in a denoising loss.

use crate::schedule::{ScheduleError, parameter};
use crate::{Prediction, Schedule};
use serde::{Deserialize, Serialize};

/// The weight `w` of a level in the loss `E_t[w ‖F(x_t) − F*‖²]` on the network's output.
///
/// Since `x̂₀ − x₀ = out·(F − F*)`, a weight `v` on `‖x̂₀ − x₀‖²` equals `w = v·out²`:
///
/// | weighting | weight `v` of `‖x̂₀ − x₀‖²` |
/// |---|---|
/// | `Uniform` | `1/out²`, so that `w = 1`: DDPM's simple loss for noise |
/// | `Snr` | `SNR`: the simple loss of noise, for every prediction |
/// | `MinSnr { gamma }` | `min(SNR, γ)` |
/// | `SoftMinSnr { gamma }` | `1/(1/SNR + 1/γ)` |
/// | `Edm { sigma_data }` | `(s² + d²)/(s d)²` with `s = σ/α`: `w = 1` for `Edm` |
/// | `Likelihood` | `−½ SNR′(t)`, equal to `½ g²` on the score: the continuous bound |
/// | `Elbo { steps }` | `½ N (SNR(t − 1/N) − SNR(t))`: the bound of a chain of `N` moves |
///
/// `Likelihood` and `Elbo` are bounds if times are uniform. With another
/// [`TimeDensity`](crate::TimeDensity) they are reweighted bounds. Both diverge at clean data. A
/// move of `Elbo` to or beyond clean data belongs to the decoder and has weight 0. A
/// [`Chain`](crate::Chain) of `n` nodes has `n − 1` moves, and its node 0 is not clean.
///
/// # Reference
/// Ho et al. 2020, eq. 14; Salimans & Ho 2022, section 4, arXiv:2202.00512; Hang et al. 2023,
/// eq. 8, arXiv:2303.09556; Crowson et al. 2024, section 4.3 (soft), arXiv:2401.11605; Karras et
/// al. 2022, table 1; Song et al. 2021b, theorem 1, arXiv:2101.09258; Kingma et al. 2021, eq. 13
/// and 17, arXiv:2107.00630.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Weighting {
    /// Every level has weight 1 on the network's output.
    #[default]
    Uniform,
    /// The signal-to-noise ratio.
    Snr,
    /// The signal-to-noise ratio, capped at `gamma` (5 in the paper).
    MinSnr {
        /// The cap γ.
        gamma: f64,
    },
    /// The signal-to-noise ratio with a smooth limit at `gamma`.
    SoftMinSnr {
        /// The limit γ.
        gamma: f64,
    },
    /// EDM's weight.
    Edm {
        /// Standard deviation of the data.
        sigma_data: f64,
    },
    /// The likelihood weight of the continuous process.
    Likelihood,
    /// The evidence lower bound of a chain.
    Elbo {
        /// The number of moves `N` of the chain.
        steps: usize,
    },
}

/// The weight of a noise level in a loss on the network's output: a [`Weighting`], or any function
/// of the time.
pub trait LossWeight {
    /// Checks the parameters.
    ///
    /// # Errors
    /// [`ScheduleError`] for a parameter outside its range.
    fn check(&self) -> Result<(), ScheduleError>;

    /// Returns the weight of the output's squared error at time `t`.
    fn weight(&self, schedule: &dyn Schedule, prediction: Prediction, t: f64) -> f64;
}

impl LossWeight for Weighting {
    fn check(&self) -> Result<(), ScheduleError> {
        (*self).check()
    }

    fn weight(&self, schedule: &dyn Schedule, prediction: Prediction, t: f64) -> f64 {
        (*self).weight(schedule, prediction, t)
    }
}

impl<F: Fn(f64) -> f64> LossWeight for F {
    fn check(&self) -> Result<(), ScheduleError> {
        Ok(())
    }

    fn weight(&self, _: &dyn Schedule, _: Prediction, t: f64) -> f64 {
        self(t)
    }
}

impl Weighting {
    /// Checks the parameters.
    ///
    /// # Errors
    /// [`ScheduleError::Parameter`] unless γ, `sigma_data` and the number of steps are positive and
    /// finite.
    pub fn check(self) -> Result<(), ScheduleError> {
        let (name, value) = match self {
            Self::MinSnr { gamma } | Self::SoftMinSnr { gamma } => ("gamma", gamma),
            Self::Edm { sigma_data } => ("sigma_data", sigma_data),
            Self::Elbo { steps } => ("steps", steps as f64),
            Self::Uniform | Self::Snr | Self::Likelihood => return Ok(()),
        };
        parameter(name, "above 0", value, value > 0.0).map(|_| ())
    }

    /// Returns the weight `w` of the output's squared error at time `t`.
    #[must_use]
    pub fn weight(self, schedule: impl Schedule, prediction: Prediction, t: f64) -> f64 {
        let level = schedule.level(t);
        // ε̂ − ε = −(α/σ) (x̂₀ − x₀), hence SNR ‖x̂₀ − x₀‖² = ‖ε̂ − ε‖².
        let noise = prediction.to_noise(level).powi(2);
        let clean = match self {
            Self::Uniform => return 1.0,
            Self::Snr => return noise,
            Self::MinSnr { gamma } => {
                let cut = gamma * level.noise_to_signal().powi(2);
                if cut < 1.0 {
                    // γ ‖x̂₀ − x₀‖², which stays finite at σ = 0.
                    return gamma * prediction.to_clean(level).out.powi(2);
                }
                return noise;
            }
            Self::SoftMinSnr { gamma } => gamma / (1.0 + gamma * level.noise_to_signal().powi(2)),
            Self::Edm { sigma_data } if prediction == (Prediction::Edm { sigma_data }) => {
                return 1.0;
            }
            Self::Edm { sigma_data: d } => {
                let s = level.noise_to_signal();
                (s * s + d * d) / (s * d).powi(2)
            }
            Self::Likelihood => {
                // −½ SNR′ = ½ SNR g²/σ², from g² = −σ² (ln SNR)′.
                0.5 * level.snr() * schedule.rates(t).g2 / level.sigma().powi(2)
            }
            Self::Elbo { steps } => {
                let n = steps as f64;
                // Times of nodes have rounding errors.
                let before = t - 1.0 / n;
                if before < -1e-9 {
                    return 0.0;
                }
                let before = schedule.level(before.max(0.0));
                if before.sigma() == 0.0 {
                    return 0.0;
                }
                0.5 * n * (before.snr() - level.snr())
            }
        };
        clean * prediction.to_clean(level).out.powi(2)
    }
}
