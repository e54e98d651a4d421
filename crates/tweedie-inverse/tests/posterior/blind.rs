//! A Gaussian signal and one more unknown: a blur's width, or the noise. The posterior of the
//! unknown is an integral in one dimension.

use crate::{device, path};
use approx::abs_diff_eq;
use burn::tensor::{DType, Tensor};
use tweedie_core::oracle::Gaussian;
use tweedie_core::{HostNoise, Noise, Product};
use tweedie_inverse::measurement::{Likelihood, Measurement, UnknownNoise};
use tweedie_inverse::noise::GaussianNoise;
use tweedie_inverse::operator::{Identity, Operator, OperatorError};
use tweedie_inverse::posterior::{LangevinLikelihoodStep, PnpDm, TwistedSmc};
use tweedie_math::{Ddim, Level};
use tweedie_samplers::{Sampler, Step};

/// Values of the signal.
const N: usize = 8;
/// The prior of the logarithm of the unknown: mean and standard deviation.
const PRIOR: (f64, f64) = (0.0, 0.4);
const SIGMA: f64 = 0.1;

fn tensor<const R: usize>(values: [f64; R]) -> Tensor<2> {
    Tensor::from_data([values], (&device(), DType::F64))
}

/// A smooth signal on a circle.
fn covariance() -> Vec<Vec<f64>> {
    let distance = |i: usize, j: usize| {
        let off = i.abs_diff(j);
        off.min(N - off) as f64
    };
    let row = |i: usize| {
        let each = (0..N).map(|j| (-0.5 * distance(i, j).powi(2)).exp() + 0.05 * f64::from(i == j));
        each.collect()
    };
    (0..N).map(row).collect()
}

/// Blurs the first values of a state by a Gaussian of width `e^s`, where `s` is the last.
#[derive(Clone, Copy, Debug)]
struct UnknownWidth;

impl UnknownWidth {
    /// The matrix of the blur of each state, `[batch, N, N]`, with rows of sum 1.
    fn matrices(s: Tensor<2>) -> Tensor<3> {
        let squares: Vec<f64> = (0..N * N)
            .map(|i| {
                let off = (i / N).abs_diff(i % N);
                (off.min(N - off) as f64).powi(2)
            })
            .collect();
        let squares = Tensor::<1>::from_data(&squares[..], (&device(), DType::F64));
        let width = (s * -2.0).exp().unsqueeze_dim::<3>(2) * -0.5;
        let raw = (squares.reshape([1, N, N]) * width).exp();
        raw.clone() / raw.sum_dim(2)
    }
}

impl Operator<2> for UnknownWidth {
    fn output_shape(&self, [batch, values]: [usize; 2]) -> Result<[usize; 2], OperatorError> {
        assert_eq!(values, N + 1);
        Ok([batch, N])
    }

    fn apply_unchecked(&self, x: Tensor<2>) -> Tensor<2> {
        let batch = x.dims()[0];
        let signal = x.clone().narrow(1, 0, N).unsqueeze_dim::<3>(2);
        let blur = Self::matrices(x.narrow(1, N, 1));
        blur.matmul(signal).reshape([batch, N])
    }
}

/// Mean and standard deviation of the unknown, from the logarithm of its density on a grid.
fn quadrature(log: impl Fn(f64) -> f64) -> (f64, f64) {
    let grid: Vec<f64> = (-300..=300).map(|i| f64::from(i) * 0.01).collect();
    let logs: Vec<f64> = grid
        .iter()
        .map(|s| log(*s) - 0.5 * ((s - PRIOR.0) / PRIOR.1).powi(2))
        .collect();
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = logs.iter().map(|log| (log - most).exp()).collect();
    let mean = |f: &dyn Fn(f64) -> f64| {
        let each = grid.iter().zip(&weights).map(|(s, w)| f(*s) * w);
        each.sum::<f64>() / weights.iter().sum::<f64>()
    };
    let first = mean(&|s| s);
    (first, mean(&|s| (s - first).powi(2)).sqrt())
}

