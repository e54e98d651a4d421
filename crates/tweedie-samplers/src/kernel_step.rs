//! Every one-evaluation kernel is a step: `x_s = state·x_t + clean·x̂₀(x_t) + noise·z`.

use crate::{State, Step};
use burn::tensor::Tensor;
use tweedie_core::{Advance, Denoiser, Noise};
use tweedie_math::{Kernel, Move};

impl<const D: usize, K: Kernel> Step<D> for K {
    type Memory = ();

    fn step(
        &self,
        denoiser: &dyn Denoiser<D>,
        x: Tensor<D>,
        mv: Move,
        noise: &mut dyn Noise<D>,
        (): &mut (),
    ) -> State<D> {
        let clean = denoiser.denoise(x.clone(), mv.from);
        let transition = self.transition(mv.from, mv.to);
        State {
            level: mv.to,
            x: transition.advance(x, clean.clone(), noise),
            clean: Some(clean),
        }
    }

    fn supports(&self, mv: Move) -> bool {
        self.transition(mv.from, mv.to).is_valid()
    }
}
