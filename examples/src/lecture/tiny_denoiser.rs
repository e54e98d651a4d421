//! A denoiser that fits on a page: three convolutions, 1-16-16-1, learn the noise of nine patches
//! of one photograph in 150 epochs of Adam.

use super::{Drawn, Page};
use tweedie::burn;
use tweedie::burn::module::Module;
use tweedie::burn::nn::PaddingConfig2d;
use tweedie::burn::nn::conv::{Conv2d, Conv2dConfig};
use tweedie::burn::tensor::activation::relu;
use tweedie::image::Sheet;
use tweedie::math::Prediction;
use tweedie::models::seeded;
use tweedie::prelude::*;
use tweedie::train::LearningRate;

const SIGMA: f64 = 0.25;

// ANCHOR: network
#[derive(Module, Debug)]
struct Tiny {
    layers: Vec<Conv2d>,
}

impl Network<4> for Tiny {
    fn forward(&self, x: Tensor<4>, _: Tensor<1>, (): &()) -> Tensor<4> {
        // The course feeds x itself; `Preconditioned` has divided it by √(1 + σ²).
        let x = x * (1.0 + SIGMA * SIGMA).sqrt();
        let x = relu(self.layers[0].forward(x));
        let x = relu(self.layers[1].forward(x));
        self.layers[2].forward(x)
    }
}
// ANCHOR_END: network

/// The level `x₀ + σ ε` at all times.
#[derive(Clone, Copy)]
struct Constant(Level);

impl Schedule for Constant {
    fn level(&self, _: f64) -> Level {
        self.0
    }
}

pub(super) fn draw(page: &Page) -> Drawn {
    // A grey photograph of 32×32 pixels: each pixel is the mean of 8×8.
    let photo = Images::photos()?.select(&[0], ValueRange::Unit, &page.device);
    let photo = photo
        .mean_dim(1)
        .reshape([32, 8, 32, 8])
        .mean_dim(1)
        .mean_dim(3);
    let photo = photo.reshape([1, 1, 32, 32]);
    let corners = [0, 8, 16]
        .into_iter()
        .flat_map(|i| [0, 8, 16].map(|j| [i, j]));
    let patch = |[i, j]: [usize; 2]| photo.clone().narrow(2, i, 16).narrow(3, j, 16);
    let patches = Tensor::cat(corners.map(patch).collect(), 0);

    let layer = |from, to| {
        let config = Conv2dConfig::new([from, to], [3, 3]);
        config
            .with_padding(PaddingConfig2d::Same)
            .init(&page.device)
    };
    let layers = vec![layer(1, 16), layer(16, 16), layer(16, 1)];
    let network = seeded(0, &page.device, Tiny { layers });
    let level = Level::variance_exploding(SIGMA)?;
    // ANCHOR: train
    let model = Preconditioned::new(network, Prediction::Noise, TimeInput::LogSnr);
    let settings = TrainSettings::default()
        .with_steps(150)
        .with_batch(9)
        .with_learning_rate(LearningRate::new(1e-2))
        .with_ema(0.0)
        .without_clip();
    let mut run = Trainer::new(model, ScoreMatching::new(Constant(level)), settings)?;
    while let Some(report) = run.step(&patches)? {
        if [1, 20, 80, 150].contains(&report.step) {
            println!("epoch {:3}: loss {:.3}", report.step, report.loss);
        }
    }
    // ANCHOR_END: train
    let noise = HostNoise::seeded(5).normal(photo.dims(), &page.device);
    let noisy = photo.clone() + noise * SIGMA;
    let clean = run.average().denoise(noisy.clone(), level)?;
    let error = |x: &Tensor<4>| {
        let square = (x.clone() - photo.clone()).square().mean();
        square.sqrt().into_scalar::<f64>()
    };
    println!(
        "root mean square error: noisy {:.3}, denoised {:.3}",
        error(&noisy),
        error(&clean)
    );
    Sheet::new()
        .with_scale(6)
        .with_columns(["photograph", "σ = 0.25", "denoised"])
        .with_row(
            "",
            Tensor::cat(vec![photo, noisy, clean], 0),
            ValueRange::Unit,
        )?
        .save(page.picture("tiny_denoiser.png"))?;
    Ok(())
}
