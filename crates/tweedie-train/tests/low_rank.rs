//! Fine-tuning by low-rank adapters.

#![allow(
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a test may stop at once, and compares exactly where it means to"
)]

use approx::assert_abs_diff_eq;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use tweedie_core::{Denoiser, HostNoise, Noise, Preconditioned, TimeInput, lock_generator};
use tweedie_math::{Prediction, Schedule, VariancePreserving};
use tweedie_models::{LowRank, Unet, UnetConfig, seeded};
use tweedie_train::{LearningRate, ScoreMatching, TrainError, TrainSettings, Trainer};

type Run = Trainer<Preconditioned<Unet>, ScoreMatching<VariancePreserving>>;

fn network() -> Unet {
    let config = UnetConfig::new(1)
        .with_widths([8, 16])
        .with_blocks(1)
        .with_groups(Some(4));
    let device = Device::flex();
    seeded(3, &device, config.init(&device).expect("a network"))
}

fn adapted() -> Preconditioned<Unet> {
    let network = network();
    let _turn = lock_generator();
    Device::flex().seed(5);
    let adapters = LowRank::new(2).and_then(|it| it.with_alpha(4.0));
    let network = adapters.expect("adapters").attach(network);
    Preconditioned::new(network, Prediction::Velocity, TimeInput::LogSnr)
}

fn images() -> Tensor<4> {
    // One brightness for each image.
    let brightness: Tensor<4> = HostNoise::seeded(1).normal([16, 1, 1, 1], &Device::flex());
    brightness.repeat_dim(2, 8).repeat_dim(3, 8)
}

fn estimates(model: &Preconditioned<Unet>) -> Vec<f32> {
    let x = HostNoise::seeded(2).normal([2, 1, 8, 8], &Device::flex());
    let clean = model.denoise(x, VariancePreserving::default().level(0.5));
    let clean = clean.expect("an estimate").into_data();
    clean.iter().collect()
}

/// The stored weights without adapters, and the number of adapters.
#[derive(Default)]
struct Bases {
    values: Vec<f32>,
    adapters: usize,
    in_adapter: bool,
}

impl ModuleVisitor for Bases {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.in_adapter {
            self.values.extend(param.base().into_data().iter::<f32>());
        }
    }

    fn enter_module(&mut self, _: &str, container: &str) {
        if container == "Reparameterization" {
            self.adapters += 1;
            self.in_adapter = true;
        }
    }

    fn exit_module(&mut self, _: &str, container: &str) {
        self.in_adapter &= container != "Reparameterization";
    }
}

#[test]
fn adapters_learn_and_the_weights_stay() -> Result<(), TrainError> {
    let plain = Preconditioned::new(network(), Prediction::Velocity, TimeInput::LogSnr);
    let model = adapted();
    assert_eq!(estimates(&model), estimates(&plain));
    let settings = TrainSettings::default()
        .with_steps(30)
        .with_batch(8)
        .with_learning_rate(LearningRate::new(1e-2).with_warmup(1))
        .with_ema(0.5);
    let objective = ScoreMatching::new(VariancePreserving::default());
    let mut run = Run::new(model.clone(), objective, settings.clone())?;
    let before = run.held_out(&images())?.loss;
    let folder = tempfile::tempdir().expect("a folder");
    while let Some(report) = run.step(&images())? {
        if report.step == 15 {
            // Adapters are part of a checkpoint.
            run.save(folder.path(), &"adapters")?;
            run = Run::resume(
                folder.path(),
                model.clone(),
                objective,
                settings.clone(),
                &"adapters",
            )?;
        }
    }
    let after = run.held_out(&images())?.loss;
    assert!(after < 0.9 * before, "{before} {after}");

    let trained = run.average().clone();
    let of = |model: &Preconditioned<Unet>| {
        let mut bases = Bases::default();
        model.visit(&mut bases);
        bases
    };
    // The first convolution and every other weight of two or four axes has an adapter.
    let (start, end) = (of(&model), of(&trained));
    assert!(end.adapters > 20 && end.adapters == start.adapters);
    assert!(start.values == of(run.model()).values, "the weights stay");
    assert_eq!(of(&trained.clone().materialize()).adapters, 0);

    // Merged, the network has the structure of the plain one, and the outputs of the adapted.
    let merged = trained.clone().materialize();
    let (found, expected) = (estimates(&merged), estimates(&trained));
    assert_abs_diff_eq!(found[..], expected[..], epsilon = 1e-5);
    assert_ne!(found, estimates(&plain));
    assert_eq!(merged.num_params(), plain.num_params());
    Ok(())
}

/// Only adapters have gradients.
#[test]
fn the_weights_have_no_gradient() {
    use burn::optim::GradientsParams;
    let model = adapted().train();
    let x = HostNoise::seeded(2).normal([2, 1, 8, 8], &Device::flex());
    let levels = tweedie_core::Levels::new(vec![VariancePreserving::default().level(0.5); 2]);
    let loss = model
        .predict(Tensor::from_inner(x), &levels)
        .square()
        .mean();
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    let count = gradients.len();
    let mut bases = Bases::default();
    model.visit(&mut bases);
    // Both factors of each adapter that the output depends on, and nothing else.
    assert!(
        count > 0 && count <= 2 * bases.adapters,
        "{count} gradients"
    );
}

#[test]
fn nonsense_is_refused() {
    assert!(LowRank::new(0).is_err());
    let two = LowRank::new(2).expect("a rank");
    assert!(two.with_alpha(0.0).is_err() && two.with_alpha(f64::NAN).is_err());
}
