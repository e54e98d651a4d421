//! FPS-SMC: particles filtered by a sequence of noisy measurements.
//!
//! The measurement takes the same noise as the signal, `y_t = α y + σ A ε`, drawn along the path by
//! the kernel itself with `y` as the clean value. A move draws
//! `x_s ~ p(x_s | x_t) N(y_s; A x_s, α_s² σ_y² I)`, which is Gaussian, and multiplies the weight by
//! the integral of that product over `x_s`.
//!
//! Without noise in the measurement this is exact as the number of particles grows. With noise it
//! counts the same noise of `y` at every move, so that draws are too narrow.
//!
//! # Reference
//! Dou & Song 2024, "Diffusion Posterior Sampling for Linear Inverse Problem Solving: A Filtering
//! Perspective", algorithm 2, ICLR.

use super::particles::{Particles, Swarm, host, select};
use super::twist::log_marginal;
use super::twisted_smc::noisy_transition;
use crate::measurement::{LinearGaussian, accepts_linear};
use crate::posterior::chain::perturb_and_solve;
use burn::tensor::Tensor;
use tweedie_core::{InputError, Noise};
use tweedie_math::{Kernel, Move, MoveError, ParameterError};
use tweedie_samplers::{State, Step, StepContext, StepError};

/// FPS-SMC with any kernel that adds noise, for linear operators and Gaussian noise. The network is
/// not differentiated.
///
/// A batch has the shape `[measurements × particles, …]`, ordered by measurement. `y` has a row for
/// each particle, or one for all.
#[derive(Clone, Debug)]
pub struct FpsSmc<K, P> {
    kernel: K,
    problem: P,
    swarm: Swarm,
}

impl<K, P> FpsSmc<K, P> {
    /// Creates the filter with 64 particles for each measurement, resampled where fewer than half
    /// of them are effective. One particle is FPS without weights.
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
}

/// The memory of FPS-SMC: the weights of the particles and the noisy measurement.
#[derive(Clone, Debug)]
pub struct FilteredParticles<const D: usize> {
    y: Option<Tensor<D>>,
    particles: Particles,
}

impl<const D: usize> Default for FilteredParticles<D> {
    fn default() -> Self {
        Self {
            y: None,
            particles: Particles::default(),
        }
    }
}

impl<const D: usize> FilteredParticles<D> {
    /// The weights of the particles.
    #[must_use]
    pub fn particles(&self) -> &Particles {
        &self.particles
    }
}

impl<K: Kernel, P> FpsSmc<K, P> {
    /// The noisy measurement after a move. The particles of one measurement share its noise.
    fn follow<const D: usize>(
        &self,
        before: Option<Tensor<D>>,
        mv: Move,
        like: &Tensor<D>,
        noise: &mut dyn Noise<D>,
    ) -> Result<Tensor<D>, StepError>
    where
        P: LinearGaussian<D>,
    {
        let (a, y) = (self.problem.linear(), self.problem.y());
        let first: Vec<usize> = (0..like.dims()[0])
            .map(|i| i - i % self.swarm.count)
            .collect();
        let seen = a.apply(select(noise.normal_like(like), &first));
        let Some(before) = before else {
            return Ok(y * mv.to.alpha() + seen * mv.to.sigma());
        };
        let by = self.kernel.transition(mv.from, mv.to)?;
        Ok(before * by.state + y * by.clean + seen * by.noise)
    }
}

impl<const D: usize, K: Kernel, P: LinearGaussian<D>> Step<D> for FpsSmc<K, P> {
    type Memory = FilteredParticles<D>;

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        memory: &mut FilteredParticles<D>,
    ) -> Result<State<D>, StepError> {
        let a = self.problem.linear();
        let by = noisy_transition(&self.kernel, mv)?;
        let clean = context.denoise(x.clone(), mv.from)?;
        let mean = x.clone() * by.state + clean.clone() * by.clean;
        let y = self.follow(memory.y.take(), mv, &x, &mut *context.noise)?;
        let sigma = mv.to.alpha() * self.problem.sigma();
        let gap = y.clone() - a.apply(mean.clone());
        let (log, _) = log_marginal(a, gap, by.noise.powi(2), sigma.powi(2))?;
        let particles = &mut memory.particles;
        particles.weigh(&host(log), self.swarm)?;
        let last = mv.to.sigma() == 0.0;
        let chosen = particles.resample(self.swarm, &x, &mut *context.noise, last);
        let mean = select(mean, &chosen);
        let next = match by.noise > 0.0 {
            true => {
                let noise = &mut *context.noise;
                perturb_and_solve(a, y.clone(), sigma, mean, by.noise, noise)?
            }
            false => mean,
        };
        memory.y = Some(y);
        Ok(State::new(mv.to, next, Some(clean)))
    }

    /// Accepts moves to levels with some signal.
    fn check(&self, mv: Move) -> Result<(), StepError> {
        noisy_transition(&self.kernel, mv)?;
        Ok(mv.to.require_signal()?)
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
