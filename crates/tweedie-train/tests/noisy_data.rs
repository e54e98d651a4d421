//! Denoisers from noisy data alone find the best linear estimate of data that they never see.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use approx::assert_abs_diff_eq;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use tweedie_core::{DenoiseError, Denoiser, HostNoise, Noise};
use tweedie_math::Level;
use tweedie_train::{
    Equivariant, LearningRate, Loss, Noise2Noise, Recorrupted, Splitting, Sure, TrainSettings,
    Trainer,
};

/// `x̂₀ = a x`.
#[derive(Module, Debug)]
struct Shrink {
    factor: Param<Tensor<1>>,
}

impl Denoiser<2> for Shrink {
    fn denoise(&self, x: Tensor<2>, _: Level) -> Result<Tensor<2>, DenoiseError> {
        Ok(x * self.factor.val().unsqueeze::<2>())
    }
}

fn shrink() -> Shrink {
    let factor = Param::from_tensor(Tensor::<1>::from_floats([0.2], &Device::flex()));
    Shrink { factor }
}

/// The model after training on the examples.
fn trained<M>(model: M, objective: impl Loss<M, 2> + serde::Serialize, examples: &Tensor<2>) -> M
where
    M: Module + Clone,
{
    let settings = TrainSettings::default()
        .with_steps(600)
        .with_batch(200)
        .with_learning_rate(LearningRate::new(0.02))
        .with_ema(0.99);
    let mut trainer = Trainer::new(model, objective, settings).expect("a run");
    while trainer.step(examples).expect("a step").is_some() {}
    trainer.average().clone()
}

/// The factor after training on `x + σ n` with `x ~ N(0, s²)`.
fn learned(objective: impl Loss<Shrink, 2> + serde::Serialize, s: f64, sigma: f64) -> f64 {
    let device = Device::flex();
    let mut noise = HostNoise::seeded(1);
    let clean = noise.normal([4000, 2], &device) * s;
    let noisy = clean + noise.normal([4000, 2], &device) * sigma;
    let model = trained(shrink(), objective, &noisy);
    model.factor.val().into_scalar::<f64>()
}

#[test]
fn steins_estimate_finds_wieners_gain() {
    let (s, sigma) = (0.8_f64, 0.5_f64);
    let exact = s * s / (s * s + sigma * sigma);
    assert_abs_diff_eq!(learned(Sure::new(sigma), s, sigma), exact, epsilon = 0.02);
}

#[test]
fn recorrupted_data_find_wieners_gain_of_a_higher_level() {
    let (s, sigma, tau) = (0.8_f64, 0.5_f64, 0.7_f64);
    let exact = s * s / (s * s + sigma * sigma * (1.0 + tau * tau));
    let objective = Recorrupted::new(sigma).with_tau(tau);
    assert_abs_diff_eq!(learned(objective, s, sigma), exact, epsilon = 0.03);
}

#[test]
fn parameters_outside_their_range_are_refused() {
    let run = |objective: Recorrupted| {
        let factor = Param::from_tensor(Tensor::<1>::from_floats([0.2], &Device::flex()));
        Trainer::new(Shrink { factor }, objective, TrainSettings::default()).err()
    };
    let refused = run(Recorrupted::new(0.0)).expect("an error");
    assert!(
        refused.to_string().contains("the examples' noise"),
        "{refused}"
    );
    assert!(run(Recorrupted::new(0.1).with_tau(-1.0)).is_some());
    assert!(run(Recorrupted::new(0.1)).is_none());
    for objective in [Sure::new(f64::NAN), Sure::new(0.1).with_step(0.0)] {
        let factor = Param::from_tensor(Tensor::<1>::from_floats([0.2], &Device::flex()));
        assert!(Trainer::new(Shrink { factor }, objective, TrainSettings::default()).is_err());
    }
}

/// Pairs of copies, along the channels.
#[test]
fn two_noisy_copies_find_wieners_gain() {
    let (s, sigma) = (0.8_f64, 0.5_f64);
    let mut noise = HostNoise::seeded(1);
    let device = Device::flex();
    let clean = noise.normal([4000, 2], &device) * s;
    let copies = [0, 1].map(|_| clean.clone() + noise.normal([4000, 2], &device) * sigma);
    let both = Tensor::cat(copies.to_vec(), 1);
    let exact = s * s / (s * s + sigma * sigma);
    let found = trained(shrink(), Noise2Noise::new(sigma), &both);
    assert_abs_diff_eq!(
        found.factor.val().into_scalar::<f64>(),
        exact,
        epsilon = 0.02
    );
}

