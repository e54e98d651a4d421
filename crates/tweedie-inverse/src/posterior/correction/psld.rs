//! PSLD: DPS in latents, with a term that glues the latent to the measurement.
//!
//! With the decoder `D` and the encoder's mean `E`, a move of a kernel is followed by
//!
//! `z ← z − η ∇ ‖y − A D(ẑ₀)‖ − γ ∇ ‖ẑ₀ − E(Aᵀ y + (I − AᵀA) D(ẑ₀))‖`,
//!
//! with gradients with respect to the noisy latent. Of all latents whose images fit the
//! measurement, the second term prefers those that the encoder returns for such images. The paper
//! squares the norms; its code does not.
//!
//! # Reference
//! Rout et al. 2023, "Solving Linear Inverse Problems Provably via Posterior Sampling with Latent
//! Diffusion Models", algorithm 2, arXiv:2307.00619.

use crate::measurement::{LinearMeasured, accepts_linear};
use crate::posterior::residual_norm::residual_norm;
use crate::values::widened;
use burn::tensor::Tensor;
use tweedie_core::{Advance, Encoding, InputError, per_sample_sum, tracked, try_vjp};
use tweedie_math::{Kernel, Move, ParameterError};
use tweedie_samplers::{State, Step, StepContext, StepError};

/// PSLD around any kernel, for a linear operator on images and an autoencoder.
///
/// The measurement is one of images, while the states are latents. The prior has to be
/// differentiable in its input.
#[derive(Clone, Debug)]
pub struct Psld<K, E, P> {
    kernel: K,
    encoding: E,
    problem: P,
    eta: f64,
    gamma: f64,
}

impl<K, E, P> Psld<K, E, P> {
    /// Corrects the moves of `kernel`, with step size η = 1 and gluing γ = 0.1, as in the paper.
    pub fn new(kernel: K, encoding: E, problem: P) -> Self {
        Self {
            kernel,
            encoding,
            problem,
            eta: 1.0,
            gamma: 0.1,
        }
    }

    /// Sets the step size η of the measurement's term.
    ///
    /// # Errors
    /// [`ParameterError`] unless η is finite.
    pub fn with_eta(self, eta: f64) -> Result<Self, ParameterError> {
        let eta = ParameterError::require_finite("η", eta)?;
        Ok(Self { eta, ..self })
    }

    /// Sets the step size γ of the gluing term; 0 leaves it out, as latent DPS does.
    ///
    /// # Errors
    /// [`ParameterError`] unless γ is finite and at least 0.
    pub fn with_gamma(self, gamma: f64) -> Result<Self, ParameterError> {
        let gamma = ParameterError::require_non_negative("γ", gamma)?;
        Ok(Self { gamma, ..self })
    }
}

impl<const D: usize, K, E, P> Step<D> for Psld<K, E, P>
where
    K: Kernel,
    E: Encoding<D>,
    P: LinearMeasured<D>,
{
    type Memory = ();

    fn step(
        &self,
        z: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        (): &mut (),
    ) -> Result<State<D>, StepError> {
        let a = self.problem.linear();
        let mut clean = z.clone();
        let (cost, pullback) = try_vjp(z.clone(), |z| {
            let estimate = tracked(context.denoiser, z, mv.from)?;
            clean = estimate.clone().without_autodiff();
            let image = self.encoding.decode(estimate.clone());
            let fit = residual_norm(&self.problem, image.clone())? * self.eta;
            if self.gamma == 0.0 {
                return Ok(fit);
            }
            let kept = a.adjoint(self.problem.y() - a.apply(image.clone()));
            let glued = self.encoding.encode(image + kept).mean;
            // The norm has no gradient at 0. The smallest normal `f32` makes it 0 there.
            let squares = per_sample_sum(widened(estimate - glued).square());
            let norm = (squares + f64::from(f32::MIN_POSITIVE)).sqrt();
            Ok::<_, StepError>(fit + norm * self.gamma)
        })?;
        let gradient = pullback.apply(cost.ones_like());
        let transition = self.kernel.transition(mv.from, mv.to)?;
        let moved = transition.advance(mv, z, clean.clone(), context.noise);
        Ok(State::new(mv.to, moved - gradient, Some(clean)))
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        self.kernel.transition(mv.from, mv.to)?;
        Ok(())
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        let images = self.encoding.decoded_shape(shape);
        let images = images.ok_or_else(|| InputError::Shape {
            name: "the latents of the autoencoder",
            found: shape.to_vec(),
            expected: "a shape that it decodes".into(),
        })?;
        accepts_linear(&self.problem, images)
    }
}
