//! Sources of randomness, which are always explicit arguments.

use burn::tensor::{DType, Device, Distribution, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution as _, StandardNormal};
use rayon::prelude::*;
use tweedie_math::Move;

/// A source of standard normal tensors.
pub trait Noise<const D: usize> {
    /// Draws independent `N(0, 1)` values with the shape, dtype and device of `like`.
    fn normal_like(&mut self, like: &Tensor<D>) -> Tensor<D>;

    /// Draws independent `N(0, 1)` values of the given shape, in the device's default dtype.
    fn normal(&mut self, shape: [usize; D], device: &Device) -> Tensor<D> {
        self.normal_like(&Tensor::zeros(shape, device))
    }

    /// Draws the noise of the move `mv`: a Brownian increment divided by its standard deviation.
    ///
    /// By default the values are fresh. [`BrownianTree`](crate::BrownianTree) keeps one path.
    fn increment(&mut self, mv: Move, like: &Tensor<D>) -> Tensor<D> {
        let _ = mv;
        self.normal_like(like)
    }
}

impl<const D: usize, T: Noise<D> + ?Sized> Noise<D> for &mut T {
    fn normal_like(&mut self, like: &Tensor<D>) -> Tensor<D> {
        (**self).normal_like(like)
    }
    fn increment(&mut self, mv: Move, like: &Tensor<D>) -> Tensor<D> {
        (**self).increment(mv, like)
    }
}

impl<const D: usize, T: Noise<D> + ?Sized> Noise<D> for Box<T> {
    fn normal_like(&mut self, like: &Tensor<D>) -> Tensor<D> {
        (**self).normal_like(like)
    }
    fn increment(&mut self, mv: Move, like: &Tensor<D>) -> Tensor<D> {
        (**self).increment(mv, like)
    }
}

/// Reproducible noise from the host, with one counter-based stream (`ChaCha8`) per sample.
///
/// Sample `i` of seed `s` gets the same numbers on every device, for every batch size and number of
/// threads. [`starting_at`](Self::starting_at) splits a large job into batches.
///
/// ```
/// use burn::tensor::Device;
/// use tweedie_core::{HostNoise, Noise};
///
/// let device = Device::flex();
/// let both = HostNoise::seeded(7).normal([2, 3], &device);
/// let second = HostNoise::seeded(7).starting_at(1).normal([1, 3], &device);
/// assert_eq!(both.slice([1..2]).into_data(), second.into_data());
/// ```
#[derive(Clone, Debug)]
pub struct HostNoise {
    seed: u64,
    first: u64,
    streams: Vec<ChaCha8Rng>,
}

impl HostNoise {
    /// Returns the noise of a seed. Any seed is valid, including 0.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self {
            seed,
            first: 0,
            streams: Vec::new(),
        }
    }

    /// Returns the noise of a batch whose first sample has the index `first` in the whole job.
    ///
    /// Indices wrap from `u64::MAX` to 0.
    #[must_use]
    pub fn starting_at(mut self, first: u64) -> Self {
        self.first = first;
        self.streams.clear();
        self
    }

    /// Returns the streams of the first `batch` samples at their current positions.
    fn streams(&mut self, batch: usize) -> &mut [ChaCha8Rng] {
        for i in self.streams.len()..batch {
            let mut stream = ChaCha8Rng::seed_from_u64(self.seed);
            stream.set_stream(self.first.wrapping_add(i as u64));
            self.streams.push(stream);
        }
        &mut self.streams[..batch]
    }
}

impl<const D: usize> Noise<D> for HostNoise {
    fn normal_like(&mut self, like: &Tensor<D>) -> Tensor<D> {
        draw(self.streams(like.dims()[0]), like)
    }
}

/// Draws `N(0, 1)` values with the shape, dtype and device of `like`, each sample from its stream.
pub(crate) fn draw<const D: usize>(streams: &mut [ChaCha8Rng], like: &Tensor<D>) -> Tensor<D> {
    let shape = like.dims();
    let count = shape[1..].iter().product();
    let data = match like.dtype() {
        DType::F64 => TensorData::new(fill(streams, count, |z| z), shape),
        _ => TensorData::new(fill(streams, count, |z| z as f32), shape),
    };
    Tensor::from_data(data, (&like.device(), like.dtype()))
}

