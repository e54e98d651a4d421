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
use burn::tensor::{Int, Tensor, TensorData};
use statrs::function::erf::erf;
use tweedie_core::{DenoiseError, Denoiser, InputError, Noise, linearised, per_sample_sum};
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
///     assert!(run.memory().effective()[0] > 100.0);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TwistedSmc<K, T> {
    kernel: K,
    twist: T,
    particles: usize,
    threshold: f64,
}

impl<K, T> TwistedSmc<K, T> {
    /// Creates twisted SMC with 64 particles for each measurement. They are resampled where fewer
    /// than half of them are effective. A measurement as `twist` is the twist of DPS.
    pub fn new(kernel: K, twist: T) -> Self {
        Self {
            kernel,
            twist,
            particles: 64,
            threshold: 0.5,
        }
    }

    /// Sets the number of particles for each measurement.
    ///
    /// # Errors
    /// [`ParameterError`] if `particles` is 0.
    pub fn with_particles(self, particles: usize) -> Result<Self, ParameterError> {
        let particles = ParameterError::require_count("the number of particles", particles)?;
        Ok(Self { particles, ..self })
    }

    /// Sets the effective fraction below which particles are resampled: 0 for never, 1 for always.
    ///
    /// # Errors
    /// [`ParameterError`] unless `threshold` is from 0 to 1.
    pub fn with_threshold(self, threshold: f64) -> Result<Self, ParameterError> {
        let threshold = ParameterError::require_fraction("the threshold", threshold)?;
        Ok(Self { threshold, ..self })
    }

    /// The kernel's transition, which has to add noise unless it ends at clean data.
    fn transition(&self, mv: Move) -> Result<Transition, MoveError>
    where
        K: Kernel,
    {
        mv.require_down()?;
        let transition = self.kernel.transition(mv.from, mv.to)?;
        match transition.noise > 0.0 || mv.to.sigma() == 0.0 {
            true => Ok(transition),
            false => Err(MoveError::Singular {
                coefficient: "z",
                value: transition.noise,
            }),
        }
    }

    /// Resamples the particles of each measurement below the threshold, or of every one if `all`.
    /// Returns the indices of the chosen particles.
    fn resample<const D: usize>(
        &self,
        particles: &mut Particles<D>,
        like: &Tensor<D>,
        noise: &mut dyn Noise<D>,
        all: bool,
    ) -> Tensor<1, Int> {
        let (count, batch) = (self.particles, particles.log_weights.len());
        let mut one_each = [1; D];
        one_each[0] = batch;
        let normal = noise.normal_like(&Tensor::<D>::zeros(one_each, &like.device()));
        let normal = host(normal.reshape([batch]));
        // Φ(z) is uniform.
        let uniform = |group: usize| 0.5 * (1.0 + erf(normal[group * count] / 2_f64.sqrt()));
        let mut chosen: Vec<usize> = (0..batch).collect();
        for (group, effective) in particles.effective.iter().enumerate() {
            if !(all || *effective < self.threshold * count as f64) {
                continue;
            }
            let slots = group * count..(group + 1) * count;
            let picked = systematic(&particles.weights[slots.clone()], uniform(group));
            for (slot, pick) in slots.clone().zip(picked) {
                chosen[slot] = group * count + pick;
            }
            particles.log_weights[slots.clone()].fill(0.0);
            particles.weights[slots].fill(1.0 / count as f64);
        }
        if let Some(here) = &mut particles.here {
            here.log = chosen.iter().map(|&i| here.log[i]).collect();
        }
        let chosen = TensorData::new(chosen.iter().map(|&i| i as i32).collect(), [batch]);
        Tensor::from_data(chosen, &like.device())
    }
}

/// The memory of twisted SMC: the weights of the particles and their twist.
#[derive(Clone, Debug)]
pub struct Particles<const D: usize> {
    here: Option<Twisted<D>>,
    log_weights: Vec<f64>,
    weights: Vec<f64>,
    effective: Vec<f64>,
}

impl<const D: usize> Default for Particles<D> {
    fn default() -> Self {
        Self {
            here: None,
            log_weights: Vec::new(),
            weights: Vec::new(),
            effective: Vec::new(),
        }
    }
}

