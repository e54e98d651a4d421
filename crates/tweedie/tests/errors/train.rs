//! Settings of a training run, the run and its files.

use super::{Cases, device, file};
use std::path::Path;
use tweedie::burn::optim::GradientsParams;
use tweedie::burn::tensor::{Device, Int, Tensor};
use tweedie::core::{Preconditioned, TimeInput};
use tweedie::math::{Prediction, TimeDensity, VariancePreserving, Weighting};
use tweedie::models::{ClassInput, Conditions, Mlp, MlpConfig, Unet, UnetConfig, seeded};
use tweedie::train::{
    AdamWSettings, Batch, Cropped, Decay, DropCondition, EmaDecay, EmaWarmup, ExampleError,
    Examples, LearnedWeight, LossAware, Paired, Profile, Request, ScoreMatching, TrainError,
    TrainSettings, Trainer, Weighted, clip_global_norm, post_hoc_weights, record_score,
    write_checksums,
};

type Run = Trainer<Preconditioned<Mlp>, ScoreMatching<VariancePreserving>>;

fn network(width: usize) -> Preconditioned<Mlp> {
    let config = MlpConfig::new(2).with_width(width);
    let network = seeded(0, &device(), config.init(&device()).unwrap());
    Preconditioned::new(network, Prediction::Velocity, TimeInput::LogSnr)
}

fn objective() -> ScoreMatching<VariancePreserving> {
    ScoreMatching::new(VariancePreserving::default())
}

fn settings() -> TrainSettings {
    TrainSettings::default().with_steps(4).with_batch(2)
}

fn run() -> Run {
    Run::new(network(4), objective(), settings()).unwrap()
}

/// A run of a network with three classes.
fn classes() -> Trainer<Preconditioned<Unet>, ScoreMatching<VariancePreserving>> {
    let mut config = UnetConfig::new(1).with_widths([8]).with_groups(Some(4));
    config.class = Some(ClassInput::table(3));
    let network = seeded(0, &device(), config.init(&device()).unwrap());
    let model = Preconditioned::new(network, Prediction::Velocity, TimeInput::LogSnr);
    Trainer::new(model, objective(), settings().with_batch(5)).unwrap()
}

fn points(count: usize) -> Tensor<2> {
    Tensor::ones([count, 2], &device())
}

/// Saves a run after one step and returns its folder.
fn saved(folder: &Path, name: &str) -> std::path::PathBuf {
    let place = folder.join(name);
    let mut run = run();
    run.step(&points(5)).unwrap();
    run.save(&place, &"a network").unwrap();
    place
}

fn resume(place: &Path) -> Result<Run, TrainError> {
    Run::resume(place, network(4), objective(), settings(), &"a network")
}

