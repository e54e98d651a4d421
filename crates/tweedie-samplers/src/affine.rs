//! The exact distribution that a sampler draws from, for a Gaussian prior.
//!
//! With a Gaussian prior the denoiser is affine, even when guided by a linear measurement. A chain
//! whose step sizes do not depend on the state is then affine too: it ends at
//! `x = m + Σ_k r_k z_k`. The `z_k` are independent standard normal, one for each coordinate of the
//! start and of each noise increment. One batched run returns the mean (all `z = 0`) and every
//! response `r_k` (one `z = 1`); the covariance is `Σ r_k r_kᵀ`. No sampling is involved, so the
//! error of a stochastic method is known to rounding.

use crate::{SampleError, Sampler, Step};
use burn::tensor::{DType, Device, Tensor, TensorData};
use tweedie_core::oracle::{Gaussian, OracleError};
use tweedie_core::{Denoiser, Noise};
use tweedie_math::{Level, LevelPath, Move};

/// How the noise of overlapping moves is correlated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OverlapNoise {
    /// The increments of one Brownian path, as from [`BrownianTree`](tweedie_core::BrownianTree).
    #[default]
    BrownianPath,
    /// Independent noise for every draw.
    Independent,
}

/// Why the distribution could not be computed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AffineError {
    /// The sampler rejected or failed the run.
    #[error(transparent)]
    Run(#[from] SampleError),
    /// The computed mean and covariance do not make a Gaussian.
    #[error(transparent)]
    Law(#[from] OracleError),
}

/// Computes the distribution at the end of `sampler`'s path, for an affine `denoiser`.
///
/// `signal` is the shape of a signal, with the batch taken as 1. The initial state has the
/// distribution of `start`, transported by the forward process to the path's first level: pass the
/// prior itself, or `N(0, 0)` to start from pure noise.
///
/// Steps whose size depends on the state are not affine (adaptive ones, the signal-to-noise rule).
/// The device must support `f64`. For `d` values and `k` noise increments, memory is `d² (k + 1)`
/// numbers: use this for dozens of values, not for images.
///
/// ```
/// use burn::tensor::Device;
/// use tweedie_core::oracle::Gaussian;
/// use tweedie_math::{Ancestral, LevelPath, Span, VariancePreserving};
/// use tweedie_samplers::{OverlapNoise, Sampler, affine_law};
///
/// let prior = Gaussian::isotropic(&[2.0], 0.5)?;
/// let path = LevelPath::uniform(VariancePreserving::default(), Span::FULL, 200)?;
/// let ddpm = Sampler::new(Ancestral::default(), path);
/// let noise = OverlapNoise::BrownianPath;
/// let law = affine_law(&ddpm, &prior, [1, 1], &prior, noise, &Device::flex())?;
/// // DDPM's small variance loses some spread in 200 steps: 0.48 instead of 0.5.
/// let std = law.covariance()[0][0].sqrt();
/// assert!((law.mean()[0] - 2.0).abs() < 0.01 && (0.47..0.49).contains(&std));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`AffineError`] if the run fails or its end is not finite.
///
/// # Panics
/// If the dimension of `start` differs from the number of values in a signal.
pub fn affine_law<const D: usize, S: Step<D>>(
    sampler: &Sampler<S>,
    denoiser: &dyn Denoiser<D>,
    signal: [usize; D],
    start: &Gaussian,
    coupling: OverlapNoise,
    device: &Device,
) -> Result<Gaussian, AffineError> {
    let dim: usize = signal[1..].iter().product();
    assert_eq!(dim, start.dim(), "dimensions of the start and of a signal");
    let of_rows = |values: Vec<f64>| -> Tensor<D> {
        let mut shape = signal;
        shape[0] = values.len() / dim;
        let rows = TensorData::new(values, [shape[0], dim]);
        let rows = Tensor::<2>::from_data(rows, (device, DType::F64));
        let rows = start.flow(rows, Level::PURE_NOISE, sampler.path().start());
        rows.reshape(shape)
    };
    let mut noise = Impulse::along(sampler.path(), coupling, dim);
    // A run of one sample counts the draws.
    sampler.sample(denoiser, of_rows(vec![0.0; dim]), &mut noise)?;
    let sources = noise.restart();
    // Rows: the mean, one standard deviation along each axis of the start, then one row for each
    // draw and coordinate.
    let mut rows = vec![0.0; (1 + dim + sources * dim) * dim];
    for axis in 0..dim {
        rows[(1 + axis) * dim + axis] = 1.0;
    }
    let x = sampler.sample(denoiser, of_rows(rows), &mut noise)?;
    let x: Vec<f64> = x.into_data().iter::<f64>().collect();
    let (mean, rows) = x.split_at(dim);
    let mut covariance = vec![vec![0.0; dim]; dim];
    for row in rows.chunks(dim) {
        let response: Vec<f64> = row.iter().zip(mean).map(|(x, m)| x - m).collect();
        for (line, left) in covariance.iter_mut().zip(&response) {
            for (value, right) in line.iter_mut().zip(&response) {
                *value += left * right;
            }
        }
    }
    Ok(Gaussian::full(mean, &covariance)?)
}

/// Noise with one unit impulse in each row of the batch, after the rows of the mean and the start.
/// The sources are first the segments of a Brownian path in the time `α²/σ²`, split at the path's
/// levels and the midpoints of its moves. Then follow the draws that belong to no move.
struct Impulse {
    coupling: OverlapNoise,
    dim: usize,
    times: Vec<f64>,
    draws: usize,
}

impl Impulse {
    fn along(path: &LevelPath, coupling: OverlapNoise, dim: usize) -> Self {
        let levels = path.moves().flat_map(|mv| {
            let half = mv.log_linear(0.5);
            [Some(mv.from), half].into_iter().flatten()
        });
        let levels = levels.chain([path.end()]);
        let mut times = match coupling {
            OverlapNoise::BrownianPath => levels.map(Level::snr).collect(),
            OverlapNoise::Independent => vec![0.0],
        };
        // A path that descends twice crosses the same segments twice.
        times.sort_by(f64::total_cmp);
        times.dedup_by(|b, a| *b <= *a * (1.0 + 1e-12));
        Self {
            coupling,
            dim,
            times,
            draws: 0,
        }
    }

    /// Returns the number of sources used and resets the draws for the next run.
    fn restart(&mut self) -> usize {
        self.times.len() - 1 + std::mem::take(&mut self.draws)
    }

    /// A tensor with `weight(source)` in the row and column of every source and coordinate.
    ///
    /// # Panics
    /// If a draw has more values per sample than a signal has coordinates.
    fn tensor<const D: usize>(&self, like: &Tensor<D>, weight: impl Fn(usize) -> f64) -> Tensor<D> {
        let (shape, dim) = (like.dims(), self.dim);
        let width: usize = shape[1..].iter().product();
        assert!(width <= dim, "a draw of more values than the signal has");
        let mut values = vec![0.0; shape[0] * width];
        for row in 1 + dim..shape[0] {
            let (source, coordinate) = ((row - 1 - dim) / dim, (row - 1 - dim) % dim);
            if coordinate < width {
                values[row * width + coordinate] = weight(source);
            }
        }
        let data = TensorData::new(values, shape);
        Tensor::from_data(data, (&like.device(), like.dtype()))
    }
}

impl<const D: usize> Noise<D> for Impulse {
    fn normal_like(&mut self, like: &Tensor<D>) -> Tensor<D> {
        let this = self.times.len() - 1 + self.draws;
        self.draws += 1;
        self.tensor(like, |source| f64::from(u8::from(source == this)))
    }

    fn increment(&mut self, mv: Move, like: &Tensor<D>) -> Tensor<D> {
        if self.coupling == OverlapNoise::Independent {
            return self.normal_like(like);
        }
        let (from, to) = (mv.from.snr(), mv.to.snr());
        let share = |source: usize| match self.times.get(source..source + 2) {
            // A segment that covers the whole move; its length may be infinite.
            Some(&[a, b]) if a <= from && b >= to => 1.0,
            Some(&[a, b]) if a >= from * (1.0 - 1e-9) && b <= to * (1.0 + 1e-9) => {
                ((b - a) / (to - from)).sqrt()
            }
            _ => 0.0,
        };
        self.tensor(like, share)
    }
}
