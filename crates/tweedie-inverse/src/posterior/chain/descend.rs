//! A descent from a level to clean data, within one move of a method.

use burn::tensor::Tensor;
use tweedie_core::Noise;
use tweedie_math::{Level, Move};
use tweedie_samplers::{Step, StepContext, StepError};

/// The last noise-to-signal ratio before clean data, still within the range of trained networks.
const LAST: f64 = 0.002;

/// Moves `x` from `level` to clean data by `moves` moves of `step`, through Karras levels (ρ = 7).
pub(crate) fn descend<const D: usize, S: Step<D>>(
    step: &S,
    x: Tensor<D>,
    level: Level,
    moves: usize,
    context: &mut StepContext<'_, D>,
) -> Result<Tensor<D>, StepError> {
    let first = level.noise_to_signal();
    let [from, to] = [first, LAST.min(0.5 * first)].map(|sigma| sigma.powf(1.0 / 7.0));
    let at = |i: usize| match i {
        0 => level,
        _ if i == moves => Level::CLEAN,
        _ => {
            let part = i as f64 / (moves - 1) as f64;
            let sigma = (from + (to - from) * part).powi(7);
            Level::variance_preserving(-2.0 * sigma.ln())
        }
    };
    let mut fresh = Fresh(&mut *context.noise);
    let mut inner = StepContext::new(context.denoiser, &mut fresh);
    let mut memory = S::Memory::default();
    (0..moves).try_fold(x, |x, i| {
        let mv = Move {
            from: at(i),
            to: at(i + 1),
        };
        Ok(step.step(x, mv, &mut inner, &mut memory)?.x)
    })
}

/// Fresh noise for every move. A Brownian path belongs to the outer moves and would repeat values.
struct Fresh<'a, const D: usize>(&'a mut dyn Noise<D>);

impl<const D: usize> Noise<D> for Fresh<'_, D> {
    fn normal_like(&mut self, like: &Tensor<D>) -> Tensor<D> {
        self.0.normal_like(like)
    }
}
