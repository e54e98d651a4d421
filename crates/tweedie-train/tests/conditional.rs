//! Conditional training: what is learned, and which conditions are refused.

#![allow(
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a test may stop at once, and compares exactly where it means to"
)]

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::gelu;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use tweedie_core::oracle::Gaussian;
use tweedie_core::{
    Condition, ConditionError, Denoiser, HostNoise, Network, Noise, Preconditioned, TimeInput,
};
use tweedie_math::{Prediction, Schedule, VariancePreserving};
use tweedie_models::{ClassInput, Conditions, Probe, Probed, UnetConfig, seeded};
use tweedie_train::{
    Batch, Decay, DeriveCondition, DropCondition, ExampleError, Examples, LearningRate, Paired,
    Request, ScoreMatching, TrainError, TrainSettings, Trainer,
};

/// A measured value of each sample and whether it is known, `[batch, 2]`.
#[derive(Clone, Debug)]
struct Seen(Tensor<2>);

impl Seen {
    fn known(values: Tensor<2>) -> Self {
        Self(Tensor::cat(vec![values.clone(), values.ones_like()], 1))
    }

    fn nothing() -> Self {
        Self(Tensor::zeros([1, 2], &Device::flex()))
    }
}

impl Condition for Seen {
    fn check(&self, shape: &[usize]) -> Result<(), ConditionError> {
        let rows = self.0.dims()[0];
        match rows == 1 || rows == shape[0] {
            true => Ok(()),
            false => Err(ConditionError {
                what: "measured value",
                expected: format!("1 or {} rows", shape[0]),
                found: format!("{rows}"),
            }),
        }
    }

    fn for_batch(&self, batch: usize) -> Self {
        match self.0.dims()[0] {
            1 => Self(self.0.clone().repeat_dim(0, batch)),
            _ => self.clone(),
        }
    }

    fn select(&self, rows: &[usize]) -> Self {
        let indices: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
        let indices = TensorData::new(indices, [rows.len()]);
        let indices = Tensor::<1, Int>::from_data(indices, &Device::flex());
        Self(self.0.clone().select(0, indices))
    }

    fn to_device(&self, device: &Device) -> Self {
        Self(self.0.clone().to_device(device))
    }

    fn cast(&self, dtype: DType) -> Self {
        Self(self.0.clone().cast(dtype))
    }

    fn join(first: Self, second: Self) -> Result<Self, ConditionError> {
        Ok(Self(Tensor::cat(vec![first.0, second.0], 0)))
    }
}

/// A perceptron on the state, its level and what was seen.
#[derive(Module, Debug)]
struct Perceptron {
    layers: Vec<Linear>,
}

impl Perceptron {
    fn new() -> Self {
        let device = Device::flex();
        let widths = [4, 64, 64, 1];
        let layers = widths.windows(2).map(|w| LinearConfig::new(w[0], w[1]));
        Self {
            layers: layers.map(|layer| layer.init(&device)).collect(),
        }
    }
}

impl Network<2, Seen> for Perceptron {
    fn forward(&self, x: Tensor<2>, time: Tensor<1>, Seen(seen): &Seen) -> Tensor<2> {
        let device = x.device();
        let seen = Tensor::from_data(seen.clone().into_data(), (&device, x.dtype()));
        let mut x = Tensor::cat(vec![x, time.unsqueeze_dim(1) / 4.0, seen], 1);
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x);
            if i + 1 < self.layers.len() {
                x = gelu(x);
            }
        }
        x
    }
}

const MEASURED: f64 = 0.5;

/// The prior of `x`, of which `y = x + 0.5 n` is seen.
fn prior() -> Gaussian {
    Gaussian::isotropic(&[0.4], 0.8).expect("a Gaussian")
}

/// The root mean square error of a denoiser over states and levels.
fn error(found: &dyn Denoiser<2>, exact: &Gaussian) -> f64 {
    let device = Device::flex();
    let schedule = VariancePreserving::default();
    let times = [0.05, 0.2, 0.4, 0.7, 0.95];
    let squares = times.map(|t| {
        let level = schedule.level(t);
        let clean = exact.sample(256, 7, &device).cast(DType::F32);
        let noise = HostNoise::seeded(8).normal([256, 1], &device);
        let x = clean * level.alpha() + noise * level.sigma();
        let off =
            found.denoise(x.clone(), level).expect("an estimate") - exact.posterior_mean(x, level);
        f64::from(off.square().mean().into_scalar::<f32>())
    });
    (squares.iter().sum::<f64>() / squares.len() as f64).sqrt()
}

