//! An interrupted and resumed run equals an uninterrupted one, and parallel runs are independent.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use burn::tensor::{Device, Tensor};
use tweedie_core::{Denoiser, HostNoise, Noise, Preconditioned, TimeInput, lock_generator};
use tweedie_math::{Prediction, Schedule, VariancePreserving};
use tweedie_models::{Unet, UnetConfig, seeded};
use tweedie_train::{Objective, TrainError, TrainSettings, Trainer};

type Run = Trainer<Unet, VariancePreserving>;

fn objective() -> Objective<VariancePreserving> {
    Objective::new(VariancePreserving::default())
}

/// A small network with dropout, whose randomness must be resumed too.
fn fresh() -> Preconditioned<Unet> {
    let device = Device::flex();
    let config = UnetConfig::new(1)
        .with_widths([8, 16])
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

fn bits(model: &Preconditioned<Unet>) -> Vec<u32> {
    let x = HostNoise::seeded(2).normal([2, 1, 8, 8], &Device::flex());
    let clean = model.denoise(x, VariancePreserving::default().level(0.5));
    clean
        .expect("an estimate")
        .into_data()
        .iter::<f32>()
        .map(f32::to_bits)
        .collect()
}

#[test]
fn interrupted_and_resumed_is_uninterrupted_bit_for_bit() -> Result<(), TrainError> {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("checkpoint");
    let mut whole = Run::new(fresh(), objective(), settings(7))?;
    let mut losses = Vec::new();
    while let Some(report) = whole.step(&images())? {
        losses.push(report.loss);
    }
    let mut first = Run::new(fresh(), objective(), settings(7))?;
    for _ in 0..3 {
        first.step(&images())?;
    }
    first.save(&place, &"a U-Net")?;
    first.step(&images())?; // lost, as in a crash
    drop(first);
    // Draw other random numbers in between, as another process would.
    let turn = lock_generator();
    let _ = Tensor::<1>::random([5], burn::tensor::Distribution::Default, &Device::flex());
    drop(turn);
    let mut second = Run::resume(&place, fresh(), objective(), settings(7), &"a U-Net")?;
    assert_eq!(second.done(), 3);
    let mut resumed = losses[..3].to_vec();
    while let Some(report) = second.step(&images())? {
        resumed.push(report.loss);
    }
    assert_eq!(losses, resumed);
    assert_eq!(bits(whole.average()), bits(second.average()));
    assert_ne!(bits(whole.average()), bits(&fresh()));
    Ok(())
}

/// Dropout draws from a process-wide generator, which a run locks during a step.
#[test]
fn two_runs_at_once_are_two_runs_one_after_the_other() -> Result<(), TrainError> {
    let run = || -> Result<Vec<u32>, TrainError> {
        let mut trainer = Run::new(fresh(), objective(), settings(6))?;
        while trainer.step(&images())?.is_some() {}
        Ok(bits(trainer.average()))
    };
    let alone = run()?;
    let together = std::thread::scope(|scope| {
        let threads = [scope.spawn(run), scope.spawn(run)];
        threads.map(|thread| thread.join().expect("a thread"))
    });
    for found in together {
        assert_eq!(found?, alone);
    }
    Ok(())
}
