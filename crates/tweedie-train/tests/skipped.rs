//! Steps whose loss or gradient is not finite.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use approx::assert_abs_diff_eq;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use std::cell::RefCell;
use tweedie_core::{InputError, Preconditioned, TimeInput};
use tweedie_math::{Cosine, Prediction};
use tweedie_models::{MlpConfig, seeded};
use tweedie_train::{
    AdamW, AdamWSettings, Batch, Draws, Ema, ExampleError, Examples, Loss, Losses, Objective,
    Request, ScoreMatching, Shuffle, TrainError, TrainSettings, Trainer, clip_global_norm,
};

/// Maps each point to itself, by the squared distance.
#[derive(serde::Serialize)]
struct Identity;

impl Objective<Linear> for Identity {
    fn check(&self, _: &Linear) -> Result<(), TrainError> {
        Ok(())
    }
}

fn distances(model: &Linear, x: Tensor<2>) -> Tensor<1> {
    let error = model.forward(x.clone()) - x;
    error.square().sum_dim(1).squeeze_dim(1)
}

impl Loss<Linear, 2> for Identity {
    fn losses(&self, model: &Linear, batch: Batch<2>, _: &mut Draws) -> Result<Losses, InputError> {
        Ok(Losses::new(distances(model, batch.clean)))
    }
}

fn model() -> Linear {
    let weight = burn::nn::Initializer::Constant { value: 0.25 };
    LinearConfig::new(2, 2)
        .with_initializer(weight)
        .init(&Device::flex())
}

fn settings(steps: usize) -> TrainSettings {
    TrainSettings::default().with_steps(steps).with_batch(4)
}

/// Ten points, of which those at `bad` are not finite.
fn points(bad: &[usize]) -> Tensor<2> {
    let rows: Vec<f64> = (0..20)
        .map(|i| match bad.contains(&(i / 2)) {
            true => f64::NAN,
            false => f64::from(i as u32 % 7) - 3.0,
        })
        .collect();
    Tensor::<1>::from_data(rows.as_slice(), &Device::flex()).reshape([10, 2])
}

fn weights(model: &Linear) -> Vec<f64> {
    let weight = model.weight.val().into_data();
    weight.iter::<f64>().collect()
}

fn run(settings: TrainSettings) -> Trainer<Linear, Identity> {
    Trainer::new(model(), Identity, settings).expect("a run")
}

/// A step with a bad example counts for nothing: neither for the weights, nor for the bias
/// correction of AdamW, nor for the warm-up of the average. Also across a resumption.
#[test]
fn a_bad_example_is_skipped_and_named() -> Result<(), TrainError> {
    let (examples, settings) = (points(&[3]), settings(12).with_patience(3));
    let folder = tempfile::tempdir().expect("a folder");
    let mut trained = run(settings.clone());
    let mut skipped = 0;
    while let Some(report) = trained.step(&examples)? {
        let bad = report
            .skipped
            .inspect(|indices| assert!(indices.contains(&3)));
        skipped += usize::from(bad.is_some());
        assert_eq!(trained.skipped(), skipped);
        if bad.is_some() {
            // A resumption in the middle of a streak.
            trained.save(folder.path(), &"a layer")?;
            trained = Trainer::resume(
                folder.path(),
                model(),
                Identity,
                settings.clone(),
                &"a layer",
            )?;
        }
    }
    assert!((2..10).contains(&skipped), "{skipped} steps");

    // The same by hand, without the skipped steps.
    let mut order = Shuffle::new(10, settings.seed);
    let (mut by_hand, mut updates) = (model().train(), 0);
    let mut average = Ema::new(&by_hand, settings.ema[0]);
    let mut optimizer = AdamW::new(AdamWSettings::default());
    for step in 0..12 {
        let indices = order.batch(4 * step as u64, 4);
        if indices.contains(&3) {
            continue;
        }
        let rows: Vec<i32> = indices.iter().map(|&i| i as i32).collect();
        let rows = Tensor::<1, burn::tensor::Int>::from_data(rows.as_slice(), &Device::flex());
        let batch = points(&[]).select(0, rows);
        let gradients = distances(&by_hand, Tensor::from_inner(batch))
            .mean()
            .backward();
        let gradients = GradientsParams::from_grads(gradients, &by_hand);
        let (gradients, _) = clip_global_norm(&by_hand, gradients, 1.0);
        let rate = settings.learning_rate.at(step, 12);
        by_hand = optimizer.step(rate, updates + 1, by_hand, gradients);
        average = average.update(&by_hand, updates);
        updates += 1;
    }
    let (found, expected) = (weights(trained.average()), weights(average.average()));
    assert_abs_diff_eq!(found[..], expected[..], epsilon = 1e-7);
    let found = weights(trained.model());
    assert_abs_diff_eq!(found[..], weights(&by_hand)[..], epsilon = 1e-7);
    assert_ne!(expected, weights(&model()));
    Ok(())
}

