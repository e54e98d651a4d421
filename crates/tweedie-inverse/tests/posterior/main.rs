//! Posterior methods against exact posteriors.

#![allow(
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a test may stop at once, and compares exactly where it means to"
)]

mod batch;
mod bias;
mod blurred;
mod exact;
mod particles;
mod refusals;
mod registry;

use burn::tensor::{DType, Device, Tensor};
use tweedie_core::oracle::Gaussian;
use tweedie_inverse::measurement::Measurement;
use tweedie_inverse::noise::GaussianNoise;
use tweedie_inverse::operator::Mask;
use tweedie_math::{LevelPath, Span, VariancePreserving};

fn device() -> Device {
    Device::flex()
}

/// A prior of two correlated coordinates.
fn correlated() -> Gaussian {
    Gaussian::full(&[1.0, -1.0], &[vec![0.5, 0.3], vec![0.3, 0.4]]).expect("a Gaussian")
}

type Inpainting = Measurement<2, Mask<2>, GaussianNoise>;

const Y: f64 = 0.3;
const SIGMA: f64 = 0.2;

/// A measurement of the first coordinate.
fn inpainting() -> Inpainting {
    let kept = Tensor::<2>::from_floats([[1.0, 0.0]], &device()).greater_scalar(0.5);
    let y = Tensor::from_data([[Y, 0.0]], (&device(), DType::F64));
    let noise = GaussianNoise::new(SIGMA).expect("a noise");
    Measurement::new(Mask::new(kept), noise, y)
}

fn posterior(prior: &Gaussian) -> Gaussian {
    prior
        .posterior(&[vec![1.0, 0.0]], &[Y], SIGMA)
        .expect("a posterior")
}

/// A path down to time 10⁻³, then to clean data.
fn path(moves: usize) -> LevelPath {
    let span = Span::new(1.0, 1e-3);
    let path = LevelPath::log_snr(VariancePreserving::default(), span, moves);
    path.expect("a path").then_clean()
}

/// The differences between two Gaussians: means, variances, covariance.
fn gap(found: &Gaussian, truth: &Gaussian) -> [f64; 5] {
    let (m, n) = (found.mean(), truth.mean());
    let (c, d) = (found.covariance(), truth.covariance());
    [
        m[0] - n[0],
        m[1] - n[1],
        c[0][0] - d[0][0],
        c[1][1] - d[1][1],
        c[0][1] - d[0][1],
    ]
}
