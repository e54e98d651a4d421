//! The part of a step that belongs to this process: its examples, their losses and gradients.

use crate::gathered::Gathered;
use crate::gradients::PairwiseSum;
use crate::mixed_precision::{cosine, in_precision, unscaled};
use crate::{
    Batch, Draws, ExampleError, Examples, Loss, Losses, MixedPrecision, Objective, Request,
    TrainError, Trainer,
};
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use std::ops::Range;
use std::time::{Duration, Instant};
use tweedie_core::{Condition, ConditionError, InputError, lock_generator, per_sample_sum};

/// What determines the losses of a step.
pub(crate) struct Step<'a, E> {
    pub(crate) examples: &'a E,
    /// The examples of the batch.
    pub(crate) indices: &'a [usize],
    pub(crate) uniform: &'a [f64],
    /// Seeds of the noise, of dropout and of the examples' random choices.
    pub(crate) seeds: [u64; 3],
}

/// The losses and gradients of some places of a batch.
struct Part {
    losses: Vec<f64>,
    log_snr: Vec<f64>,
    /// The row of the first example that is not finite, if a loss is not.
    broken: Option<usize>,
    gradients: GradientsParams,
    waited: Duration,
}

impl<M: Module, O: Objective<M>> Trainer<M, O> {
    /// The gradients and the losses of the places of a batch that belong to this process, in parts
    /// of `size`, and the time that it waited for examples.
    pub(crate) fn own_part<const D: usize, E: Examples<D>>(
        &self,
        step: &Step<'_, E>,
        (places, size): (Range<usize>, usize),
    ) -> Result<(GradientsParams, Gathered, Duration), TrainError>
    where
        O: Loss<M, D, E::Condition>,
    {
        let batch = step.indices.len();
        let dtype = self.settings.mixed_precision.dtype();
        let half = dtype.map(|dtype| in_precision(&*self.model, dtype));
        if let (Some(half), false) = (&half, places.is_empty() || self.is_compared) {
            self.compare(step, half, places.start..places.end.min(places.start + 2))?;
        }
        let model = half.as_ref().unwrap_or(&self.model);
        let mut sum = PairwiseSum::default();
        let (mut all, mut waited) = (Gathered::new(batch), Duration::ZERO);
        for first in places.step_by(size) {
            let rows = first..batch.min(first + size);
            let seed = step.seeds[1].wrapping_add((first / size) as u64);
            let part = self.part(step, model, rows, seed, self.scale.factor)?;
            sum.add(&*self.model, part.gradients);
            all.part(first, &part.losses, &part.log_snr, part.broken);
            waited += part.waited;
        }
        Ok((sum.total(&*self.model), all, waited))
    }

    /// The losses of some places of a batch, and their part of the batch's gradients, which are
    /// computed for `scale` times the loss. `seed` is that of dropout.
    fn part<const D: usize, E: Examples<D>>(
        &self,
        step: &Step<'_, E>,
        model: &M,
        rows: Range<usize>,
        seed: u64,
        scale: f64,
    ) -> Result<Part, TrainError>
    where
        O: Loss<M, D, E::Condition>,
    {
        let (batch, device) = (step.indices.len(), self.plain_device());
        let (first, indices) = (rows.start, &step.indices[rows.clone()]);
        let [of_noise, _, of_data] = step.seeds;
        let request = Request::new(indices, &device, of_data).starting_at(first);
        let mut draws = Draws::new(step.uniform[rows].to_vec(), of_noise, first);
        let began = Instant::now();
        let examples = ask(step.examples, &request)?;
        let waited = began.elapsed();
        let clean = examples.clean.clone();
        // Dropout draws from burn's process-wide generator, even as late as in the backward pass.
        let turn = lock_generator();
        device.seed(seed);
        let found: Losses = self.objective.losses(model, examples, &mut draws)?;
        let (values, count) = (found.values, indices.len());
        if values.dims() != [count] {
            let name = "the losses of a batch";
            return Err(shape(name, &values.dims(), format!("[{count}]")));
        }
        let mean = values.clone().sum() * (scale / batch as f64);
        let gradients = GradientsParams::from_grads(mean.backward(), model);
        drop(turn);
        let gradients = match self.settings.mixed_precision {
            MixedPrecision::Off => gradients,
            _ => unscaled(&*self.model, gradients, scale),
        };
        let losses: Vec<f64> = values.into_data().iter::<f64>().collect();
        let broken = losses.iter().any(|loss| !loss.is_finite());
        Ok(Part {
            losses,
            log_snr: found.log_snr,
            broken: broken.then(|| not_finite(&clean)).flatten(),
            gradients,
            waited,
        })
    }

    /// Compares the losses and gradients of a model in half precision with those in full precision.
    fn compare<const D: usize, E: Examples<D>>(
        &self,
        step: &Step<'_, E>,
        half: &M,
        rows: Range<usize>,
    ) -> Result<(), TrainError>
    where
        O: Loss<M, D, E::Condition>,
    {
        let seed = step.seeds[1];
        let full = self.part(step, &*self.model, rows.clone(), seed, 1.0)?;
        let mean = |part: &Part| part.losses.iter().sum::<f64>() / part.losses.len() as f64;
        let expected = mean(&full);
        if !expected.is_finite() {
            return Ok(());
        }
        let mut scale = self.scale;
        loop {
            let found = self.part(step, half, rows.clone(), seed, scale.factor)?;
            let (loss, cosine) = (
                mean(&found),
                cosine(&*self.model, &full.gradients, &found.gradients),
            );
            if (loss - expected).abs() <= 0.1 * expected.abs() && cosine >= 0.9 {
                return Ok(());
            }
            // The gradient may have overflowed.
            if cosine.is_finite() || !scale.halve() {
                return Err(TrainError::HalfPrecision {
                    precision: self.settings.mixed_precision,
                    loss,
                    expected,
                    cosine,
                });
            }
        }
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
