//! Learned variance against closed forms.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use approx::assert_abs_diff_eq;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::gelu;
use burn::tensor::{DType, Device, Tensor};
use tweedie_core::oracle::Gaussian;
use tweedie_core::{Denoiser, HostNoise, InputError, Network, Noise, Preconditioned, TimeInput};
use tweedie_math::{Chain, LevelPath, PosteriorVariance, Prediction, Spacing, stratified};
use tweedie_models::{MlpConfig, seeded};
use tweedie_samplers::likelihood::VariationalBound;
use tweedie_train::{
    Batch, Decay, Draws, Hybrid, LearningRate, Loss, TrainError, TrainSettings, Trainer,
};

/// A perceptron on state and time, whose output has two values.
#[derive(Module, Debug)]
struct Perceptron {
    layers: Vec<Linear>,
}

impl Network<2> for Perceptron {
    fn forward(&self, x: Tensor<2>, time: Tensor<1>, (): &()) -> Tensor<2> {
        let mut x = Tensor::cat(vec![x, time.unsqueeze_dim(1) / 4.0], 1);
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x);
            if i + 1 < self.layers.len() {
                x = gelu(x);
            }
        }
        x
    }
}

fn perceptron() -> Preconditioned<Perceptron> {
    let device = Device::flex();
    let widths = [2, 64, 64, 2];
    let layers = widths.windows(2).map(|w| LinearConfig::new(w[0], w[1]));
    let layers = layers.map(|layer| layer.init(&device)).collect();
    let network = seeded(3, &device, Perceptron { layers });
    Preconditioned::new(network, Prediction::Velocity, TimeInput::LogSnr)
}

fn chain() -> Chain {
    Chain::linear(20, 0.01, 0.4).expect("a chain")
}

/// For data `N(0, c)` the exact variance of a step is `v_s β/v_t`, with `v = α² c + σ²`.
#[test]
fn the_variance_of_a_gaussian_is_found() -> Result<(), TrainError> {
    let (device, c) = (Device::flex(), 0.25_f64);
    let data = HostNoise::seeded(1).normal([8192, 1], &device) * c.sqrt();
    let rate = LearningRate::new(3e-3).with_decay(Decay::Cosine);
    let settings = TrainSettings::default()
        .with_steps(1500)
        .with_batch(256)
        .with_learning_rate(rate)
        .with_ema(0.99);
    // Only the ratio of the two losses would change with a smaller weight.
    let objective = Hybrid::new(chain()).with_weight(0.1);
    let mut run = Trainer::new(perceptron(), objective, settings)?;
    while run.step(&data)?.is_some() {}
    let model = run
        .average()
        .clone()
        .with_condition(())
        .with_learned_variance();
    for i in [1, 2, 4, 8, 15] {
        let (level, before) = (chain().node(i), chain().node(i - 1));
        let [v_t, v_s] = [level, before].map(|l| l.alpha().powi(2) * c + l.sigma().powi(2));
        let beta = chain().beta(i);
        let small = beta * (before.sigma() / level.sigma()).powi(2);
        let exact = v_s * beta / v_t;
        // States as they occur at this level.
        let x = HostNoise::seeded(5).normal([512, 1], &device) * v_t.sqrt();
        let found = model.estimate(x, level).expect("an estimate");
        let w = found.interpolation.expect("a variance");
        let log = (w * (beta / small).ln() + small.ln())
            .mean()
            .into_scalar::<f64>();
        // The log-variance may be anything between ln β̃ and ln β.
        let share = (log - small.ln()) / (beta / small).ln();
        let expected = (exact / small).ln() / (beta / small).ln();
        assert!(
            (share - expected).abs() < 0.1,
            "node {i}: {share}, exact {expected}"
        );
        assert!(
            (0.1..0.95).contains(&expected),
            "{expected} shows something"
        );
    }
    Ok(())
}

