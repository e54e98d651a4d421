//! Mixed precision: forward and backward passes in half precision, for parameters in `f32`.
//!
//! In `f16`, the loss is multiplied by a factor `s` and the gradients are divided by it, so that
//! small gradients do not become 0. The factor halves when a gradient overflows, and doubles after
//! 2000 steps without an overflow.
//!
//! # Reference
//! Micikevicius et al. 2018, "Mixed precision training", sections 3.1 and 3.2, arXiv:1710.03740.

use crate::TrainError;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

/// The precision of the forward and backward passes.
///
/// Each step casts the parameters to it. Parameters, moments, averages, losses and noise keep
/// their own precision, in which held-out losses are computed too. The first step compares the loss
/// and the gradient of two examples with those in full precision; a difference beyond rounding is a
/// [`TrainError::HalfPrecision`].
///
/// An [`Objective`](crate::Objective) of your own casts what it feeds to a model that is no
/// [`Preconditioned`](tweedie_core::Preconditioned) to the
/// [`parameter_dtype`](tweedie_core::parameter_dtype) of the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MixedPrecision {
    /// The precision of the parameters.
    #[default]
    Off,
    /// `bf16`: the range of `f32`, with 8 significant bits.
    Bf16,
    /// `f16`: 11 significant bits, and a range from 6e-8 to 65504. The loss is scaled.
    F16,
}

impl MixedPrecision {
    /// The dtype, if it is not that of the parameters.
    pub(crate) fn dtype(self) -> Option<DType> {
        match self {
            Self::Off => None,
            Self::Bf16 => Some(DType::BF16),
            Self::F16 => Some(DType::F16),
        }
    }

    /// Checks that the device has this precision.
    pub(crate) fn check(self, device: &Device) -> Result<(), TrainError> {
        match self.dtype() {
            Some(dtype) if !device.supports_dtype(dtype) => Err(TrainError::NoHalfPrecision {
                precision: self,
                device: format!("{device:?}"),
            }),
            _ => Ok(()),
        }
    }
}

/// The factor of the loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LossScale {
    pub(crate) factor: f64,
    /// Steps since the last change.
    steps: usize,
}

/// The factor doubles after this many steps without an overflow.
const PATIENT: usize = 2000;

/// The largest factor. A larger one could make the `f32` loss infinite.
const LARGEST: f64 = (1_u64 << 40) as f64;

impl LossScale {
    pub(crate) fn new(precision: MixedPrecision) -> Self {
        let factor = match precision {
            MixedPrecision::F16 => 65536.0,
            _ => 1.0,
        };
        Self { factor, steps: 0 }
    }

    /// Halves the factor. Returns whether it was above 1.
    pub(crate) fn halve(&mut self) -> bool {
        let is_above = self.factor > 1.0;
        if is_above {
            let factor = self.factor / 2.0;
            *self = Self { factor, steps: 0 };
        }
        is_above
    }

    /// Counts a step without an overflow.
    pub(crate) fn count(&mut self, precision: MixedPrecision) {
        self.steps += 1;
        if precision == MixedPrecision::F16 && self.steps == PATIENT {
            let factor = (2.0 * self.factor).min(LARGEST);
            *self = Self { factor, steps: 0 };
        }
    }
}

/// The parameters of a model as new leaves in another precision.
pub(crate) fn in_precision<M: Module>(model: &M, dtype: DType) -> M {
    model.clone().map(&mut Cast(dtype))
}

struct Cast(DType);

impl ModuleMapper for Cast {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let is_tracked = param.is_require_grad();
        let param = param.map(|value| {
            let strategy = value.gradient_checkpointing_strategy();
            let leaf = value.without_autodiff().cast(self.0).autodiff();
            match strategy {
                Some(strategy) => leaf.with_gradient_checkpointing_strategy(strategy),
                None => leaf,
            }
        });
        param.set_require_grad(is_tracked)
    }
}

/// Divides gradients by the loss scale, in the precision of the model's parameters.
pub(crate) fn unscaled<M: Module>(
    model: &M,
    gradients: GradientsParams,
    scale: f64,
) -> GradientsParams {
    let mut unscaled = Unscaled { gradients, scale };
    model.visit(&mut unscaled);
    unscaled.gradients
}

struct Unscaled {
    gradients: GradientsParams,
    scale: f64,
}

impl ModuleVisitor for Unscaled {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            let gradient = gradient.cast(param.val().dtype()) / self.scale;
            self.gradients.register(param.id, gradient);
        }
    }
}

/// The cosine of the angle between two gradients; NaN if one is not finite.
///
/// Two zero gradients have a cosine of 1.
pub(crate) fn cosine<M: Module>(
    model: &M,
    expected: &GradientsParams,
    found: &GradientsParams,
) -> f64 {
    let mut products = Products {
        pair: [expected, found],
        sums: [0.0; 3],
    };
    model.visit(&mut products);
    let [both, expected, found] = products.sums;
    match (expected == 0.0, found == 0.0) {
        (true, true) => 1.0,
        (false, false) => both / (expected.sqrt() * found.sqrt()),
        // One of the two is lost.
        _ => 0.0,
    }
}

struct Products<'a> {
    pair: [&'a GradientsParams; 2],
    /// ⟨a, b⟩, ‖a‖², ‖b‖².
    sums: [f64; 3],
}

impl ModuleVisitor for Products<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let pair = self.pair.map(|gradients| gradients.get::<D>(param.id));
        if let [Some(a), Some(b)] = pair {
            let products = [a.clone() * b.clone(), a.square(), b.square()];
            for (sum, product) in self.sums.iter_mut().zip(products) {
                *sum += product.sum().into_scalar::<f64>();
            }
        }
    }
}
