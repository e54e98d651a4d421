//! Twisted sequential Monte Carlo (TDS): particles that are guided, weighted and resampled, so that
//! what the guidance gets wrong is corrected.
//!
//! With a twisting function `p̃(y | x_t)` ([`Twist`]), a move draws
//! `x_s ~ N(state·x_t + clean·x̂₀′, noise²)`, `x̂₀′ = x̂₀ + (σ²/α) ∇ log p̃(y | x_t)`, and multiplies the
//! particle's weight by `p(x_s | x_t) p̃(y | x_s) / (q(x_s | x_t, y) p̃(y | x_t))`. The weighted
//! particles draw from the posterior as their number grows, whatever the twisting; where their effective
//! number falls below a part of them, they are resampled systematically.
//!
//! # Reference
//! Wu, Trippe, Naesseth, Blei & Cunningham 2023, "Practical and Asymptotically Exact Conditional
//! Sampling in Diffusion Models", algorithm 1, arXiv:2306.17775.

use crate::Twist;
use crate::guidance::linearised;
use burn::tensor::{Int, Tensor, TensorData};
use statrs::function::erf::erf;
use tweedie_core::{Denoiser, Noise, per_sample_sum};
use tweedie_math::{Kernel, Level, Path, gaussian};
use tweedie_samplers::SampleError;

/// Twisted SMC along a path, by any kernel that adds noise.
///
/// A batch holds the particles of one measurement after the other, `[measurements × particles, …]`; the
/// twist scores each particle by its measurement. Which twist it is decides how many particles it takes,
/// not what they come to.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::{HostNoise, oracle::Gaussian};
/// use tweedie_inverse::{GaussianNoise, Identity, Measurement, TwistByVariance, TwistedSmc};
/// use tweedie_math::{Ddim, Path, Span, VariancePreserving};
///
/// let prior = Gaussian::isotropic(&[0.0], 1.0)?;
/// let y = Tensor::<2>::full([1, 1], 1.0, &Device::flex());
/// let measured = Measurement::new(Identity, GaussianNoise::new(1.0)?, y);
/// let path = Path::uniform(VariancePreserving::default(), Span::new(0.99, 0.0), 30)?;
/// let smc = TwistedSmc::new(Ddim::ancestral(), path, 500);
/// let mut noise = HostNoise::seeded(7);
/// let x = smc.start([500, 1], &Device::flex(), &mut noise);
/// let end = smc.sample(&prior, &TwistByVariance::new(&measured, 1.0), x, &mut noise, |_| ())?;
/// // p(x₀ | y) = N(½, ½)
/// assert!((end.x.mean().into_scalar::<f32>() - 0.5).abs() < 0.2);
/// assert!(end.effective[0] > 250.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TwistedSmc<K> {
    kernel: K,
    path: Path,
    particles: usize,
    threshold: f64,
}

/// Where the particles stand.
#[derive(Clone, Debug)]
pub struct Particles<const D: usize> {
    /// The level reached.
    pub level: Level,
    /// Their states, `[measurements × particles, …]`.
    pub x: Tensor<D>,
    /// The weight of each particle among those of its measurement: they sum to 1.
    pub weights: Vec<f64>,
    /// The effective number of particles of each measurement, `1/Σ w²`, before they were resampled.
    pub effective: Vec<f64>,
}

impl<K: Kernel> TwistedSmc<K> {
    /// `particles` for each measurement, resampled where fewer than half of them are effective.
    pub fn new(kernel: K, path: Path, particles: usize) -> Self {
        Self {
            kernel,
            path,
            particles,
            threshold: 0.5,
        }
    }

    /// Resamples below another part of the particles: 0 never, 1 always.
    #[must_use]
    pub fn with_threshold(self, threshold: f64) -> Self {
        Self { threshold, ..self }
    }

    /// A draw from the prior at the path's first level.
    pub fn start<const D: usize>(
        &self,
        shape: [usize; D],
        device: &burn::tensor::Device,
        noise: &mut dyn Noise<D>,
    ) -> Tensor<D> {
        noise.normal(shape, device) * gaussian::prior_std(self.path.start())
    }

