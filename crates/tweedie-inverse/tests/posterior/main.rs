//! Posterior methods against exact posteriors.

#![allow(
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a test may stop at once, and compares exactly where it means to"
)]

mod batch;
mod bias;
mod blind;
mod blurred;
mod exact;
mod gamma;
mod latents;
mod particles;
mod refusals;
mod splittings;
mod without_gradients;

use burn::tensor::{DType, Device, Tensor};
use tweedie_catalogue::{Method, Setup, posterior_methods};
use tweedie_core::oracle::Gaussian;
use tweedie_core::{Denoiser, Noise};
use tweedie_inverse::measurement::Measurement;
use tweedie_inverse::noise::GaussianNoise;
use tweedie_inverse::operator::Mask;
use tweedie_math::{LevelPath, Span, VariancePreserving};
use tweedie_samplers::{AnyStep, Sampler};

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

/// The methods without ensembles, each in a run of `moves` moves.
fn runs<'a>(prior: &'a dyn Denoiser<2>, m: &'a Inpainting, moves: usize) -> Vec<Run<'a>> {
    let setup = Setup {
        data_std: 0.7,
        curvature: 25.0,
        inner_steps: Some(20),
        travel: Some([5, 2]),
        step_size: Some(0.005),
        ..Setup::new(prior, m, path(moves))
    };
    let all = posterior_methods().into_iter();
    all.filter(|method| !method.is_ensemble)
        .map(|method| Run::new(&method, &setup, moves))
        .collect()
}

/// A method on one measurement.
struct Run<'a> {
    name: &'static str,
    is_affine: bool,
    denoiser: Box<dyn Denoiser<2> + 'a>,
    sampler: Sampler<AnyStep<2>>,
}

impl<'a> Run<'a> {
    fn new<P>(method: &Method<2, P>, setup: &Setup<'a, 2, P>, moves: usize) -> Self {
        let parts = method.build(setup).expect("a method");
        let path = parts.route.path(setup.path.clone(), moves, SIGMA);
        let (path, step) = (path.expect("a path"), parts.step_or_ddpm());
        Self {
            name: method.name,
            is_affine: method.is_affine,
            denoiser: parts.denoiser,
            sampler: Sampler::new(step, path),
        }
    }

    /// Runs from the start that `noise` draws.
    fn draw(&self, batch: usize, noise: &mut dyn Noise<2>) -> Tensor<2> {
        let x = self.sampler.start([batch, 2], &device(), noise);
        let x = x.expect("a start");
        let x = self.sampler.sample(&*self.denoiser, x, noise);
        x.expect("a run")
    }
}
