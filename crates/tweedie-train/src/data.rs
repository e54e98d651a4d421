//! Training data: examples with their conditions.
//!
//! # Reference
//! Ho & Salimans 2022, "Classifier-Free Diffusion Guidance", algorithm 1 (conditions that are
//! dropped at random), arXiv:2207.12598.

use burn::tensor::{Device, Int, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::error::Error;
use tweedie_core::{Condition, ConditionError};
use tweedie_math::ParameterError;

/// Why examples could not be read or decoded.
pub type ExampleError = Box<dyn Error + Send + Sync>;

/// The examples that a training step asks for: a batch, or a part of one.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Request<'a> {
    /// The indices of the examples.
    pub indices: &'a [usize],
    /// The device on which the batch is needed.
    pub device: &'a Device,
    seed: u64,
    first: u64,
}

impl<'a> Request<'a> {
    /// Asks for examples. `seed` determines random choices, such as crops or dropped conditions;
    /// it depends only on the seed of the run and on the step.
    #[must_use]
    pub fn new(indices: &'a [usize], device: &'a Device, seed: u64) -> Self {
        Self {
            indices,
            device,
            seed,
            first: 0,
        }
    }

    /// Asks for the part of the batch that begins at place `first`.
    #[must_use]
    pub fn starting_at(self, first: usize) -> Self {
        Self {
            first: first as u64,
            ..self
        }
    }

    /// The random numbers for row `row` of [`indices`](Self::indices). They are the same whatever
    /// part of the batch is asked for.
    #[must_use]
    pub fn rng(&self, row: usize) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(self.first + row as u64);
        rng
    }

    /// Numbers in `[0, 1)` for row `row`, the first that [`rng`](Self::rng) yields.
    pub(crate) fn uniforms<const N: usize>(&self, row: usize) -> [f64; N] {
        let mut rng = self.rng(row);
        [(); N].map(|()| (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64)
    }

    /// A seed for noise, with one stream for each place of the batch.
    pub(crate) fn seed_of_noise(&self) -> u64 {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(u64::MAX - 1);
        rng.next_u64()
    }

    /// The place of the first row in the batch.
    pub(crate) fn first(&self) -> usize {
        self.first as usize
    }

    /// The request to pass on to wrapped examples, with random numbers independent of these.
    #[must_use]
    pub fn inner(&self) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(u64::MAX);
        Self {
            seed: rng.next_u64(),
            ..*self
        }
    }
}

/// Examples with their conditions.
#[derive(Clone, Debug)]
pub struct Batch<const D: usize, C = ()> {
    /// Clean examples, `[count, …]`.
    pub clean: Tensor<D>,
    /// The condition of each, or a single one for all; `()` for no condition.
    pub condition: C,
}

/// A finite set of examples that can be stacked into batches. Its size must not change during a
/// run.
///
/// Implemented for tensors `[count, …]`. Implement it for data that do not fit into memory, over a
/// burn `Dataset` or any other source.
pub trait Examples<const D: usize> {
    /// The condition of an example, such as its class; `()` for no condition.
    type Condition: Condition;

    /// The number of examples.
    fn len(&self) -> usize;

    /// Whether there are no examples.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Announces the next batch while the present one is computed, so that it can be read ahead.
    fn prepare(&self, indices: &[usize]) {
        let _ = indices;
    }

    /// Stacks the requested examples: `[indices.len(), …]`, on the device.
    ///
    /// # Errors
    /// [`ExampleError`] if an example cannot be read.
    fn batch(&self, request: &Request<'_>) -> Result<Batch<D, Self::Condition>, ExampleError>;
}

impl<const D: usize, E: Examples<D> + ?Sized> Examples<D> for &E {
    type Condition = E::Condition;

    fn len(&self) -> usize {
        (**self).len()
    }

    fn prepare(&self, indices: &[usize]) {
        (**self).prepare(indices);
    }

    fn batch(&self, request: &Request<'_>) -> Result<Batch<D, E::Condition>, ExampleError> {
        (**self).batch(request)
    }
}

impl<const D: usize, E: Examples<D> + ?Sized> Examples<D> for Box<E> {
    type Condition = E::Condition;

    fn len(&self) -> usize {
        (**self).len()
    }

    fn prepare(&self, indices: &[usize]) {
        (**self).prepare(indices);
    }

    fn batch(&self, request: &Request<'_>) -> Result<Batch<D, E::Condition>, ExampleError> {
        (**self).batch(request)
    }
}

impl<const D: usize> Examples<D> for Tensor<D> {
    type Condition = ();

    fn len(&self) -> usize {
        self.dims()[0]
    }

