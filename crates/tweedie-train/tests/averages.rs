//! Several averages in one run, averages made after it, and the checkpoint that is kept as the
//! best.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use approx::assert_abs_diff_eq;
use burn::tensor::{Device, Tensor};
use tweedie_core::{Preconditioned, TimeInput};
use tweedie_math::{Prediction, VariancePreserving};
use tweedie_models::{Mlp, MlpConfig, seeded};
use tweedie_train::{
    Ema, EmaDecay, EmaWarmup, Profile, RunError, ScoreMatching, TrainError, TrainSettings, Trainer,
    best_checkpoint, post_hoc_average, post_hoc_weights, record_score,
};

type Model = Preconditioned<Mlp>;
type Run = Trainer<Model, ScoreMatching<VariancePreserving>>;

fn fresh() -> Model {
    let device = Device::flex();
    let network = MlpConfig::new(2).with_width(8).init(&device);
    let network = seeded(3, &device, network.expect("a network"));
    Preconditioned::new(network, Prediction::Velocity, TimeInput::LogSnr)
}

fn run(settings: TrainSettings) -> Run {
    let objective = ScoreMatching::new(VariancePreserving::default());
    Run::new(fresh(), objective, settings).expect("a run")
}

fn points() -> Tensor<2> {
    Tensor::from_floats([[1.0, 0.0], [-1.0, 0.5], [0.0, 1.0]], &Device::flex())
}

/// All parameters in one vector.
fn parameters(model: &Model) -> Vec<f64> {
    use burn::module::{Module, ModuleVisitor, Param};
    struct All(Vec<f64>);
    impl ModuleVisitor for All {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.extend(param.val().into_data().iter::<f64>());
        }
    }
    let mut all = All(Vec::new());
    model.visit(&mut all);
    all.0
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    let square: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
    square.sqrt()
}

/// Each of several averages is that of a run with it alone, also after a resumption.
#[test]
fn averages_do_not_disturb_each_other() -> Result<(), TrainError> {
    let decays = [
        EmaDecay::new(0.5),
        EmaDecay::new(0.9),
        EmaDecay::profile(0.1)?,
    ];
    let settings = TrainSettings::default().with_steps(12).with_batch(4);
    let folder = tempfile::tempdir().expect("a folder");
    let mut all = run(settings.clone().with_emas(decays));
    for _ in 0..5 {
        all.step(&points())?;
    }
    all.save(folder.path(), &"points")?;
    let objective = ScoreMatching::new(VariancePreserving::default());
    let resume = |settings| Run::resume(folder.path(), fresh(), objective, settings, &"points");
    let mut all = resume(settings.clone().with_emas(decays))?;
    while all.step(&points())?.is_some() {}
    for (average, decay) in all.averages().iter().zip(decays) {
        let mut alone = run(settings.clone().with_ema(decay));
        while alone.step(&points())?.is_some() {}
        assert_eq!(parameters(average.average()), parameters(alone.average()));
    }
    let fewer = resume(settings.with_ema(0.5)).expect_err("three averages were stored");
    assert!(
        matches!(fewer, TrainError::Run(RunError::Mismatch { .. })),
        "{fewer}"
    );
    Ok(())
}

/// `Σ w p` has the moments of the wanted profile: `∫ τ p dτ = t (γ + 1)/(γ + 2)`.
#[test]
fn weights_have_the_moments_of_the_profile() {
    let stored: Vec<Profile> = (1..=40)
        .flat_map(|k| {
            [6.94, 16.97].map(|gamma| Profile {
                updates: 100 * k,
                gamma,
            })
        })
        .collect();
    for gamma in [7.5, 10.0, 14.0] {
        let wanted = Profile {
            updates: 4000,
            gamma,
        };
        let weights = post_hoc_weights(&stored, wanted).expect("weights");
        assert_abs_diff_eq!(weights.iter().sum::<f64>(), 1.0, epsilon = 1e-9);
        for power in [1.0, 2.0] {
            let of = |p: &Profile| {
                (p.updates as f64 / 4000.0).powf(power) * (p.gamma + 1.0) / (p.gamma + 1.0 + power)
            };
            let found: f64 = weights.iter().zip(&stored).map(|(w, p)| w * of(p)).sum();
            assert_abs_diff_eq!(found, of(&wanted), epsilon = 1e-4);
        }
    }
    // One of the stored profiles is itself.
    let own = post_hoc_weights(&stored, stored[61]).expect("weights");
    assert_abs_diff_eq!(own[61], 1.0, epsilon = 1e-6);
    assert!(post_hoc_weights(&[], stored[0]).is_err());
    assert!(post_hoc_weights(&[stored[0], stored[0]], stored[3]).is_err());
}