fn fill<T: Copy + Default + Send>(
    streams: &mut [ChaCha8Rng],
    count: usize,
    from: impl Fn(f64) -> T + Sync,
) -> Vec<T> {
    let mut values = vec![T::default(); streams.len() * count];
    values
        .par_chunks_mut(count.max(1))
        .zip(streams)
        .for_each(|(sample, stream)| {
            for value in sample {
                *value = from(StandardNormal.sample(stream));
            }
        });
    values
}

/// Noise from the device's generator: fast, but one global stream per process and backend.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeviceNoise;

impl<const D: usize> Noise<D> for DeviceNoise {
    fn normal_like(&mut self, like: &Tensor<D>) -> Tensor<D> {
        let _turn = crate::lock_generator();
        like.random_like(Distribution::Normal(0.0, 1.0))
    }
}

/// Recorded noise, replayed in order to reproduce the run of another program.
#[derive(Clone, Debug)]
pub struct Replay<const D: usize> {
    recorded: std::vec::IntoIter<Tensor<D>>,
}

impl<const D: usize> Replay<D> {
    /// Returns a source that replays `recorded` from first to last.
    #[must_use]
    pub fn new(recorded: Vec<Tensor<D>>) -> Self {
        Self {
            recorded: recorded.into_iter(),
        }
    }

    /// The number of tensors that have not been replayed.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.recorded.len()
    }
}

impl<const D: usize> Noise<D> for Replay<D> {
    /// # Panics
    /// If all tensors were replayed, or if the shape of the next one differs from that of `like`.
    fn normal_like(&mut self, like: &Tensor<D>) -> Tensor<D> {
        let Some(next) = self.recorded.next() else {
            panic!("replay: more noise was asked for than was recorded");
        };
        assert_eq!(next.dims(), like.dims(), "replay: shape of recorded noise");
        next.cast(like.dtype()).to_device(&like.device())
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact by construction")]
mod tests {
    use super::*;
    use approx::abs_diff_eq;

    fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
        x.into_data().iter::<f32>().collect()
    }

    #[test]
    fn a_sample_has_the_same_bits_in_every_batch_and_thread_pool() {
        let device = Device::flex();
        let draw = |seed, batch, first| {
            let mut noise = HostNoise::seeded(seed).starting_at(first);
            let _ = noise.normal([batch, 3, 5], &device);
            values(noise.normal([batch, 3, 5], &device))
        };
        let four = draw(0, 4, 0);
        assert_eq!(four[30..45], draw(0, 1, 2)[..]);
        assert_ne!(four, draw(1, 4, 0));
        let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        assert_eq!(four, one_thread.expect("a pool").install(|| draw(0, 4, 0)));
    }

    #[test]
    fn both_precisions_see_the_same_numbers() {
        let device = Device::flex();
        let wide = Tensor::<2>::zeros([2, 4], (&device, DType::F64));
        let wide = HostNoise::seeded(3).normal_like(&wide);
        assert_eq!(wide.dtype(), DType::F64);
        let narrow = HostNoise::seeded(3).normal([2, 4], &device);
        assert_eq!(values(wide), values(narrow));
    }

    #[test]
    fn it_is_standard_normal() {
        let draw: Vec<f32> = values(HostNoise::seeded(11).normal([4, 50_000], &Device::flex()));
        let n = draw.len() as f64;
        let moment = |k| draw.iter().map(|&z| f64::from(z).powi(k)).sum::<f64>() / n;
        // Five times the standard errors 0.0022, 0.0032, 0.0087 and 0.022.
        for (k, expected, bound) in [
            (1, 0.0, 0.011),
            (2, 1.0, 0.016),
            (3, 0.0, 0.043),
            (4, 3.0, 0.11),
        ] {
            assert!(
                abs_diff_eq!(moment(k), expected, epsilon = bound),
                "moment {k}: {}",
                moment(k)
            );
        }
    }

    #[test]
    #[should_panic(expected = "more noise was asked for")]
    fn a_replay_ends() {
        let x = Tensor::<1>::zeros([2], &Device::flex());
        let mut replay = Replay::new(vec![x.clone()]);
        let _ = replay.normal_like(&x);
        let _ = replay.normal_like(&x);
    }
}
