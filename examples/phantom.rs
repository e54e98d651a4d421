//! Tomography and magnetic resonance: `cargo run --example phantom -- --scan tomography|fan|mri`.
//!
//! Each head is scanned along a few directions, or in a few lines of its Fourier transform. It is
//! restored by total variation, and by moment matching with a diffusion prior trained on synthetic
//! heads (`examples/phantom`): posterior samples, their mean and standard deviation. The first head
//! is the Shepp–Logan phantom. None of the heads was in the training set.

use clap::{Parser, ValueEnum};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use tweedie::inverse::baseline::TotalVariation;
use tweedie::inverse::measurement::Measurement;
use tweedie::inverse::noise::GaussianNoise;
use tweedie::inverse::operator::{
    ChannelMix, Compose, FanBeam, Linear, Mask, MultiCoil, Operator, Tomography,
};
use tweedie::inverse::posterior::Mmps;
use tweedie::metrics::psnr;
use tweedie::prelude::*;
use tweedie_examples::finish;
use tweedie_examples::restoration::{repeated, walk};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Restores scans of heads.
#[derive(Parser)]
struct Arguments {
    /// How the heads are scanned
    #[arg(long, value_enum, default_value = "tomography")]
    scan: Scan,
    /// Directions of the tomography, views of the fan, or the acceleration of the resonance
    #[arg(long)]
    amount: Option<usize>,
    /// Standard deviation of the measurement's noise, for images on [−1, 1]
    #[arg(long, allow_negative_numbers = true)]
    sigma: Option<f64>,
    /// The folder of a trained model
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/phantom"))]
    model: PathBuf,
    /// The picture to write, instead of out/tomography.png, out/fan.png or out/mri.png
    #[arg(long)]
    out: Option<PathBuf>,
    /// Steps of each chain
    #[arg(long, default_value_t = 40)]
    steps: usize,
    /// Seed of all random numbers
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// How a head is scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scan {
    /// Parallel projections along few directions
    Tomography,
    /// Fans of rays from a source that turns about the head, at twice its width
    Fan,
    /// Four coils and few lines of the Fourier transform
    Mri,
}

type Scanner = Box<dyn Linear<4>>;
type Scanned = Measurement<4, Scanner, GaussianNoise>;

const HEADS: usize = 3;
const GUESSES: usize = 4;
/// Candidate weights of total variation; the true image decides which one is best.
const WEIGHTS: [f64; 6] = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0];

fn main() -> ExitCode {
    finish(restore(&Arguments::parse()))
}

fn restore(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let device = Device::default();
    let model = Model::open(&arguments.model, &device)?;
    let [_, channels, side, width] = model.shape(1);
    if channels != 1 || side != width {
        let text = format!("the model makes {channels}×{side}×{width}, not one square channel");
        return Err(text.into());
    }
    let scan = arguments.scan;
    let (amount, sigma, name) = match scan {
        Scan::Tomography => (20, 0.5, "tomography"),
        Scan::Fan => (20, 0.5, "fan"),
        Scan::Mri => (6, 0.05, "mri"),
    };
    let amount = arguments.amount.unwrap_or(amount);
    let operator = scan.operator(side, amount)?;
    let noise_model = GaussianNoise::new(arguments.sigma.unwrap_or(sigma))?;
    let path = LevelPath::uniform(Cosine::default(), Span::new(0.98, 0.0), arguments.steps)?;
    let out = arguments.out.clone();
    let out = out.unwrap_or_else(|| format!("out/{name}.png").into());

    // The training set was drawn with seed 0.
    let heads = Images::phantoms(HEADS - 1, side, 1)?.tensor(ValueRange::Signed, &device);
    let first = Images::shepp_logan(side)?.tensor(ValueRange::Signed, &device);
    let truth = Tensor::cat(vec![first, heads], 0);
    let mut noise = HostNoise::seeded(arguments.seed);
    let m = Measurement::simulate(operator, noise_model, truth.clone(), &mut noise)?;
    let plain = scan.plain(side, amount, &m)?;
    let (weight, variation) = total_variation(&m, &truth)?;

    let y = repeated(&m.y, GUESSES);
    let problem = Measurement::new(&m.operator, m.noise, y);
    let guided = Mmps::new(&model, &problem).with_iterations(4)?;
    let sampler = Sampler::new(Ancestral::default(), path);
    let x = sampler.start(model.shape(HEADS * GUESSES), &device, &mut noise)?;
    let guesses = walk(&sampler, "restoring", &guided, x, &mut noise)?;

    let mut sheet = Sheet::new().with_scale(2).with_columns([
        "original",
        scan.plain_name(),
        "total variation",
        "mean",
        "sample 1",
        "sample 2",
        "std",
    ]);
    let names = ["Shepp-Logan", "head 1", "head 2"];
    println!("total variation: weight {weight}, the best of {WEIGHTS:?} by the truth");
    for (i, guesses) in guesses.chunk(HEADS, 0).into_iter().enumerate() {
        let one = |x: &Tensor<4>| x.clone().narrow(0, i, 1);
        let (variance, mean) = guesses.clone().var_mean(0);
        let std = variance.sqrt() * 4.0 - 1.0;
        let decibels = |x: &Tensor<4>| psnr(x.clone(), one(&truth), ValueRange::Signed.length())[0];
        let found = [one(&plain), one(&variation), mean.clone()];
        let values = [0, 1, 2].map(|i| decibels(&found[i]));
        let [seen, smooth, restored] = values;
        println!(
            "{:12} {seen:5.2} dB, total variation {smooth:.2} dB, mean {restored:.2} dB",
            names[i]
        );
        let [plain, variation, mean] = found;
        let samples = guesses.narrow(0, 0, 2);
        let row = Tensor::cat(vec![one(&truth), plain, variation, mean, samples, std], 0);
        let mut captions = vec![String::new()];
        captions.extend(values.map(|value| format!("{value:.1} dB")));
        captions.resize(7, String::new());
        sheet = sheet
            .with_row(names[i], row.clamp(-1.0, 1.0), ValueRange::Signed)?
            .with_captions(captions);
    }
    if let Some(folder) = out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    sheet.save(&out)?;
    println!("picture: {}", out.display());
    Ok(ExitCode::SUCCESS)
}

