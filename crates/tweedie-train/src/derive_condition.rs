//! Conditions that are computed from the clean examples, such as measurements of them.
//!
//! # Reference
//! Saharia et al. 2022, "Image super-resolution via iterative refinement", section 2,
//! arXiv:2104.07636 (the low-resolution image as condition).

use crate::{Batch, Draws, ExampleError, Examples, Request};
use tweedie_core::Condition;

/// Examples whose conditions are computed from the clean examples and the conditions that they
/// have.
///
/// The function gets a batch and the random numbers of its examples. A network trained on them
/// learns `E[x₀ | x_t, y]` for any measurement `y`:
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_models::Conditions;
/// use tweedie_train::DeriveCondition;
///
/// let images = Tensor::<4>::zeros([3, 1, 8, 8], &Device::flex());
/// // The means of 2×2 pixels, with noise.
/// let examples = DeriveCondition::new(images, |batch, draws| {
///     let blocks = batch.clean.clone().reshape([-1, 1, 4, 2, 4, 2]);
///     let low: Tensor<4> = blocks.mean_dim(3).mean_dim(5).reshape([-1, 1, 4, 4]);
///     let noise = draws.normal_like(&low);
///     Ok(Conditions::none().with_low_resolution(low + noise * 0.05, [8, 8]))
/// });
/// # let _ = examples;
/// ```
#[derive(Clone, Debug)]
pub struct DeriveCondition<E, F> {
    examples: E,
    derive: F,
}

impl<E, F> DeriveCondition<E, F> {
    /// Computes the condition of each example of `examples`.
    pub fn new<const D: usize, C>(examples: E, derive: F) -> Self
    where
        E: Examples<D>,
        F: Fn(&Batch<D, E::Condition>, &mut Draws) -> Result<C, ExampleError>,
    {
        Self { examples, derive }
    }
}

impl<const D: usize, C, E, F> Examples<D> for DeriveCondition<E, F>
where
    C: Condition,
    E: Examples<D>,
    F: Fn(&Batch<D, E::Condition>, &mut Draws) -> Result<C, ExampleError>,
{
    type Condition = C;

    fn len(&self) -> usize {
        self.examples.len()
    }

    fn prepare(&self, indices: &[usize]) {
        self.examples.prepare(indices);
    }

    fn batch(&self, request: &Request<'_>) -> Result<Batch<D, C>, ExampleError> {
        let batch = self.examples.batch(&request.inner())?;
        let uniform = (0..request.indices.len()).flat_map(|row| request.uniforms::<1>(row));
        let uniform = uniform.collect();
        let mut draws = Draws::new(uniform, request.seed_of_noise(), request.first());
        let condition = (self.derive)(&batch, &mut draws)?;
        let clean = batch.clean;
        Ok(Batch { clean, condition })
    }
}
