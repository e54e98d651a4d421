//! Restoration tasks and their measurements.

use clap::ValueEnum;
use std::error::Error;
use std::sync::Arc;
use tweedie::inverse::measurement::Measurement;
use tweedie::inverse::noise::GaussianNoise;
use tweedie::inverse::operator::{
    CircularBlur, FourierPhase, Identity, Linear, Mask, Operator, OperatorError, PointSpread,
    Separable, Spectral,
};
use tweedie::prelude::*;

/// The task: how the images are degraded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Task {
    /// A box of 12×12 pixels is missing
    Inpaint,
    /// Half the resolution, bicubic
    Sr2,
    /// A quarter of the resolution, bicubic
    Sr4,
    /// A Gaussian blur of 1.5 pixels
    Deblur,
    /// A motion blur
    Motion,
    /// Noise alone
    Denoise,
    /// Only the Fourier magnitudes are measured
    Phase,
}

/// The linear operator of a task, shared.
pub type Physics = Arc<dyn Spectral<4> + Send + Sync>;

/// The measurement of a task.
#[derive(Debug)]
pub enum Measured {
    /// By a linear operator.
    Linear(Linear4),
    /// By the magnitudes of a Fourier transform.
    Phase(Measurement<4, FourierPhase, GaussianNoise>),
}

/// A linear measurement.
pub struct Linear4(pub Measurement<4, Physics, GaussianNoise>);

impl std::fmt::Debug for Linear4 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Linear4").finish_non_exhaustive()
    }
}

impl Task {
    /// The task's operator for images of this size; `None` if it is not linear.
    ///
    /// # Errors
    /// For images that are too small.
    pub fn operator(self, size: [usize; 2]) -> Result<Option<Physics>, OperatorError> {
        let [h, w] = size;
        let smaller = |by: usize| Separable::imresize(size, [h / by, w / by]);
        Ok(Some(match self {
            Self::Inpaint => Arc::new(Mask::missing_box(size, [8, 8], [12, 12])?),
            Self::Sr2 => Arc::new(smaller(2)?),
            Self::Sr4 => Arc::new(smaller(4)?),
            Self::Deblur => Arc::new(CircularBlur::new(PointSpread::gaussian(1.5)?, size)?),
            Self::Motion => Arc::new(CircularBlur::new(PointSpread::motion(11, 0.5, 4)?, size)?),
            Self::Denoise => Arc::new(Identity),
            Self::Phase => return Ok(None),
        }))
    }

    /// Simulates a measurement of images.
    ///
    /// # Errors
    /// For images that are too small, or noise that is not above 0.
    pub fn measure(
        self,
        truth: Tensor<4>,
        noise: GaussianNoise,
        random: &mut dyn Noise<4>,
    ) -> Result<Measured, OperatorError> {
        let [.., h, w] = truth.dims();
        Ok(match self.operator([h, w])? {
            Some(operator) => Measured::Linear(Linear4(Measurement::simulate(
                operator, noise, truth, random,
            )?)),
            None => {
                let operator = FourierPhase::new([h, w], 2.0)?;
                Measured::Phase(Measurement::simulate(operator, noise, truth, random)?)
            }
        })
    }
}

impl Measured {
    /// The measurement as a picture of the signal's size.
    ///
    /// # Errors
    /// If the iterations of the pseudo-inverse do not converge.
    pub fn picture(&self, signal: [usize; 4]) -> Result<Tensor<4>, Box<dyn Error>> {
        Ok(match self {
            Self::Linear(Linear4(m)) if m.y.dims() == signal => m.y.clone(),
            Self::Linear(Linear4(m)) => m.operator.pinv(m.y.clone())?.x,
            Self::Phase(m) => {
                // The logarithm of the magnitudes, cut to the signal's size around frequency 0.
                let [.., h, w] = m.y.dims();
                let log = (m.y.clone().abs() + 1.0).log();
                let most = log.clone().max().into_scalar::<f64>();
                let [.., rows, columns] = signal;
                log.narrow(2, (h - rows) / 2, rows)
                    .narrow(3, (w - columns) / 2, columns)
                    * (2.0 / most)
                    - 1.0
            }
        })
    }

    /// The root mean square of `A x − y` over the measured values.
    #[must_use]
    pub fn residual(&self, x: Tensor<4>, times: usize) -> f64 {
        let root = |square: Tensor<1>| square.into_scalar::<f64>().sqrt();
        match self {
            Self::Linear(Linear4(m)) => {
                let off = m.operator.apply(x) - repeated(&m.y, times);
                // Missing pixels have singular value 0: leave them out of the mean.
                let off = m.operator.measured_to_spectrum(off);
                let seen = m.operator.singular_values(&off).greater_elem(0.0).float();
                let shape = off.dims();
                root(off.square().sum() / seen.expand(shape).sum())
            }
            Self::Phase(m) => root(
                (m.operator.apply(x) - repeated(&m.y, times))
                    .square()
                    .mean(),
            ),
        }
    }
}

/// Repeats each sample `times` times in a row.
#[must_use]
pub fn repeated(y: &Tensor<4>, times: usize) -> Tensor<4> {
    let [b, c, h, w] = y.dims();
    let y = y
        .clone()
        .reshape([b, 1, c, h, w])
        .expand([b, times, c, h, w]);
    y.reshape([b * times, c, h, w])
}
