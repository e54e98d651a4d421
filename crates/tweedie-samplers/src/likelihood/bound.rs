//! The variational bound of a discrete chain, term by term.
//!
//! `−log p(x₀) ≤ L_T + Σ L_{t−1} + L₀` in nats, along the levels of a path:
//!
//! * `L_T = KL(q(x_T|x₀) ‖ N(0, σ_T² I))`,
//! * `L_{t−1} = KL(q(x_s|x_t, x₀) ‖ p(x_s|x_t))` for each move `t → s`, at one draw of `x_t`,
//! * `L₀ = −log p(x₀|x_1)`, a Gaussian around the estimate at the path's last noisy level.
//!
//! # Reference
//! Ho et al. 2020, eq. 5 and 13, arXiv:2006.11239; Nichol & Dhariwal 2021, section 3.1 (learned
//! variance), arXiv:2102.09672.

use crate::SampleError;
use crate::sampler::not_empty;
use burn::tensor::Tensor;
use std::f64::consts::LN_2;
use tweedie_core::{Decoder, Denoiser, Noise, Posterior, gaussian_kl, per_sample_sum};
use tweedie_math::{
    Ancestral, Kernel, LevelPath, MoveError, ParameterError, PosteriorVariance, forward, gaussian,
};

/// The bound of an ancestral chain along a path that ends clean.
///
/// ```
/// use burn::tensor::Device;
/// use tweedie_core::{HostNoise, oracle::Gaussian};
/// use tweedie_math::{Chain, LevelPath, PosteriorVariance, Spacing};
/// use tweedie_samplers::likelihood::VariationalBound;
///
/// let prior = Gaussian::isotropic(&[0.3, -0.2], 0.5)?;
/// let x = prior.sample(4, 1, &Device::flex());
/// let chain = Chain::linear(100, 1e-3, 0.2)?;
/// let path = LevelPath::respaced(&chain, Spacing::Trailing, 100)?;
/// let bound = VariationalBound::new(path, PosteriorVariance::Small)?;
/// let terms = bound.terms(&prior, x, &mut HostNoise::seeded(7))?;
/// assert_eq!((terms.steps.len(), terms.total().dims()), (99, [4]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct VariationalBound {
    path: LevelPath,
    kernel: Ancestral,
    is_learned: bool,
    decoder: Decoder,
}

/// The terms of the bound, in nats for each sample: `[batch]`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Bound {
    /// `L_T`.
    pub prior: Tensor<1>,
    /// `L_{t−1}`, in the order of the path: from the noisiest move to the last but one.
    pub steps: Vec<Tensor<1>>,
    /// `L₀`.
    pub decoder: Tensor<1>,
}

impl Bound {
    /// `L_T + Σ L_{t−1} + L₀`, which is at least `−log p(x₀)`.
    #[must_use]
    pub fn total(&self) -> Tensor<1> {
        let rest = self.prior.clone() + self.decoder.clone();
        self.steps.iter().fold(rest, |sum, step| sum + step.clone())
    }

    /// The same terms in bits per dimension: nats over `D ln 2`, with `D = dimensions`. With
    /// [`Decoder::Discretised`] the total bounds the bits of the quantised data.
    #[must_use]
    pub fn in_bits(&self, dimensions: usize) -> Self {
        let scaled = |term: &Tensor<1>| term.clone() / (dimensions as f64 * LN_2);
        Self {
            prior: scaled(&self.prior),
            steps: self.steps.iter().map(scaled).collect(),
            decoder: scaled(&self.decoder),
        }
    }
}

impl VariationalBound {
    /// The bound of an ancestral chain along `path`, with a clean level appended if it has none.
    ///
    /// # Errors
    /// As [`Ancestral::new`].
    pub fn new(path: LevelPath, variance: PosteriorVariance) -> Result<Self, ParameterError> {
        Ok(Self {
            path: path.then_clean(),
            kernel: Ancestral::new(variance)?,
            is_learned: false,
            decoder: Decoder::Density,
        })
    }