impl<const D: usize> Particles<D> {
    /// Returns the weight of each particle. The weights of one measurement sum to 1.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Returns the effective number of particles of each measurement, `1/Σ w²`. At clean data, this
    /// is the number before the final resampling.
    #[must_use]
    pub fn effective(&self) -> &[f64] {
        &self.effective
    }

    /// Computes the weights and effective numbers of particles from the log-weights.
    fn weigh(&mut self, count: usize) -> Result<(), StepError> {
        (self.weights, self.effective) = (Vec::new(), Vec::new());
        for (measurement, logs) in self.log_weights.chunks(count).enumerate() {
            let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if !largest.is_finite() || logs.iter().any(|log| log.is_nan()) {
                return Err(StepError::Weights { measurement });
            }
            let raw: Vec<f64> = logs.iter().map(|log| (log - largest).exp()).collect();
            let total: f64 = raw.iter().sum();
            let squares: f64 = raw.iter().map(|w| w * w).sum();
            self.effective.push(total * total / squares);
            self.weights.extend(raw.iter().map(|w| w / total));
        }
        Ok(())
    }
}

impl<const D: usize, K: Kernel, T: Twist<D>> Step<D> for TwistedSmc<K, T> {
    type Memory = Particles<D>;

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        memory: &mut Particles<D>,
    ) -> Result<State<D>, StepError> {
        let (level, transition) = (mv.from, self.transition(mv)?);
        let twisted = |x, level| Twisted::new(context.denoiser, &self.twist, x, level);
        if memory.here.is_none() {
            let here = twisted(x.clone(), level)?;
            memory.log_weights = here.log.clone();
            memory.here = Some(here);
            memory.weigh(self.particles)?;
        }
        let chosen = self.resample(memory, &x, &mut *context.noise, false);
        let select = |x: Tensor<D>| x.select(0, chosen.clone());
        let Some(here) = memory.here.take() else {
            unreachable!("it was set above")
        };
        let (clean, score) = (select(here.clean), select(here.score));
        let mut x = select(x) * transition.state + clean.clone() * transition.clean;
        let mut ratio = vec![0.0; memory.log_weights.len()];
        // A move without noise is deterministic, so it is not guided.
        if transition.noise > 0.0 {
            let scale = level.sigma().powi(2) / level.alpha() * transition.clean / transition.noise;
            let shift = score * scale;
            let z = context.noise.increment(mv, &x);
            // log p − log q = ½ ‖z‖² − ½ ‖z + shift‖²
            let log = (z.clone() + shift.clone() * 0.5) * shift.clone() * -1.0;
            ratio = host(per_sample_sum(log));
            x = x + (z + shift) * transition.noise;
        }
        let next = Twisted::new(context.denoiser, &self.twist, x.clone(), mv.to)?;
        for (i, log) in memory.log_weights.iter_mut().enumerate() {
            *log += ratio[i] + next.log[i] - here.log[i];
        }
        memory.here = Some(next);
        memory.weigh(self.particles)?;
        if mv.to.sigma() == 0.0 {
            let chosen = self.resample(memory, &x, &mut *context.noise, true);
            x = x.select(0, chosen);
        }
        Ok(State::new(mv.to, x, Some(clean)))
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        mv.from.require_signal()?;
        self.transition(mv)?;
        Ok(())
    }

    /// Rejects forward moves: added noise would invalidate the weights.
    fn check_forward(&self, _: Move) -> Result<(), StepError> {
        Err(MoveError::Uphill.into())
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        let (count, expected) = (self.particles, "a divisor of the batch");
        let whole = shape[0].is_multiple_of(count);
        ParameterError::require(whole, "the number of particles", expected, count as f64)?;
        self.twist.accepts(shape)
    }
}

/// Systematic resampling: as many indices as weights, each in proportion to its weight.
fn systematic(weights: &[f64], uniform: f64) -> Vec<usize> {
    let count = weights.len();
    let (mut sum, mut picked) = (0.0, Vec::with_capacity(count));
    for (i, weight) in weights.iter().enumerate() {
        sum += weight;
        while picked.len() < count && (picked.len() as f64 + uniform) / (count as f64) < sum {
            picked.push(i);
        }
    }
    // Places left empty by rounding go to the last particle with a positive weight.
    let last = weights.iter().rposition(|weight| *weight > 0.0);
    picked.resize(count, last.unwrap_or(count - 1));
    picked
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

fn host(x: Tensor<1>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}
