//! Sums of gradients, over the parts of a batch and over processes.

use crate::{Group, GroupError};
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};

/// Sums gradients in pairs, the sums in pairs, and so on. The sum of a power of two of parts is
/// then made of the sums of its halves, in whichever process these are.
#[derive(Default)]
pub(crate) struct PairwiseSum(Vec<(u32, GradientsParams)>);

impl PairwiseSum {
    pub(crate) fn add<M: Module>(&mut self, module: &M, gradients: GradientsParams) {
        let mut new = (0, gradients);
        while let Some((_, last)) = self.0.pop_if(|(level, _)| *level == new.0) {
            new = (new.0 + 1, add(module, last, new.1));
        }
        self.0.push(new);
    }

    pub(crate) fn total<M: Module>(self, module: &M) -> GradientsParams {
        let parts = self.0.into_iter().rev().map(|(_, part)| part);
        let total = parts.reduce(|later, earlier| add(module, earlier, later));
        total.unwrap_or_default()
    }
}

/// Adds the gradients of a module's parameters.
fn add<M: Module>(module: &M, sum: GradientsParams, fresh: GradientsParams) -> GradientsParams {
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

/// Sums gradients over the processes of a group in `f32`, in one reduction. A process without a
/// part of the batch adds zeros.
pub(crate) fn sum_over<M: Module>(
    group: &impl Group,
    module: &M,
    gradients: GradientsParams,
) -> Result<GradientsParams, GroupError> {
    if group.size() == 1 {
        return Ok(gradients);
    }
    let mut flat = Flat {
        gradients,
        values: Vec::new(),
        used: Vec::new(),
    };
    module.visit(&mut flat);
    let (mut values, count) = (flat.values, flat.used.len());
    values.extend(flat.used);
    group.sum(&mut values)?;
    let (values, used) = values.split_at(values.len() - count);
    let mut summed = Unflat {
        gradients: GradientsParams::new(),
        values,
        used,
    };
    module.visit(&mut summed);
    Ok(summed.gradients)
}

struct Flat {
    gradients: GradientsParams,
    values: Vec<f32>,
    /// 1 for each parameter with a gradient, 0 for the others.
    used: Vec<f32>,
}

impl ModuleVisitor for Flat {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !param.is_require_grad() {
            return;
        }
        let gradient = self.gradients.get::<D>(param.id);
        self.used.push(if gradient.is_some() { 1.0 } else { 0.0 });
        match gradient {
            Some(gradient) => self.values.extend(gradient.into_data().iter::<f32>()),
            None => {
                let count = param.val().shape().num_elements();
                self.values.extend(std::iter::repeat_n(0.0, count));
            }
        }
    }
}

struct Unflat<'a> {
    gradients: GradientsParams,
    values: &'a [f32],
    used: &'a [f32],
}

impl ModuleVisitor for Unflat<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !param.is_require_grad() {
            return;
        }
        let value = param.val().without_autodiff();
        let (own, rest) = self.values.split_at(value.shape().num_elements());
        self.values = rest;
        let (used, others) = self.used.split_at(1);
        self.used = others;
        if used[0] > 0.0 {
            let data = TensorData::new(own.to_vec(), value.dims());
            let gradient: Tensor<D> = Tensor::from_data(data, (&value.device(), value.dtype()));
            self.gradients.register(param.id, gradient);
        }
    }
}
