//! The reverse SDE with adaptive step size.
//!
//! In the time of a schedule, with the same noise `z` in both lines,
//!
//! * `x′ = x + Δ (f x − g² s)(t) + √(g²(t)|Δ|) z`, Euler–Maruyama,
//! * `x̃ = x + Δ (f x′ − g² s(x′))(t+Δ) + √(g²(t+Δ)|Δ|) z`, and `x″ = (x′ + x̃)/2`.
//!
//! A step is accepted if `‖x′ − x″‖` is within the tolerance for every sample of the batch, and the
//! state becomes `x″`. The next step is `0.9 e^{−0.9}` times as long, within `[0.1, 5]`; the first
//! step covers 1/100 of the move. The tolerance is `a + r max(|x′|, |x′ before|)`; the paper takes
//! the larger of the two terms. The whole batch takes the same steps.
//!
//! Use [`BrownianTree`](tweedie_core::BrownianTree) as the noise: a rejected step is then retried
//! with parts of the same increment. With other noise a retry draws fresh numbers, which biases the
//! samples, since increments that fail are discarded.
//!
//! # Reference
//! Jolicoeur-Martineau et al. 2021, "Gotta Go Fast When Generating Data with Score-Based Models",
//! algorithm 1, arXiv:2105.14080.

use crate::integrator::Tolerance;
use crate::langevin::score;
use crate::{State, Step, StepContext, StepError};
use burn::tensor::Tensor;
use tweedie_math::{EulerMaruyama, Kernel, Level, Move, Schedule};

/// The reverse SDE of a schedule, with adaptive steps.
///
/// ```
/// use burn::tensor::Device;
/// use tweedie_core::{BrownianTree, oracle::Gaussian};
/// use tweedie_math::{LevelPath, Span, VariancePreserving};
/// use tweedie_samplers::{AdaptiveSde, Sampler};
///
/// let vp = VariancePreserving::default();
/// let path = LevelPath::uniform(vp, Span::default(), 1)?.then_clean();
/// let sampler = Sampler::new(AdaptiveSde::new(vp), path);
/// let mut noise = BrownianTree::seeded(7);
/// let x = sampler.start([4, 2], &Device::flex(), &mut noise)?;
/// let x = sampler.sample(&Gaussian::isotropic(&[1.0, 2.0], 0.3)?, x, &mut noise)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdaptiveSde<S> {
    schedule: S,
    tolerance: Tolerance,
    most_steps: usize,
}

impl<S: Schedule> AdaptiveSde<S> {
    /// Uses the paper's tolerance for data in `[−1, 1]`: 2/256 absolute, 0.02 relative.
    pub fn new(schedule: S) -> Self {
        Self {
            schedule,
            tolerance: Tolerance::SDE,
            most_steps: 10_000,
        }
    }

    /// Sets the tolerance.
    #[must_use]
    pub fn with_tolerance(self, tolerance: Tolerance) -> Self {
        Self { tolerance, ..self }
    }

    /// Sets the maximum number of steps between two levels of the path; the default is 10,000.
    #[must_use]
    pub fn with_max_steps(self, most_steps: usize) -> Self {
        Self { most_steps, ..self }
    }

    fn time(&self, level: Level) -> f64 {
        self.schedule.time(level.log_snr())
    }
}

impl<const D: usize, S: Schedule> Step<D> for AdaptiveSde<S> {
    /// The length of the next step, in the schedule's time.
    type Memory = Option<f64>;

    /// A move to clean data returns the estimate.
    fn step(
        &self,
        mut x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        memory: &mut Option<f64>,
    ) -> Result<State<D>, StepError> {
        let mut here = mv.from;
        let mut clean = context.denoise(x.clone(), here)?;
        if mv.to.sigma() == 0.0 {
            return Ok(State::new(
                mv.to,
                clean.clone() * mv.to.alpha(),
                Some(clean),
            ));
        }
        let (mut t, end) = (self.time(mv.from), self.time(mv.to));
        let euler = EulerMaruyama::new(&self.schedule);
        let mut h = memory.unwrap_or(0.01 * (t - end));
        if t <= end {
            // The path repeats a level.
            return Ok(State::new(mv.to, x, Some(clean)));
        }
        let whole = t - end;
        let mut before = x.clone();
        let mut steps = 0;
        let first = clean.clone();
        while t > end {
            let last = h >= t - end;
            let tried = h.min(t - end);
            let (s, there) = if last {
                (end, mv.to)
            } else {
                (t - h, self.schedule.level(t - h))
            };
            let part = Move {
                from: here,
                to: there,
            };
            let z = context.noise.increment(part, &x);
            let rule = euler.transition(here, there)?;
            let mean = x.clone() * rule.state + clean.clone() * rule.clean;
            let predicted = mean + z.clone() * rule.noise;
            let guess = context.denoise(predicted.clone(), there)?;
            let rates = self.schedule.rates(s);
            let drift = score(&predicted, &guess, there) * rates.g2 - predicted.clone() * rates.f;
            let again = x.clone() + drift * (t - s) + z * (rates.g2 * (t - s)).sqrt();
            let corrected = (predicted.clone() + again) * 0.5;
            let difference = predicted.clone() - corrected.clone();
            let error = self.tolerance.ratio(difference, &predicted, &before);
            steps += 1;
            if error <= 1.0 {
                (t, here, x, before) = (s, there, corrected, predicted);
                if t > end {
                    clean = context.denoise(x.clone(), here)?;
                }
            }
            let factor = if error.is_finite() {
                (0.9 * error.max(1e-10).powf(-0.9)).clamp(0.1, 5.0)
            } else {
                0.1
            };
            h = match error <= 1.0 {
                // A step truncated at a level does not shorten the next ones.
                true if last => h,
                true => h * factor,
                false => tried * factor,
            };
            let vanished = h < 1e-12 * whole;
            if (steps >= self.most_steps || vanished) && t > end {
                return Err(StepError::Stuck {
                    level: here,
                    steps,
                    error,
                });
            }
        }
        *memory = Some(h);
        Ok(State::new(mv.to, x, Some(first)))
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        mv.from.require_noise()?;
        mv.require_down()?;
        // A move to clean data returns the estimate, wherever the schedule ends.
        if mv.to.sigma() > 0.0 {
            EulerMaruyama::new(&self.schedule).transition(mv.from, mv.to)?;
        }
        Ok(())
    }
}