    /// Walks the whole path and resamples at its end, so that every particle counts the same. `watch`
    /// sees the particles after each move.
    ///
    /// # Errors
    /// [`SampleError`] if the denoiser or the kernel does not support the path, or the batch does not
    /// hold whole sets of particles; nothing has been evaluated then. [`SampleError::NotFinite`] where the
    /// particles of a measurement have no weight that is a number.
    pub fn sample<const D: usize>(
        &self,
        prior: &dyn Denoiser<D>,
        twist: &dyn Twist<D>,
        x: Tensor<D>,
        noise: &mut dyn Noise<D>,
        mut watch: impl FnMut(&Particles<D>),
    ) -> Result<Particles<D>, SampleError> {
        self.check(prior, x.dims()[0])?;
        prior.accepts(x.dims())?;
        twist.accepts(x.dims())?;
        let start = self.path.start();
        let mut here = Twisted::new(prior, twist, x.clone(), start);
        let mut log_weights = here.log.clone();
        let mut particles = self.weighted(start, x, &log_weights)?;
        for mv in self.path.moves() {
            let level = mv.from;
            self.resample(&mut particles, &mut log_weights, &mut here, noise, false);
            let step = self.kernel.transition(mv.from, mv.to);
            let mut x = particles.x * step.state + here.clean.clone() * step.clean;
            let mut ratio = vec![0.0; log_weights.len()];
            // A move without noise is not guided: its law is a point.
            if step.noise > 0.0 {
                let scale = level.sigma().powi(2) / level.alpha() * step.clean / step.noise;
                let shift = here.score.clone() * scale;
                let z = noise.increment(mv, &x);
                // log p − log q = ½ ‖z‖² − ½ ‖z + shift‖²
                let log = (z.clone() + shift.clone() * 0.5) * shift.clone() * -1.0;
                ratio = host(per_sample_sum(log));
                x = x + (z + shift) * step.noise;
            }
            let next = Twisted::new(prior, twist, x.clone(), mv.to);
            for (i, log) in log_weights.iter_mut().enumerate() {
                *log += ratio[i] + next.log[i] - here.log[i];
            }
            here = next;
            particles = self.weighted(mv.to, x, &log_weights)?;
            watch(&particles);
        }
        self.resample(&mut particles, &mut log_weights, &mut here, noise, true);
        Ok(particles)
    }

    fn check<const D: usize>(
        &self,
        prior: &dyn Denoiser<D>,
        batch: usize,
    ) -> Result<(), SampleError> {
        if self.particles == 0 || batch == 0 || !batch.is_multiple_of(self.particles) {
            return Err(SampleError::Parameter {
                name: "particles",
                expected: "a divisor of the batch",
                value: self.particles as f64,
            });
        }
        if !(0.0..=1.0).contains(&self.threshold) {
            return Err(SampleError::Parameter {
                name: "threshold",
                expected: "from 0 to 1",
                value: self.threshold,
            });
        }
        for mv in self.path.moves() {
            let step = self.kernel.transition(mv.from, mv.to);
            let noisy = step.noise > 0.0 || mv.to.sigma() == 0.0;
            if !step.is_valid() || !noisy || mv.is_forward() {
                return Err(SampleError::Step { mv });
            }
            for level in [mv.from, mv.to] {
                let asked = level.sigma() > 0.0;
                if asked && (level.alpha() == 0.0 || !prior.supports(level)) {
                    return Err(SampleError::Denoiser { level });
                }
            }
        }
        Ok(())
    }

