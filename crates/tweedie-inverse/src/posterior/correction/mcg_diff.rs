//! MCG-diff: particles that move by the product of the prior's step and a potential in the
//! operator's spectrum.
//!
//! In the coordinates `x̄ = Vᵀ x`, with `ȳ = Σ⁺Uᵀy`, the potential of a state is
//! `g_t(x) = Π_i N(x̄_i; α ȳ_i, σ² + α² σ_y²/s_i²)` over the measured coordinates. At clean data it
//! is the likelihood. A move draws from `p(x_s | x_t) g_s(x_s)`, a Gaussian in each coordinate, and
//! multiplies the weight by `∫ p(x_s | x_t) g_s(x_s) dx_s / g_t(x_t)`.
//!
//! The weighted particles converge to the posterior as their number grows, for any noise. The
//! paper's potentials for noisy measurements stop at the level that has the noise of the coordinate
//! (its τ); these continue to clean data. Singular values up to 0.03 of the largest have no
//! potential before clean data.
//!
//! # Reference
//! Cardoso, Janati El Idrissi, Le Corff & Moulines 2024, "Monte Carlo guided Diffusion for Bayesian
//! linear inverse problems", algorithm 1, arXiv:2308.07983.

use super::particles::{Particles, Swarm, host, select};
use super::twisted_smc::noisy_transition;
use crate::measurement::{SpectralGaussian, accepts_linear};
use crate::operator::spectral::negligible;
use crate::posterior::chain::CUTOFF;
use crate::values::widened;
use burn::tensor::Tensor;
use tweedie_core::{InputError, per_sample_sum};
use tweedie_math::{Kernel, Level, Move, MoveError, ParameterError};
use tweedie_samplers::{State, Step, StepContext, StepError};

/// MCG-diff with any kernel that adds noise, for operators with known singular values and Gaussian
/// noise. The network is not differentiated.
///
/// A batch has the shape `[measurements × particles, …]`, ordered by measurement. `y` has a row for
/// each particle, or one for all.
#[derive(Clone, Debug)]
pub struct McgDiff<K, P> {
    kernel: K,
    problem: P,
    swarm: Swarm,
}

impl<K, P> McgDiff<K, P> {
    /// Creates the method with 64 particles for each measurement, resampled where fewer than half
    /// of them are effective.
    pub fn new(kernel: K, problem: P) -> Self {
        Self {
            kernel,
            problem,
            swarm: Swarm::USUAL,
        }
    }

    /// Sets the number of particles for each measurement.
    ///
    /// # Errors
    /// [`ParameterError`] if `particles` is 0.
    pub fn with_particles(self, particles: usize) -> Result<Self, ParameterError> {
        let swarm = self.swarm.with_count(particles)?;
        Ok(Self { swarm, ..self })
    }

    /// The potential of a level, for spectra like `like`.
    fn potential<const D: usize>(&self, like: &Tensor<D>, level: Level) -> Potential<D>
    where
        P: SpectralGaussian<D>,
    {
        let a = self.problem.spectral();
        let s = a.singular_values(like);
        // The likelihood counts every coordinate; a guide along the path need not.
        let cutoff = if level.sigma() == 0.0 { 0.0 } else { CUTOFF };
        let unseen = negligible(&s, cutoff);
        let inverse = s.mask_fill(unseen.clone(), 1.0).recip();
        let y = a.measured_to_spectrum(self.problem.y()) * inverse.clone();
        let noise = (inverse * (level.alpha() * self.problem.sigma())).square();
        let shape = like.dims();
        Potential {
            mean: (y * level.alpha()).expand(shape),
            variance: (noise + level.sigma().powi(2)).expand(shape),
            seen: unseen.bool_not().float().cast(like.dtype()).expand(shape),
        }
    }
}

/// `Π_i N(x̄_i; mean_i, variance_i)` over the coordinates where `seen` is 1.
struct Potential<const D: usize> {
    mean: Tensor<D>,
    variance: Tensor<D>,
    seen: Tensor<D>,
}

impl<const D: usize> Potential<D> {
    /// Its logarithm after a convolution with `N(0, added)`, up to a constant.
    fn log(&self, x: Tensor<D>, added: f64) -> Tensor<1> {
        let gap = widened(x - self.mean.clone()).square();
        let gap = gap / (widened(self.variance.clone()) + added);
        per_sample_sum(gap * widened(self.seen.clone())) * -0.5
    }
}

impl<const D: usize, K: Kernel, P: SpectralGaussian<D>> Step<D> for McgDiff<K, P> {
    type Memory = Particles;

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        particles: &mut Particles,
    ) -> Result<State<D>, StepError> {
        let a = self.problem.spectral();
        let by = noisy_transition(&self.kernel, mv)?;
        let clean = context.denoise(x.clone(), mv.from)?;
        let here = a.signal_to_spectrum(x.clone());
        let mean = x.clone() * by.state + clean.clone() * by.clean;
        let mean = a.signal_to_spectrum(mean);
        let (from, to) = (self.potential(&here, mv.from), self.potential(&mean, mv.to));
        let added = by.noise.powi(2);
        let mut ratio = to.log(mean.clone(), added);
        // The first states are draws of the prior, without a potential.
        if !particles.is_new() {
            ratio = ratio - from.log(here, 0.0);
        }
        particles.weigh(&host(ratio), self.swarm)?;
        let last = mv.to.sigma() == 0.0;
        let chosen = particles.resample(self.swarm, &x, &mut *context.noise, last);
        let mut next = select(mean, &chosen);
        if added > 0.0 {
            // The mean and the variance of N(mean, added) N(to.mean, to.variance).
            let gain = to.seen.clone() / (to.variance.clone() + added) * added;
            let z = a.signal_to_spectrum(context.noise.increment(mv, &x));
            let std = (gain.clone().neg() + 1.0).sqrt() * by.noise;
            next = next.clone() + (to.mean - next) * gain + z * std;
        }
        let next = a.spectrum_to_signal(next);
        Ok(State::new(mv.to, next, Some(clean)))
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        noisy_transition(&self.kernel, mv)?;
        Ok(())
    }

    /// Rejects forward moves: added noise would invalidate the weights.
    fn check_forward(&self, _: Move) -> Result<(), StepError> {
        Err(MoveError::Uphill.into())
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        self.swarm.accepts(shape[0])?;
        accepts_linear(&self.problem, shape)
    }
}