/// The terms of training, summed over the nodes, are those of the bound.
#[test]
fn terms_sum_to_the_variational_bound() {
    let device = Device::flex();
    let prior = Gaussian::isotropic(&[0.4], 0.5).expect("a Gaussian");
    let clean = prior.sample(64, 2, &device);
    let path = LevelPath::respaced(&chain(), Spacing::Trailing, 20).expect("a path");
    let variance = PosteriorVariance::Small;
    let bound = VariationalBound::new(path.clone(), variance).expect("a bound");
    let model = perceptron().with_condition(()).with_learned_variance();
    let terms = bound
        .with_learned_variance()
        .terms(&model, clean.clone(), &mut HostNoise::seeded(9))
        .expect("terms");
    let objective = Hybrid::new(chain());
    let mut noise = HostNoise::seeded(9);
    let values = |x: Tensor<1>| x.into_data().iter::<f64>().collect::<Vec<_>>();
    for (i, expected) in (0..20)
        .rev()
        .zip(terms.steps.iter().chain([&terms.decoder]))
    {
        let level = chain().node(i);
        let noisy = clean.clone() * level.alpha() + noise.normal_like(&clean) * level.sigma();
        let found = model.estimate(noisy, level).expect("an estimate");
        let w = found.interpolation.expect("a variance");
        let found = objective.terms(&[i; 64], clean.clone(), found.clean, w);
        assert_abs_diff_eq!(
            values(found)[..],
            values(expected.clone())[..],
            epsilon = 1e-4
        );
    }
    // Nodes may be mixed, the first among them.
    let x = clean.clone().cast(DType::F64);
    let w = x.ones_like() * 0.5;
    let nodes: Vec<usize> = (0..64).map(|row| row % 20).collect();
    let mixed = values(objective.terms(&nodes, x.clone(), x.clone() * 0.9, w.clone()));
    for (row, &node) in nodes.iter().enumerate() {
        let [x, w] = [&x, &w].map(|x| x.clone().narrow(0, row, 1));
        let alone = values(objective.terms(&[node], x.clone(), x * 0.9, w));
        assert_abs_diff_eq!(mixed[row], alone[0], epsilon = 1e-9);
    }
}

/// The bound has no gradient on the prediction.
#[test]
fn the_bound_trains_the_variance_alone() {
    let clean = HostNoise::seeded(1).normal([64, 1], &Device::flex().autodiff());
    let model = perceptron().train();
    let gradient = |weight: f64| {
        let mut draws = Draws::new(stratified(0.5, 64), 7, 0);
        let (clean, condition) = (clean.clone(), ());
        let objective = Hybrid::new(chain()).with_weight(weight);
        let losses = objective.losses(&model, Batch { clean, condition }, &mut draws);
        let gradients = losses.expect("losses").values.mean().backward();
        let layer = &model.network().layers[2];
        let gradient = layer.weight.grad(&gradients).expect("a gradient");
        let of = |output| {
            let column = gradient.clone().narrow(1, output, 1).into_data();
            column.iter::<f64>().collect::<Vec<_>>()
        };
        [of(0), of(1)]
    };
    let [without, with] = [gradient(0.0), gradient(1.0)];
    assert_abs_diff_eq!(without[0][..], with[0][..], epsilon = 1e-6);
    assert!(without[0].iter().any(|slope| slope.abs() > 1e-3));
    assert!(without[1].iter().all(|slope| slope.abs() < 1e-12));
    assert!(with[1].iter().any(|slope| slope.abs() > 1e-3));
}

#[test]
fn wrong_networks_and_settings_are_refused() {
    let device = Device::flex();
    let data = Tensor::<2>::ones([8, 2], &device);
    let settings = TrainSettings::default().with_steps(1).with_batch(4);
    // Its output has as many values as its input.
    let narrow = MlpConfig::new(2).init(&device).expect("a network");
    let narrow = Preconditioned::new(narrow, Prediction::Noise, TimeInput::LogSnr);
    let mut run =
        Trainer::new(narrow.clone(), Hybrid::new(chain()), settings.clone()).expect("a run");
    let error = run.step(&data).expect_err("no variance");
    assert!(matches!(error, TrainError::Input(InputError::Shape { .. })));
    assert!(error.to_string().contains("[4, 4]"), "{error}");
    let negative = Hybrid::new(chain()).with_weight(-1.0);
    assert!(Trainer::new(narrow.clone(), negative, settings.clone()).is_err());
    let mut elsewhere = Hybrid::new(chain());
    elsewhere.simple = elsewhere.simple.with_density(Default::default());
    assert!(Trainer::new(narrow, elsewhere, settings).is_err());
}
