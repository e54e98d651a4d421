//! A run that is killed again and again ends with the bits of the run that was left alone.
//!
//! `TWEEDIE_KILLS` sets the number of kills. The run works in a child process: this test binary,
//! started again with the folder of the run in an environment variable.
#![cfg(unix)]
#![allow(clippy::expect_used, reason = "a test may stop at once")]

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};
use tweedie_core::{HostNoise, Noise, Preconditioned, TimeInput};
use tweedie_math::{Prediction, VariancePreserving};
use tweedie_models::{Mlp, MlpConfig, seeded};
use tweedie_train::{ScoreMatching, TrainSettings, Trainer, has_checkpoint};

type Run = Trainer<Preconditioned<Mlp>, ScoreMatching<VariancePreserving>>;

const FOLDER: &str = "TWEEDIE_KILLED";
const STEPS: usize = 200;

/// A network that is large enough for a save to take time.
fn fresh() -> Preconditioned<Mlp> {
    let device = Device::flex();
    let network = MlpConfig::new(2).with_width(256).init(&device);
    let network = seeded(3, &device, network.expect("a network"));
    Preconditioned::new(network, Prediction::Velocity, TimeInput::LogSnr)
}

/// Trains to the end, from the last checkpoint if there is one; saves after every third step.
fn train(folder: &Path) -> Run {
    let objective = ScoreMatching::new(VariancePreserving::default());
    let settings = TrainSettings::default()
        .with_steps(STEPS)
        .with_batch(8)
        .with_emas([0.9, 0.99]);
    let points: Tensor<2> = HostNoise::seeded(1).normal([64, 2], &Device::flex());
    let run = match has_checkpoint(folder) {
        true => Run::resume(folder, fresh(), objective, settings, &"points"),
        false => Run::new(fresh(), objective, settings),
    };
    let mut run = run.expect("a run");
    while let Some(report) = run.step(&points).expect("a step") {
        if report.step.is_multiple_of(3) || report.step == STEPS {
            run.save(folder, &"points").expect("a checkpoint");
        }
    }
    run
}

fn bits(model: &Preconditioned<Mlp>) -> Vec<u32> {
    struct All(Vec<u32>);
    impl ModuleVisitor for All {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let values = param.val().into_data();
            self.0.extend(values.iter::<f32>().map(f32::to_bits));
        }
    }
    let mut all = All(Vec::new());
    model.visit(&mut all);
    all.0
}

/// The child process that is killed. Without the variable it does nothing.
#[test]
fn trains_until_it_is_killed() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        train(Path::new(&folder));
    }
}

#[test]
fn a_killed_run_ends_as_one_that_was_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let (killed, alone) = (folder.path().join("killed"), folder.path().join("alone"));
    let kills = std::env::var("TWEEDIE_KILLS")
        .ok()
        .and_then(|text| text.parse().ok());
    for kill in 0..kills.unwrap_or(10) {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["trains_until_it_is_killed", "--exact"])
            .env(FOLDER, &killed)
            .stdout(Stdio::null())
            .spawn()
            .expect("a process");
        // One kill at least comes after a save, however slow the machine is.
        let began = Instant::now();
        while kill == 0 && !has_checkpoint(&killed) {
            assert!(began.elapsed() < Duration::from_secs(120), "no checkpoint");
            std::thread::sleep(Duration::from_millis(1));
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let random = u64::from(now.expect("a time").subsec_micros() % 1000);
        std::thread::sleep(Duration::from_millis(20 + random / 4));
        child.kill().expect("a kill");
        let status = child.wait().expect("an end");
        // A run that fails by itself has another status.
        let ended = status.success() || status.code().is_none();
        assert!(ended, "kill {kill}: {status}");
    }
    let [killed, alone] = [killed, alone].map(|place| train(&place));
    assert_eq!(killed.done(), STEPS);
    assert!(bits(killed.average()) == bits(alone.average()));
}
