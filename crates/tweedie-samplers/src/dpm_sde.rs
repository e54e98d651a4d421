//! DPM-Solver++ (SDE), singlestep: "DPM++ SDE".
//!
//! Half-way in `λ`, an ancestral move with the present estimate gives a second one, `x̂₀′`; the
//! whole ancestral move is then made with it. Two evaluations a move.
//!
//! The two moves overlap, and their noise has to come from one path,
//! [`BrownianTree`](tweedie_core::BrownianTree): then the weak order is 2. With noise that is fresh
//! for each it is 1. Both are measured in `tests/oracle/order.rs`.
//!
//! # Reference
//! Crowson 2022, k-diffusion, `sample_dpmpp_sde` with `r = ½`; Lu et al. 2022, "DPM-Solver++",
//! arXiv:2211.01095.

use crate::{Convergence, State, Step, StepContext, StepError};
use burn::tensor::Tensor;
use tweedie_core::Advance;
use tweedie_math::{Ddim, Kernel, Move, ParameterError};

/// DPM++ SDE.
///
/// ```
/// use burn::tensor::Device;
/// use tweedie_core::{BrownianTree, oracle::Gaussian};
/// use tweedie_math::{LevelPath, Span, VariancePreserving};
/// use tweedie_samplers::{DpmSde, Sampler};
///
/// let path = LevelPath::karras(VariancePreserving::default(), Span::default(), 20, 7.0)?;
/// let sampler = Sampler::new(DpmSde::new(), path.then_clean());
/// let mut noise = BrownianTree::seeded(7);
/// let x = sampler.start([4, 2], &Device::flex(), &mut noise)?;
/// let x = sampler.sample(&Gaussian::isotropic(&[1.0, 2.0], 0.3)?, x, &mut noise)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DpmSde {
    kernel: Ddim,
}

impl DpmSde {
    /// The noise of DDPM, η = 1.
    #[must_use]
    pub fn new() -> Self {
        Self {
            kernel: Ddim::ancestral(),
        }
    }

    /// η times that noise, as a standard deviation.
    ///
    /// # Errors
    /// [`ParameterError`] unless η is finite and at least 0.
    pub fn with_eta(self, eta: f64) -> Result<Self, ParameterError> {
        Ok(Self {
            kernel: Ddim::new(eta)?,
        })
    }
}

impl Default for DpmSde {
    fn default() -> Self {
        Self::new()
    }
}

impl<const D: usize> Step<D> for DpmSde {
    type Memory = ();

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        (): &mut (),
    ) -> Result<State<D>, StepError> {
        let whole = self.kernel.transition(mv.from, mv.to)?;
        let clean = context.denoise(x.clone(), mv.from)?;
        let Some(middle) = mv.log_linear(0.5) else {
            // There is no half-way to clean data or from pure noise.
            let x = whole.advance(mv, x, clean.clone(), &mut *context.noise);
            return Ok(State::new(mv.to, x, Some(clean)));
        };
        let to_middle = Move {
            from: mv.from,
            to: middle,
        };
        let half = self.kernel.transition(mv.from, middle)?;
        let there = half.advance(to_middle, x.clone(), clean.clone(), &mut *context.noise);
        let second = context.denoise(there, middle)?;
        let x = whole.advance(mv, x, second, &mut *context.noise);
        Ok(State::new(mv.to, x, Some(clean)))
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        self.kernel.transition(mv.from, mv.to)?;
        Ok(())
    }
}

impl Convergence for DpmSde {
    /// 2 with the noise of one path, else 1.
    fn order(&self) -> usize {
        2
    }
}
