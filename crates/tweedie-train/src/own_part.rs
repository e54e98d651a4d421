//! The part of a step that belongs to this process: its examples, their losses and gradients.

use crate::gathered::Gathered;
use crate::gradients::PairwiseSum;
use crate::{
    Batch, Draws, ExampleError, Examples, Loss, Losses, Objective, Request, TrainError, Trainer,
};
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use std::ops::Range;
use std::time::{Duration, Instant};
use tweedie_core::{Condition, ConditionError, InputError, lock_generator, per_sample_sum};

impl<M: Module, O: Objective<M>> Trainer<M, O> {
    /// The gradients and the losses of the places of a batch that belong to this process, in parts
    /// of `size`, and the time that it waited for examples.
    pub(crate) fn own_part<const D: usize, E: Examples<D>>(
        &self,
        examples: &E,
        indices: &[usize],
        (places, size): (Range<usize>, usize),
        [of_noise, of_dropout, of_data]: [u64; 3],
        uniform: &[f64],
    ) -> Result<(GradientsParams, Gathered, Duration), TrainError>
    where
        O: Loss<M, D, E::Condition>,
    {
        let (batch, device) = (indices.len(), self.plain_device());
        let mut sum = PairwiseSum::default();
        let (mut all, mut waited) = (Gathered::new(batch), Duration::ZERO);
        for first in places.step_by(size) {
            let indices = &indices[first..batch.min(first + size)];
            let request = Request::new(indices, &device, of_data).starting_at(first);
            let own = uniform[first..first + indices.len()].to_vec();
            let mut draws = Draws::new(own, of_noise, first);
            let began = Instant::now();
            let part = ask(examples, &request)?;
            waited += began.elapsed();
            let clean = part.clean.clone();
            // Dropout draws from burn's process-wide generator, even as late as in the backward
            // pass.
            let turn = lock_generator();
            device.seed(of_dropout.wrapping_add((first / size) as u64));
            let found: Losses = self.objective.losses(&self.model, part, &mut draws)?;
            let (values, count) = (found.values, indices.len());
            if values.dims() != [count] {
                let name = "the losses of a batch";
                return Err(shape(name, &values.dims(), format!("[{count}]")));
            }
            let mean = values.clone().sum() / batch as f64;
            let gradients = GradientsParams::from_grads(mean.backward(), &*self.model);
            drop(turn);
            sum.add(&*self.model, gradients);
            let values: Vec<f64> = values.into_data().iter::<f64>().collect();
            let broken = values.iter().any(|loss| !loss.is_finite());
            let broken = broken.then(|| not_finite(&clean)).flatten();
            all.part(first, &values, &found.log_snr, broken);
        }
        Ok((sum.total(&*self.model), all, waited))
    }
}

/// Asks for examples and checks that they are as many as asked for.
pub(crate) fn ask<const D: usize, E: Examples<D>>(
    examples: &E,
    request: &Request<'_>,
) -> Result<Batch<D, E::Condition>, TrainError> {
    let read = examples.batch(request).map_err(unread)?;
    let Batch { clean, condition } = read;
    let count = request.indices.len();
    if clean.dims()[0] != count {
        let (name, expected) = ("a batch of examples", format!("[{count}, …]"));
        return Err(shape(name, &clean.dims(), expected));
    }
    condition.check(&clean.dims()).map_err(InputError::from)?;
    let condition = condition.for_batch(count);
    Ok(Batch { clean, condition })
}

/// An unfit condition is wrong input and not an unreadable example.
fn unread(error: ExampleError) -> TrainError {
    match error.downcast::<ConditionError>() {
        Ok(error) => InputError::from(*error).into(),
        Err(error) => TrainError::Data(error),
    }
}

fn shape(name: &'static str, found: &[usize], expected: String) -> TrainError {
    let found = found.to_vec();
    InputError::Shape {
        name,
        found,
        expected,
    }
    .into()
}

/// The index of the first sample with a value that is not finite.
fn not_finite<const D: usize>(x: &Tensor<D>) -> Option<usize> {
    let zeros = per_sample_sum(x.clone() * 0.0).into_data();
    let mut zeros = zeros.iter::<f64>();
    zeros.position(|zero| zero != 0.0)
}