/// `x̂₀ = x K`, a linear estimate of all values from all.
#[derive(Module, Debug)]
struct Linear {
    matrix: Param<Tensor<2>>,
}

impl Denoiser<2> for Linear {
    fn denoise(&self, x: Tensor<2>, _: Level) -> Result<Tensor<2>, DenoiseError> {
        Ok(x.matmul(self.matrix.val()))
    }
}

/// Two values with correlation: each is predicted from the other by `c/(v + σ²)`.
#[test]
fn hidden_values_are_predicted_from_the_others() {
    let (c, sigma) = (0.6_f64, 0.5_f64);
    let mut noise = HostNoise::seeded(2);
    let device = Device::flex();
    let z = noise.normal([6000, 2], &device);
    let mix = Tensor::<2>::from_floats([[1.0, c], [0.0, (1.0 - c * c).sqrt()]], &device);
    let y = z.matmul(mix) + noise.normal([6000, 2], &device) * sigma;
    let both = Tensor::cat(vec![y.clone(), y.ones_like()], 1);
    let matrix = Param::from_tensor(Tensor::<2>::from_floats([[0.2, 0.0], [0.0, 0.2]], &device));
    let found = trained(Linear { matrix }, Splitting::new(sigma), &both);
    let k: Vec<f64> = found.matrix.val().into_data().iter::<f64>().collect();
    let exact = c / (1.0 + sigma * sigma);
    assert_abs_diff_eq!(k[1], exact, epsilon = 0.03);
    assert_abs_diff_eq!(k[2], exact, epsilon = 0.03);
    // A value is never seen where it is predicted.
    assert_abs_diff_eq!(k[0], 0.2, epsilon = 1e-3);
}

/// `x̂₀ = x U V`, through as many values as the signals have.
#[derive(Module, Debug)]
struct Bottleneck {
    u: Param<Tensor<2>>,
    v: Param<Tensor<2>>,
}

impl Denoiser<2> for Bottleneck {
    fn denoise(&self, x: Tensor<2>, _: Level) -> Result<Tensor<2>, DenoiseError> {
        Ok(x.matmul(self.u.val()).matmul(self.v.val()))
    }
}

/// Signals on a circle of three frequencies, of which four places are never measured. The measured
/// ones determine the signal; how, only shifted signals tell, which are measured elsewhere.
#[test]
fn equivariance_learns_what_is_never_measured() {
    const N: usize = 8;
    let device = Device::flex();
    let z = HostNoise::seeded(3).normal([4000, 3], &device);
    let wave = |k: usize, i: usize| match k {
        0 => 1.0,
        _ => (std::f32::consts::TAU * i as f32 / N as f32
            - (k - 1) as f32 * std::f32::consts::FRAC_PI_2)
            .cos(),
    };
    let waves: Vec<f32> = (0..3 * N).map(|i| wave(i / N, i % N)).collect();
    let x = z.matmul(Tensor::<1>::from_floats(&waves[..], &device).reshape([3, N]));
    let kept = [[1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0]];
    let kept = Tensor::<2>::from_floats(kept, &device);
    let y = x.clone() * kept.clone();
    let error = |weight: f64| {
        let mut noise = HostNoise::seeded(5);
        let model = Bottleneck {
            u: Param::from_tensor(noise.normal([N, 3], &device) * 0.3),
            v: Param::from_tensor(noise.normal([3, N], &device) * 0.3),
        };
        let measure = |x: Tensor<2>| x * kept.clone();
        let objective = Equivariant::new(measure, |y| y).with_weight(weight);
        let model = trained(model, objective, &y);
        let off = y.clone().matmul(model.u.val()).matmul(model.v.val()) - x.clone();
        let hidden = kept.clone() * -1.0 + 1.0;
        let scale = (x.clone() * hidden.clone())
            .square()
            .sum()
            .into_scalar::<f64>();
        (off * hidden).square().sum().into_scalar::<f64>() / scale
    };
    let (without, with) = (error(0.0), error(1.0));
    println!("{without:.3} {with:.3}");
    assert!(without > 0.5, "{without}");
    assert!(with < 0.05, "{with}");
}
