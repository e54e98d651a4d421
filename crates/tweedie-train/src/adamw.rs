//! AdamW with one pass per parameter: keeps the moments and calls [`tweedie_ops::adamw`].
//!
//! # Reference
//! Loshchilov & Hutter 2019, algorithm 2, arXiv:1711.05101.

use crate::ema::collect;
use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use std::any::Any;
use std::collections::HashMap;
use tweedie_ops::{AdamWStep, adamw};

/// The decay rates β₁ and β₂ of the two moments.
const KEEP: [f64; 2] = [0.9, 0.999];

/// Added to the square root of the second moment.
const EPSILON: f64 = 1e-5;

/// One tensor of any rank for each parameter.
type Tensors = HashMap<ParamId, Box<dyn Any>>;

/// Both moments of every parameter that has had a gradient, on the device without autodiff.
pub(crate) struct AdamW {
    weight_decay: f64,
    moments: [Tensors; 2],
}

impl AdamW {
    pub(crate) fn new(weight_decay: f64) -> Self {
        Self {
            weight_decay,
            moments: [HashMap::new(), HashMap::new()],
        }
    }

    /// Makes step `number`, counted from 1, for every parameter that has a gradient.
    pub(crate) fn step<M: Module>(
        &mut self,
        learning_rate: f64,
        number: usize,
        model: M,
        gradients: GradientsParams,
    ) -> M {
        let step = AdamWStep {
            learning_rate,
            keep: KEEP,
            epsilon: EPSILON,
            weight_decay: self.weight_decay,
            number,
        };
        model.map(&mut Update {
            moments: &mut self.moments,
            gradients,
            step,
        })
    }

    /// The moments as two modules with the structure of `model`; 0 where a parameter has none.
    pub(crate) fn modules<M: Module>(&self, model: &M) -> [M; 2] {
        let written = |moments| model.valid().map(&mut StateWriter { moments });
        [&self.moments[0], &self.moments[1]].map(written)
    }

    /// Restores the moments from the output of [`modules`](Self::modules).
    pub(crate) fn of_modules<M: Module>(weight_decay: f64, modules: [M; 2]) -> Self {
        Self {
            weight_decay,
            moments: modules.map(|module| collect(&module)),
        }
    }
}

/// Removes and returns the tensor of a parameter, if there is one.
fn take<const D: usize>(tensors: &mut Tensors, id: ParamId) -> Option<Tensor<D>> {
    let tensor = tensors.remove(&id)?.downcast::<Tensor<D>>().ok()?;
    Some(*tensor)
}

struct Update<'a> {
    moments: &'a mut [Tensors; 2],
    gradients: GradientsParams,
    step: AdamWStep,
}

impl ModuleMapper for Update<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let id = param.id;
        let Some(gradient) = self.gradients.remove::<D>(id) else {
            return param;
        };
        let moments = [0, 1].map(|which| {
            let moment = take(&mut self.moments[which], id);
            moment.unwrap_or_else(|| gradient.zeros_like())
        });
        param.map(|value| {
            let is_leaf = value.is_require_grad();
            let strategy = value.gradient_checkpointing_strategy();
            let (value, [first, second]) = adamw(value.inner(), gradient, moments, self.step);
            self.moments[0].insert(id, Box::new(first));
            self.moments[1].insert(id, Box::new(second));
            let value = Tensor::from_inner(value);
            let value = match strategy {
                Some(strategy) => value.with_gradient_checkpointing_strategy(strategy),
                None => value,
            };
            value.set_require_grad(is_leaf)
        })
    }
}

struct StateWriter<'a> {
    moments: &'a Tensors,
}

impl ModuleMapper for StateWriter<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let moment = self.moments.get(&param.id);
        let moment = moment.and_then(|moment| moment.downcast_ref::<Tensor<D>>());
        param.map(|value| moment.cloned().unwrap_or_else(|| value.zeros_like()))
    }
}