    /// The weights of each measurement's particles.
    fn weighted<const D: usize>(
        &self,
        level: Level,
        x: Tensor<D>,
        logs: &[f64],
    ) -> Result<Particles<D>, SampleError> {
        let (mut weights, mut effective) = (Vec::new(), Vec::new());
        for logs in logs.chunks(self.particles) {
            let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if !largest.is_finite() || logs.iter().any(|log| log.is_nan()) {
                let walked = self.path.levels().iter().position(|&other| other == level);
                return Err(SampleError::NotFinite {
                    level,
                    evaluations: walked.unwrap_or(0) + 1,
                });
            }
            let raw: Vec<f64> = logs.iter().map(|log| (log - largest).exp()).collect();
            let total: f64 = raw.iter().sum();
            effective.push(total * total / raw.iter().map(|w| w * w).sum::<f64>());
            weights.extend(raw.iter().map(|w| w / total));
        }
        Ok(Particles {
            level,
            x,
            weights,
            effective,
        })
    }

    /// Resamples the measurements whose particles need it, or all whose weights differ.
    fn resample<const D: usize>(
        &self,
        particles: &mut Particles<D>,
        logs: &mut [f64],
        here: &mut Twisted<D>,
        noise: &mut dyn Noise<D>,
        last: bool,
    ) {
        let count = self.particles;
        let mut one_each = [1; D];
        one_each[0] = logs.len();
        let like = Tensor::<D>::zeros(one_each, &particles.x.device());
        let uniform = host(noise.normal_like(&like).reshape([logs.len()]));
        let uniform = |group: usize| 0.5 * (1.0 + erf(uniform[group * count] / 2_f64.sqrt()));
        let mut chosen: Vec<usize> = (0..logs.len()).collect();
        for (group, effective) in particles.effective.iter().enumerate() {
            let all = group * count..(group + 1) * count;
            let wanted = *effective < self.threshold * count as f64;
            if !(wanted || last) {
                continue;
            }
            let weights = &particles.weights[all.clone()];
            let picked = systematic(weights, uniform(group));
            for (slot, pick) in all.clone().zip(picked) {
                chosen[slot] = group * count + pick;
            }
            logs[all.clone()].fill(0.0);
            particles.weights[all].fill(1.0 / count as f64);
        }
        let picked = TensorData::new(chosen.iter().map(|&i| i as i32).collect(), [chosen.len()]);
        let picked = Tensor::<1, Int>::from_data(picked, &particles.x.device());
        let select = |x: &Tensor<D>| x.clone().select(0, picked.clone());
        particles.x = select(&particles.x);
        here.clean = select(&here.clean);
        here.score = select(&here.score);
        here.log = chosen.iter().map(|&i| here.log[i]).collect();
    }
}

/// Systematic resampling: as many indices as weights, each about as often as its weight says.
fn systematic(weights: &[f64], uniform: f64) -> Vec<usize> {
    let count = weights.len();
    let (mut sum, mut picked) = (0.0, Vec::with_capacity(count));
    for (i, weight) in weights.iter().enumerate() {
        sum += weight;
        while picked.len() < count && (picked.len() as f64 + uniform) / (count as f64) < sum {
            picked.push(i);
        }
    }
    // What rounding leaves goes to the last particle that has a weight.
    let last = weights.iter().rposition(|weight| *weight > 0.0);
    picked.resize(count, last.unwrap_or(count - 1));
    picked
}

/// What the twisting function says at some states.
struct Twisted<const D: usize> {
    clean: Tensor<D>,
    /// `∇ log p̃(y | x_t)`.
    score: Tensor<D>,
    log: Vec<f64>,
}

impl<const D: usize> Twisted<D> {
    fn new(prior: &dyn Denoiser<D>, twist: &dyn Twist<D>, x: Tensor<D>, level: Level) -> Self {
        if level.sigma() == 0.0 {
            let (log, _) = twist.twist(x.clone(), level);
            let score = x.zeros_like();
            let log = host(log);
            return Self {
                clean: x,
                score,
                log,
            };
        }
        let (clean, pullback) = linearised(&prior, x, level);
        let (log, gradient) = twist.twist(clean.clone(), level);
        let score = pullback.apply(gradient);
        Self {
            clean,
            score,
            log: host(log),
        }
    }
}

fn host(x: Tensor<1>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}
