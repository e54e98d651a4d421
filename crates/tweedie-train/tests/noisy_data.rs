//! Denoisers from noisy data alone find the best linear estimate of data that they never see.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use approx::assert_abs_diff_eq;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use tweedie_core::{DenoiseError, Denoiser, HostNoise, Noise};
use tweedie_math::Level;
use tweedie_train::{LearningRate, Loss, Recorrupted, Sure, TrainSettings, Trainer};

/// `x̂₀ = a x`.
#[derive(Module, Debug)]
struct Shrink {
    factor: Param<Tensor<1>>,
}

impl Denoiser<2> for Shrink {
    fn denoise(&self, x: Tensor<2>, _: Level) -> Result<Tensor<2>, DenoiseError> {
        Ok(x * self.factor.val().unsqueeze::<2>())
    }
}

/// The factor after training on `x + σ n` with `x ~ N(0, s²)`.
fn learned(objective: impl Loss<Shrink, 2> + serde::Serialize, s: f64, sigma: f64) -> f64 {
    let device = Device::flex();
    let mut noise = HostNoise::seeded(1);
    let clean = noise.normal([4000, 2], &device) * s;
    let noisy = clean + noise.normal([4000, 2], &device) * sigma;
    let factor = Param::from_tensor(Tensor::<1>::from_floats([0.2], &device));
    let settings = TrainSettings::default()
        .with_steps(600)
        .with_batch(200)
        .with_learning_rate(LearningRate::new(0.02))
        .with_ema(0.99);
    let mut trainer = Trainer::new(Shrink { factor }, objective, settings).expect("a run");
    while trainer.step(&noisy).expect("a step").is_some() {}
    trainer.average().factor.val().into_scalar::<f64>()
}

#[test]
fn steins_estimate_finds_wieners_gain() {
    let (s, sigma) = (0.8_f64, 0.5_f64);
    let exact = s * s / (s * s + sigma * sigma);
    assert_abs_diff_eq!(learned(Sure::new(sigma), s, sigma), exact, epsilon = 0.02);
}

#[test]
fn recorrupted_data_find_wieners_gain_of_a_higher_level() {
    let (s, sigma, tau) = (0.8_f64, 0.5_f64, 0.7_f64);
    let exact = s * s / (s * s + sigma * sigma * (1.0 + tau * tau));
    let objective = Recorrupted::new(sigma).with_tau(tau);
    assert_abs_diff_eq!(learned(objective, s, sigma), exact, epsilon = 0.03);
}

#[test]
fn parameters_outside_their_range_are_refused() {
    let run = |objective: Recorrupted| {
        let factor = Param::from_tensor(Tensor::<1>::from_floats([0.2], &Device::flex()));
        Trainer::new(Shrink { factor }, objective, TrainSettings::default()).err()
    };
    let refused = run(Recorrupted::new(0.0)).expect("an error");
    assert!(
        refused.to_string().contains("the examples' noise"),
        "{refused}"
    );
    assert!(run(Recorrupted::new(0.1).with_tau(-1.0)).is_some());
    assert!(run(Recorrupted::new(0.1)).is_none());
    for objective in [Sure::new(f64::NAN), Sure::new(0.1).with_step(0.0)] {
        let factor = Param::from_tensor(Tensor::<1>::from_floats([0.2], &Device::flex()));
        assert!(Trainer::new(Shrink { factor }, objective, TrainSettings::default()).is_err());
    }
}
