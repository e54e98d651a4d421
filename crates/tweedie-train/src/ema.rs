//! The exponential moving average of a module's parameters: `ā ← d ā + (1 − d) a`.
//!
//! # Reference
//! Song & Ermon 2020, section 3.4, arXiv:2006.09011; the warm-up `d_k = min(d, (1 + k)/(10 + k))`
//! is that of Abadi et al.'s TensorFlow.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;
use std::any::Any;
use std::collections::HashMap;
use tweedie_ops::average;

/// The running average of a module's parameters, on the device without autodiff.
#[derive(Clone, Debug)]
pub struct Ema<M> {
    average: M,
    decay: f64,
}

impl<M: Module> Ema<M> {
    /// Starts from `model`'s parameters. `decay` is the final decay, in `[0, 1)`; it is not
    /// checked.
    #[must_use]
    pub fn new(model: &M, decay: f64) -> Self {
        Self {
            average: model.valid(),
            decay,
        }
    }

    /// Continues from a stored average.
    #[must_use]
    pub fn from_average(average: M, decay: f64) -> Self {
        Self { average, decay }
    }

    /// The decay at update `k`, from 0: `min(decay, (1 + k)/(10 + k))`.
    #[must_use]
    pub fn decay(&self, k: usize) -> f64 {
        self.decay.min((1.0 + k as f64) / (10.0 + k as f64))
    }

    /// Updates the average with `model`; `k` counts the updates from 0. Parameters are matched by
    /// burn's `ParamId`, which clones and trained copies of a module share.
    ///
    /// # Panics
    /// If `model` lacks a parameter of the average, because it is another module.
    #[must_use]
    pub fn update(self, model: &M, k: usize) -> Self {
        let keep = self.decay(k);
        Self {
            average: self.average.map(&mut Lerp {
                fresh: collect(model),
                keep,
            }),
            decay: self.decay,
        }
    }

    /// The averaged module.
    #[must_use]
    pub fn average(&self) -> &M {
        &self.average
    }
}

/// The tensors of a module's parameters, without gradients.
pub(crate) fn collect<M: Module>(module: &M) -> HashMap<ParamId, Box<dyn Any>> {
    let mut found = Collect(HashMap::new());
    module.visit(&mut found);
    found.0
}

struct Collect(HashMap<ParamId, Box<dyn Any>>);

impl ModuleVisitor for Collect {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val().without_autodiff();
        self.0.insert(param.id, Box::new(value));
    }
}

struct Lerp {
    fresh: HashMap<ParamId, Box<dyn Any>>,
    keep: f64,
}

impl ModuleMapper for Lerp {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let fresh = self.fresh.remove(&param.id);
        let Some(fresh) = fresh.and_then(|value| value.downcast::<Tensor<D>>().ok()) else {
            panic!("average: the model has no parameter {}", param.id)
        };
        let keep = self.keep;
        param.map(|old| average(old, *fresh, keep))
    }
}