#[test]
fn losses_that_are_no_numbers_end_the_run_by_name() {
    let mut one = run(settings(5).with_patience(1));
    // The error blames the examples and not the learning rate.
    assert!(matches!(
        one.step(&points(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9])),
        Err(TrainError::Example { index: 0..10 })
    ));
    // A finite but too large example is not an invalid one.
    assert!(matches!(
        one.step(&(points(&[]) * 1e30)),
        Err(TrainError::Diverged { step: 2, .. })
    ));
    assert_eq!(one.skipped(), 2);
    assert_eq!(weights(one.average()), weights(&model()));
    assert_eq!(weights(one.model()), weights(&model()));

    // Patience counts steps in a row, and a run of skipped steps alone is an error.
    let all = points(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    for (steps, patience, good) in [(10, 3, 2), (2, 10, 1)] {
        let mut hopeless = run(settings(steps).with_patience(patience));
        for _ in 0..good {
            let report = hopeless.step(&all).expect("a skipped step");
            assert!(report.is_some_and(|report| report.skipped.is_some()));
        }
        assert!(hopeless.step(&all).is_err());
    }
}

/// Records the first random number of each example that it is asked for.
struct Recorder(Tensor<2>, RefCell<Vec<(usize, u64)>>);

impl Examples<2> for Recorder {
    type Condition = ();

    fn len(&self) -> usize {
        self.0.len()
    }

    fn batch(&self, request: &Request<'_>) -> Result<Batch<2>, ExampleError> {
        use rand_chacha::rand_core::Rng;
        for (row, &index) in request.indices.iter().enumerate() {
            let drawn = request.rng(row).next_u64();
            self.1.borrow_mut().push((index, drawn));
        }
        self.0.batch(request)
    }
}

/// A batch in parts is the same batch: the same choices, the same noise, the same step.
#[test]
fn parts_of_a_batch_add_up_to_the_batch() -> Result<(), TrainError> {
    let trained = |accumulation| -> Result<_, TrainError> {
        let recorder = Recorder(points(&[]), RefCell::default());
        let mut run = run(settings(6).with_accumulation(accumulation));
        let mut losses = Vec::new();
        while let Some(report) = run.step(&recorder)? {
            losses.extend(report.losses);
        }
        Ok((weights(run.model()), losses, recorder.1.into_inner()))
    };
    let (whole, losses, choices) = trained(1)?;
    // Parts of 2 and 2, of 2 and 2 again, and of single examples.
    for accumulation in [2, 3, 4] {
        let (parts, of_parts, made) = trained(accumulation)?;
        assert_eq!(choices, made);
        assert_abs_diff_eq!(whole[..], parts[..], epsilon = 1e-6);
        assert_abs_diff_eq!(losses[..], of_parts[..], epsilon = 1e-5);
    }
    // Noise and times belong to the places of a batch too.
    let denoised = |accumulation| -> Result<_, TrainError> {
        let network = MlpConfig::new(2).with_width(8).init(&Device::flex());
        let network = seeded(0, &Device::flex(), network.expect("a network"));
        let model = Preconditioned::new(network, Prediction::Velocity, TimeInput::LogSnr);
        let objective = ScoreMatching::new(Cosine::default()).with_offset_noise(0.3);
        let settings = settings(3).with_accumulation(accumulation);
        let mut run = Trainer::new(model, objective, settings)?;
        let (mut losses, mut log_snr) = (Vec::new(), Vec::new());
        while let Some(report) = run.step(&points(&[]))? {
            losses.extend(report.losses);
            log_snr.extend(report.log_snr);
        }
        Ok((losses, log_snr))
    };
    let (losses, log_snr) = denoised(1)?;
    for accumulation in [2, 3, 4] {
        let (of_parts, levels) = denoised(accumulation)?;
        assert_eq!(log_snr, levels);
        assert_abs_diff_eq!(losses[..], of_parts[..], epsilon = 1e-4);
    }
    // No two choices agree, within a step or between steps.
    let mut drawn: Vec<u64> = choices.into_iter().map(|(_, drawn)| drawn).collect();
    drawn.sort_unstable();
    drawn.dedup();
    assert_eq!(drawn.len(), 24);
    Ok(())
}
