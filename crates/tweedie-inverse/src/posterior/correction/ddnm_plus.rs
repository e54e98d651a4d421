//! DDNM+: the null-space step for noisy measurements.
//!
//! A kernel moves by `state·x_t + a·x̂₀ + σ̃ z`. Replacing the measured part of `x̂₀` by `A⁺ y`
//! adds noise of variance `(a σ_y/s_i)²` along singular vector `i`. In the basis `V`,
//! `x̂₀ ← x̂₀ + λ_i (ȳ_i − x̂₀)` with `ȳ = Σ⁺Uᵀ y` and `λ_i = min(1, σ̃ s_i/(a σ_y))`. The fresh
//! noise has the variance `σ̃² − (a λ_i σ_y/s_i)²`, so that the total variance is the kernel's.
//!
//! Where `s_i` is tiny, every move would add the same measurement noise instead of independent
//! noise, so its variance would accumulate along the chain. Singular values up to 0.03 of the
//! largest therefore count as 0, as in the authors' code.
//!
//! # Reference
//! Wang, Yu & Zhang 2023, "Zero-Shot Image Restoration Using Denoising Diffusion Null-Space Model",
//! arXiv:2212.00490.

use crate::measurement::{SpectralGaussian, accepts_linear};
use crate::operator::spectral::negligible;
use crate::posterior::chain::CUTOFF;
use burn::tensor::Tensor;
use tweedie_core::InputError;
use tweedie_math::{Kernel, Move, MoveError, ParameterError, Transition};
use tweedie_samplers::{State, Step, StepContext, StepError};

/// DDNM+ with any kernel that adds noise.
///
/// The operator's singular values have to be known, and the noise has to be Gaussian. A kernel
/// without noise is rejected: the measurement noise would exceed the move's variance.
#[derive(Clone, Debug)]
pub struct DdnmPlus<K, P> {
    kernel: K,
    problem: P,
    cutoff: f64,
}

impl<K, P> DdnmPlus<K, P> {
    /// Corrects the moves of `kernel`. The paper uses [`Ddim`](tweedie_math::Ddim) with η = 0.85.
    pub fn new(kernel: K, problem: P) -> Self {
        Self {
            kernel,
            problem,
            cutoff: CUTOFF,
        }
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
}

impl<K: Kernel, P> DdnmPlus<K, P> {
    /// The kernel's transition. It has to depend on `x̂₀`, and to add noise unless it ends at clean
    /// data.
    fn transition(&self, mv: Move) -> Result<Transition, MoveError> {
        let step = self.kernel.transition(mv.from, mv.to)?;
        let (coefficient, value) = match step.clean > 0.0 {
            true => ("z", step.noise),
            false => ("x̂₀", step.clean),
        };
        let noisy = step.noise > 0.0 || mv.to.sigma() == 0.0;
        match noisy && step.clean > 0.0 {
            true => Ok(step),
            false => Err(MoveError::Singular { coefficient, value }),
        }
    }
}

impl<const D: usize, K: Kernel, P: SpectralGaussian<D>> Step<D> for DdnmPlus<K, P> {
    type Memory = ();

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        (): &mut (),
    ) -> Result<State<D>, StepError> {
        let (a, step) = (self.problem.spectral(), self.transition(mv)?);
        let clean = context.denoise(x.clone(), mv.from)?;
        let c = a.signal_to_spectrum(clean);
        let s = a.singular_values(&c);
        let y = a.measured_to_spectrum(self.problem.y());
        let unseen = negligible(&s, self.cutoff);
        // λ/s = min(1/s, σ̃/(a σ_y))
        let sigma = self.problem.sigma();
        let inverse = s.clone().mask_fill(unseen.clone(), 1.0).recip();
        let most = step.noise / (step.clean * sigma);
        let gain = inverse.clamp_max(most).mask_fill(unseen, 0.0);
        let c = c.clone() + (y - c * s) * gain.clone();
        let clean = a.spectrum_to_signal(c);
        let mut moved = x * step.state + clean.clone() * step.clean;
        if step.noise > 0.0 {
            let left = (gain * (step.clean * sigma)).square().neg() + step.noise.powi(2);
            let z = a.signal_to_spectrum(context.noise.increment(mv, &moved));
            moved = moved + a.spectrum_to_signal(z * left.clamp_min(0.0).sqrt());
        }
        Ok(State::new(mv.to, moved, Some(clean)))
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        self.transition(mv)?;
        Ok(())
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        accepts_linear(&self.problem, shape)
    }
}
