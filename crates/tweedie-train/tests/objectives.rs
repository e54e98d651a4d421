//! The pieces of the denoising loss, against their formulas.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use approx::assert_abs_diff_eq;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{DType, Device, Tensor};
use tweedie_core::{HostNoise, Network, Noise, Preconditioned, TimeInput};
use tweedie_math::{
    Chain, Cosine, Prediction, Schedule, TimeDensity, VariancePreserving, Weighting, stratified,
};
use tweedie_train::{
    Batch, Distance, Draws, Loss, ScoreMatching, TrainError, TrainSettings, Trainer,
};

/// A network whose output is its input.
#[derive(Module, Debug)]
struct Same {
    unused: Linear,
}

impl<const D: usize> Network<D> for Same {
    fn forward(&self, x: Tensor<D>, _: Tensor<1>, (): &()) -> Tensor<D> {
        x
    }
}

fn same(prediction: Prediction) -> Preconditioned<Same> {
    let unused = LinearConfig::new(1, 1).init(&Device::flex());
    Preconditioned::new(Same { unused }, prediction, TimeInput::LogSnr)
}

fn data() -> [Tensor<2>; 2] {
    [1, 2].map(|seed| HostNoise::seeded(seed).normal([256, 3], &Device::flex()))
}

/// On a variance-preserving path the predictions give the same loss, up to the factor of the table.
#[test]
fn losses_of_all_predictions_are_equal_up_to_weights() {
    let schedule = Cosine::default();
    let [clean, noise] = data();
    for t in [0.1, 0.5, 0.9] {
        let level = schedule.level(t);
        let loss = |prediction, weighting| {
            let objective = ScoreMatching::new(schedule).with_weighting(weighting);
            let loss = objective.loss(&same(prediction), clean.clone(), &[t; 256], noise.clone());
            loss.expect("a loss").into_scalar::<f64>()
        };
        // The same denoiser for each: the prediction that belongs to x̂₀ = x_t/2.
        let half = |prediction: Prediction| {
            let x = clean.clone() * level.alpha() + noise.clone() * level.sigma();
            let (to, error) = (prediction.to_clean(level), x.clone() * 0.5 - clean.clone());
            let target = prediction.target(level);
            let output = (x * (0.5 - to.skip)) / to.out;
            let off = output - clean.clone() * target.clean - noise.clone() * target.noise;
            let ratio = off.square().mean() / error.square().mean();
            (ratio.into_scalar::<f64>(), to.out.powi(-2))
        };
        for prediction in [
            Prediction::Clean,
            Prediction::Noise,
            Prediction::Score,
            Prediction::Velocity,
            Prediction::Flow,
            Prediction::Edm { sigma_data: 0.5 },
        ] {
            // ‖F − F*‖² = ‖x̂₀ − x₀‖²/out².
            let (found, expected) = half(prediction);
            assert_abs_diff_eq!(found / expected, 1.0, epsilon = 1e-4);
            // The weighted losses are those of the noise.
            let uniform = loss(prediction, Weighting::Uniform);
            let weighted = loss(prediction, Weighting::Snr);
            let factor = prediction.to_noise(level).powi(2);
            assert_abs_diff_eq!(weighted / (uniform * factor), 1.0, epsilon = 1e-5);
        }
    }
}

#[test]
fn distances_follow_their_formulas() {
    let [clean, noise] = data();
    let schedule = VariancePreserving::default();
    let level = schedule.level(0.3);
    let x = clean.clone() * level.alpha() + noise.clone() * level.sigma();
    let errors = x / level.rms() - clean.clone();
    let errors: Vec<f64> = errors.into_data().iter::<f64>().collect();
    let mean = |f: &dyn Fn(f64) -> f64| {
        errors.iter().map(|error| f(error.abs())).sum::<f64>() / errors.len() as f64
    };
    let huber = |e: f64| if e <= 0.2 { e * e } else { 0.4 * e - 0.04 };
    for (distance, expected) in [
        (Distance::Squared, mean(&|e| e * e)),
        (Distance::Absolute, mean(&|e| e)),
        (Distance::Huber { delta: 0.2 }, mean(&huber)),
    ] {
        let objective = ScoreMatching::new(schedule).with_distance(distance);
        let model = same(Prediction::Clean);
        let loss = objective.loss(&model, clean.clone(), &[0.3; 256], noise.clone());
        let loss = loss.expect("a loss").into_scalar::<f64>();
        assert_abs_diff_eq!(loss, expected, epsilon = 1e-5);
    }
    // A weight of one's own.
    let objective = ScoreMatching::new(schedule).with_weighting(|t: f64| 2.0 * t);
    let model = same(Prediction::Clean);
    let loss = objective.loss(&model, clean, &[0.3; 256], noise);
    let loss = loss.expect("a loss").into_scalar::<f64>();
    assert_abs_diff_eq!(loss, 0.6 * mean(&|e| e * e), epsilon = 1e-5);
}

