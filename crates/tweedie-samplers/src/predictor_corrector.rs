//! Predictor–corrector sampling: a move down, then moves that stay at the level reached.
//!
//! * VE, algorithm 2 of Song et al.: [`ReverseDiffusion`](tweedie_math::ReverseDiffusion) and
//!   [`Langevin::signal_to_noise`];
//! * VP, algorithm 3: the same [`on_chain`](Langevin::on_chain).
//!
//! A move that ends clean is not corrected. The published code corrects before it predicts, which
//! differs only at both ends of the path; see
//! [`correcting_first`](PredictorCorrector::correcting_first).
//!
//! # Reference
//! Song et al. 2021, algorithms 1 to 3, arXiv:2011.13456.

use crate::{Langevin, State, Step, StepContext, StepError};
use burn::tensor::{Device, Tensor};
use tweedie_core::{InputError, Noise};
use tweedie_math::{Level, Move};

/// A predictor followed by a corrector that works at one level.
///
/// ```
/// use tweedie_math::{LevelPath, ReverseDiffusion, Span, VarianceExploding};
/// use tweedie_samplers::{Langevin, PredictorCorrector, Sampler};
///
/// let step = PredictorCorrector::new(ReverseDiffusion, Langevin::signal_to_noise(0.16)?);
/// let path = LevelPath::uniform(VarianceExploding::default(), Span::FULL, 1000)?;
/// let sampler = Sampler::new(step, path.then_clean());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct PredictorCorrector<P, C = Langevin> {
    predictor: P,
    corrector: C,
    repeats: usize,
    first: bool,
}

impl<P, C> PredictorCorrector<P, C> {
    /// Makes one move of `corrector` after every move of `predictor`.
    pub fn new(predictor: P, corrector: C) -> Self {
        Self {
            predictor,
            corrector,
            repeats: 1,
            first: false,
        }
    }

    /// Sets the number of corrector moves for each predictor move.
    #[must_use]
    pub fn with_repeats(self, repeats: usize) -> Self {
        Self { repeats, ..self }
    }

    /// Makes the corrector's moves before the predictor's.
    #[must_use]
    pub fn correcting_first(self) -> Self {
        Self {
            first: true,
            ..self
        }
    }

    fn correct<const D: usize>(
        &self,
        state: State<D>,
        context: &mut StepContext<'_, D>,
        memory: &mut C::Memory,
    ) -> Result<State<D>, StepError>
    where
        C: Step<D>,
    {
        if state.level.sigma() == 0.0 {
            return Ok(state);
        }
        (0..self.repeats).try_fold(state, |state, _| {
            let stay = Move::staying(state.level);
            self.corrector.step(state.x, stay, context, memory)
        })
    }
}

impl<const D: usize, P: Step<D>, C: Step<D>> Step<D> for PredictorCorrector<P, C> {
    type Memory = (P::Memory, C::Memory);

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        (before, after): &mut Self::Memory,
    ) -> Result<State<D>, StepError> {
        let start = State::new(mv.from, x, None);
        if self.first {
            let corrected = self.correct(start, context, after)?;
            return self.predictor.step(corrected.x, mv, context, before);
        }
        let predicted = self.predictor.step(start.x, mv, context, before)?;
        self.correct(predicted, context, after)
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        mv.require_down()?;
        self.predictor.check(mv)?;
        let level = if self.first { mv.from } else { mv.to };
        match level.sigma() == 0.0 {
            true => Ok(()),
            false => self.corrector.check(Move::staying(level)),
        }
    }

    fn check_forward(&self, mv: Move) -> Result<(), StepError> {
        self.predictor.check_forward(mv)?;
        self.corrector.check_forward(mv)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        self.predictor.accepts(shape)?;
        self.corrector.accepts(shape)
    }

    fn start(
        &self,
        shape: [usize; D],
        level: Level,
        device: &Device,
        noise: &mut dyn Noise<D>,
    ) -> Result<Tensor<D>, StepError> {
        self.predictor.start(shape, level, device, noise)
    }
}
