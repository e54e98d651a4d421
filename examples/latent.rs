//! Latent diffusion, end to end: `cargo run --example latent [-- --data FILE]`.
//!
//! Trains an autoencoder by the evidence lower bound, encodes the images, trains a diffusion model
//! of the latents, and draws images. Both runs resume from their checkpoints, also after a kill.
//! The folder `--out` receives `reconstructions.png`, `samples.png` and `pipeline`, which
//! diffusers' `LDMPipeline` opens.
//!
//! Rombach et al. 2022, arXiv:2112.10752.

use clap::Parser;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tweedie::burn::module::Module;
use tweedie::image::{Sheet, grid};
use tweedie::math::TimeDensity;
use tweedie::models::{Autoencoder, AutoencoderConfig, Latent, Precision, seeded};
use tweedie::prelude::*;
use tweedie::train::{
    Batch, Elbo, Examples, FnExamples, LearningRate, Loss, Objective, ProgressLine, has_checkpoint,
};
use tweedie_examples::finish;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Trains an autoencoder and a diffusion model of its latents.
#[derive(Parser)]
struct Arguments {
    /// An IDX file of grey images; by default 5,000 images of Fashion-MNIST
    #[arg(long)]
    data: Option<PathBuf>,
    /// Channels of the latents, which have a quarter of the image's height and width
    #[arg(long, default_value_t = 4)]
    latent: usize,
    /// Steps of the autoencoder, with 32 images each
    #[arg(long, default_value_t = 900)]
    autoencoder_steps: usize,
    /// Steps of the diffusion model, with 64 images each
    #[arg(long, default_value_t = 3000)]
    diffusion_steps: usize,
    /// β, the weight of the divergence in the bound
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    beta: f64,
    /// The standard deviation of the decoder's Gaussian, on values in `[−1, 1]`
    #[arg(long, default_value_t = 0.1, allow_negative_numbers = true)]
    std: f64,
    /// The output folder
    #[arg(long, default_value = "out/latent")]
    out: PathBuf,
}

