//! Predictor–corrector sampling: a move down, then moves that stay at the level reached.
//!
//! * VE, algorithm 2 of Song et al.: [`ReverseDiffusion`](tweedie_math::ReverseDiffusion) and
//!   [`Langevin::signal_to_noise`];
//! * VP, algorithm 3: the same [`on_chain`](Langevin::on_chain).
//!
//! The corrector's moves are left out where a move ends clean. The published code corrects before it
//! predicts, which differs at both ends alone: [`correcting_first`](PredictorCorrector::correcting_first).
//!
//! # Reference
//! Song et al. 2021, algorithms 1 to 3, arXiv:2011.13456.

use crate::{Langevin, State, Step};
use burn::tensor::Tensor;
use tweedie_core::{Denoiser, InputError, Noise};
use tweedie_math::Move;

/// Any predictor with any corrector that works at one level.
///
/// ```
/// use tweedie_math::{Path, ReverseDiffusion, Span, VarianceExploding};
/// use tweedie_samplers::{Langevin, PredictorCorrector, Sampler};
///
/// let step = PredictorCorrector::new(ReverseDiffusion, Langevin::signal_to_noise(0.16));
/// let path = Path::uniform(VarianceExploding::default(), Span::FULL, 1000)?;
/// let sampler = Sampler::new(step, path.then_clean());
/// # Ok::<(), tweedie_math::PathError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct PredictorCorrector<P, C = Langevin> {
    predictor: P,
    corrector: C,
    repeats: usize,
    first: bool,
}

impl<P, C> PredictorCorrector<P, C> {
    /// One move of `corrector` after every move of `predictor`.
    pub fn new(predictor: P, corrector: C) -> Self {
        Self {
            predictor,
            corrector,
            repeats: 1,
            first: false,
        }
    }

    /// This many moves of the corrector.
    #[must_use]
    pub fn with_repeats(self, repeats: usize) -> Self {
        Self { repeats, ..self }
    }

    /// The corrector before the predictor.
    #[must_use]
    pub fn correcting_first(self) -> Self {
        Self {
            first: true,
            ..self
        }
    }

    fn correct<const D: usize>(
        &self,
        denoiser: &dyn Denoiser<D>,
        state: State<D>,
        noise: &mut dyn Noise<D>,
        memory: &mut C::Memory,
    ) -> State<D>
    where
        C: Step<D>,
    {
        if state.level.sigma() == 0.0 {
            return state;
        }
        (0..self.repeats).fold(state, |state, _| {
            let stay = Move::staying(state.level);
            self.corrector.step(denoiser, state.x, stay, noise, memory)
        })
    }
}

impl<const D: usize, P: Step<D>, C: Step<D>> Step<D> for PredictorCorrector<P, C> {
    type Memory = (P::Memory, C::Memory);

    fn step(
        &self,
        denoiser: &dyn Denoiser<D>,
        x: Tensor<D>,
        mv: Move,
        noise: &mut dyn Noise<D>,
        (before, after): &mut Self::Memory,
    ) -> State<D> {
        let start = State::new(mv.from, x, None);
        if self.first {
            let corrected = self.correct(denoiser, start, noise, after);
            return self
                .predictor
                .step(denoiser, corrected.x, mv, noise, before);
        }
        let predicted = self.predictor.step(denoiser, start.x, mv, noise, before);
        self.correct(denoiser, predicted, noise, after)
    }

    fn supports(&self, mv: Move) -> bool {
        let level = if self.first { mv.from } else { mv.to };
        let corrects = level.sigma() == 0.0 || self.corrector.supports(Move::staying(level));
        self.predictor.supports(mv) && !mv.is_forward() && corrects
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        self.predictor.accepts(shape)?;
        self.corrector.accepts(shape)
    }
}
