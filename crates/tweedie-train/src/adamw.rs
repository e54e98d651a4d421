//! AdamW, each parameter in one pass: [`tweedie_kernels::adamw`] with burn's state.

use burn::optim::{AdamWState, AdaptiveMomentumState, LearningRate, Optimizer};
use burn::tensor::{Device, Tensor};
use tweedie_kernels::{AdamWStep, adamw};

/// Moments keep 0.9 and 0.999; 10⁻⁵ is added to the root of the second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdamW {
    pub(crate) weight_decay: f64,
}

impl Optimizer for AdamW {
    type State<const D: usize> = AdamWState<D>;

    fn step<const D: usize>(
        &self,
        learning_rate: LearningRate,
        parameter: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamWState<D>>,
    ) -> (Tensor<D>, Option<AdamWState<D>>) {
        let state = state.map(|state| state.momentum);
        let (number, m, v) = match state {
            Some(state) => (state.time + 1, state.moment_1, state.moment_2),
            None => (1, gradient.zeros_like(), gradient.zeros_like()),
        };
        let step = AdamWStep {
            learning_rate,
            keep: [0.9, 0.999],
            epsilon: 1e-5,
            weight_decay: self.weight_decay,
            number,
        };
        let (parameter, [m, v]) = adamw(parameter, gradient, [m, v], step);
        let momentum = AdaptiveMomentumState::new(number, m, v);
        (parameter, Some(AdamWState::new(momentum)))
    }

    fn to_device<const D: usize>(mut state: AdamWState<D>, device: &Device) -> AdamWState<D> {
        state.momentum = state.momentum.to_device(device);
        state
    }
}
