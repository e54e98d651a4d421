//! What a run tells of itself: held-out losses and the log.

#![allow(
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a test may stop at once, and compares exactly where it means to"
)]

use approx::assert_abs_diff_eq;
use burn::tensor::{Device, Tensor};
use tweedie_core::{HostNoise, Noise, Preconditioned, TimeInput};
use tweedie_math::{Edm, Prediction, RectifiedFlow, Schedule, TimeDensity, VariancePreserving};
use tweedie_models::{Mlp, MlpConfig, seeded};
use tweedie_train::{
    Batch, DeriveCondition, Examples, HeldOut, Request, RunLog, ScoreMatching, TrainError,
    TrainSettings, Trainer,
};

fn model(prediction: Prediction) -> Preconditioned<Mlp> {
    let network = MlpConfig::new(2).with_width(8).init(&Device::flex());
    let network = seeded(0, &Device::flex(), network.expect("a network"));
    Preconditioned::new(network, prediction, TimeInput::LogSnr)
}

fn points(count: usize) -> Tensor<2> {
    HostNoise::seeded(1).normal([count, 2], &Device::flex())
}

fn held_out<S: Schedule>(
    objective: ScoreMatching<S>,
    batch: usize,
    count: usize,
) -> Result<HeldOut, TrainError> {
    let settings = TrainSettings::default().with_batch(batch);
    let trainer = Trainer::new(model(Prediction::Velocity), objective, settings)?;
    trainer.held_out(&points(count))
}

#[test]
fn held_out_losses_repeat_and_do_not_depend_on_the_batch() -> Result<(), TrainError> {
    let objective = ScoreMatching::new(VariancePreserving::default());
    let whole = held_out(objective, 64, 50)?;
    assert_eq!(held_out(objective, 64, 50)?, whole);
    let parts = held_out(objective, 7, 50)?;
    assert_eq!(parts.log_snr, whole.log_snr);
    assert_abs_diff_eq!(parts.losses[..], whole.losses[..], epsilon = 1e-5);
    // The times are evenly spread, and no level is clean.
    for (count, error) in [(64, 1e-9), (50, 0.02)] {
        let found = held_out(objective, 64, count)?;
        let time = |snr: &f64| VariancePreserving::default().time(*snr);
        let mean = found.log_snr.iter().map(time).sum::<f64>() / count as f64;
        assert_abs_diff_eq!(mean, 0.5005, epsilon = error);
    }
    let edm = TimeDensity::LogNormal {
        mean: -1.2,
        std: 1.2,
    };
    let logit = TimeDensity::LogitNormal {
        mean: 0.0,
        std: 1.0,
    };
    for found in [
        held_out(ScoreMatching::new(Edm::default()).with_density(edm), 64, 50)?,
        held_out(
            ScoreMatching::new(RectifiedFlow).with_density(logit),
            64,
            50,
        )?,
    ] {
        assert!(found.log_snr.iter().all(|snr| snr.is_finite()));
        let bins = found.by_log_snr(7);
        assert_eq!(bins.len(), 7);
        assert!(bins.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let whole: f64 = bins[..6].iter().map(|bin| bin.1 * 8.0).sum::<f64>() + bins[6].1 * 2.0;
        assert_abs_diff_eq!(whole / 50.0, found.loss, epsilon = 1e-9);
    }
    Ok(())
}

/// The noise of a measurement is not that of the state.
#[test]
fn noises_of_one_request_differ() {
    let device = Device::flex();
    let indices: Vec<usize> = (0..4).collect();
    let request = Request::new(&indices, &device, 5);
    let noise = std::cell::RefCell::new(Vec::new());
    let record = |batch: &Batch<2>, draws: &mut tweedie_train::Draws| {
        noise
            .borrow_mut()
            .extend(draws.normal_like(&batch.clean).into_data().iter::<f32>());
        Ok(())
    };
    let inner = DeriveCondition::new(points(4), record);
    let read = inner
        .batch(&request)
        .map(drop)
        .and_then(|()| inner.batch(&request.inner()));
    assert!(read.is_ok());
    let mut draws = tweedie_train::Draws::new(vec![0.5; 4], 5, 0);
    noise
        .borrow_mut()
        .extend(draws.normal_like(&points(4)).into_data().iter::<f32>());
    let mut found = noise.into_inner();
    assert_eq!(found.len(), 24);
    found.sort_by(f32::total_cmp);
    found.dedup();
    assert_eq!(found.len(), 24);
}

#[test]
fn a_log_goes_on_where_the_run_does() -> Result<(), TrainError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log.jsonl");
    let objective = ScoreMatching::new(VariancePreserving::default());
    let settings = TrainSettings::default().with_steps(5).with_batch(4);
    let mut trainer = Trainer::new(model(Prediction::Velocity), objective, settings)?;
    let mut log = RunLog::open(&path, 0)?;
    let mut losses = Vec::new();
    while let Some(report) = trainer.step(&points(9))? {
        log.step(&report)?;
        losses.push((report.step, report.loss));
    }
    log.add(5, &[("held_out", 0.5)])?;
    assert_eq!(log.losses(), losses);
    drop(log);
    let text = std::fs::read_to_string(&path).expect("a log");
    assert_eq!(text.lines().count(), 6);
    assert!(text.ends_with("{\"held_out\":0.5,\"step\":5}\n"), "{text}");
    // The last line was cut off, and the run goes back to step 3.
    std::fs::write(&path, text.clone() + "{\"step\": 6, \"lo").expect("a log");
    let log = RunLog::open(&path, 3)?;
    assert_eq!(log.losses(), &losses[..3]);
    let kept: Vec<&str> = text.lines().take(3).collect();
    let found = std::fs::read_to_string(&path).expect("a log");
    assert_eq!(found.lines().collect::<Vec<_>>(), kept);
    // Another file is refused, and stays.
    std::fs::write(&path, "step,loss\n1,0.5\n").expect("a table");
    assert!(RunLog::open(&path, 3).is_err());
    assert!(
        std::fs::read_to_string(&path)
            .expect("a table")
            .starts_with("step,loss")
    );
    Ok(())
}