/// Mean and standard deviation of the unknown in the draws of a method.
fn drawn(step: impl Step<2>, count: usize, moves: usize) -> (f64, f64) {
    let signal = Gaussian::full(&[0.0; N], &covariance()).expect("a Gaussian");
    let unknown = Gaussian::isotropic(&[PRIOR.0], PRIOR.1).expect("a Gaussian");
    let prior = Product::new(signal, N, unknown).expect("a prior");
    let sampler = Sampler::new(step, path(moves));
    let mut noise = HostNoise::seeded(4);
    let x = sampler.start([count, N + 1], &device(), &mut noise);
    let x = x.expect("a start").cast(DType::F64);
    let x = sampler.sample(&prior, x, &mut noise).expect("a run");
    let (variance, mean) = x.narrow(1, N, 1).var_mean(0);
    (mean.into_scalar(), variance.into_scalar::<f64>().sqrt())
}

/// Checks the moments that split Gibbs draws, and `others`.
fn compare<L: Likelihood<2> + Clone>(
    likelihood: &L,
    curvature: f64,
    exact: (f64, f64),
    others: &[(&str, (f64, f64))],
) {
    let langevin = || {
        let step = LangevinLikelihoodStep::new(likelihood.clone(), curvature);
        step.expect("a curvature").with_size(0.3).expect("a size")
    };
    let gibbs = drawn(PnpDm::new(langevin()), 300, 60);
    println!("exact: {exact:.3?}");
    for (name, (mean, std)) in others.iter().chain(&[("PnP-DM", gibbs)]) {
        println!("{name}: {mean:.3} {std:.3}");
        let near = abs_diff_eq!(*mean, exact.0, epsilon = 0.35 * exact.1);
        assert!(near, "{name}: {mean} {exact:?}");
        let ratio = std / exact.1;
        assert!((0.7..1.4).contains(&ratio), "{name}: {std} {exact:?}");
    }
}

#[test]
fn an_unknown_width_has_the_posterior_of_quadrature() {
    let prior = Gaussian::full(&[0.0; N], &covariance()).expect("a Gaussian");
    let mut noise = HostNoise::seeded(12);
    let signal = prior.sample(1, 12, &device()).cast(DType::F64);
    let truth = Tensor::cat(vec![signal, tensor([0.5])], 1);
    let camera = GaussianNoise::new(SIGMA).expect("a noise");
    let m = Measurement::simulate(UnknownWidth, camera, truth, &mut noise);
    let m = m.expect("a measurement");
    // N(y; 0, A C Aᵀ + σ²): the density of a Gaussian of covariance A C Aᵀ under noise.
    let level = Level::variance_exploding(SIGMA).expect("a level");
    let flat: Vec<f64> = covariance().into_iter().flatten().collect();
    let c = Tensor::<1>::from_data(&flat[..], (&device(), DType::F64)).reshape([1, N, N]);
    let exact = quadrature(|s| {
        let a = UnknownWidth::matrices(tensor([s]));
        let seen = a.clone().matmul(c.clone()).matmul(a.swap_dims(1, 2));
        let rows: Vec<f64> = seen.into_data().iter::<f64>().collect();
        let rows: Vec<Vec<f64>> = rows.chunks(N).map(<[f64]>::to_vec).collect();
        let law = Gaussian::full(&[0.0; N], &rows).expect("a Gaussian");
        law.log_density(m.y.clone(), level).into_scalar::<f64>()
    });
    assert!(
        exact.1 < 0.8 * PRIOR.1,
        "the measurement says nothing: {exact:?}"
    );
    compare(&m, SIGMA.powi(-2), exact, &[]);
}

#[test]
fn an_unknown_noise_has_the_posterior_of_quadrature() {
    let prior = Gaussian::full(&[0.0; N], &covariance()).expect("a Gaussian");
    let mut noise = HostNoise::seeded(6);
    let signal = prior.sample(1, 6, &device()).cast(DType::F64);
    let y = signal.clone() + noise.normal_like(&signal) * 0.6;
    let exact = quadrature(|s| {
        let level = Level::variance_exploding(s.exp()).expect("a level");
        prior.log_density(y.clone(), level).into_scalar::<f64>()
    });
    assert!(
        exact.1 < 0.9 * PRIOR.1,
        "the measurement says nothing: {exact:?}"
    );
    let m = UnknownNoise::new(Identity, y).expect("a measurement");
    let smc = TwistedSmc::new(Ddim::ancestral(), m.clone());
    let smc = drawn(smc.with_particles(2000).expect("particles"), 2000, 60);
    compare(&m, 30.0, exact, &[("SMC", smc)]);
}
