//! Twisted sequential Monte Carlo (TDS): particles are guided, weighted and resampled, which
//! corrects the errors of the guidance.
//!
//! With a twisting function `p̃(y | x_t)` ([`Twist`]), a move draws
//! `x_s ~ N(state·x_t + clean·x̂₀′, noise²)` with `x̂₀′ = x̂₀ + (σ²/α) ∇ log p̃(y | x_t)`. It
//! multiplies the particle's weight by `p(x_s | x_t) p̃(y | x_s) / (q(x_s | x_t, y) p̃(y | x_t))`.
//! The weighted particles converge to the posterior as their number grows, for any twisting
//! function. Where their effective number falls below a fraction of them, they are resampled
//! systematically.
//!
//! # Reference
//! Wu, Trippe, Naesseth, Blei & Cunningham 2023, "Practical and Asymptotically Exact Conditional
//! Sampling in Diffusion Models", algorithm 1, arXiv:2306.17775.

use super::Twist;
use super::particles::{Particles, Swarm, host, select};
use burn::tensor::Tensor;
use tweedie_core::{DenoiseError, Denoiser, InputError, linearised, per_sample_sum};
use tweedie_math::{Kernel, Level, Move, MoveError, ParameterError, Transition};
use tweedie_samplers::{State, Step, StepContext, StepError};

/// Twisted SMC with any kernel that adds noise.
///
/// A batch has the shape `[measurements × particles, …]`, ordered by measurement. The twist scores
/// each particle with its own measurement. The twist affects the number of particles that a result
/// needs, not its limit. At clean data, the particles are resampled once more, so that all have
/// equal weights. Before that, [`Trajectory::memory`](tweedie_samplers::Trajectory::memory) holds
/// their weights.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::{HostNoise, oracle::Gaussian};
/// use tweedie_inverse::measurement::Measurement;
/// use tweedie_inverse::noise::GaussianNoise;
/// use tweedie_inverse::operator::Identity;
/// use tweedie_inverse::posterior::{PigdmTwist, TwistedSmc};
/// use tweedie_math::{Ddim, LevelPath, Span, VariancePreserving};
/// use tweedie_samplers::Sampler;
///
/// let prior = Gaussian::isotropic(&[0.0], 1.0)?;
/// let y = Tensor::<2>::full([1, 1], 1.0, &Device::flex());
/// let measured = Measurement::new(Identity, GaussianNoise::new(1.0)?, y);
/// let smc = TwistedSmc::new(Ddim::ancestral(), PigdmTwist::new(&measured));
/// let path = LevelPath::uniform(VariancePreserving::default(), Span::new(0.99, 0.0), 30)?;
/// let sampler = Sampler::new(smc.with_particles(500)?, path);
/// let mut noise = HostNoise::seeded(7);
/// let x = sampler.start([500, 1], &Device::flex(), &mut noise)?;
/// let mut run = sampler.trajectory(&prior, x, &mut noise)?;
/// while let Some(state) = run.next() {
///     state?;
///     assert!(run.memory().particles().effective()[0] > 100.0);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TwistedSmc<K, T> {
    kernel: K,
    twist: T,
    swarm: Swarm,
}

