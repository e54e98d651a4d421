//! DDRM: each coordinate of the operator's spectrum moves separately, by how well it is measured.
//!
//! In `x̄ = Vᵀ x/α` with noise `σ̄ = σ/α`, estimate `x̄₀` and measurement `ȳ = Σ⁺Uᵀ y`, whose noise
//! is `σ_y/s_i`, the move from `t` to `s` draws
//!
//! | coordinate | mean | variance |
//! |---|---|---|
//! | not measured, `s_i = 0` | `x̄₀ + √(1−η²) σ̄_s (x̄_t − x̄₀)/σ̄_t` | `η² σ̄_s²` |
//! | below the measurement's noise, `σ̄_s < σ_y/s_i` | `x̄₀ + √(1−η²) σ̄_s (ȳ − x̄₀)/(σ_y/s_i)` | `η² σ̄_s²` |
//! | at or above it, `σ̄_s ≥ σ_y/s_i` | `(1−η_b) x̄₀ + η_b ȳ` | `σ̄_s² − η_b² σ_y²/s_i²` |
//!
//! Singular values up to 0.03 of the largest count as 0, as in the authors' code. There `σ_y/s_i`
//! is large, and reusing the same `ȳ_i` at every move would accumulate its noise.
//!
//! # Reference
//! Kawar, Elad, Ermon & Song 2022, "Denoising Diffusion Restoration Models",
//! arXiv:2201.11793.

use crate::measurement::{SpectralGaussian, accepts_linear};
use crate::operator::spectral::negligible;
use burn::tensor::{Device, Tensor};
use tweedie_core::{InputError, Noise};
use tweedie_math::{Level, Move, ParameterError};
use tweedie_samplers::{State, Step, StepContext, StepError};

/// Singular values up to this fraction of the largest count as 0.
pub(crate) const CUTOFF: f64 = 0.03;

/// DDRM, for operators with known singular values and Gaussian noise.
///
/// DDRM needs no gradient. The paper uses 20 moves. Coordinates whose measurement has less noise
/// than the first level start at the measurement.
#[derive(Clone, Debug)]
pub struct Ddrm<P> {
    problem: P,
    eta: f64,
    eta_b: f64,
    cutoff: f64,
}

impl<P> Ddrm<P> {
    /// Creates DDRM with the paper's η = 0.85 and η_b = 1.
    pub fn new(problem: P) -> Self {
        Self {
            problem,
            eta: 0.85,
            eta_b: 1.0,
            cutoff: CUTOFF,
        }
    }

    /// Sets η, the ratio of the fresh noise's standard deviation to `σ̄_s`. It applies to
    /// coordinates that are not measured, or measured with more noise than the next level has.
    ///
    /// # Errors
    /// [`ParameterError`] unless `eta` is from 0 to 1.
    pub fn with_eta(self, eta: f64) -> Result<Self, ParameterError> {
        let eta = ParameterError::require_fraction("η", eta)?;
        Ok(Self { eta, ..self })
    }

    /// Sets η_b, the weight of the measurement against the estimate. It applies to coordinates
    /// whose measurement has at most the noise of the next level.
    ///
    /// # Errors
    /// [`ParameterError`] unless `eta_b` is from 0 to 1.
    pub fn with_eta_b(self, eta_b: f64) -> Result<Self, ParameterError> {
        let eta_b = ParameterError::require_fraction("η_b", eta_b)?;
        Ok(Self { eta_b, ..self })
    }

    /// Sets the cutoff: singular values up to this fraction of the largest count as 0.
    ///
    /// # Errors
    /// [`ParameterError`] unless `cutoff` is at least 0 and below 1.
    pub fn with_cutoff(self, cutoff: f64) -> Result<Self, ParameterError> {
        let (legal, expected) = ((0.0..1.0).contains(&cutoff), "at least 0 and below 1");
        let cutoff = ParameterError::require(legal, "the cutoff", expected, cutoff)?;
        Ok(Self { cutoff, ..self })
    }