    fn batch(&self, request: &Request<'_>) -> Result<Batch<D>, ExampleError> {
        Ok(Batch {
            clean: rows(self, request),
            condition: (),
        })
    }
}

fn rows<const D: usize>(all: &Tensor<D>, request: &Request<'_>) -> Tensor<D> {
    let indices: Vec<i32> = request.indices.iter().map(|&i| i as i32).collect();
    let count = indices.len();
    let indices = TensorData::new(indices, [count]);
    let indices = Tensor::<1, Int>::from_data(indices, &all.device());
    all.clone().select(0, indices).to_device(request.device)
}

/// Examples that a function reads.
///
/// ```
/// use burn::tensor::Tensor;
/// use tweedie_train::{Batch, FnExamples};
///
/// // The powers of 2, computed when they are asked for.
/// let examples = FnExamples::new(10, |request| {
///     let powers: Vec<f32> = request.indices.iter().map(|&i| (i as f32).exp2()).collect();
///     let clean = Tensor::<1>::from_data(powers.as_slice(), request.device);
///     let clean = clean.reshape([powers.len(), 1]);
///     Ok(Batch { clean, condition: () })
/// });
/// # let _: &dyn tweedie_train::Examples<2, Condition = ()> = &examples;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FnExamples<F> {
    len: usize,
    read: F,
}

impl<F> FnExamples<F> {
    /// A set of `len` examples, which `read` returns for a [`Request`].
    pub fn new<const D: usize, C>(len: usize, read: F) -> Self
    where
        F: Fn(&Request<'_>) -> Result<Batch<D, C>, ExampleError>,
    {
        Self { len, read }
    }
}

impl<const D: usize, C, F> Examples<D> for FnExamples<F>
where
    C: Condition,
    F: Fn(&Request<'_>) -> Result<Batch<D, C>, ExampleError>,
{
    type Condition = C;

    fn len(&self) -> usize {
        self.len
    }

    fn batch(&self, request: &Request<'_>) -> Result<Batch<D, C>, ExampleError> {
        (self.read)(request)
    }
}

/// Examples in memory, each with a condition.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use tweedie_models::Conditions;
/// use tweedie_train::Paired;
///
/// let device = Device::flex();
/// let images = Tensor::<4>::zeros([3, 1, 8, 8], &device);
/// let labels = Tensor::<1, Int>::from_ints([4, 0, 1], &device);
/// let examples = Paired::new(images, Conditions::none().with_labels(labels))?;
/// # let _ = examples;
/// # Ok::<(), tweedie_core::ConditionError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Paired<const D: usize, C> {
    clean: Tensor<D>,
    condition: C,
}

impl<const D: usize, C: Condition> Paired<D, C> {
    /// Pairs row `i` of `clean` with row `i` of `condition`, or with its only row.
    ///
    /// # Errors
    /// [`ConditionError`] if the condition does not fit the examples.
    pub fn new(clean: Tensor<D>, condition: C) -> Result<Self, ConditionError> {
        condition.check(&clean.dims())?;
        Ok(Self { clean, condition })
    }
}

impl<const D: usize, C: Condition> Examples<D> for Paired<D, C> {
    type Condition = C;

    fn len(&self) -> usize {
        self.clean.dims()[0]
    }

    fn batch(&self, request: &Request<'_>) -> Result<Batch<D, C>, ExampleError> {
        Ok(Batch {
            clean: rows(&self.clean, request),
            condition: self
                .condition
                .select(request.indices)
                .to_device(request.device),
        })
    }
}

/// Examples whose conditions are replaced by a null condition at random.
///
/// A network trained on them learns the conditional and the unconditional denoiser, as
/// classifier-free guidance needs.
#[derive(Clone, Debug)]
pub struct DropCondition<E, C> {
    examples: E,
    null: C,
    probability: f64,
}

impl<E, C> DropCondition<E, C> {
    /// Replaces each condition by `null`, a single row, with the given probability, independently.
    ///
    /// # Errors
    /// [`ParameterError`] unless the probability is within `[0, 1]`.
    pub fn new(examples: E, null: C, probability: f64) -> Result<Self, ParameterError> {
        let fits = (0.0..=1.0).contains(&probability);
        let name = "the probability of dropping a condition";
        ParameterError::require(fits, name, "within [0, 1]", probability)?;
        Ok(Self {
            examples,
            null,
            probability,
        })
    }
}

impl<const D: usize, E: Examples<D>> Examples<D> for DropCondition<E, E::Condition> {
    type Condition = E::Condition;

    fn len(&self) -> usize {
        self.examples.len()
    }

    fn prepare(&self, indices: &[usize]) {
        self.examples.prepare(indices);
    }

    fn batch(&self, request: &Request<'_>) -> Result<Batch<D, E::Condition>, ExampleError> {
        let Batch { clean, condition } = self.examples.batch(&request.inner())?;
        let mut shape = clean.dims();
        condition.check(&shape)?;
        let count = shape[0];
        shape[0] = 1;
        self.null.check(&shape)?;
        // Row `count` of both together is the null condition.
        let row = |own: usize| {
            let [uniform] = request.uniforms(own);
            if uniform < self.probability {
                count
            } else {
                own
            }
        };
        let rows: Vec<usize> = (0..count).map(row).collect();
        let null = self.null.to_device(request.device).for_batch(1);
        let both = E::Condition::join(condition.for_batch(count), null)?;
        Ok(Batch {
            clean,
            condition: both.select(&rows),
        })
    }
}