/// A network that sees `y` for 70 % of its examples learns `E[x₀ | x_t, y]` and `E[x₀ | x_t]`.
#[test]
fn both_denoisers_are_learned() -> Result<(), TrainError> {
    let device = Device::flex();
    let clean = prior().sample(20_000, 1, &device).cast(DType::F32);
    // The measurements are made on the fly.
    let examples = DeriveCondition::new(clean, |batch, draws| {
        let noise = draws.normal_like(&batch.clean);
        Ok(Seen::known(batch.clean.clone() + noise * MEASURED))
    });
    let examples = DropCondition::new(examples, Seen::nothing(), 0.3)?;
    let network = seeded(3, &device, Perceptron::new());
    let model = Preconditioned::new(network, Prediction::Velocity, TimeInput::LogSnr);
    let rate = LearningRate::new(3e-3)
        .with_warmup(50)
        .with_decay(Decay::Cosine);
    let settings = TrainSettings::default()
        .with_steps(1500)
        .with_batch(256)
        .with_learning_rate(rate)
        .with_ema(0.99);
    let mut run = Trainer::new(
        model,
        ScoreMatching::new(VariancePreserving::default()),
        settings,
    )?;
    let mut curve = Vec::new();
    while let Some(report) = run.step(&examples)? {
        if ![30, 300, 1500].contains(&report.step) {
            continue;
        }
        let model = run.average().clone();
        let errors = [Some(-1.0), Some(0.9), None].map(|y| {
            let (exact, seen) = match y {
                Some(y) => {
                    let exact = prior().posterior(&[vec![1.0]], &[y], MEASURED);
                    let seen = Seen::known(Tensor::full([1, 1], y, &device));
                    (exact.expect("a posterior"), seen)
                }
                None => (prior(), Seen::nothing()),
            };
            error(&model.clone().with_condition(seen), &exact)
        });
        curve.push(errors);
    }
    // The prior has a standard deviation of 0.8, its posterior of 0.42.
    let [early, _, late] = curve[..] else {
        panic!("three measurements")
    };
    for (early, late) in early.into_iter().zip(late) {
        assert!(late < 0.04 && late < 0.25 * early, "{curve:?}");
    }
    Ok(())
}

/// What is dropped depends on the seed of a step alone, and the share is the probability.
#[test]
fn conditions_are_dropped_at_the_given_rate() {
    let device = Device::flex();
    // Each example sees its own number.
    let clean = Tensor::<1, Int>::arange(0..4000, &device)
        .float()
        .reshape([4000, 1]);
    let examples = Paired::new(clean.clone(), Seen::known(clean)).expect("pairs");
    let indices: Vec<usize> = (0..4000).collect();
    let known = |probability, seed| -> Vec<f32> {
        let examples = DropCondition::new(&examples, Seen::nothing(), probability);
        let request = Request::new(&indices, &device, seed);
        let batch = examples.expect("a probability").batch(&request);
        let Seen(rows) = batch.expect("a batch").condition;
        let values: Vec<f32> = rows.clone().narrow(1, 0, 1).into_data().iter().collect();
        let known: Vec<f32> = rows.narrow(1, 1, 1).into_data().iter().collect();
        for (i, (value, known)) in values.into_iter().zip(&known).enumerate() {
            assert_eq!(value, i as f32 * known);
        }
        known
    };
    let share = |rows: &[f32]| f64::from(rows.iter().sum::<f32>()) / 4000.0;
    assert_eq!((share(&known(0.0, 1)), share(&known(1.0, 1))), (1.0, 0.0));
    // Five standard deviations of a count.
    assert!((share(&known(0.3, 1)) - 0.7).abs() < 5.0 * (0.21_f64 / 4000.0).sqrt());
    assert_eq!(known(0.3, 1), known(0.3, 1));
    assert_ne!(known(0.3, 1), known(0.3, 2));
    assert!(DropCondition::new(&examples, Seen::nothing(), 1.1).is_err());

    // One in another drops independently: 1 − 0.7² of the conditions.
    let once = DropCondition::new(&examples, Seen::nothing(), 0.3).expect("a probability");
    let twice = DropCondition::new(once, Seen::nothing(), 0.3).expect("a probability");
    let batch = twice.batch(&Request::new(&indices, &device, 1));
    let Seen(rows) = batch.expect("a batch").condition;
    let kept = rows.narrow(1, 1, 1).mean().into_scalar::<f64>();
    assert!(
        (kept - 0.49).abs() < 5.0 * (0.25_f64 / 4000.0).sqrt(),
        "{kept}"
    );
}