    /// Returns `ȳ`, its noise `σ_y/s_i`, and a mask of the coordinates that are not measured.
    fn known<const D: usize>(&self, like: &Tensor<D>) -> KnownSpectrum<D>
    where
        P: SpectralGaussian<D>,
    {
        let a = self.problem.spectral();
        let s = a.singular_values(like);
        let unseen = negligible(&s, self.cutoff);
        let inverse = s.mask_fill(unseen.clone(), 1.0).recip();
        let y = a.measured_to_spectrum(self.problem.y());
        let y = y * inverse.clone();
        let shape = like.dims();
        KnownSpectrum {
            y: y.expand(shape),
            noise: (inverse * self.problem.sigma()).expand(shape),
            unseen: unseen.expand(shape),
        }
    }
}

struct KnownSpectrum<const D: usize> {
    y: Tensor<D>,
    noise: Tensor<D>,
    unseen: Tensor<D, burn::tensor::Bool>,
}

impl<const D: usize, P: SpectralGaussian<D>> Step<D> for Ddrm<P> {
    type Memory = ();

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        (): &mut (),
    ) -> Result<State<D>, StepError> {
        let a = self.problem.spectral();
        let clean = context.denoise(x.clone(), mv.from)?;
        let c = a.signal_to_spectrum(clean.clone());
        let (from, to) = (mv.from.noise_to_signal(), mv.to.noise_to_signal());
        let KnownSpectrum {
            y,
            noise: seen,
            unseen,
        } = self.known(&c);
        let kept = (1.0 - self.eta * self.eta).sqrt() * to;
        let x = a.signal_to_spectrum(x * (1.0 / mv.from.alpha()));
        let free = (x - c.clone()) * (kept / from);
        let finer = (y.clone() - c.clone()) * (seen.clone().recip() * kept);
        let coarser = (y - c.clone()) * self.eta_b;
        let is_finer = seen.clone().greater_elem(to);
        let mean = c + coarser
            .mask_where(is_finer.clone(), finer)
            .mask_where(unseen.clone(), free);
        let mut moved = a.spectrum_to_signal(mean);
        if to > 0.0 {
            let fresh = (self.eta * to).powi(2);
            let rest = (seen * self.eta_b).square().neg() + to * to;
            let variance = rest.mask_fill(is_finer.bool_or(unseen), fresh);
            let z = a.signal_to_spectrum(context.noise.increment(mv, &moved));
            moved = moved + a.spectrum_to_signal(z * variance.clamp_min(0.0).sqrt());
        }
        Ok(State::new(mv.to, moved * mv.to.alpha(), Some(clean)))
    }

    /// Accepts moves that do not add noise, from levels with some signal and some noise.
    fn check(&self, mv: Move) -> Result<(), StepError> {
        mv.from.require_signal()?;
        mv.from.require_noise()?;
        Ok(mv.require_down()?)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        accepts_linear(&self.problem, shape)
    }

    /// Draws from `N(ȳ, σ̄² − σ_y²/s_i²)` where this variance is positive, and from `N(0, σ̄²)`
    /// elsewhere.
    fn start(
        &self,
        shape: [usize; D],
        level: Level,
        device: &Device,
        noise: &mut dyn Noise<D>,
    ) -> Result<Tensor<D>, StepError> {
        level.require_signal()?;
        self.problem.accepts(shape)?;
        let a = self.problem.spectral();
        let like = Tensor::zeros(shape, (device, self.problem.y().dtype()));
        let z = a.signal_to_spectrum(noise.normal_like(&like));
        let known = self.known(&z);
        let variance = known.noise.square().neg() + level.noise_to_signal().powi(2);
        let seen = variance
            .clone()
            .greater_elem(0.0)
            .bool_and(known.unseen.bool_not());
        let seen = seen.float().cast(z.dtype());
        let full = level.noise_to_signal();
        let std = variance.clamp_min(0.0).sqrt() * seen.clone() + (seen.clone().neg() + 1.0) * full;
        Ok(a.spectrum_to_signal(z * std + known.y * seen) * level.alpha())
    }
}
