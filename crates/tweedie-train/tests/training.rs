//! Training: checkpoints of other runs, averages, clipping, errors.

#![allow(
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a test may stop at once, and compares exactly where it means to"
)]

use approx::{abs_diff_eq, assert_abs_diff_eq};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use std::path::Path as Folder;
use tweedie_core::oracle::Gaussian;
use tweedie_core::{Denoiser, HostNoise, Network, Noise, Preconditioned, TimeInput};
use tweedie_math::{
    Prediction, Schedule, TimeDensity, VarianceExploding, VariancePreserving, Weighting,
};
use tweedie_models::{Mlp, MlpConfig, Unet, UnetConfig, seeded};
use tweedie_train::{
    Batch, Ema, ExampleError, Examples, Request, RunError, ScoreMatching, TrainError,
    TrainSettings, Trainer, clip_global_norm, has_checkpoint,
};

type Run = Trainer<Preconditioned<Unet>, ScoreMatching<VariancePreserving>>;

fn objective() -> ScoreMatching<VariancePreserving> {
    ScoreMatching::new(VariancePreserving::default())
}

fn fresh(width: usize) -> Preconditioned<Unet> {
    let device = Device::flex();
    // With dropout, whose randomness must be resumed too.
    let config = UnetConfig::new(1)
        .with_widths([width, 2 * width])
        .with_blocks(1)
        .with_groups(Some(4))
        .with_dropout(0.2);
    let network = seeded(3, &device, config.init(&device).expect("a network"));
    Preconditioned::new(network, Prediction::Velocity, TimeInput::LogSnr)
}

fn settings(steps: usize) -> TrainSettings {
    TrainSettings::default().with_steps(steps).with_batch(4)
}

fn images() -> Tensor<4> {
    HostNoise::seeded(1).normal([10, 1, 8, 8], &Device::flex())
}

#[test]
fn a_checkpoint_of_another_run_is_refused_by_name() -> Result<(), TrainError> {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("checkpoint");
    let mut run = Run::new(fresh(8), objective(), settings(7))?;
    run.step(&images())?;
    run.save(&place, &"a U-Net")?;
    let resume = |place: &Folder, objective, settings, model: &str| {
        Run::resume(place, fresh(8), objective, settings, &model)
            .map_err(|e| e.to_string())
            .err()
    };
    let file = place.join("step-000001/run.json").display().to_string();
    let other = settings(7).with_seed(5);
    assert_eq!(
        resume(&place, objective(), other, "a U-Net"),
        Some(format!(
            "{file}: the checkpoint has settings.seed 0, this run 5"
        ))
    );
    assert_eq!(
        resume(&place, objective(), settings(7), "another"),
        Some(format!(
            "{file}: the checkpoint has model \"a U-Net\", this run \"another\""
        ))
    );
    let weighted = objective().with_weighting(Weighting::Snr);
    assert!(resume(&place, weighted, settings(7), "a U-Net").is_some());
    assert!(
        resume(folder.path(), objective(), settings(7), "a U-Net").is_some(),
        "no checkpoint"
    );
    assert_eq!(resume(&place, objective(), settings(9), "a U-Net"), None);
    assert!(has_checkpoint(&place));
    // Weights of another network.
    let wrong = Run::resume(&place, fresh(16), objective(), settings(7), &"a U-Net");
    assert!(matches!(wrong, Err(TrainError::Run(RunError::File { .. }))));
    Ok(())
}

