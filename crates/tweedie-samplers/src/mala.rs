//! The Metropolis-adjusted Langevin algorithm: Langevin dynamics without bias.
//!
//! A move of [`Langevin`](crate::Langevin) dynamics, `x′ = x + ε s(x) + √(2ε) z`, is accepted with
//! probability `min(1, p(x′) q(x|x′)/(p(x) q(x′|x)))`, `q(x′|x) = N(x′; x + ε s(x), 2ε I)`.
//! Otherwise the sample stays where it is. The method needs the log-density, which oracles and
//! energy models provide.
//!
//! # Reference
//! Roberts & Tweedie 1996, "Exponential convergence of Langevin distributions and their discrete
//! approximations", section 1.4.

use crate::langevin::score;
use crate::{State, Step, StepContext, StepError};
use burn::tensor::Tensor;
use std::f64::consts::SQRT_2;
use tweedie_core::{DenoiseError, per_sample_sum};
use tweedie_math::{Level, Move, ParameterError};

/// MALA at one level.
///
/// `log_density` maps `[batch, …]` to `[batch]`, in nats up to a constant. A sample that is
/// unchanged after a move was rejected.
///
/// ```
/// use tweedie_core::oracle::Gaussian;
/// use tweedie_math::{Level, LevelPath};
/// use tweedie_samplers::{Mala, Sampler};
///
/// let prior = Gaussian::isotropic(&[1.0, 2.0], 0.3)?;
/// let step = Mala::new(0.05, |x, level| prior.log_density(x, level))?;
/// let sampler = Sampler::new(step, LevelPath::staying(Level::variance_exploding(0.5)?, 1000)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Mala<F> {
    epsilon: f64,
    log_density: F,
}

impl<F> Mala<F> {
    /// Takes the step size ε and the log-density `log p_t(x)` at a level.
    ///
    /// # Errors
    /// [`ParameterError`] unless ε is finite and above 0.
    pub fn new(epsilon: f64, log_density: F) -> Result<Self, ParameterError> {
        Ok(Self {
            epsilon: ParameterError::require_positive("ε", epsilon)?,
            log_density,
        })
    }
}

impl<const D: usize, F: Fn(Tensor<D>, Level) -> Tensor<1>> Step<D> for Mala<F> {
    type Memory = ();

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        (): &mut (),
    ) -> Result<State<D>, StepError> {
        let (level, epsilon) = (mv.to, self.epsilon);
        let denoiser = context.denoiser;
        let drift = |x: &Tensor<D>| {
            let clean = denoiser.denoise(x.clone(), level)?;
            Ok::<_, StepError>((score(x, &clean, level) * epsilon, clean))
        };
        let square = |x: Tensor<D>| per_sample_sum(x.square()) / (4.0 * epsilon);
        let (forth, clean) = drift(&x)?;
        let step = context.noise.normal_like(&x) * (2.0 * epsilon).sqrt();
        let proposed = x.clone() + forth.clone() + step.clone();
        let (back, _) = drift(&proposed)?;
        // ln q(x′|x) = −‖step‖²/4ε, ln q(x|x′) = −‖x − x′ − ε s(x′)‖²/4ε
        let log_density = |x: &Tensor<D>| {
            let log = (self.log_density)(x.clone(), level);
            DenoiseError::unless_shape("the log-density", &log.dims(), &x.dims()[..1])?;
            Ok::<_, StepError>(log)
        };
        let ratio = log_density(&proposed)? - log_density(&x)? + square(step.clone())
            - square(forth + step + back);
        let mut shape = [1; D];
        shape[0] = x.dims()[0];
        let z = context
            .noise
            .normal_like(&x.clone().slice(shape.map(|n| 0..n)));
        // u = Φ(z) is uniform.
        let u = ((z / SQRT_2).erf() + 1.0) * 0.5;
        // A NaN ratio compares false, so the proposal is rejected.
        let moves = u.log().lower(ratio.reshape(shape));
        let stay = moves.bool_not().expand(x.dims());
        Ok(State::new(level, proposed.mask_where(stay, x), Some(clean)))
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        mv.require_staying()?;
        Ok(mv.to.require_noise()?)
    }
}
