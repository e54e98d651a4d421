//! A linear variational autoencoder against probabilistic principal components.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use std::f64::consts::TAU;
use tweedie_core::{Encoding, HostNoise, LatentGaussian, Noise};
use tweedie_models::seeded;
use tweedie_train::{Decay, Elbo, LearningRate, TrainError, TrainSettings, Trainer};

/// Linear maps to the mean of two latents and back, and one variance for each latent.
#[derive(Module, Debug)]
struct LinearAutoencoder {
    to: Linear,
    back: Linear,
    log_variance: Param<Tensor<2>>,
}

impl Encoding<2> for LinearAutoencoder {
    fn encode(&self, x: Tensor<2>) -> LatentGaussian<2> {
        let mean = self.to.forward(x);
        let log_variance = self.log_variance.val().repeat_dim(0, mean.dims()[0]);
        LatentGaussian { mean, log_variance }
    }

    fn decode(&self, latents: Tensor<2>) -> Tensor<2> {
        self.back.forward(latents)
    }

    fn decoded_shape(&self, [batch, _]: [usize; 2]) -> Option<[usize; 2]> {
        Some([batch, 4])
    }
}

/// The standard deviations along four rotated axes, and that of the decoder.
const DEVIATIONS: [f64; 4] = [2.0, 1.0, 0.2, 0.2];
const NOISE: f64 = 0.2;

/// The global optimum of the bound is the likelihood of the principal components (Lucas et al.
/// 2019, "Don't Blame the ELBO!", arXiv:1911.02469): the loss per value is
/// `½ (ln 2π + mean of ln λᵢ + 1)`, where the model has the variances `λ` of the data.
#[test]
fn the_bound_reaches_the_likelihood_of_principal_components() -> Result<(), TrainError> {
    let device = Device::flex();
    let axes = Tensor::<2>::from_floats(
        [
            [0.5, 0.5, 0.5, 0.5],
            [0.5, 0.5, -0.5, -0.5],
            [0.5, -0.5, 0.5, -0.5],
            [0.5, -0.5, -0.5, 0.5],
        ],
        &device,
    );
    let scales = Tensor::<2>::from_data([DEVIATIONS], &device);
    let data = |seed| HostNoise::seeded(seed).normal([20_000, 4], &device) * scales.clone();
    let network = LinearAutoencoder {
        to: LinearConfig::new(4, 2).init(&device),
        back: LinearConfig::new(2, 4).init(&device),
        log_variance: Param::from_tensor(Tensor::zeros([1, 2], &device)),
    };
    let network = seeded(3, &device, network);
    let settings = TrainSettings::default()
        .with_steps(3000)
        .with_batch(128)
        .with_learning_rate(LearningRate::new(2e-2).with_decay(Decay::Cosine))
        .with_ema(0.98);
    let mut run = Trainer::new(network, Elbo::new(NOISE), settings)?;
    let train = data(1).matmul(axes.clone());
    while run.step(&train)?.is_some() {}

    let fresh = data(2);
    let mean: f64 = DEVIATIONS.iter().map(|s| 2.0 * s.ln()).sum::<f64>() / 4.0;
    // The value of the optimum on these samples, whose moments differ from the exact ones.
    let square = fresh.clone().square().mean_dim(0).into_data();
    let ratio = square
        .iter::<f64>()
        .zip(DEVIATIONS)
        .map(|(v, s)| v / (s * s));
    let exact = 0.5 * (TAU.ln() + mean + ratio.sum::<f64>() / 4.0);
    let found = run.held_out(&fresh.matmul(axes))?.loss;
    assert!((found - exact).abs() < 0.01, "{found}, exact {exact}");

    // The latents have the posterior variances s²/λ of the two large components.
    let log_variance = run.average().log_variance.val().into_data();
    let mut variances: Vec<f64> = log_variance.iter::<f64>().map(f64::exp).collect();
    variances.sort_by(f64::total_cmp);
    for (found, deviation) in variances.into_iter().zip(DEVIATIONS) {
        let exact = (NOISE / deviation).powi(2);
        assert!((found / exact - 1.0).abs() < 0.1, "{found}, exact {exact}");
    }
    Ok(())
}

#[test]
fn nonsense_is_refused() {
    let layer = || LinearConfig::new(2, 2).init(&Device::flex());
    let refused = |objective| {
        let network = LinearAutoencoder {
            to: layer(),
            back: layer(),
            log_variance: Param::from_tensor(Tensor::zeros([1, 2], &Device::flex())),
        };
        Trainer::new(network, objective, TrainSettings::default()).is_err()
    };
    assert!(refused(Elbo::new(0.0)) && refused(Elbo::new(f64::NAN)));
    assert!(refused(Elbo::new(1.0).with_beta(-1.0)) && !refused(Elbo::new(1.0)));
}
