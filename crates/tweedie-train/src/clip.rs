//! Clipping by the global norm: `g ← g · min(1, c/‖g‖)`, `‖g‖` over all parameters together.
//!
//! # Reference
//! Pascanu, Mikolov & Bengio 2013, algorithm 1, arXiv:1211.5063.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// Scales all gradients together so that their norm is at most `max`; also gives the norm before,
/// `[1]`, or nothing for a module without gradients.
pub fn clip_global_norm<M: Module>(
    module: &M,
    gradients: GradientsParams,
    max: f64,
) -> (GradientsParams, Option<Tensor<1>>) {
    let mut squares = Squares {
        gradients: &gradients,
        sum: None,
    };
    module.visit(&mut squares);
    let Some(norm) = squares.sum.map(Tensor::sqrt) else {
        return (gradients, None);
    };
    let factor = (norm.clone() + 1e-12).recip() * max;
    let mut scale = Scale {
        gradients,
        factor: factor.clamp_max(1.0),
    };
    module.visit(&mut scale);
    (scale.gradients, Some(norm))
}

struct Squares<'a> {
    gradients: &'a GradientsParams,
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let square = gradient.square().sum();
            self.sum = Some(match self.sum.take() {
                Some(sum) => sum + square,
                None => square,
            });
        }
    }
}

struct Scale {
    gradients: GradientsParams,
    factor: Tensor<1>,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            let factor = self.factor.clone().reshape([1; D]);
            self.gradients.register(param.id, gradient * factor);
        }
    }
}
