//! Tweedie's formula, exact priors and preconditioning.

#![allow(
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a test may stop at once, and compares exactly where it means to"
)]

use approx::{abs_diff_eq, assert_abs_diff_eq};
use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};
use tweedie_core::oracle::{Gaussian, GaussianMixture, OracleError};
use tweedie_core::{Denoiser, DenoiserExt, Network, Preconditioned, TimeInput, vjp};
use tweedie_math::{
    AnySchedule, Chain, Edm, Level, Prediction, RectifiedFlow, Schedule, VarianceExploding,
    VariancePreserving,
};

fn points() -> Tensor<2> {
    let points = [[0.3, -1.2], [2.0, 0.5], [-1.5, 1.0], [0.0, 0.0]];
    Tensor::from_data(points, (&Device::flex(), DType::F64))
}

fn values<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

#[track_caller]
fn close(found: Tensor<2>, expected: Tensor<2>, tolerance: f64) {
    for (a, b) in values(found).into_iter().zip(values(expected)) {
        assert!(
            abs_diff_eq!(a, b, epsilon = tolerance * (1.0 + b.abs())),
            "{a} instead of {b}"
        );
    }
}

fn mixture() -> GaussianMixture {
    let full = Gaussian::full(&[1.0, 0.5], &[vec![0.5, 0.3], vec![0.3, 0.4]]);
    let other = Gaussian::diagonal(&[-1.0, 0.0], &[0.3, 0.6]);
    let components = vec![
        (0.7, full.expect("a Gaussian")),
        (0.3, other.expect("a Gaussian")),
    ];
    GaussianMixture::new(components).expect("a mixture")
}

fn levels() -> Vec<Level> {
    let vp = VariancePreserving::default();
    let ve = VarianceExploding::default();
    vec![
        vp.level(0.05),
        vp.level(0.5),
        ve.level(0.6),
        RectifiedFlow.level(0.4),
    ]
}

#[test]
fn the_score_is_the_gradient_of_the_log_density() {
    for level in levels() {
        let (log_density, pullback) = vjp(points(), |x| mixture().log_density(x, level));
        close(
            mixture().score(points(), level),
            pullback.apply(log_density.ones_like()),
            1e-9,
        );
    }
}

#[test]
fn tweedie_relates_denoiser_and_score() {
    for level in levels() {
        let score = mixture().score(points(), level);
        let tweedie = (points() + score.clone() * level.sigma().powi(2)) / level.alpha();
        close(mixture().posterior_mean(points(), level), tweedie, 1e-9);
        close(
            DenoiserExt::score(&mixture(), points(), level).expect("a score"),
            score.clone(),
            1e-9,
        );
        close(
            mixture().noise(points(), level).expect("a noise"),
            score * -level.sigma(),
            1e-9,
        );
        let (clean, noise) = (
            mixture().posterior_mean(points(), level),
            mixture().noise(points(), level).expect("a noise"),
        );
        let velocity = (noise * level.alpha() - clean * level.sigma()) / level.rms();
        close(
            mixture().velocity(points(), level).expect("a velocity"),
            velocity,
            1e-9,
        );
    }
}

#[test]
fn the_covariance_is_the_slope_of_the_denoiser() {
    // α/σ² Cov[x₀ | x_t] = ∂x̂₀/∂x_t, row by row.
    for level in levels() {
        let covariance = mixture().conditional_covariance(points(), level);
        for i in 0..2 {
            let (row, pullback) = vjp(points(), |x| {
                mixture().posterior_mean(x, level).narrow(1, i, 1)
            });
            let slope = pullback.apply(row.ones_like());
            let row = covariance.clone().narrow(1, i, 1).squeeze_dim::<2>(1);
            close(row * (level.alpha() / level.sigma().powi(2)), slope, 1e-9);
        }
    }
}

#[test]
fn samples_have_the_moments_of_the_law() {
    let x = mixture().sample(200_000, 3, &Device::flex());
    let mean = values(x.clone().mean_dim(0));
    let variance = values(x.var(0));
    for i in 0..2 {
        let exact = mixture().covariance()[i][i];
        // Five standard errors of the mean and of the variance.
        assert_abs_diff_eq!(
            mean[i],
            mixture().mean()[i],
            epsilon = 5.0 * (exact / 2e5).sqrt()
        );
        assert_abs_diff_eq!(
            variance[i],
            exact,
            epsilon = 5.0 * exact * (3.0 / 2e5_f64).sqrt()
        );
    }
}