impl Scan {
    fn operator(self, side: usize, amount: usize) -> Result<Scanner, Box<dyn Error>> {
        let size = [side, side];
        Ok(match self {
            Self::Tomography => Box::new(Tomography::half_turn(size, amount)?),
            Self::Fan => Box::new(FanBeam::new(size, amount, 2.0 * side as f64)?),
            Self::Mri => {
                let mask = Mask::cartesian(size, amount as f64, 0.08, 7)?;
                // The image has one real channel, the scanner takes a real and an imaginary one.
                let complex = ChannelMix::new(&[vec![1.0], vec![0.0]])?;
                Box::new(Compose::new(complex, MultiCoil::ring(4, mask, size)?))
            }
        })
    }

    fn plain_name(self) -> &'static str {
        match self {
            Self::Tomography | Self::Fan => "back-projection",
            Self::Mri => "zero-filled",
        }
    }

    /// Reconstruction without a prior: filtered back-projection, or zero-filling.
    fn plain(self, side: usize, amount: usize, m: &Scanned) -> Result<Tensor<4>, Box<dyn Error>> {
        match self {
            // Filtered back-projection assumes 0 around the image: shift by 1, so that air is 0 and
            // not −1.
            Self::Tomography | Self::Fan => {
                let (size, [b, c, ..]) = ([side, side], m.y.dims());
                let air = Tensor::ones([b, c, side, side], &m.y.device());
                let y = m.y.clone() + m.operator.apply(air);
                let head = match self {
                    Self::Fan => {
                        FanBeam::new(size, amount, 2.0 * side as f64)?.filtered_back_projection(y)
                    }
                    _ => Tomography::half_turn(size, amount)?.filtered_back_projection(y),
                };
                Ok(head - 1.0)
            }
            Self::Mri => Ok(m.operator.adjoint(m.y.clone())),
        }
    }
}

/// Restores by total variation with the best of [`WEIGHTS`]; returns the weight and the images.
fn total_variation(m: &Scanned, truth: &Tensor<4>) -> Result<(f64, Tensor<4>), Box<dyn Error>> {
    let mut best: Option<(f64, f64, Tensor<4>)> = None;
    for weight in WEIGHTS {
        let x = TotalVariation::new(weight)
            .with_iterations(1000)
            .restore(m)?;
        let values = psnr(x.clone(), truth.clone(), ValueRange::Signed.length());
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        if best.as_ref().is_none_or(|(value, ..)| mean > *value) {
            best = Some((mean, weight, x));
        }
    }
    best.map(|(_, weight, x)| (weight, x))
        .ok_or_else(|| "no weights".into())
}