pub(crate) fn cases(folder: &Path) -> Cases {
    let mut all = Cases::default();
    all.error("TrainSettings::check", "0 steps", || {
        settings().with_steps(0).check()
    });
    all.error("TrainSettings::check", "a patience of 0", || {
        settings().with_patience(0).check()
    });
    all.error("TrainSettings::check", "a batch of 2⁴⁰", || {
        settings().with_batch(1 << 40).check()
    });
    all.error("TrainSettings::check", "a clipping norm of NaN", || {
        settings().with_clip(f64::NAN).check()
    });
    all.error("TrainSettings::check", "an average that keeps all", || {
        settings().with_ema(1.0).check()
    });
    all.error("TrainSettings::check", "a rate of −1", || {
        let learning_rate = settings().learning_rate.with_peak(-1.0);
        settings().with_learning_rate(learning_rate).check()
    });
    all.error("TrainSettings::check", "β₂ = 1", || {
        let adamw = AdamWSettings::default().with_betas([0.9, 1.0]);
        settings().with_adamw(adamw).check()
    });
    all.error("TrainSettings::check", "ε of NaN", || {
        let adamw = AdamWSettings::default().with_epsilon(f64::NAN);
        settings().with_adamw(adamw).check()
    });
    all.error("TrainSettings::check", "a last rate above the peak", || {
        let decay = Decay::Polynomial {
            power: 1.0,
            end: 2.0,
        };
        let learning_rate = settings().learning_rate.with_decay(decay);
        settings().with_learning_rate(learning_rate).check()
    });
    all.error("TrainSettings::check", "no cycles", || {
        let decay = Decay::Restarts { cycles: 0 };
        let learning_rate = settings().learning_rate.with_decay(decay);
        settings().with_learning_rate(learning_rate).check()
    });
    all.error(
        "TrainSettings::check",
        "an average's warm-up of γ = 0",
        || {
            let warmup = EmaWarmup::Power {
                gamma: 0.0,
                power: 0.75,
            };
            settings()
                .with_ema(EmaDecay::new(0.99).with_warmup(warmup))
                .check()
        },
    );
    all.error("TrainSettings::check", "no averages", || {
        settings().with_emas([] as [f64; 0]).check()
    });
    all.error("EmaDecay::profile", "a deviation of 0.5", || {
        EmaDecay::profile(0.5)
    });
    let profile = |updates, gamma| Profile { updates, gamma };
    all.error("post_hoc_weights", "nothing", move || {
        post_hoc_weights(&[], profile(10, 7.0))
    });
    all.error("post_hoc_weights", "an average of 0 updates", move || {
        post_hoc_weights(&[profile(0, 7.0)], profile(10, 7.0))
    });
    all.error("post_hoc_weights", "one profile twice", move || {
        post_hoc_weights(&[profile(10, 7.0), profile(10, 7.0)], profile(10, 9.0))
    });
    all.error("Cropped::new", "to 0 pixels", || {
        Cropped::new(points(5), [0, 8])
    });
    all.error("Trainer::new", "no intervals of the loss", || {
        let objective = LossAware::new(objective()).with_intervals(0);
        Trainer::new(network(4), objective, settings())
    });
    all.error(
        "Trainer::new",
        "learned weights around loss-aware times",
        || {
            let objective = LearnedWeight(LossAware::new(objective()));
            Trainer::new(Weighted::new(network(4)), objective, settings())
        },
    );
    let place = folder.join("unscored");
    all.error("record_score", "a folder without a checkpoint", move || {
        record_score(place, 0.5)
    });
    all.error("Trainer::new", "γ = −1", || {
        let objective = objective().with_weighting(Weighting::MinSnr { gamma: -1.0 });
        Run::new(network(4), objective, settings())
    });
    all.error("Trainer::new", "times from 1 to 0", || {
        let density = TimeDensity::Uniform { min: 1.0, max: 0.0 };
        Run::new(network(4), objective().with_density(density), settings())
    });
    all.panic("clip_global_norm", "a norm of NaN", || {
        let network = network(4);
        clip_global_norm(&network, GradientsParams::new(), f64::NAN)
    });
    all.error("Trainer::step", "no examples", || run().step(&points(0)));
    all.error("Trainer::step", "an example of NaN", || {
        Run::new(network(4), objective(), settings().with_patience(1))
            .unwrap()
            .step(&(points(5) * f64::NAN))
            .map_err(|error| match error {
                TrainError::Example { .. } => {
                    "an example holds a value that is not finite".to_owned()
                }
                other => other.to_string(),
            })
    });
    all.error("Trainer::step", "another number of examples", || {
        let mut run = run();
        run.step(&points(5))?;
        run.step(&points(6))
    });
    all.error(
        "Trainer::step",
        "a batch of another size than asked for",
        || {
            struct One;
            impl Examples<2> for One {
                type Condition = ();

                fn len(&self) -> usize {
                    5
                }
                fn batch(&self, request: &Request<'_>) -> Result<Batch<2>, ExampleError> {
                    Ok(Batch {
                        clean: Tensor::ones([1, 2], request.device),
                        condition: (),
                    })
                }
            }
            run().step(&One)
        },
    );
    all.error("Trainer::step", "examples that cannot be read", || {
        struct Torn;
        impl Examples<2> for Torn {
            type Condition = ();

            fn len(&self) -> usize {
                5
            }
            fn batch(&self, _: &Request<'_>) -> Result<Batch<2>, ExampleError> {
                Err("row 2 of the table is cut off".into())
            }
        }
        run().step(&Torn)
    });
    all.error(
        "Trainer::step",
        "no class for a network with classes",
        || classes().step(&Tensor::<4>::ones([5, 1, 8, 8], &Device::flex())),
    );
    all.error("Trainer::step", "label 3 of 3 classes", || {
        let labels = Tensor::<1, Int>::from_ints([0, 1, 2, 3, 3], &Device::flex());
        let images = Tensor::<4>::ones([5, 1, 8, 8], &Device::flex());
        classes().step(&Paired::new(images, Conditions::none().with_labels(labels)).unwrap())
    });
    all.error("Paired::new", "two labels for five images", || {
        let labels = Tensor::<1, Int>::from_ints([0, 1], &Device::flex());
        let images = Tensor::<4>::ones([5, 1, 8, 8], &Device::flex());
        Paired::new(images, Conditions::none().with_labels(labels))
    });
    all.error("DropCondition::new", "a probability of 1.1", || {
        DropCondition::new(points(5), (), 1.1).map(drop)
    });
    let foreign = folder.join("photographs");
    file(folder, "photographs/holiday.jpg", b"irreplaceable");
    all.error("Trainer::save", "a folder of photographs", move || {
        let outcome = run().save(&foreign, &"a network");
        assert!(foreign.join("holiday.jpg").is_file());
        outcome
    });
    let occupied = file(folder, "occupied", b"a file");
    all.error("Trainer::save", "a file", move || {
        let outcome = run().save(&occupied, &"a network");
        assert!(occupied.is_file());
        outcome
    });
    let place = folder.join("unwritten");
    all.error(
        "Trainer::save",
        "a description with a key that is no text",
        move || {
            let description = std::collections::HashMap::from([([1, 2], 3)]);
            run().save(place, &description)
        },
    );
    let empty = folder.to_path_buf();
    all.error("Trainer::resume", "a folder without a run", move || {
        resume(&empty)
    });
    for (name, input, settings) in [
        ("number", "settings that are a number", "5"),
        ("list", "settings that are a list", "[]"),
    ] {
        let place = saved(folder, name);
        let path = place.join("step-000001/run.json");
        let text = std::fs::read_to_string(&path).unwrap();
        let mut run: serde_json::Value = serde_json::from_str(&text).unwrap();
        run["settings"] = serde_json::from_str(settings).unwrap();
        std::fs::write(&path, run.to_string()).unwrap();
        write_checksums(place.join("step-000001")).unwrap();
        all.error("Trainer::resume", input, move || resume(&place));
    }
    let place = saved(folder, "seed");
    all.error("Trainer::resume", "another seed", move || {
        let settings = settings().with_seed(3);
        Run::resume(place, network(4), objective(), settings, &"a network")
    });
    let place = saved(folder, "length");
    all.error(
        "Trainer::step",
        "another number of examples than before the resumption",
        move || resume(&place)?.step(&points(6)),
    );
    let place = saved(folder, "vast");
    let path = place.join("step-000001/run.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let vast = text.replacen("\"examples\": 5", "\"examples\": 1000000000000", 1);
    assert_ne!(text, vast);
    std::fs::write(path, vast).unwrap();
    write_checksums(place.join("step-000001")).unwrap();
    all.error(
        "Trainer::step",
        "a run.json of 10¹² examples",
        move || resume(&place)?.step(&points(5)),
    );
    // Replace the moments by those of a wider network, then by those of another run.
    let (place, other) = (saved(folder, "moments"), folder.join("wide"));
    let mut wide = Run::new(network(8), objective(), settings()).unwrap();
    wide.step(&points(5)).unwrap();
    wide.save(&other, &"a network").unwrap();
    let checkpoints = [&place, &other].map(|place| place.join("step-000001"));
    let [to, from] = checkpoints;
    std::fs::copy(from.join("first.bpk"), to.join("first.bpk")).unwrap();
    write_checksums(to).unwrap();
    all.error("Trainer::resume", "moments of another network", move || {
        // burn's message names every parameter: keep its first line.
        resume(&place).map_err(|error| {
            error
                .to_string()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned()
        })
    });
    let (place, other) = (saved(folder, "mine"), saved(folder, "theirs"));
    let [to, from] = [&place, &other].map(|place| place.join("step-000001"));
    std::fs::copy(from.join("second.bpk"), to.join("second.bpk")).unwrap();
    write_checksums(to).unwrap();
    all.error("Trainer::resume", "moments of another run", move || {
        resume(&place)
    });
    let place = saved(folder, "torn");
    std::fs::write(place.join("step-000001/model.bpk"), b"torn").unwrap();
    all.error("Trainer::resume", "a torn file", move || resume(&place));
    all
}