#[test]
fn the_flow_carries_one_marginal_to_another() {
    let prior = Gaussian::full(&[1.0, 0.5], &[vec![0.5, 0.3], vec![0.3, 0.4]]).expect("a Gaussian");
    let vp = VariancePreserving::default();
    let (from, to) = (vp.level(0.9), vp.level(0.2));
    // The flow is linear, so it changes all log-densities by the same log-determinant.
    let moved = prior.flow(points(), from, to);
    let change = values(prior.log_density(points(), from) - prior.log_density(moved.clone(), to));
    assert!(
        change
            .windows(2)
            .all(|pair| abs_diff_eq!(pair[0], pair[1], epsilon = 1e-9))
    );
    close(prior.flow(moved, to, from), points(), 1e-9);
}

#[test]
fn nonsense_is_refused() {
    assert!(matches!(
        Gaussian::diagonal(&[0.0], &[1.0, 2.0]),
        Err(OracleError::Size { .. })
    ));
    assert!(matches!(
        Gaussian::isotropic(&[0.0], -1.0),
        Err(OracleError::Definite { .. })
    ));
    let indefinite = Gaussian::full(&[0.0, 0.0], &[vec![1.0, 2.0], vec![2.0, 1.0]]);
    assert!(matches!(indefinite, Err(OracleError::Definite { .. })));
    assert_eq!(GaussianMixture::new(vec![]), Err(OracleError::Weights));
    let one = Gaussian::isotropic(&[0.0], 1.0).expect("a Gaussian");
    assert_eq!(
        GaussianMixture::new(vec![(-1.0, one.clone())]),
        Err(OracleError::Weights)
    );
    let exact = one.posterior(&[vec![0.0]], &[1.0], 0.0);
    assert!(
        matches!(exact, Err(OracleError::Definite { .. })),
        "nothing was measured exactly"
    );
}

/// An exact network for data N(0, d²), which knows the level only through its time input.
#[derive(Module, Debug)]
struct Perfect {
    #[module(skip)]
    prediction: Prediction,
    #[module(skip)]
    time: TimeInput,
    data_std: f64,
}

impl Perfect {
    /// Returns the unit-variance level that a time input encodes.
    fn level(&self, condition: f64) -> Level {
        match &self.time {
            TimeInput::Index(chain) => chain.at(condition),
            TimeInput::LogSnr => Level::variance_preserving(condition),
            TimeInput::Edm => Level::variance_preserving(-8.0 * condition),
            TimeInput::NoiseLevel => Level::variance_preserving(-2.0 * condition.ln()),
            TimeInput::Time(schedule) => {
                Level::variance_preserving(schedule.level(condition).log_snr())
            }
            other => panic!("no level of {other:?}"),
        }
    }
}

impl Network<2> for Perfect {
    fn forward(&self, x: Tensor<2>, time: Tensor<1>, (): &()) -> Tensor<2> {
        let level = self.level(values(time)[0]);
        // Undo the input scaling of the unit-variance level before the estimate.
        let x = x / self.prediction.input_scale(level);
        let data = Gaussian::isotropic(&[0.0, 0.0], self.data_std).expect("a Gaussian");
        let clean = data.posterior_mean(x.clone(), level);
        let row = self.prediction.to_clean(level);
        (clean - x * row.skip) / row.out
    }
}

#[test]
fn a_network_trained_on_one_schedule_samples_with_any_other() {
    let data = Gaussian::isotropic(&[0.0, 0.0], 0.5).expect("a Gaussian");
    let chain = Chain::linear(1000, 1e-4, 0.02).expect("a chain");
    let times = [
        TimeInput::Index(chain.clone()),
        TimeInput::LogSnr,
        TimeInput::Edm,
        TimeInput::NoiseLevel,
        TimeInput::Time(AnySchedule::Edm(Edm::default())),
    ];
    let predictions = [
        Prediction::Clean,
        Prediction::Noise,
        Prediction::Score,
        Prediction::ScaledScore,
        Prediction::Velocity,
        Prediction::Edm { sigma_data: 0.5 },
    ];
    for time in times {
        for prediction in predictions {
            if prediction == Prediction::Score {
                continue; // the scale of a score depends on its schedule
            }
            let network = Perfect {
                prediction,
                time: time.clone(),
                data_std: 0.5,
            };
            let model = Preconditioned::new(network, prediction, time.clone());
            for level in [
                chain.node(500),
                VarianceExploding::default().level(0.6),
                RectifiedFlow.level(0.4),
            ] {
                close(
                    model.denoise(points(), level).expect("an estimate"),
                    data.posterior_mean(points(), level),
                    1e-6,
                );
            }
        }
    }
}

#[test]
fn predictions_say_where_they_end() {
    let network = |prediction| {
        let network = Perfect {
            prediction,
            time: TimeInput::LogSnr,
            data_std: 1.0,
        };
        Preconditioned::new(network, prediction, TimeInput::LogSnr)
    };
    assert!(!network(Prediction::Noise).supports(Level::PURE_NOISE));
    assert!(network(Prediction::Velocity).supports(Level::PURE_NOISE));
}
