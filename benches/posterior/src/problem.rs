//! Priors, operators and measurements with exact posteriors.

use crate::Failure;
use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};
use tweedie::burn::tensor::{DType, Int, TensorData};
use tweedie::core::DenoiseError;
use tweedie::core::oracle::{Gaussian, GaussianMixture};
use tweedie::inverse::measurement::Measurement;
use tweedie::inverse::noise::GaussianNoise;
use tweedie::inverse::operator::{AveragePool, CircularBlur, Identity, Mask, Matrix};
use tweedie::inverse::operator::{Operator, PointSpread, Spectral};
use tweedie::ops::Constant;
use tweedie::prelude::*;

/// A prior in closed form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prior {
    /// One Gaussian with the mean and the covariance of the 8×8 digits.
    Gaussian,
    /// Three Gaussians in the plane.
    Plane,
    /// Ten Gaussians fitted to the ten classes of 8×8 digits.
    Digits,
}

/// The measured quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// All values.
    Denoising,
    /// All but a box of 4×4 pixels in an image of 8×8; one of two coordinates.
    Inpainting,
    /// A Gaussian blur of one pixel; in the plane, a quarter of each coordinate mixed into the
    /// other.
    Blur,
    /// The averages of 2×2 pixels; the average of both coordinates.
    SuperResolution,
}

impl Prior {
    /// All priors.
    pub const ALL: [Self; 3] = [Self::Gaussian, Self::Plane, Self::Digits];

    /// Returns the channels, rows and columns of a signal.
    #[must_use]
    pub fn signal(self) -> [usize; 3] {
        match self {
            Self::Plane => [1, 1, 2],
            Self::Gaussian | Self::Digits => [1, 8, 8],
        }
    }

    /// Returns the prior as a mixture of Gaussians.
    ///
    /// # Errors
    /// Does not fail for these parameters.
    pub fn law(self) -> Result<GaussianMixture, Failure> {
        // Corner pixels are always black, so every pixel gets a little extra variance.
        const RIDGE: f64 = 0.1 * 0.1;
        let fitted = |rows: &[DVector<f64>]| -> Result<Gaussian, Failure> {
            let count = rows.len() as f64;
            let mean = rows.iter().sum::<DVector<f64>>() / count;
            let mut covariance = DMatrix::identity(mean.len(), mean.len()) * RIDGE;
            for row in rows {
                let centred = row - &mean;
                covariance += &centred * centred.transpose() / count;
            }
            let rows: Vec<Vec<f64>> = covariance
                .row_iter()
                .map(|row| row.iter().copied().collect())
                .collect();
            Ok(Gaussian::full(mean.as_slice(), &rows)?)
        };
        let digits = || -> Result<(Vec<DVector<f64>>, Vec<u8>), Failure> {
            let images = Images::digits()?;
            let pixels = images
                .tensor(ValueRange::Signed, &Device::flex())
                .into_data();
            let pixels: Vec<f64> = pixels.iter::<f64>().collect();
            let rows = pixels.chunks(64).map(DVector::from_column_slice).collect();
            Ok((rows, images.labels().unwrap_or_default().to_vec()))
        };
        let components = match self {
            Self::Gaussian => vec![(1.0, fitted(&digits()?.0)?)],
            Self::Plane => vec![
                (
                    0.5,
                    Gaussian::full(&[1.5, 0.5], &[vec![0.20, 0.12], vec![0.12, 0.10]])?,
                ),
                (0.3, Gaussian::isotropic(&[-1.5, 1.0], 0.25)?),
                (0.2, Gaussian::diagonal(&[-0.5, -1.5], &[0.5, 0.1])?),
            ],
            Self::Digits => {
                let (rows, labels) = digits()?;
                let class = |class: u8| {
                    let of = rows
                        .iter()
                        .zip(&labels)
                        .filter(|(_, label)| **label == class);
                    let of: Vec<DVector<f64>> = of.map(|(row, _)| row.clone()).collect();
                    Ok((of.len() as f64, fitted(&of)?))
                };
                (0..10).map(class).collect::<Result<Vec<_>, Failure>>()?
            }
        };
        Ok(GaussianMixture::new(components)?)
    }
}

impl Task {
    /// All tasks.
    pub const ALL: [Self; 4] = [
        Self::Denoising,
        Self::Inpainting,
        Self::Blur,
        Self::SuperResolution,
    ];

    /// Returns the rows of the operator's matrix.
    fn matrix(self, prior: Prior) -> Result<Vec<Vec<f64>>, Failure> {
        if prior == Prior::Plane {
            return Ok(match self {
                Self::Denoising => vec![vec![1.0, 0.0], vec![0.0, 1.0]],
                Self::Inpainting => vec![vec![1.0, 0.0]],
                Self::Blur => vec![vec![0.75, 0.25], vec![0.25, 0.75]],
                Self::SuperResolution => vec![vec![0.5, 0.5]],
            });
        }
        let operator: Box<dyn Operator<4>> = match self {
            Self::Denoising => Box::new(Identity),
            Self::Inpainting => Box::new(Mask::missing_box([8, 8], [2, 2], [4, 4])?),
            Self::Blur => Box::new(CircularBlur::new(PointSpread::gaussian(1.0)?, [8, 8])?),
            Self::SuperResolution => Box::new(AveragePool::new(2)?),
        };
        let unit = Tensor::<2, Int>::eye(64, &Device::flex()).float();
        let columns = operator.apply(unit.cast(DType::F64).reshape([64, 1, 8, 8]));
        let count = columns.dims()[2] * columns.dims()[3];
        let columns: Vec<f64> = columns.into_data().iter::<f64>().collect();
        let row = |m: usize| {
            (0..64)
                .map(|n| columns[n * count + m])
                .collect::<Vec<f64>>()
        };
        let rows = (0..count).map(row);
        // Rows of zeros, such as masked pixels, are dropped from the measurement.
        Ok(rows.filter(|row| row.iter().any(|v| *v != 0.0)).collect())
    }
}