/// An average made after the run equals the one that was kept during it.
#[test]
fn made_after_the_run_or_kept_during_it() -> Result<(), TrainError> {
    let of = |gamma| EmaDecay::new(1.0).with_warmup(EmaWarmup::Profile { gamma });
    let kept = [6.94, 16.97, 10.0].map(of);
    let settings = TrainSettings::default()
        .with_steps(600)
        .with_batch(8)
        .with_emas(kept);
    let mut run = run(settings);
    let mut stored = Vec::new();
    while let Some(report) = run.step(&points())? {
        if report.step.is_multiple_of(20) {
            for (average, decay) in run.averages().iter().zip(&kept[..2]) {
                let EmaWarmup::Profile { gamma } = decay.warmup else {
                    continue;
                };
                let profile = Profile {
                    updates: report.step,
                    gamma,
                };
                stored.push((profile, average.average().clone()));
            }
        }
    }
    let wanted = Profile {
        updates: 600,
        gamma: 10.0,
    };
    let made = post_hoc_average(&stored, wanted).expect("an average");
    let made = parameters(&made);
    let direct = parameters(run.averages()[2].average());
    let others = [0, 1].map(|i| distance(&parameters(run.averages()[i].average()), &direct));
    let error = distance(&made, &direct);
    assert!(
        error < 0.02 * others[0].min(others[1]),
        "{error} against {others:?}"
    );
    Ok(())
}

/// The checkpoint with the lowest score stays, whatever the number of kept ones, and opens.
#[test]
fn the_best_checkpoint_stays() -> Result<(), TrainError> {
    let settings = TrainSettings::default()
        .with_steps(6)
        .with_batch(2)
        .with_keep(1);
    let folder = tempfile::tempdir().expect("a folder");
    let mut run = run(settings.clone());
    let mut best = Vec::new();
    for score in [3.0, 1.0, 2.0, f64::NAN, 1.5, 1.0] {
        run.step(&points())?;
        run.save(folder.path(), &"points")?;
        if record_score(folder.path(), score)? {
            best = parameters(run.average());
        }
    }
    let (place, score) = best_checkpoint(folder.path()).expect("a checkpoint");
    assert_eq!(
        (place.file_name(), score),
        (Some("step-000002".as_ref()), 1.0)
    );
    let objective = ScoreMatching::new(VariancePreserving::default());
    let opened = Run::resume(place, fresh(), objective, settings, &"points")?;
    assert_eq!(opened.done(), 2);
    assert_eq!(parameters(opened.average()), best);
    let checkpoints = std::fs::read_dir(folder.path()).expect("a folder");
    let names = checkpoints.map(|entry| entry.expect("a name").file_name());
    let count = names
        .filter(|name| name.to_string_lossy().starts_with("step-"))
        .count();
    assert_eq!(count, 2, "the best and the latest");
    Ok(())
}

/// A profile of γ over n updates weights parameters by about `k^γ`.
#[test]
fn a_profile_looks_back_over_a_part_of_the_run() {
    let decay = EmaDecay::profile(0.1).expect("a profile");
    let count = 2000;
    let mut weights = vec![0.0; count];
    for k in 0..count {
        let keep = decay.at(k);
        weights[..k].iter_mut().for_each(|weight| *weight *= keep);
        weights[k] = 1.0 - keep;
    }
    let at = |power: i32| -> f64 {
        let of = |(k, w): (usize, &f64)| w * ((k as f64 + 0.5) / count as f64).powi(power);
        weights.iter().enumerate().map(of).sum()
    };
    assert_abs_diff_eq!(at(0), 1.0, epsilon = 1e-12);
    assert_abs_diff_eq!((at(2) - at(1).powi(2)).sqrt(), 0.1, epsilon = 1e-3);
    assert!(EmaDecay::profile(0.3).is_err());
    let _ = Ema::new(&fresh(), decay);
}