/// DDPM as printed: every node of the chain equally often, and its own loss.
#[test]
fn nodes_are_drawn_equally_often() {
    let chain = Chain::linear(10, 1e-3, 0.2).expect("a chain");
    let density = TimeDensity::Nodes { count: 10 };
    let mut counts = [0; 10];
    for u in stratified(0.37, 1000) {
        let level = chain.level(density.time(&chain, u));
        let node = chain.index(level);
        assert_abs_diff_eq!(node, node.round(), epsilon = 1e-9);
        counts[node.round() as usize] += 1;
    }
    assert_eq!(counts, [100; 10]);
    // The log-SNR of the other new density is uniform.
    let schedule = VariancePreserving::default();
    let density = TimeDensity::UniformLogSnr {
        min: 0.01,
        max: 1.0,
    };
    let [most, least] = [0.01, 1.0].map(|t| schedule.level(t).log_snr());
    for u in [0.0, 0.25, 0.5, 1.0] {
        let found = schedule.level(density.time(schedule, u)).log_snr();
        assert_abs_diff_eq!(found, most + u * (least - most), epsilon = 1e-6);
    }
}

/// A network whose output is the mean of each channel.
#[derive(Module, Debug)]
struct ChannelMean {
    unused: Linear,
}

impl Network<4> for ChannelMean {
    fn forward(&self, x: Tensor<4>, _: Tensor<1>, (): &()) -> Tensor<4> {
        let [_, _, h, w] = x.dims();
        x.mean_dim(2).mean_dim(3).repeat_dim(2, h).repeat_dim(3, w)
    }
}

/// Offset noise is constant over a channel: of `ε = n + o`, the mean over 16 pixels is `n̄ + o`.
#[test]
fn offset_noise_moves_whole_channels() {
    let device = Device::flex();
    let schedule = VariancePreserving::default();
    let objective = ScoreMatching::new(schedule).with_offset_noise(0.5);
    let clean = Tensor::<4>::zeros([400, 2, 4, 4], &device);
    let mut draws = Draws::new(vec![0.5; 400], 3, 0);
    let condition = ();
    let unused = LinearConfig::new(1, 1).init(&device);
    let network = ChannelMean { unused };
    let model = Preconditioned::new(network, Prediction::Noise, TimeInput::LogSnr);
    let losses = objective.losses(&model, Batch { clean, condition }, &mut draws);
    let losses = losses.expect("losses");
    let level = schedule.level(TimeDensity::default().time(schedule, 0.5));
    // The output is σ (n̄ + o): the loss is E (n + o − σ (n̄ + o))².
    let s = level.sigma();
    let expected = 1.0 - (2.0 * s - s * s) / 16.0 + 0.25 * (1.0 - s).powi(2);
    let found = losses.values.mean().into_scalar::<f64>();
    // Five standard errors of 12,800 squares. Noise of each pixel alone would give 1.17.
    assert_abs_diff_eq!(found, expected, epsilon = 5.0 * (2.0_f64 / 12_800.0).sqrt());
    assert_abs_diff_eq!(losses.log_snr[7], level.log_snr(), epsilon = 1e-12);
}

/// Losses of examples in half precision are computed in single precision.
#[test]
fn half_precision_is_widened() {
    let [clean, noise] = data();
    let objective = ScoreMatching::new(VariancePreserving::default());
    let model = same(Prediction::Velocity);
    let loss = |[clean, noise]: [Tensor<2>; 2]| {
        let loss = objective.loss(&model, clean, &[0.4; 256], noise);
        loss.expect("a loss")
    };
    let half = loss([&clean, &noise].map(|x| x.clone().cast(DType::F16)));
    assert_eq!(half.dtype(), DType::F32);
    let [half, full] = [half, loss([clean, noise])].map(|loss| loss.into_scalar::<f64>());
    assert_abs_diff_eq!(half / full, 1.0, epsilon = 2e-3);
}

#[test]
fn objectives_outside_their_range_are_refused() {
    let refused = |objective: ScoreMatching<VariancePreserving>| {
        let run = Trainer::new(same(Prediction::Noise), objective, TrainSettings::default());
        match run.expect_err("a bad objective") {
            TrainError::Parameter(error) => error.name,
            TrainError::Objective(error) => error.to_string().leak(),
            other => panic!("{other:?}"),
        }
    };
    let usual = || ScoreMatching::new(VariancePreserving::default());
    let huber = usual().with_distance(Distance::Huber { delta: 0.0 });
    assert_eq!(refused(huber), "δ of the Huber distance");
    assert_eq!(refused(usual().with_offset_noise(-0.1)), "the offset noise");
    let nodes = refused(usual().with_density(TimeDensity::Nodes { count: 0 }));
    assert!(nodes.starts_with("count has to be at least 1"), "{nodes}");
    let gamma = Weighting::SoftMinSnr { gamma: f64::NAN };
    assert!(refused(usual().with_weighting(gamma)).starts_with("gamma"));
}
