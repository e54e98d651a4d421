//! Mixed precision: half precision in the network, `f32` everywhere else.

#![allow(
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a test may stop at once, and compares exactly where it means to"
)]

use approx::{assert_abs_diff_eq, assert_relative_eq};
use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{DType, Device, Tensor};
use tweedie_core::{
    HostNoise, InputError, Network, Noise, Preconditioned, TimeInput, parameter_dtype,
};
use tweedie_math::{Cosine, Prediction};
use tweedie_models::{AutoencoderConfig, ClassInput, Conditions, Unet, UnetConfig, seeded};
use tweedie_train::{
    Batch, Draws, Elbo, LearnedWeight, LearningRate, Loss, Losses, MixedPrecision, Objective,
    Paired, ScoreMatching, SelfConditioning, TrainError, TrainSettings, Trainer, Weighted,
};

const HALF: [MixedPrecision; 2] = [MixedPrecision::Bf16, MixedPrecision::F16];

/// Maps each point to itself; the squared distance has this weight.
#[derive(serde::Serialize)]
struct Identity(f64);

impl Objective<Linear> for Identity {
    fn check(&self, _: &Linear) -> Result<(), TrainError> {
        Ok(())
    }
}

impl Loss<Linear, 2> for Identity {
    fn losses(&self, model: &Linear, batch: Batch<2>, _: &mut Draws) -> Result<Losses, InputError> {
        let x = batch.clean;
        let input = x.clone().cast(parameter_dtype(model).expect("parameters"));
        let error = model.forward(input).cast(DType::F32) - x;
        Ok(Losses::new(
            error.square().sum_dim(1).squeeze_dim(1) * self.0,
        ))
    }
}

fn linear() -> Linear {
    LinearConfig::new(2, 2)
        .with_initializer(Initializer::Constant { value: 0.25 })
        .init(&Device::flex())
}

fn points() -> Tensor<2> {
    let points = HostNoise::seeded(4).normal([8, 2], &Device::flex());
    points * 3.0
}

fn settings(steps: usize) -> TrainSettings {
    let rate = LearningRate::new(1e-2);
    let settings = TrainSettings::default().with_steps(steps).with_batch(4);
    settings.with_learning_rate(rate).without_clip()
}

/// All parameters, which have to be in `f32`.
fn parameters<M: Module>(model: &M) -> Vec<f64> {
    struct All(Vec<f64>);
    impl ModuleVisitor for All {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            assert_eq!(param.val().dtype(), DType::F32);
            self.0.extend(param.val().into_data().iter::<f64>());
        }
    }
    let mut all = All(Vec::new());
    model.visit(&mut all);
    all.0
}

#[test]
fn a_network_learns_as_in_full_precision() -> Result<(), TrainError> {
    let device = Device::flex();
    let config = UnetConfig::new(1)
        .with_widths([8, 16])
        .with_blocks(1)
        .with_groups(Some(4))
        .with_dropout(0.1);
    let network: Unet = seeded(3, &device, config.init(&device).expect("a network"));
    let model = Preconditioned::new(network, Prediction::Velocity, TimeInput::LogSnr);
    let images = HostNoise::seeded(1).normal([10, 1, 8, 8], &device) * 0.1 + 0.5;
    let losses = |precision: MixedPrecision, recompute: bool| -> Result<Vec<f64>, TrainError> {
        let settings = settings(20).with_recompute(recompute);
        let settings = settings.with_mixed_precision(precision);
        let objective = ScoreMatching::new(Cosine::default());
        let mut run = Trainer::new(model.clone(), objective, settings)?;
        let mut losses = Vec::new();
        while let Some(report) = run.step(&images)? {
            assert_eq!(report.skipped, None);
            losses.push(report.loss);
        }
        parameters(run.model());
        parameters(run.average());
        Ok(losses)
    };
    let full = losses(MixedPrecision::Off, false)?;
    assert!(full[19] < 0.5 * full[0], "{full:?}");
    for precision in HALF {
        for recompute in [false, true] {
            let half = losses(precision, recompute)?;
            assert_ne!(half, full);
            for (half, full) in half.iter().zip(&full) {
                assert_relative_eq!(half, full, max_relative = 0.1);
            }
        }
    }
    Ok(())
}

/// Every condition, the estimate of self-conditioning, and learned weights of the noise levels.
#[test]
fn conditions_and_objectives_take_half_precision() -> Result<(), TrainError> {
    let device = Device::flex();
    // Channels for the image and the estimate.
    let mut config = UnetConfig::new(3)
        .with_widths([8, 16])
        .with_blocks(1)
        .with_groups(Some(4))
        .with_output(Some(1));
    config.class = Some(ClassInput::Linear { features: 3 });
    let network: Unet = seeded(3, &device, config.init(&device).expect("a network"));
    let model = Preconditioned::new(network, Prediction::Velocity, TimeInput::LogSnr);
    let model = Weighted::new(model);
    let normal = |shape| HostNoise::seeded(1).normal(shape, &device);
    let conditions = Conditions::none()
        .with_image(normal([10, 1, 8, 8]))
        .with_class_vectors(HostNoise::seeded(2).normal([10, 3], &device));
    let examples = Paired::new(normal([10, 1, 8, 8]), conditions).expect("pairs");
    let objective = LearnedWeight(SelfConditioning(ScoreMatching::new(Cosine::default())));
    for precision in HALF {
        let settings = settings(2).with_mixed_precision(precision);
        let mut run = Trainer::new(model.clone(), objective, settings)?;
        while let Some(report) = run.step(&examples)? {
            assert_eq!(report.skipped, None);
        }
    }
    Ok(())
}