fn main() -> ExitCode {
    finish(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let device = Device::default();
    let images = match &arguments.data {
        None => Images::fashion_train()?,
        Some(path) => Images::idx(path)?,
    };
    let [height, width] = images.size();
    if height % 4 != 0 || width % 4 != 0 {
        return Err(format!("{height}×{width} pixels are no multiples of 4").into());
    }
    let config = AutoencoderConfig::new()
        .with_channels(images.channels())
        .with_latent(arguments.latent)
        .with_widths(vec![32, 64, 64])
        .with_blocks(1)
        .with_groups(8)
        .with_attention(false);
    let network = seeded(0, &device, config.init(&device)?);
    let settings = TrainSettings::default()
        .with_steps(arguments.autoencoder_steps)
        .with_batch(32)
        .with_learning_rate(LearningRate::new(1e-3).with_warmup(50))
        .with_ema(0.99);
    let objective = Elbo::new(arguments.std).with_beta(arguments.beta);
    let of_diffusion = TrainSettings::default()
        .with_steps(arguments.diffusion_steps)
        .with_batch(64)
        .with_ema(0.995);
    // All arguments are checked before anything is written.
    of_diffusion.check()?;
    let _ = Trainer::new(network.clone(), objective, settings.clone())?;

    let examples = FnExamples::new(images.count(), |request| {
        Ok(Batch {
            clean: images.select(request.indices, ValueRange::Signed, request.device),
            condition: (),
        })
    });
    let place = arguments.out.join("autoencoder");
    let description = (&config, images.count());
    let autoencoder = trained(
        &place,
        network,
        objective,
        settings,
        &examples,
        &description,
    )?;
    let all = images.tensor(ValueRange::Signed, &device);
    let (autoencoder, latents) = normalised(autoencoder, &all);
    show_reconstructions(&arguments.out, &autoencoder, &all)?;

    let network = UnetConfig::new(arguments.latent)
        .with_widths([64, 128])
        .with_blocks(1)
        .with_groups(Some(8));
    let chain = Chain::linear(1000, 1e-4, 0.02)?;
    let time = TimeInput::Index(chain.clone());
    let [_, _, height, width] = latents.dims();
    let config = ModelConfig::new(network, Prediction::Noise, time, [height, width]);
    let model = seeded(1, &device, config.init(&device)?);
    // DDPM as printed: the noise, at the nodes of the chain.
    let nodes = TimeDensity::Nodes { count: chain.len() };
    let objective = ScoreMatching::new(chain.clone()).with_density(nodes);
    let place = arguments.out.join("diffusion");
    // Latents of another autoencoder belong to another run.
    let (shift, scale) = (autoencoder.config().shift, autoencoder.config().scale);
    let description = (&config, shift.to_bits(), scale.to_bits(), images.count());
    let model = trained(
        &place,
        model,
        objective,
        of_diffusion,
        &latents,
        &description,
    )?;
    let latent = Latent::new(autoencoder, Model::new(config, model.into_network())?);
    latent.export_diffusers(arguments.out.join("pipeline"), Precision::Half)?;

    let path = LevelPath::respaced(&chain, Spacing::Trailing, 50)?;
    let sampler = Sampler::new(Ddim::deterministic(), path);
    let mut noise = HostNoise::seeded(0);
    let x = sampler.start(latent.denoiser().shape(64), &device, &mut noise)?;
    let samples = latent.decode(sampler.sample(&latent, x, &mut noise)?);
    let path = arguments.out.join("samples.png");
    grid(samples, ValueRange::Signed, 8)?
        .with_scale(3)
        .save(&path)?;
    println!("samples: {}", path.display());
    Ok(ExitCode::SUCCESS)
}

/// Trains a module, or continues the run in `place`, and returns the averaged module.
fn trained<const D: usize, M, O, E>(
    place: &Path,
    fresh: M,
    objective: O,
    settings: TrainSettings,
    examples: &E,
    description: &impl serde::Serialize,
) -> Result<M, Box<dyn Error>>
where
    M: Module,
    O: Objective<M> + Loss<M, D, E::Condition> + serde::Serialize,
    E: Examples<D>,
{
    let steps = settings.steps;
    let mut trainer = match has_checkpoint(place) {
        true => Trainer::resume(place, fresh, objective, settings, description)?,
        false => Trainer::new(fresh, objective, settings)?,
    };
    let mut line = ProgressLine::new(steps, trainer.done());
    while let Some(report) = trainer.step(examples)? {
        line.show(&report);
        if report.step.is_multiple_of(300) || report.step == steps {
            let loss = line.smoothed_loss().unwrap_or(report.loss);
            line.say(format!(
                "{}: step {}, loss {loss:.4}",
                place.display(),
                report.step
            ));
            trainer.save(place, description)?;
        }
    }
    line.finish();
    Ok(trainer.average().clone())
}

/// The autoencoder with the shift and scale that normalise its latents, and the latents.
fn normalised(autoencoder: Autoencoder, images: &Tensor<4>) -> (Autoencoder, Tensor<4>) {
    let parts = images.clone().split(250, 0);
    let means = parts.into_iter().map(|part| autoencoder.encode(part).mean);
    let latents = Tensor::cat(means.collect(), 0);
    let shift = latents.clone().mean().into_scalar::<f64>();
    let scale = 1.0
        / (latents.clone() - shift)
            .square()
            .mean()
            .into_scalar::<f64>()
            .sqrt();
    // ANCHOR: normalised
    let autoencoder = autoencoder.with_normalisation(shift, scale);
    let latents = autoencoder.normalise(latents);
    // ANCHOR_END: normalised
    (autoencoder, latents)
}

/// Draws eight images above their reconstructions.
fn show_reconstructions(
    out: &Path,
    autoencoder: &Autoencoder,
    images: &Tensor<4>,
) -> Result<(), Box<dyn Error>> {
    let some = images.clone().narrow(0, 0, 8.min(images.dims()[0]));
    let decoded = autoencoder.decode(autoencoder.encode(some.clone()).mean);
    let error = (decoded.clone() - some.clone()).square().mean();
    println!(
        "root mean square error of 8 images: {:.4}",
        error.into_scalar::<f64>().sqrt()
    );
    let path = out.join("reconstructions.png");
    Sheet::new()
        .with_scale(3)
        .with_row("image", some, ValueRange::Signed)?
        .with_row("decoded", decoded, ValueRange::Signed)?
        .save(&path)?;
    println!("reconstructions: {}", path.display());
    Ok(())
}
