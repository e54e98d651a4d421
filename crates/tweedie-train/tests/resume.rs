//! An interrupted and resumed run equals an uninterrupted one, and parallel runs are independent.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use burn::tensor::{Device, Tensor};
use tweedie_core::{Denoiser, HostNoise, Noise, Preconditioned, TimeInput, lock_generator};
use tweedie_math::{Prediction, Schedule, VariancePreserving};
use tweedie_models::{Unet, UnetConfig, seeded};
use tweedie_train::{
    LearningRate, ScoreMatching, TrainError, TrainSettings, Trainer, write_checksums,
};

type Run = Trainer<Preconditioned<Unet>, ScoreMatching<VariancePreserving>>;

fn objective() -> ScoreMatching<VariancePreserving> {
    ScoreMatching::new(VariancePreserving::default())
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

/// What a resumption changes is written down, and every example is still used equally often.
#[test]
fn settings_may_change_on_the_way() -> Result<(), TrainError> {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path();
    let mut run = Run::new(fresh(), objective(), settings(7))?;
    run.step(&images())?;
    run.save(place, &"a U-Net")?;
    let other = settings(9)
        .with_batch(2)
        .with_learning_rate(LearningRate::new(1e-5));
    for _ in 0..2 {
        let mut second = Run::resume(place, fresh(), objective(), other.clone(), &"a U-Net")?;
        assert_eq!(second.earlier_settings(), [(1, settings(7))]);
        second.step(&images())?;
        assert_eq!(second.used(), 6);
        second.save(place, &"a U-Net")?;
        // The next turn resumes from the first step again.
        std::fs::write(place.join("latest"), "step-000001\n").expect("a file");
    }
    Ok(())
}

/// The last checkpoints stay, and nothing else in the folder is touched.
#[test]
fn a_run_keeps_its_last_checkpoints() -> Result<(), TrainError> {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path();
    let names = || {
        let entries = std::fs::read_dir(place).expect("a folder");
        let mut names: Vec<String> = entries
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into()
            })
            .collect();
        names.sort_unstable();
        names
    };
    let mut run = Run::new(fresh(), objective(), settings(7).with_keep(2))?;
    run.save(place, &"a U-Net")?;
    // What an interrupted save leaves, and what a user puts there.
    std::fs::create_dir(place.join(".step-000004.partial")).expect("a folder");
    std::fs::write(place.join(".step-000004.partial/run.json"), "{").expect("a file");
    std::fs::create_dir(place.join("step-000000-photographs")).expect("a folder");
    std::fs::write(place.join("step-000000/note.txt"), "mine").expect("a file");
    std::fs::create_dir(place.join("step-000001")).expect("a folder");
    std::fs::write(place.join("step-000001/holiday.jpg"), "mine").expect("a file");
    for _ in 0..3 {
        run.step(&images())?;
        run.save(place, &"a U-Net")?;
        run.save(place, &"a U-Net")?;
    }
    assert_eq!(
        names(),
        [
            "latest",
            "step-000000",
            "step-000000-photographs",
            "step-000001",
            "step-000003",
            "step-000003-1",
        ]
    );
    for kept in ["step-000000/note.txt", "step-000001/holiday.jpg"] {
        assert!(place.join(kept).is_file(), "{kept}");
    }
    // A run that goes back removes what came after.
    let mut again = Run::resume(place, fresh(), objective(), settings(7), &"a U-Net")?;
    again.step(&images())?;
    again.save(place, &"a U-Net")?;
    std::fs::write(place.join("latest"), "step-000003-1\n").expect("a file");
    let back = Run::resume(
        place,
        fresh(),
        objective(),
        settings(7).with_keep(1),
        &"a U-Net",
    )?;
    back.save(place, &"a U-Net")?;
    assert_eq!(names().last().map(String::as_str), Some("step-000003"));
    assert_eq!(names().len(), 5);
    Ok(())
}

/// Every changed byte is an error that names the file.
#[test]
fn a_changed_file_is_refused_by_name() -> Result<(), TrainError> {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("run");
    let mut run = Run::new(fresh(), objective(), settings(7))?;
    run.step(&images())?;
    run.save(&place, &"a U-Net")?;
    let resume = || Run::resume(&place, fresh(), objective(), settings(7), &"a U-Net");
    let checkpoint = place.join("step-000001");
    for entry in std::fs::read_dir(&checkpoint).expect("a folder") {
        let path = entry.expect("an entry").path();
        let bytes = std::fs::read(&path).expect("a file");
        for at in (0..bytes.len()).step_by(bytes.len() / 40 + 1) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            std::fs::write(&path, changed).expect("a file");
            let error = resume().expect_err("a changed byte").to_string();
            // A changed hash can also look like a change of the file that it belongs to.
            let named = error.contains(path.to_str().expect("a path"));
            let is_sum = path.ends_with("SHA256SUMS");
            let other = is_sum && error.contains(checkpoint.to_str().expect("a path"));
            assert!(named || other, "byte {at} of {}: {error}", path.display());
        }
        std::fs::write(&path, &bytes[..bytes.len() / 2]).expect("a file");
        assert!(resume().is_err());
        std::fs::write(&path, bytes).expect("a file");
        assert!(resume().is_ok());
    }
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

/// A `run.json` of an older version, with one average and without later fields, still opens.
#[test]
fn older_runs_open() -> Result<(), TrainError> {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path();
    let mut run = Run::new(fresh(), objective(), settings(7))?;
    run.step(&images())?;
    run.save(place, &"a U-Net")?;
    let path = place.join("step-000001/run.json");
    let text = std::fs::read_to_string(&path).expect("a file");
    let mut stored: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    // The version of burn is that of the workspace.
    let workspace = include_str!("../../../Cargo.toml");
    let burn = stored["burn"].as_str().expect("a version");
    assert!(
        workspace.contains(&format!("\nburn = {{ version = \"={burn}\"")),
        "{burn}"
    );
    let decay = stored["settings"]["ema"][0].take();
    stored["settings"]["ema"] = decay;
    let fields = stored.as_object_mut().expect("fields");
    assert!(fields.remove("burn").is_some() && fields.remove("memory").is_none());
    std::fs::write(&path, stored.to_string()).expect("a file");
    write_checksums(place.join("step-000001")).expect("hashes");
    let resumed = Run::resume(place, fresh(), objective(), settings(7), &"a U-Net")?;
    assert_eq!((resumed.done(), resumed.earlier_settings().len()), (1, 0));
    Ok(())
}