#[test]
fn nonsense_is_refused_before_work() {
    let refused = |settings: TrainSettings| match Run::new(fresh(8), objective(), settings) {
        Err(TrainError::Parameter(error)) => error.name,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(settings(0)), "steps");
    assert_eq!(refused(settings(1).with_batch(0)), "batch");
    assert_eq!(refused(settings(1).with_patience(0)), "patience");
    assert_eq!(refused(settings(1).with_clip(0.0)), "the clipping norm");
    assert_eq!(
        refused(settings(1).with_ema(1.0)),
        "the decay of the average"
    );
    struct Nothing;
    impl Examples<4> for Nothing {
        type Condition = ();

        fn len(&self) -> usize {
            0
        }
        fn batch(&self, request: &Request<'_>) -> Result<Batch<4>, ExampleError> {
            Ok(Batch {
                clean: Tensor::zeros([1, 1, 8, 8], request.device),
                condition: (),
            })
        }
    }
    let mut run = Run::new(fresh(8), objective(), settings(1)).expect("a run");
    assert!(matches!(run.step(&Nothing), Err(TrainError::NoExamples)));
}

/// A network whose output is 0.
#[derive(Module, Debug)]
struct Nought {
    linear: Linear,
}

impl Network<2> for Nought {
    fn forward(&self, x: Tensor<2>, _: Tensor<1>, (): &()) -> Tensor<2> {
        x * 0.0
    }
}

/// At σ = 10⁻⁶, `f32` holds `x₀ + σ ε` to 0.06 ε.
#[test]
fn a_target_keeps_its_digits_where_the_noise_is_small() -> Result<(), TrainError> {
    let device = Device::flex();
    let schedule = VarianceExploding::new(1e-6, 1.0).expect("a schedule");
    let clean = HostNoise::seeded(0).normal([64, 8], &device);
    let noise = HostNoise::seeded(1).normal([64, 8], &device);
    let expected = noise.clone().square().mean().into_scalar::<f32>();
    let linear = LinearConfig::new(1, 1).init(&device);
    let model = Preconditioned::new(Nought { linear }, Prediction::Noise, TimeInput::LogSnr);
    let loss = ScoreMatching::new(schedule).loss(&model, clean, &[0.0; 64], noise)?;
    assert_abs_diff_eq!(loss.into_scalar::<f32>(), expected, epsilon = 1e-5);
    Ok(())
}

#[test]
fn an_average_follows_its_formula() {
    let device = Device::flex();
    let one = |bias: f64| {
        LinearConfig::new(1, 1)
            .with_initializer(burn::nn::Initializer::Constant { value: bias })
            .init(&device)
    };
    let model = one(0.0);
    let ema = Ema::new(&model, 0.9);
    // (1 + k)/(10 + k) until it exceeds the final decay.
    assert_eq!([0, 8, 1000].map(|k| ema.decay().at(k)), [0.1, 0.5, 0.9]);
    // The average matches parameters by identity: use the same module, with all parameters set to
    // 1.
    struct ToOne;
    impl burn::module::ModuleMapper for ToOne {
        fn map_float<const D: usize>(
            &mut self,
            param: burn::module::Param<Tensor<D>>,
        ) -> burn::module::Param<Tensor<D>> {
            param.map(|value| value.ones_like())
        }
    }
    let moved = model.map(&mut ToOne);
    let ema = ema.update(&moved, 0).update(&moved, 8);
    // 0 → 0.9 → 0.5·0.9 + 0.5.
    let weight = ema.average().weight.val().into_scalar::<f32>();
    assert!(abs_diff_eq!(weight, 0.95, epsilon = 1e-6), "{weight}");
}

#[test]
fn clipping_bounds_the_norm_of_all_gradients_together() {
    let device = Device::flex().autodiff();
    let linear = seeded(0, &device, LinearConfig::new(3, 2).init(&device));
    let gradients = || {
        let loss = linear.forward(Tensor::<2>::ones([1, 3], &device)).sum() * 2.0;
        GradientsParams::from_grads(loss.backward(), &linear)
    };
    // Six weights and two biases, each with gradient 2.
    let exact = 2.0 * 8.0_f64.sqrt();
    for (max, expected) in [(1.0, 2.0 / exact), (100.0, 2.0)] {
        let (clipped, norm) = clip_global_norm(&linear, gradients(), max);
        let norm = norm.expect("gradients");
        assert_abs_diff_eq!(norm, exact, epsilon = 1e-5);
        let weight = clipped.get::<2>(linear.weight.id).expect("a gradient");
        assert_abs_diff_eq!(weight.max().into_scalar::<f64>(), expected, epsilon = 1e-6);
    }
}