#[test]
fn an_autoencoder_takes_half_precision() -> Result<(), TrainError> {
    let device = Device::flex();
    let config = AutoencoderConfig::new()
        .with_channels(1)
        .with_widths(vec![8, 8])
        .with_blocks(1)
        .with_groups(4);
    let network = seeded(3, &device, config.init(&device).expect("a network"));
    let images = HostNoise::seeded(1).normal([8, 1, 8, 8], &device);
    let settings = settings(2).with_mixed_precision(MixedPrecision::Bf16);
    let mut run = Trainer::new(network, Elbo::new(0.5), settings)?;
    while let Some(report) = run.step(&images)? {
        assert_eq!(report.skipped, None);
    }
    Ok(())
}

/// Gradients below 6e-8, the least number of `f16`.
#[test]
fn the_loss_scale_keeps_small_gradients() -> Result<(), TrainError> {
    let trained = |precision| -> Result<Vec<f64>, TrainError> {
        let settings = settings(5).with_mixed_precision(precision);
        let mut run = Trainer::new(linear(), Identity(1e-9), settings)?;
        while let Some(report) = run.step(&points())? {
            let scale = if precision == MixedPrecision::F16 {
                65536.0
            } else {
                1.0
            };
            assert_eq!(report.loss_scale, scale);
        }
        Ok(parameters(run.model()))
    };
    let full = trained(MixedPrecision::Off)?;
    assert!(
        full.iter()
            .zip(parameters(&linear()))
            .any(|(a, b)| (a - b).abs() > 0.01)
    );
    for precision in HALF {
        for (half, full) in trained(precision)?.iter().zip(&full) {
            assert_abs_diff_eq!(half, full, epsilon = 2e-3);
        }
    }
    Ok(())
}

/// An overflow changes nothing but the scale, and does not count as divergence.
#[test]
fn the_loss_scale_halves_until_the_gradients_fit() -> Result<(), TrainError> {
    let run = |steps| {
        let settings = settings(steps).with_patience(1);
        let settings = settings.with_mixed_precision(MixedPrecision::F16);
        Trainer::new(linear(), Identity(10.0), settings)
    };
    let (folder, examples) = (tempfile::tempdir().expect("a folder"), points());
    let mut whole = run(30)?;
    let mut scales = Vec::new();
    while let Some(report) = whole.step(&examples)? {
        let before = scales.last().copied().unwrap_or((65536.0, false));
        let expected = if before.1 { before.0 / 2.0 } else { before.0 };
        assert_eq!(report.loss_scale, expected);
        scales.push((report.loss_scale, report.skipped.is_some()));
        if report.skipped.is_some() && whole.skipped() == scales.len() {
            assert_eq!(parameters(whole.model()), parameters(&linear()));
        }
        if report.step == 5 {
            whole.save(folder.path(), &"points")?;
        }
    }
    assert!((5..15).contains(&whole.skipped()), "{scales:?}");
    let settings = whole.settings().clone();
    let mut resumed =
        Trainer::resume(folder.path(), linear(), Identity(10.0), settings, &"points")?;
    while resumed.step(&examples)?.is_some() {}
    assert_eq!(parameters(resumed.model()), parameters(whole.model()));
    Ok(())
}

/// A layer that is wrong in half precision, as on a device with a defect.
#[derive(Module, Debug)]
struct Defective {
    layer: Linear,
}

impl Network<2> for Defective {
    fn forward(&self, x: Tensor<2>, _: Tensor<1>, (): &()) -> Tensor<2> {
        let factor = if x.dtype() == DType::F32 { 1.0 } else { 3.0 };
        self.layer.forward(x) * factor
    }
}

#[test]
fn a_device_that_is_wrong_in_half_precision_is_refused() -> Result<(), TrainError> {
    for precision in HALF {
        let settings = settings(3).with_mixed_precision(precision);
        let model = Preconditioned::new(
            Defective { layer: linear() },
            Prediction::Noise,
            TimeInput::LogSnr,
        );
        let objective = ScoreMatching::new(Cosine::default());
        let mut run = Trainer::new(model, objective, settings)?;
        for _ in 0..2 {
            match run.step(&points()) {
                Err(TrainError::HalfPrecision { loss, expected, .. }) => {
                    assert!((loss / expected - 1.0).abs() > 0.1, "{loss} {expected}");
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(
            (run.done(), parameters(run.model())),
            (0, parameters(&linear()))
        );
    }
    Ok(())
}