impl<K, T> TwistedSmc<K, T> {
    /// Creates twisted SMC with 64 particles for each measurement. They are resampled where fewer
    /// than half of them are effective. A measurement as `twist` is the twist of DPS.
    pub fn new(kernel: K, twist: T) -> Self {
        Self {
            kernel,
            twist,
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

    /// Sets the effective fraction below which particles are resampled: 0 for never, 1 for always.
    ///
    /// # Errors
    /// [`ParameterError`] unless `threshold` is from 0 to 1.
    pub fn with_threshold(self, threshold: f64) -> Result<Self, ParameterError> {
        let swarm = self.swarm.with_threshold(threshold)?;
        Ok(Self { swarm, ..self })
    }
}

/// A kernel's transition, which has to add noise unless it ends at clean data.
pub(super) fn noisy_transition(kernel: &impl Kernel, mv: Move) -> Result<Transition, MoveError> {
    mv.require_down()?;
    let transition = kernel.transition(mv.from, mv.to)?;
    match transition.noise > 0.0 || mv.to.sigma() == 0.0 {
        true => Ok(transition),
        false => Err(MoveError::Singular {
            coefficient: "z",
            value: transition.noise,
        }),
    }
}

/// The memory of twisted SMC: the weights of the particles and their twist.
#[derive(Clone, Debug)]
pub struct TwistedParticles<const D: usize> {
    here: Option<Twisted<D>>,
    particles: Particles,
}

impl<const D: usize> Default for TwistedParticles<D> {
    fn default() -> Self {
        Self {
            here: None,
            particles: Particles::default(),
        }
    }
}

impl<const D: usize> TwistedParticles<D> {
    /// The weights of the particles.
    #[must_use]
    pub fn particles(&self) -> &Particles {
        &self.particles
    }
}

impl<const D: usize, K: Kernel, T: Twist<D>> Step<D> for TwistedSmc<K, T> {
    type Memory = TwistedParticles<D>;

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        memory: &mut TwistedParticles<D>,
    ) -> Result<State<D>, StepError> {
        let (level, transition) = (mv.from, noisy_transition(&self.kernel, mv)?);
        let particles = &mut memory.particles;
        let here = match memory.here.take() {
            Some(here) => here,
            None => {
                let here = Twisted::new(context.denoiser, &self.twist, x.clone(), level)?;
                particles.weigh(&here.log, self.swarm)?;
                here
            }
        };
        let chosen = particles.resample(self.swarm, &x, &mut *context.noise, false);
        let clean = select(here.clean, &chosen);
        let mut x = select(x, &chosen) * transition.state + clean.clone() * transition.clean;
        let mut ratio = vec![0.0; chosen.len()];
        // A move without noise is deterministic, so it is not guided.
        if transition.noise > 0.0 {
            let scale = level.sigma().powi(2) / level.alpha() * transition.clean / transition.noise;
            let shift = select(here.score, &chosen) * scale;
            let z = context.noise.increment(mv, &x);
            // log p − log q = ½ ‖z‖² − ½ ‖z + shift‖²
            let log = (z.clone() + shift.clone() * 0.5) * shift.clone() * -1.0;
            ratio = host(per_sample_sum(log));
            x = x + (z + shift) * transition.noise;
        }
        let next = Twisted::new(context.denoiser, &self.twist, x.clone(), mv.to)?;
        for (i, log) in ratio.iter_mut().enumerate() {
            *log += next.log[i] - here.log[chosen[i]];
        }
        particles.weigh(&ratio, self.swarm)?;
        memory.here = Some(next);
        if mv.to.sigma() == 0.0 {
            let chosen = particles.resample(self.swarm, &x, &mut *context.noise, true);
            x = select(x, &chosen);
        }
        Ok(State::new(mv.to, x, Some(clean)))
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        mv.from.require_signal()?;
        noisy_transition(&self.kernel, mv)?;
        Ok(())
    }

    /// Rejects forward moves: added noise would invalidate the weights.
    fn check_forward(&self, _: Move) -> Result<(), StepError> {
        Err(MoveError::Uphill.into())
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        self.swarm.accepts(shape[0])?;
        self.twist.accepts(shape)
    }
}

/// The twisting function at a batch of states.
#[derive(Clone, Debug)]
struct Twisted<const D: usize> {
    clean: Tensor<D>,
    /// `∇ log p̃(y | x_t)`.
    score: Tensor<D>,
    log: Vec<f64>,
}

impl<const D: usize> Twisted<D> {
    fn new(
        prior: &dyn Denoiser<D>,
        twist: &impl Twist<D>,
        x: Tensor<D>,
        level: Level,
    ) -> Result<Self, DenoiseError> {
        if level.sigma() == 0.0 {
            let (log, _) = twist.twist(x.clone(), level)?;
            return Ok(Self {
                score: x.zeros_like(),
                clean: x,
                log: host(log),
            });
        }
        let (clean, pullback) = linearised(prior, x, level)?;
        let (log, gradient) = twist.twist(clean.clone(), level)?;
        Ok(Self {
            clean,
            score: pullback.apply(gradient),
            log: host(log),
        })
    }
}
