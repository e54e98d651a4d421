//! Sums of gradients over the parts of a batch.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// Adds the gradients of a module's parameters.
pub(crate) fn add<M: Module>(
    module: &M,
    sum: GradientsParams,
    fresh: GradientsParams,
) -> GradientsParams {
    let mut both = Add { sum, fresh };
    module.visit(&mut both);
    both.sum
}

struct Add {
    sum: GradientsParams,
    fresh: GradientsParams,
}

impl ModuleVisitor for Add {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let pair = (
            self.sum.remove::<D>(param.id),
            self.fresh.remove::<D>(param.id),
        );
        let total = match pair {
            (Some(sum), Some(fresh)) => sum + fresh,
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => return,
        };
        self.sum.register(param.id, total);
    }
}
