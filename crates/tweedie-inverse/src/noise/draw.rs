//! Draws from distributions other than the normal.

use burn::tensor::{Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use tweedie_core::Noise;

/// Replaces each value by `draw(value, generator)`.
///
/// Each sample has its own generator, seeded with normal values from `noise`. So `noise` remains
/// the only source of randomness.
pub(super) fn each<const D: usize>(
    mean: Tensor<D>,
    noise: &mut dyn Noise<D>,
    mut draw: impl FnMut(f64, &mut ChaCha8Rng) -> f64,
) -> Tensor<D> {
    let (shape, options) = (mean.dims(), (mean.device(), mean.dtype()));
    let batch = shape[0];
    let mut one_each = [1; D];
    one_each[0] = batch;
    let like = Tensor::<D>::zeros(one_each, (&options.0, options.1));
    let mut seeds = vec![[0_u8; 32]; batch];
    for word in 0..8 {
        let values = noise.normal_like(&like).into_data();
        for (seed, value) in seeds.iter_mut().zip(values.iter::<f32>()) {
            seed[4 * word..4 * word + 4].copy_from_slice(&value.to_le_bytes());
        }
    }
    let count = shape[1..].iter().product::<usize>().max(1);
    let mut values: Vec<f64> = mean.into_data().iter::<f64>().collect();
    for (sample, seed) in values.chunks_mut(count).zip(seeds) {
        let mut random = ChaCha8Rng::from_seed(seed);
        for value in sample {
            *value = draw(*value, &mut random);
        }
    }
    Tensor::from_data(TensorData::new(values, shape), (&options.0, options.1))
}