/// A prior, an operator, a noise level, and measurements of draws from the prior.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The prior.
    pub prior: Prior,
    /// The measured quantity.
    pub task: Task,
    /// The standard deviation of the measurement noise.
    pub sigma: f64,
    /// The prior as a mixture of Gaussians.
    pub law: GaussianMixture,
    /// The measurements, one per draw from the prior.
    pub measured: Measurement<4, Matrix, GaussianNoise>,
    /// The exact posterior of each measurement.
    pub posteriors: Vec<GaussianMixture>,
}

impl Problem {
    /// Draws `count` signals from the prior and measures each of them.
    ///
    /// # Errors
    /// Does not fail if the noise is finite and above 0.
    pub fn new(prior: Prior, task: Task, sigma: f64, count: usize) -> Result<Self, Failure> {
        let device = Device::flex();
        let law = prior.law()?;
        let signal = prior.signal();
        let rows = task.matrix(prior)?;
        let shape = [rows.len(), law.dim()];
        let operator = Matrix::new(Constant::new(rows.concat(), shape), signal)?;
        let truth = law.sample(count, 1, &device);
        let truth = truth.reshape([count, signal[0], signal[1], signal[2]]);
        let mut noise = HostNoise::seeded(2);
        let measured =
            Measurement::simulate(operator, GaussianNoise::new(sigma)?, truth, &mut noise)?;
        let y: Vec<f64> = measured.y.to_data().iter::<f64>().collect();
        let posteriors = y.chunks(rows.len()).map(|y| law.posterior(&rows, y, sigma));
        Ok(Self {
            prior,
            task,
            sigma,
            posteriors: posteriors.collect::<Result<_, _>>()?,
            law,
            measured,
        })
    }

    /// Returns the measurements, each repeated `times` times in a row.
    #[must_use]
    pub fn repeated(&self, times: usize) -> Measurement<4, Matrix, GaussianNoise> {
        let y = self.measured.y.clone();
        let [count, .., width] = y.dims();
        let y = y.reshape([count, 1, width]).expand([count, times, width]);
        Measurement {
            y: y.reshape([count * times, 1, 1, width]),
            operator: self.measured.operator.clone(),
            noise: self.measured.noise,
        }
    }

    /// Returns the problem with measurements changed by a random part of themselves: the effect of
    /// rounding, a hundred times larger.
    #[must_use]
    pub fn nudged(&self, part: f64) -> Self {
        let mut nudged = self.clone();
        let y = self.measured.y.clone();
        let change = HostNoise::seeded(3).normal_like(&y) * part;
        nudged.measured.y = y.clone() + y * change;
        nudged
    }

    /// Returns the exact denoiser of the prior, for signals as images.
    #[must_use]
    pub fn denoiser(&self) -> AsImages<GaussianMixture> {
        AsImages(self.law.clone())
    }

    /// Returns the standard deviation of a value, averaged over the signal.
    #[must_use]
    pub fn data_std(&self) -> f64 {
        let covariance = self.law.covariance();
        let trace: f64 = (0..self.law.dim()).map(|i| covariance[i][i]).sum();
        (trace / self.law.dim() as f64).sqrt()
    }

    /// Returns `‖A‖`, the largest singular value.
    #[must_use]
    pub fn norm(&self) -> f64 {
        let [c, h, w] = self.prior.signal();
        let like = Tensor::<4>::zeros([1, c, h, w], (&Device::flex(), DType::F64));
        let values = self.measured.operator.singular_values(&like);
        values.max().into_scalar::<f64>()
    }
}

/// A denoiser of vectors as a denoiser of images with the same number of values.
#[derive(Clone, Debug)]
pub struct AsImages<M>(pub M);

impl<M: Denoiser<2>> Denoiser<4> for AsImages<M> {
    fn denoise(&self, x: Tensor<4>, level: Level) -> Result<Tensor<4>, DenoiseError> {
        let shape = x.dims();
        let rows = x.reshape([shape[0] as i32, -1]);
        Ok(self.0.denoise(rows, level)?.reshape(shape))
    }
}

/// Draws from each measurement's exact posterior, `[measurements × count, values]`.
#[must_use]
pub fn exact_draws(problem: &Problem, count: usize, seed: u64) -> Tensor<2> {
    let draws = problem.posteriors.iter().enumerate();
    let draws = draws.map(|(i, law)| law.sample(count, seed + i as u64, &Device::flex()));
    Tensor::cat(draws.collect(), 0)
}

/// Returns values as a tensor of rows.
pub(crate) fn rows(values: Vec<f64>, width: usize) -> Tensor<2> {
    let shape = [values.len() / width, width];
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}
