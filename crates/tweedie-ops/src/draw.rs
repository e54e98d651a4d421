//! Random tensors for tests. Each thread has its own generator, so each test does, unless all tests
//! run on one thread.

use burn::tensor::{DType, Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, Normal};
use std::cell::RefCell;

thread_local! {
    static RANDOM: RefCell<ChaCha8Rng> = RefCell::new(ChaCha8Rng::seed_from_u64(0));
}

/// Returns normal values of the given mean and standard deviation.
pub(crate) fn normal<const D: usize>(
    shape: [usize; D],
    mean: f64,
    std: f64,
    dtype: DType,
) -> Tensor<D> {
    let law = Normal::new(mean, std).unwrap_or_else(|error| unreachable!("a law: {error}"));
    let values = RANDOM.with_borrow_mut(|random| {
        let count = shape.iter().product();
        law.sample_iter(random).take(count).collect::<Vec<f64>>()
    });
    Tensor::from_data(TensorData::new(values, shape), (&Device::flex(), dtype))
}