/// Conditions that the network does not take are errors before its first evaluation.
#[test]
fn unfit_conditions_are_refused() {
    let device = Device::flex();
    let images = || HostNoise::seeded(1).normal([6, 1, 8, 8], &device);
    let settings = TrainSettings::default().with_steps(2).with_batch(3);
    let unet = |class| {
        let config = UnetConfig::new(1).with_widths([8, 16]).with_groups(Some(4));
        let mut config = config;
        config.class = class;
        let network = config.init(&device).expect("a network");
        Preconditioned::new(network, Prediction::Velocity, TimeInput::LogSnr)
    };
    let labels = |rows: &[i32]| {
        let rows = Tensor::<1, Int>::from_ints(rows, &device);
        Conditions::none().with_labels(rows)
    };
    let classes = Some(ClassInput::table(3));
    let run = |class| {
        Trainer::new(
            unet(class),
            ScoreMatching::new(VariancePreserving::default()),
            settings.clone(),
        )
    };
    let step = |class, conditions: Conditions| {
        let examples = Paired::new(images(), conditions).expect("pairs");
        let stepped = run(class).expect("a run").step(&examples);
        stepped
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    assert_eq!(step(classes, labels(&[0, 1, 2, 0, 1, 2])), "");
    let without = run(classes).expect("a run").step(&images());
    let without = without.expect_err("no class").to_string();
    assert!(
        without.contains("labels as its class, and got nothing"),
        "{without}"
    );
    let unknown = step(classes, labels(&[0, 1, 2, 3, 3, 3]));
    assert!(unknown.contains("labels from 0 to 2"), "{unknown}");
    let unwanted = step(None, labels(&[0; 6]));
    assert!(unwanted.contains("nothing as its class"), "{unwanted}");
    let image = Conditions::none().with_image(images());
    let image = step(None, image);
    assert!(image.contains("nothing as its image"), "{image}");
    assert!(Paired::new(images(), labels(&[0, 1])).is_err());
    let points = Tensor::<2>::zeros([6, 2], &device);
    assert!(Paired::new(points, labels(&[0, 1])).is_err());
    // The network has one channel.
    let wide = HostNoise::seeded(1).normal([6, 3, 8, 8], &device);
    let wide = run(None).expect("a run").step(&wide);
    let wide = wide.expect_err("too many channels").to_string();
    assert!(wide.contains("at most 1 channels"), "{wide}");
    let small = HostNoise::seeded(1).normal([6, 1, 1, 8], &device);
    let small = run(None).expect("a run").step(&small);
    let small = small.expect_err("too small an image").to_string();
    assert!(small.contains("at least 2×2 pixels"), "{small}");
    // A sampler asks the same questions.
    let x = HostNoise::seeded(1).normal([2, 1, 8, 8], &device);
    assert!(Denoiser::accepts(&unet(None), x.dims()).is_ok());
    assert!(Denoiser::accepts(&unet(classes), x.dims()).is_err());
    for (label, fits) in [(2, true), (3, false)] {
        let model = unet(classes).with_condition(labels(&[label]));
        assert_eq!(Denoiser::accepts(&model, x.dims()).is_ok(), fits);
    }
    // A table with a row for no class takes both, and uses that row.
    let optional = unet(Some(ClassInput::table_with_null(3)));
    let embedded = |conditions: Conditions| {
        let mut seen = OfClass(Vec::new());
        let time = Tensor::zeros([1], &device);
        let x = x.clone().narrow(0, 0, 1);
        let network = optional.network();
        let _ = network.forward_probed(x, time, &conditions, &mut seen);
        seen.0
    };
    let of_null = embedded(labels(&[3]));
    assert_eq!(embedded(Conditions::none()), of_null);
    assert_ne!(embedded(labels(&[0])), of_null);
    assert!(Denoiser::accepts(&optional, x.dims()).is_ok());
    let unknown = optional.clone().with_condition(labels(&[4]));
    assert!(Denoiser::accepts(&unknown, x.dims()).is_err());
    // A data set with a label too few, behind dropped conditions.
    let short = DropCondition::new(Short(images()), labels(&[2]), 0.5).expect("a probability");
    let short = run(classes).expect("a run").step(&short);
    assert!(matches!(short, Err(TrainError::Input(_))), "{short:?}");
}

/// The embedding of the class.
struct OfClass(Vec<f32>);

impl Probe for OfClass {
    fn vectors(&mut self, name: &str, x: &Tensor<2>) {
        if name == "class_embedding" {
            self.0 = x.to_data().iter().collect();
        }
    }
}

/// Images with two labels in each batch.
struct Short(Tensor<4>);

impl Examples<4> for Short {
    type Condition = Conditions;

    fn len(&self) -> usize {
        Examples::len(&self.0)
    }

    fn batch(&self, request: &Request<'_>) -> Result<Batch<4, Conditions>, ExampleError> {
        let labels = Tensor::<1, Int>::from_ints([0, 1], request.device);
        Ok(Batch {
            clean: self.0.batch(request)?.clean,
            condition: Conditions::none().with_labels(labels),
        })
    }
}

struct Unreadable;

impl Examples<2> for Unreadable {
    type Condition = ();

    fn len(&self) -> usize {
        3
    }

    fn batch(&self, _: &Request<'_>) -> Result<Batch<2>, ExampleError> {
        Err("row 2 of the table is cut off".into())
    }
}

#[test]
fn an_unreadable_example_ends_the_step_with_its_reason() {
    let network = tweedie_models::MlpConfig::new(2).with_width(8);
    let network = network.init(&Device::flex()).expect("a network");
    let model = Preconditioned::new(network, Prediction::Velocity, TimeInput::LogSnr);
    let objective = ScoreMatching::new(VariancePreserving::default());
    let mut run = Trainer::new(model, objective, TrainSettings::default()).expect("a run");
    let error = run.step(&Unreadable).expect_err("no example");
    assert!(matches!(error, TrainError::Data(_)));
    assert!(error.to_string().contains("row 2 of the table"), "{error}");
    assert_eq!(run.done(), 0);
}
