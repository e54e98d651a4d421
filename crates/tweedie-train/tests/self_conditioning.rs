//! A network that sees its own last estimate.

#![allow(
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a test may stop at once, and compares exactly where it means to"
)]

use burn::tensor::{Device, Tensor};
use tweedie_core::oracle::Gaussian;
use tweedie_core::{
    DenoiseError, Denoiser, HostNoise, InputError, Noise, Preconditioned, Recall, TimeInput,
};
use tweedie_math::{Level, Prediction, Schedule, VariancePreserving};
use tweedie_models::{Conditions, UnetConfig, seeded};
use tweedie_train::{
    Decay, LearningRate, Paired, ScoreMatching, SelfConditioning, TrainError, TrainSettings,
    Trainer,
};

/// Images of one pixel with this law.
fn prior() -> Gaussian {
    Gaussian::isotropic(&[0.4], 0.8).expect("a Gaussian")
}

fn images(count: usize, seed: u64) -> Tensor<4> {
    let device = Device::flex();
    let x = prior()
        .sample(count, seed, &device)
        .cast(burn::tensor::DType::F32);
    x.reshape([count, 1, 1, 1])
}

/// The root mean square error of a denoiser over states and levels, from the least noise.
fn error(found: &dyn Denoiser<4>) -> f64 {
    let device = Device::flex();
    let times = [0.05, 0.2, 0.4, 0.7, 0.95];
    let squares = times.map(|t| {
        let level = VariancePreserving::default().level(t);
        let noise = HostNoise::seeded(8).normal([256, 1, 1, 1], &device);
        let x = images(256, 7) * level.alpha() + noise * level.sigma();
        let exact = prior().posterior_mean(x.clone().flatten::<2>(1, 3), level);
        let found = found
            .denoise(x, level)
            .expect("an estimate")
            .flatten::<2>(1, 3);
        f64::from((found - exact).square().mean().into_scalar::<f32>())
    });
    (squares.iter().sum::<f64>() / squares.len() as f64).sqrt()
}

/// Denoises twice, so that the second estimate sees the first.
struct Twice<'a>(&'a dyn Denoiser<4>);

impl Denoiser<4> for Twice<'_> {
    fn denoise(&self, x: Tensor<4>, level: Level) -> Result<Tensor<4>, DenoiseError> {
        self.0.denoise(x.clone(), level)?;
        self.0.denoise(x, level)
    }

    fn accepts(&self, shape: [usize; 4]) -> Result<(), InputError> {
        self.0.accepts(shape)
    }
}

/// An estimate is a function of the state, so a network that sees its own learns the same
/// denoiser, with the estimate and without it.
#[test]
fn an_estimate_adds_nothing_to_the_exact_denoiser() -> Result<(), TrainError> {
    let device = Device::flex();
    let mut config = UnetConfig::new(2)
        .with_widths([16])
        .with_blocks(1)
        .with_groups(Some(1));
    config.output = Some(1);
    let network = seeded(3, &device, config.init(&device).expect("a network"));
    let time = TimeInput::Time(VariancePreserving::default().into());
    let model = Preconditioned::new(network, Prediction::Velocity, time);
    let rate = LearningRate::new(3e-3)
        .with_warmup(50)
        .with_decay(Decay::Cosine);
    let settings = TrainSettings::default()
        .with_steps(400)
        .with_batch(64)
        .with_learning_rate(rate)
        .with_ema(0.99);
    let examples = Paired::new(images(20_000, 1), Conditions::none()).expect("pairs");
    let objective = SelfConditioning(ScoreMatching::new(VariancePreserving::default()));
    let mut run = Trainer::new(model, objective, settings)?;
    while run.step(&examples)?.is_some() {}
    // Each level has more noise than the one before, so every estimate begins a new run.
    let recall = || Recall::new(run.average().clone(), Conditions::none());
    let once = error(&recall());
    let twice = error(&Twice(&recall()));
    assert!(once < 0.06 && twice < 0.06, "{once} {twice}");
    assert_ne!(once, twice, "the network sees the estimate");
    assert_eq!(once, error(&recall()), "a new run begins without one");
    Ok(())
}