/// Denoising score matching finds Tweedie's denoiser, for any weighting and time distribution.
#[test]
fn training_finds_the_exact_denoiser() -> Result<(), TrainError> {
    let device = Device::flex();
    let prior = Gaussian::diagonal(&[1.0, -0.5], &[0.5, 0.2]).expect("a Gaussian");
    let data = prior.sample(4096, 0, &device);
    let edm = TimeDensity::LogNormal {
        mean: -0.5,
        std: 1.0,
    };
    for (prediction, weighting, density) in [
        (
            Prediction::Velocity,
            Weighting::Uniform,
            TimeDensity::default(),
        ),
        (
            Prediction::Edm { sigma_data: 0.5 },
            Weighting::Edm { sigma_data: 0.5 },
            edm,
        ),
        (
            Prediction::Noise,
            Weighting::MinSnr { gamma: 5.0 },
            TimeDensity::default(),
        ),
    ] {
        let network: Mlp = seeded(
            0,
            &device,
            MlpConfig::new(2)
                .with_width(64)
                .init(&device)
                .expect("a network"),
        );
        let model = Preconditioned::new(network, prediction, TimeInput::LogSnr);
        let objective = objective().with_weighting(weighting).with_density(density);
        let settings = TrainSettings::default()
            .with_steps(1000)
            .with_batch(256)
            .with_ema(0.98);
        let mut run = Trainer::new(model, objective, settings)?;
        while run.step(&data)?.is_some() {}
        for t in [0.2, 0.4] {
            let level = VariancePreserving::default().level(t);
            let x = data.clone().narrow(0, 0, 1000) * level.alpha()
                + HostNoise::seeded(4).normal([1000, 2], &device) * level.sigma();
            let exact = prior.denoise(x.clone(), level);
            let error = (run
                .average()
                .denoise(x.clone(), level)
                .expect("an estimate")
                - exact.clone().expect("an estimate"))
            .square()
            .mean();
            let scale = (exact.expect("an estimate")
                - prior
                    .denoise(x, VariancePreserving::default().level(1.0))
                    .expect("an estimate"))
            .square()
            .mean();
            let share = error.into_scalar::<f64>() / scale.into_scalar::<f64>();
            assert!(share < 0.1, "{prediction:?} at t = {t}: {share}");
        }
    }
    Ok(())
}

#[test]
fn recomputing_changes_memory_and_not_the_run() -> Result<(), TrainError> {
    // One network for both runs, because other tests draw from the same generator.
    let network = {
        let config = UnetConfig::new(1)
            .with_widths([8, 16])
            .with_blocks(1)
            .with_groups(Some(4));
        let device = Device::flex();
        seeded(3, &device, config.init(&device).expect("a network"))
    };
    let run = |recompute: bool| -> Result<Vec<f64>, TrainError> {
        let network = network.clone();
        let model = Preconditioned::new(network, Prediction::Velocity, TimeInput::LogSnr);
        let settings = settings(3).with_recompute(recompute);
        let mut trainer = Trainer::new(model, objective(), settings)?;
        let mut norms = Vec::new();
        while let Some(report) = trainer.step(&images())? {
            norms.extend([report.loss, report.gradient_norm]);
        }
        Ok(norms)
    };
    let (kept, recomputed) = (run(false)?, run(true)?);
    assert_eq!(kept.len(), 6);
    for (a, b) in kept.into_iter().zip(recomputed) {
        assert!(abs_diff_eq!(a, b, epsilon = 1e-5 * a.abs()), "{a} {b}");
    }
    Ok(())
}