    /// The bound of images of 8 bits in `[−1, 1]`, with the variance `β̃` of the steps. Its
    /// [`in_bits`](Bound::in_bits) are comparable with those of other image models.
    ///
    /// # Errors
    /// None for a path that [`new`](Self::new) takes.
    pub fn of_bytes(path: LevelPath) -> Result<Self, ParameterError> {
        let decoder = Decoder::Discretised {
            bin: 2.0 / 255.0,
            min: -1.0,
            max: 1.0,
        };
        Self::new(path, PosteriorVariance::Small)?.with_decoder(decoder)
    }

    /// Uses the variance that the denoiser returns for each value
    /// ([`Conditioned::with_learned_variance`](tweedie_core::Conditioned::with_learned_variance)).
    /// If the denoiser returns none, the chain's variance applies.
    #[must_use]
    pub fn with_learned_variance(self) -> Self {
        Self {
            is_learned: true,
            ..self
        }
    }

    /// Sets the decoder.
    ///
    /// # Errors
    /// [`ParameterError`] unless a bin is finite and above 0, and `min < max`.
    pub fn with_decoder(self, decoder: Decoder) -> Result<Self, ParameterError> {
        decoder.check()?;
        Ok(Self { decoder, ..self })
    }

    /// Computes the terms for data `clean`, each at an independent draw of `x_t`.
    ///
    /// # Errors
    /// [`SampleError`] if the denoiser does not support a level or fails, or if the path goes up in
    /// noise.
    pub fn terms<const D: usize>(
        &self,
        denoiser: &dyn Denoiser<D>,
        clean: Tensor<D>,
        noise: &mut dyn Noise<D>,
    ) -> Result<Bound, SampleError> {
        not_empty(&clean.dims())?;
        denoiser.accepts(clean.dims())?;
        for mv in self.path.moves() {
            if !denoiser.supports(mv.from) {
                return Err(SampleError::Denoiser { level: mv.from });
            }
            let refused = |error: MoveError| SampleError::Step {
                mv,
                reason: error.into(),
            };
            let noise = self
                .kernel
                .transition(mv.from, mv.to)
                .map_err(refused)?
                .noise;
            // A term divides by the variance, which is 0 for a move that stays at its level.
            if noise == 0.0 && mv.to.sigma() > 0.0 {
                let (coefficient, value) = ("z", noise);
                return Err(refused(MoveError::Singular { coefficient, value }));
            }
        }
        let dimensions = (clean.shape().num_elements() / clean.dims()[0].max(1)) as f64;
        let square = |x: Tensor<D>| per_sample_sum(x.square());
        let mut steps = Vec::with_capacity(self.path.len() - 1);
        let mut decoder = None;
        for mv in self.path.moves() {
            let level = mv.from;
            let noisy = clean.clone() * level.alpha() + noise.normal_like(&clean) * level.sigma();
            let Posterior {
                clean: estimate,
                interpolation,
            } = denoiser.estimate(noisy, level)?;
            if mv.to.sigma() == 0.0 {
                let std = forward::conditional(mv.to, mv.from).noise;
                decoder = Some(self.decoder.cost(&clean, estimate, std));
                break;
            }
            let refused = |error: MoveError| SampleError::Step {
                mv,
                reason: error.into(),
            };
            let q = gaussian::posterior(mv.from, mv.to).map_err(refused)?;
            let p = self.kernel.transition(mv.from, mv.to).map_err(refused)?;
            // KL of two Gaussians whose means differ by `q.clean·(x₀ − x̂₀)`.
            let error = (estimate - clean.clone()).square() * (0.5 * q.clean.powi(2));
            steps.push(match interpolation.filter(|_| self.is_learned) {
                Some(w) => {
                    let large = Ancestral::large().transition(mv.from, mv.to);
                    let large = large.map_err(refused)?.noise;
                    let ratio = w * (q.noise / large).ln();
                    per_sample_sum(gaussian_kl(ratio, error / q.noise.powi(2)))
                }
                None => {
                    let spread = dimensions * gaussian::kl((0.0, q.noise), (0.0, p.noise));
                    per_sample_sum(error) / p.noise.powi(2) + spread
                }
            });
        }
        let prior = square(clean.clone()) * gaussian::prior_kl(self.path.start(), 1.0);
        Ok(Bound {
            decoder: decoder.unwrap_or_else(|| prior.zeros_like()),
            prior,
            steps,
        })
    }
}
