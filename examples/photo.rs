//! Restores a photograph: `cargo run --example photo -- [IMAGE]`.
//!
//! Degrades the photograph in seven ways and restores each by four methods: Wiener's filter, total
//! variation, DPIR with a denoiser (FFDNet), and DiffPIR with a diffusion prior of photographs.

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use tweedie::core::{Interpolation, Resize, StaticClip};
use tweedie::inverse::baseline::{TotalVariation, wiener};
use tweedie::inverse::measurement::{LinearGaussian, Measurement};
use tweedie::inverse::noise::{Anscombe, GaussianNoise, NoiseModel, PoissonNoise};
use tweedie::inverse::operator::{
    AnyLinear, Bayer, CircularBlur, Identity, Linear, Mask, Operator, PointSpread, Separable,
};
use tweedie::inverse::posterior::{DiffPir, Dpir};
use tweedie::math::{Chain, Renoise, Schedule};
use tweedie::metrics::{Lpips, Ssim, psnr};
use tweedie::models::Demosaicnet;
use tweedie::prelude::*;
use tweedie_examples::restoration::Prior;
use tweedie_examples::{finish, photograph};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Restores a photograph.
#[derive(Parser)]
struct Arguments {
    /// One of the bundled photographs, or a PNG or JPEG file in colour
    #[arg(default_value = "chelsea")]
    image: String,
    /// The denoiser of DPIR: `ffdnet`, a file of FFDNet or DRUNet, or the folder of a model in
    /// colour
    #[arg(long, default_value = "ffdnet")]
    model: PathBuf,
    /// The prior of DiffPIR, as --model
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/photos"))]
    prior: PathBuf,
    /// The picture to write
    #[arg(long, default_value = "out/photo.png")]
    out: PathBuf,
    /// Standard deviation of the measurements' noise, on [0, 1]; the first has 0.1, the last that
    /// of 10 photons in white
    #[arg(long, default_value_t = 0.01, allow_negative_numbers = true)]
    sigma: f64,
    /// Moves of DiffPIR
    #[arg(long, default_value_t = 14)]
    steps: usize,
    /// Moves of DPIR, instead of 8 (deblurring, resolution) and 16 (missing pixels)
    #[arg(long)]
    moves: Option<usize>,
    /// AlexNet's weights, to measure LPIPS as well (alexnet.safetensors)
    #[arg(long)]
    lpips: Option<PathBuf>,
    /// Demosaicnet's weights, to restore the mosaic by that network as well (bayer.pth)
    #[arg(long)]
    demosaicnet: Option<PathBuf>,
    /// Seed of all random numbers
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn main() -> ExitCode {
    finish(restore(&Arguments::parse()))
}

/// A degradation, and the settings of the methods for it.
struct Damage {
    name: &'static str,
    operator: Box<dyn Linear<4>>,
    /// Moves of DPIR: more where missing pixels are filled in from their neighbours.
    moves: usize,
    /// The weight of total variation, for images in `[−1, 1]`.
    variation: f64,
    noise: Damaging,
}

/// The noise of a measurement.
#[derive(Clone, Copy, PartialEq)]
enum Damaging {
    /// Of `--sigma`.
    Little,
    /// Of this deviation on `[0, 1]`.
    Gaussian(f64),
    /// Photons, in white.
    Photons(f64),
}

/// The name of the damage that demosaicnet restores.
const MOSAIC: &str = "demosaicing";

fn damages(size: [usize; 2]) -> Result<Vec<Damage>, Box<dyn Error>> {
    let half = size.map(|n| n / 2);
    let blur = |spread: PointSpread| CircularBlur::new(spread, size);
    let damage = |name, operator, moves, variation, noise| Damage {
        name,
        operator,
        moves,
        variation,
        noise,
    };
    let boxed = |operator: AnyLinear| Box::new(operator) as Box<dyn Linear<4>>;
    let gaussian = blur(PointSpread::gaussian(1.6)?)?;
    let motion = blur(PointSpread::motion(15, 0.5, 4)?)?;
    let holes = Mask::random(size, 0.5, 1)?;
    let smaller = Separable::imresize(size, half)?;
    let mosaic = Mask::bayer(size, Bayer::Rggb);
    let (plain, little) = (|| boxed(Identity.into()), Damaging::Little);
    Ok(vec![
        damage("noise", plain(), 8, 0.15, Damaging::Gaussian(0.1)),
        damage("deblurring", boxed(gaussian.into()), 8, 1e-4, little),
        damage("motion blur", boxed(motion.into()), 8, 1e-3, little),
        damage("50 % missing", boxed(holes.into()), 16, 0.02, little),
        damage("resolution x2", boxed(smaller.into()), 8, 5e-4, little),
        damage(MOSAIC, boxed(mosaic.into()), 16, 0.01, little),
        damage("10 photons", plain(), 8, 0.3, Damaging::Photons(10.0)),
    ])
}

type Measured = Measurement<4, Box<dyn Linear<4>>, GaussianNoise>;
/// From images of what is measured to photographs.
type Back = Box<dyn Fn(Tensor<4>) -> Tensor<4>>;

/// Simulates the measurement. That of photons is stabilised; an image of what it measures is
/// brought back by the function.
fn measure(
    damage: Damage,
    sigma: f64,
    truth: &Tensor<4>,
    noise: &mut HostNoise,
) -> Result<(Measured, Back), Box<dyn Error>> {
    let sigma = match damage.noise {
        Damaging::Little => sigma,
        Damaging::Gaussian(sigma) => sigma,
        Damaging::Photons(count) => {
            let law = PoissonNoise::new(1.0 / count)?;
            let photons = Anscombe::of(law);
            let (from, to) = (ValueRange::Signed, ValueRange::Unit);
            let y = law.corrupt(from.convert(to, truth.clone()), noise);
            let highest = photons.highest(1.0);
            let y = photons.stabilise(y) * (2.0 / highest) - 1.0;
            let sensor = GaussianNoise::new(2.0 / highest)?;
            let back =
                move |x: Tensor<4>| to.convert(from, photons.recover((x + 1.0) * (0.5 * highest)));
            return Ok((Measurement::new(damage.operator, sensor, y), Box::new(back)));
        }
    };
    let sensor = GaussianNoise::new(sigma)?.converted(ValueRange::Unit, ValueRange::Signed);
    let m = Measurement::simulate(damage.operator, sensor, truth.clone(), noise)?;
    Ok((m, Box::new(|x| x)))
}

fn restore(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let device = Device::default();
    let truth = photograph(&arguments.image, &device)?;
    let [_, channels, h, w] = truth.dims();
    if channels != 3 || h < 16 || w < 16 {
        return Err(format!(
            "{}: {channels} channels of {h}×{w} pixels; the denoiser takes colour, of at least 16×16",
            arguments.image
        )
        .into());
    }
    let lpips = arguments
        .lpips
        .as_ref()
        .map(|path| Lpips::open(path, &device));
    let demosaicnet = arguments
        .demosaicnet
        .as_ref()
        .map(|path| Demosaicnet::open(path, &device))
        .transpose()?;
    let scores = Scores {
        truth: truth.clone(),
        lpips: lpips.transpose()?,
    };
    let diffpir = diffpir_path(arguments.steps)?;
    // Reject `--sigma` or `--moves` before the work starts.
    let sigma = arguments.sigma;
    GaussianNoise::new(sigma)?;
    dpir_path(2.0 * sigma, arguments.moves.unwrap_or(1))?;
    let open = |path: &PathBuf| -> Result<Box<dyn Denoiser<4>>, Box<dyn Error>> {
        let prior = Prior::open(path, &device)?.tiled([h, w], None)?;
        prior.accepts(truth.dims())?;
        Ok(prior)
    };
    let (denoiser, prior) = (open(&arguments.model)?, open(&arguments.prior)?);
    let mut noise = HostNoise::seeded(arguments.seed);
    let names = ["measured", "Wiener", "total variation", "DPIR", "DiffPIR"];
    let mut sheet = Sheet::new().with_columns(["original"].into_iter().chain(names));
    let damages = damages([h, w])?;
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {elapsed} {msg}")?;
    let bar = ProgressBar::new(4 * damages.len() as u64).with_style(style);
    for damage in damages {
        let (name, variation) = (damage.name, damage.variation);
        bar.set_message(name);
        let moves = arguments.moves.unwrap_or(damage.moves);
        let (m, back) = measure(damage, sigma, &truth, &mut noise)?;
        let mut row = vec![truth.clone(), back(scores.picture(&m)?).clamp(-1.0, 1.0)];
        let mut add = |x: Tensor<4>| {
            row.push(back(x).clamp(-1.0, 1.0));
            bar.inc(1);
        };
        let start = wiener(&m, 1.0)?;
        add(start.clone());
        add(TotalVariation::new(variation).restore(&m)?);
        add(dpir(&*denoiser, &m, moves, start.clone())?);
        add(run_diffpir(&*prior, &m, &diffpir, start, &mut noise)?);
        let captions: Vec<String> = row[1..].iter().map(|x| scores.of(x)).collect();
        println!("{name}:");
        for (name, caption) in names.iter().zip(&captions) {
            println!("  {name:15} {caption}");
        }
        if let Some(network) = demosaicnet.as_ref().filter(|_| name == MOSAIC) {
            // Red comes first in the mosaic, the second column of the network's pattern.
            let y = m.operator.adjoint((m.y.clone() + 1.0) * 0.5);
            let found = network.restore(y, [0, 1]) * 2.0 - 1.0;
            println!(
                "  {:15} {}",
                "demosaicnet",
                scores.of(&found.clamp(-1.0, 1.0))
            );
        }
        let captions = [vec![String::new()], captions].concat();
        let row = Tensor::cat(row, 0);
        sheet = sheet
            .with_row(name, row, ValueRange::Signed)?
            .with_captions(captions);
    }
    bar.finish_and_clear();
    if let Some(folder) = arguments.out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    sheet.save(&arguments.out)?;
    println!("picture: {}", arguments.out.display());
    Ok(ExitCode::SUCCESS)
}

/// DPIR's path: from noise of 49/255 of the range down to the measurement's.
fn dpir_path(sigma: f64, moves: usize) -> Result<LevelPath, Box<dyn Error>> {
    let first = 2.0 * 49.0 / 255.0;
    if sigma > first {
        return Err(format!(
            "--sigma has to be at most {:.3}, from where DPIR starts",
            first / 2.0
        )
        .into());
    }
    Ok(Dpir::<()>::path(first, sigma, moves)?)
}

fn dpir(
    prior: &dyn Denoiser<4>,
    m: &Measured,
    moves: usize,
    start: Tensor<4>,
) -> Result<Tensor<4>, Box<dyn Error>> {
    let path = dpir_path(m.sigma(), moves)?;
    let step = Dpir::new(m);
    let mut none = tweedie::core::Replay::new(Vec::new());
    Ok(Sampler::new(step, path).sample(&prior, start, &mut none)?)
}

/// Nodes of DDPM's chain, from the noisiest level that the denoiser was trained on; they are denser
/// towards the clean end.
fn diffpir_path(steps: usize) -> Result<LevelPath, Box<dyn Error>> {
    let chain = Chain::linear(1000, 1e-4, 0.02)?;
    let start = 2.0 * 50.0 / 255.0_f64;
    let first = chain
        .index(chain.level(chain.time(-2.0 * start.ln())))
        .round();
    let node = |i: usize| {
        let down = (i as f64 / (steps - 1) as f64).sqrt() * first;
        chain.node((first - down) as usize)
    };
    if steps < 2 {
        return Err(format!("--steps has to be at least 2, got {steps}").into());
    }
    Ok(LevelPath::through((0..steps).map(node).collect())?.then_clean())
}

fn run_diffpir(
    prior: &dyn Denoiser<4>,
    m: &Measured,
    path: &LevelPath,
    start: Tensor<4>,
    noise: &mut HostNoise,
) -> Result<Tensor<4>, Box<dyn Error>> {
    let clipped = StaticClip::new(prior, -1.0, 1.0)?;
    let guided = DiffPir::new(clipped, m).with_lambda(1.0)?;
    let level = path.start();
    let x = start.clone() * level.alpha() + noise.normal_like(&start) * level.sigma();
    let sampler = Sampler::new(Renoise::new(1.0)?, path.clone());
    Ok(sampler.sample(&guided, x, noise)?)
}

struct Scores {
    truth: Tensor<4>,
    lpips: Option<Lpips>,
}

impl Scores {
    fn of(&self, x: &Tensor<4>) -> String {
        let range = ValueRange::Signed.length();
        let decibels = psnr(x.clone(), self.truth.clone(), range)[0];
        let ssim = Ssim::new(range).of(x.clone(), self.truth.clone())[0];
        let mut text = format!("{decibels:.2} dB  {ssim:.3}");
        if let Some(lpips) = &self.lpips {
            let distance = lpips.distance(x.clone(), self.truth.clone());
            text += &format!("  {:.3}", distance.into_scalar::<f32>());
        }
        text
    }

    /// The measurement at the size of the photograph, enlarged by bicubic resizing if smaller.
    fn picture(&self, m: &Measured) -> Result<Tensor<4>, Box<dyn Error>> {
        let [_, _, h, w] = self.truth.dims();
        let [_, _, rows, columns] = m.y.dims();
        if [rows, columns] == [h, w] {
            return Ok(m.y.clone().clamp(-1.0, 1.0));
        }
        let bicubic = Resize::new(Interpolation::Bicubic);
        let enlarge = Separable::resize(bicubic, [rows, columns], [h, w])?;
        Ok(enlarge.apply(m.y.clone()).clamp(-1.0, 1.0))
    }
}
