//! Noise levels that are drawn or weighted by their loss.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use approx::assert_abs_diff_eq;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use tweedie_core::InputError;
use tweedie_train::{
    Batch, Draws, EmaDecay, EmaWarmup, LearnedWeight, LearningRate, Loss, LossAware, Losses,
    Objective, TrainError, TrainSettings, Trainer, Weighted,
};

/// One parameter, which the losses do not need.
#[derive(Module, Debug)]
struct Nothing {
    value: Param<Tensor<1>>,
}

impl Nothing {
    fn new() -> Self {
        let value = Tensor::zeros([1], &Device::flex());
        Self {
            value: Param::from_tensor(value),
        }
    }
}

/// Losses that are a known function of the quantile: ten times as large in its last tenth.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Known;

/// The loss at a quantile.
fn loss(u: f64) -> f64 {
    if u < 0.9 { 1.0 + u } else { 20.0 * u }
}

/// The mean of the loss.
const MEAN: f64 = 0.9 + 0.405 + 10.0 * (1.0 - 0.81);

impl Objective<Nothing> for Known {
    fn check(&self, _: &Nothing) -> Result<(), TrainError> {
        Ok(())
    }
}

impl Loss<Nothing, 2> for Known {
    fn losses(
        &self,
        model: &Nothing,
        _: Batch<2>,
        draws: &mut Draws,
    ) -> Result<Losses, InputError> {
        let values: Vec<f64> = draws.uniform().iter().map(|&u| loss(u)).collect();
        let log_snr = draws.uniform().iter().map(|u| 16.0 * u - 8.0).collect();
        let count = values.len();
        let device = model.value.val().device();
        let values = Tensor::<1>::from_data(TensorData::new(values, [count]), &device);
        let values = values + model.value.val() * 0.0;
        Ok(Losses::new(values).with_log_snr(log_snr))
    }
}

fn examples() -> Tensor<2> {
    Tensor::zeros([7, 1], &Device::flex())
}

fn settings(steps: usize, batch: usize) -> TrainSettings {
    TrainSettings::default()
        .with_steps(steps)
        .with_batch(batch)
        .without_clip()
}

/// The mean of the losses stays the same, and their variance falls.
#[test]
fn drawn_by_their_loss() -> Result<(), TrainError> {
    let spread = |losses: &[f64]| -> [f64; 2] {
        let count = losses.len() as f64;
        let mean = losses.iter().sum::<f64>() / count;
        let square = losses.iter().map(|loss| (loss - mean).powi(2)).sum::<f64>();
        [mean, (square / count).sqrt()]
    };
    let mut plain = Trainer::new(Nothing::new(), Known, settings(400, 16))?;
    let objective = LossAware::new(Known).with_intervals(20).with_history(5);
    let mut aware = Trainer::new(Nothing::new(), objective, settings(400, 16))?;
    let (mut of_plain, mut of_aware) = (Vec::new(), Vec::new());
    while let Some(report) = plain.step(&examples())? {
        of_plain.extend(report.losses);
    }
    while let Some(report) = aware.step(&examples())? {
        // The first steps fill the history.
        if report.step > 50 {
            of_aware.extend(report.losses);
        }
    }
    let [plain, aware] = [of_plain, of_aware].map(|losses| spread(&losses));
    assert_abs_diff_eq!(plain[0], MEAN, epsilon = 0.05);
    assert_abs_diff_eq!(aware[0], MEAN, epsilon = 0.05);
    // With exact probabilities, only the slopes within intervals remain.
    assert!(aware[1] < 0.1 * plain[1], "{aware:?} against {plain:?}");
    Ok(())
}

/// The recent losses are part of a checkpoint.
#[test]
fn a_resumed_run_draws_the_same_levels() -> Result<(), TrainError> {
    let folder = tempfile::tempdir().expect("a folder");
    let objective = || LossAware::new(Known).with_intervals(4).with_history(3);
    let mut whole = Trainer::new(Nothing::new(), objective(), settings(20, 4))?;
    let mut losses = Vec::new();
    while let Some(report) = whole.step(&examples())? {
        losses.push(report.losses);
        if report.step == 9 {
            whole.save(folder.path(), &"nothing")?;
        }
    }
    let mut resumed = Trainer::resume(
        folder.path(),
        Nothing::new(),
        objective(),
        settings(20, 4),
        &"nothing",
    )?;
    for expected in &losses[9..] {
        assert_eq!(
            resumed
                .step(&examples())?
                .map(|report| report.losses)
                .as_ref(),
            Some(expected)
        );
    }
    // A memory of other intervals does not fit.
    let mut run = objective();
    assert!(!Objective::<Nothing>::recall(&mut run, &[9.0, 1.0]));
    // Held-out losses are those of the plain objective, whatever was learned.
    let plain = Trainer::new(Nothing::new(), Known, settings(20, 4))?;
    assert_eq!(
        resumed.held_out(&examples())?.losses,
        plain.held_out(&examples())?.losses
    );
    Ok(())
}

/// `u` becomes the logarithm of the loss of each level.
#[test]
fn weighted_by_their_loss() -> Result<(), TrainError> {
    let model = Weighted::new(Nothing::new());
    let settings = settings(3000, 64)
        .with_learning_rate(LearningRate::new(0.03))
        .with_ema(EmaDecay::new(0.99).with_warmup(EmaWarmup::None));
    let mut run = Trainer::new(model, LearnedWeight(Known), settings)?;
    while run.step(&examples())?.is_some() {}
    let quantiles = [0.1, 0.3, 0.5, 0.7];
    let found = run.average().log_loss(&quantiles.map(|u| 16.0 * u - 8.0));
    for (u, found) in quantiles.into_iter().zip(found.into_data().iter::<f64>()) {
        assert_abs_diff_eq!(found, loss(u).ln(), epsilon = 0.1);
    }
    let wrong = LearnedWeight(LossAware::new(Known));
    assert!(
        Trainer::new(
            Weighted::new(Nothing::new()),
            wrong,
            TrainSettings::default()
        )
        .is_err()
    );
    Ok(())
}
