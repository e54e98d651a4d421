//! AdamW with one pass per parameter: keeps the moments and calls [`tweedie_ops::adamw`].
//!
//! # Reference
//! Loshchilov & Hutter 2019, algorithm 2, arXiv:1711.05101.

use crate::ema::collect;
use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::collections::HashMap;
use tweedie_math::ParameterError;
use tweedie_ops::{AdamWStep, adamw};

/// The parameters of AdamW.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AdamWSettings {
    /// The decay rates β₁ and β₂ of the two moments, in `[0, 1)`; default 0.9 and 0.999.
    pub betas: [f64; 2],
    /// ε, added to the square root of the second moment, above 0; default 1e-8.
    pub epsilon: f64,
    /// The weight decay, at least 0; default 0.
    pub weight_decay: f64,
}

impl Default for AdamWSettings {
    fn default() -> Self {
        Self {
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            weight_decay: 0.0,
        }
    }
}

impl AdamWSettings {
    /// Sets β₁ and β₂.
    #[must_use]
    pub fn with_betas(self, betas: [f64; 2]) -> Self {
        Self { betas, ..self }
    }

    /// Sets ε.
    #[must_use]
    pub fn with_epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }

    /// Sets the weight decay.
    #[must_use]
    pub fn with_weight_decay(self, weight_decay: f64) -> Self {
        Self {
            weight_decay,
            ..self
        }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`ParameterError`] for the first that is outside its range.
    pub fn check(&self) -> Result<(), ParameterError> {
        for (name, beta) in ["β₁", "β₂"].into_iter().zip(self.betas) {
            let fits = (0.0..1.0).contains(&beta);
            ParameterError::require(fits, name, "within [0, 1)", beta)?;
        }
        ParameterError::require_positive("AdamW's ε", self.epsilon)?;
        ParameterError::require_non_negative("the weight decay", self.weight_decay).map(drop)
    }
}

/// One tensor of any rank for each parameter.
type Tensors = HashMap<ParamId, Box<dyn Any>>;

/// AdamW: its parameters, and both moments of every parameter of a module that has had a gradient,
/// on the device without autodiff.
///
/// A [`Trainer`](crate::Trainer) holds one. In a training loop of your own:
///
/// ```
/// use burn::module::Module;
/// use burn::nn::LinearConfig;
/// use burn::optim::GradientsParams;
/// use burn::tensor::{Device, Tensor};
/// use tweedie_train::{AdamW, AdamWSettings};
///
/// let device = Device::flex();
/// let mut model = LinearConfig::new(2, 1).init(&device).train();
/// let mut optimizer = AdamW::new(AdamWSettings::default().with_weight_decay(0.01));
/// let x = Tensor::<2>::ones([4, 2], &device.clone().autodiff());
/// for number in 1..=3 {
///     let loss = model.forward(x.clone()).square().mean();
///     let gradients = GradientsParams::from_grads(loss.backward(), &model);
///     model = optimizer.step(1e-2, number, model, gradients);
/// }
/// ```
pub struct AdamW {
    settings: AdamWSettings,
    moments: [Tensors; 2],
}

impl std::fmt::Debug for AdamW {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdamW")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl AdamW {
    /// Starts without moments. The settings are not checked.
    #[must_use]
    pub fn new(settings: AdamWSettings) -> Self {
        Self {
            settings,
            moments: [HashMap::new(), HashMap::new()],
        }
    }

    /// Makes step `number`, counted from 1, for every parameter that has a gradient.
    ///
    /// # Panics
    /// If `number` is 0, or if a gradient has another shape than its parameter.
    #[must_use]
    pub fn step<M: Module>(
        &mut self,
        learning_rate: f64,
        number: usize,
        model: M,
        gradients: GradientsParams,
    ) -> M {
        let step = AdamWStep {
            learning_rate,
            keep: self.settings.betas,
            epsilon: self.settings.epsilon,
            weight_decay: self.settings.weight_decay,
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
    pub(crate) fn of_modules<M: Module>(settings: AdamWSettings, modules: [M; 2]) -> Self {
        Self {
            settings,
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
