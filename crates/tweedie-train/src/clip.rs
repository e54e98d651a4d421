//! Clipping by the global norm: `g ← g · min(1, c/‖g‖)`, `‖g‖` over all parameters together.
//!
//! # Reference
//! Pascanu, Mikolov & Bengio 2013, algorithm 1, arXiv:1211.5063.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Tensor};
use tweedie_ops::{add_squares, scaled};

/// Scales all gradients together so that their global norm is at most `max`.
///
/// Also returns the norm before scaling, or `None` for a module without gradients. Gradients within
/// the limit stay unchanged.
///
/// # Panics
/// If `max` is not above 0.
pub fn clip_global_norm<M: Module>(
    module: &M,
    gradients: GradientsParams,
    max: f64,
) -> (GradientsParams, Option<f64>) {
    assert!(max > 0.0, "the clipping norm has to be above 0, got {max}");
    let mut squares = SquaredNorm {
        gradients: &gradients,
        sum: None,
    };
    module.visit(&mut squares);
    let Some(sum) = squares.sum else {
        return (gradients, None);
    };
    let norm = sum.sqrt().into_scalar::<f64>();
    if norm <= max {
        return (gradients, Some(norm));
    }
    let factor = max / (norm + 1e-12);
    let mut scale = Scale { gradients, factor };
    module.visit(&mut scale);
    (scale.gradients, Some(norm))
}

struct SquaredNorm<'a> {
    gradients: &'a GradientsParams,
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for SquaredNorm<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let sum = self.sum.take().unwrap_or_else(|| {
                // Half precision cannot hold a sum over all parameters.
                let wide = match gradient.dtype() {
                    DType::F64 => DType::F64,
                    _ => DType::F32,
                };
                Tensor::zeros([1], (&gradient.device(), wide))
            });
            self.sum = Some(add_squares(sum, gradient));
        }
    }
}

struct Scale {
    gradients: GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            let short = scaled(gradient, self.factor);
            self.gradients.register(param.id, short);
        }
    }
}
