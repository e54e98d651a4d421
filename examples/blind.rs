//! Restores a blurred photograph without knowing the blur: `cargo run --example blind`.
//!
//! A state holds the image and the kernel side by side. Its prior is the product of the two that
//! come with the repository, of patches of photographs and of motion kernels, and the measurement
//! is the convolution of both. Any method for nonlinear operators then restores both together.

use clap::Parser;
use clap::builder::PossibleValuesParser;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use tweedie::core::{Corner, Product};
use tweedie::image::Npz;
use tweedie::inverse::measurement::Measurement;
use tweedie::inverse::noise::GaussianNoise;
use tweedie::inverse::operator::{AnyOperator, BlindBlur, Operator, PointSpread};
use tweedie::metrics::psnr;
use tweedie::prelude::*;
use tweedie_catalogue::{Setup, methods_of_any_operator};
use tweedie_examples::restoration::walk;
use tweedie_examples::{finish, photograph};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Restores a blurred photograph without knowing the blur.
#[derive(Parser)]
struct Arguments {
    /// One of the bundled photographs, or a PNG or JPEG file in colour
    #[arg(default_value = "chelsea")]
    image: String,
    /// The upper-left corner of the patch of 64×64 pixels
    #[arg(long, num_args = 2, default_values_t = [96, 160])]
    corner: Vec<usize>,
    /// Pixels of the photograph for a pixel of the patch
    #[arg(long, default_value_t = 2)]
    shrink: usize,
    /// Height and width of the blur, an odd number up to 15
    #[arg(long, default_value_t = 9)]
    length: usize,
    /// How much the motion turns, from 0 to 1
    #[arg(long, default_value_t = 0.6)]
    intensity: f64,
    /// Standard deviation of the measurement's noise, on [−1, 1]
    #[arg(long, default_value_t = 0.02)]
    sigma: f64,
    /// The posterior method
    #[arg(long, value_parser = PossibleValuesParser::new(ids()), default_value = "dps")]
    method: String,
    /// The strength of the method
    #[arg(long)]
    strength: Option<f64>,
    /// Steps of each chain
    #[arg(long, default_value_t = 200)]
    steps: usize,
    /// Draws
    #[arg(long, default_value_t = 4)]
    draws: usize,
    /// The prior of kernels
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/kernels"))]
    kernels: PathBuf,
    /// Write the kernels that a prior of kernels is trained with to this npz file, and exit
    #[arg(long)]
    write_kernels: Option<PathBuf>,
    /// The picture to write
    #[arg(long, default_value = "out/blind.png")]
    out: PathBuf,
    /// Seed of all random numbers, the blur's included
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// The height and width of a patch.
const PATCH: usize = 64;
/// The height and width of the corner that holds a kernel.
const KERNEL: usize = 16;
/// Kernels in the training set.
const TRAINED: u64 = 20_000;

fn ids() -> Vec<&'static str> {
    let all = methods_of_any_operator::<4, Measurement<4, AnyOperator, GaussianNoise>>();
    all.into_iter().map(|method| method.id).collect()
}

fn main() -> ExitCode {
    finish(restore(&Arguments::parse()))
}

fn restore(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let device = Device::default();
    if let Some(path) = &arguments.write_kernels {
        training_set(&device)?.save(path)?;
        println!("{TRAINED} kernels: {}", path.display());
        return Ok(ExitCode::SUCCESS);
    }
    let truth = patch(arguments, &device)?;
    let operator = BlindBlur::new(KERNEL)?;
    let kernel = PointSpread::motion(arguments.length, arguments.intensity, arguments.seed + 1)?;
    let truth = operator.signal(truth, &kernel)?;
    let mut noise = HostNoise::seeded(arguments.seed);
    let sensor = GaussianNoise::new(arguments.sigma)?;
    let blur = AnyOperator::from(operator);
    let measured = Measurement::simulate(blur, sensor, truth.clone(), &mut noise)?;

    let images = Model::open(concat!(env!("CARGO_MANIFEST_DIR"), "/photos"), &device)?;
    let kernels = Model::open(&arguments.kernels, &device)?;
    let prior = Product::new(images, 3, Corner::new(kernels, [KERNEL, KERNEL])?)?;
    let drawn = draw(arguments, &prior, &measured, &mut noise)?;
    report(arguments, operator, &measured, &truth, drawn)
}

/// Draws signals from the posterior.
fn draw(
    arguments: &Arguments,
    prior: &impl Denoiser<4>,
    measured: &Measurement<4, AnyOperator, GaussianNoise>,
    noise: &mut HostNoise,
) -> Result<Tensor<4>, Box<dyn Error>> {
    let path = LevelPath::karras(
        Cosine::default(),
        Span::new(0.995, 2e-3),
        arguments.steps,
        7.0,
    )?;
    let path = path.then_clean();
    let all = methods_of_any_operator();
    let method = all.iter().find(|method| method.id == arguments.method);
    let method = method.ok_or("no such method")?;
    let setup = Setup {
        strength: arguments
            .strength
            .or(arguments.method.eq("dps").then_some(1.0)),
        data_std: 0.5,
        curvature: arguments.sigma.powi(-2),
        particles: arguments.draws,
        start: Some(Tensor::zeros([1, 4, PATCH, PATCH], &Device::default())),
        ..Setup::new(prior, measured, path.clone())
    };
    let parts = method.build(&setup)?;
    let path = parts.route.path(path, arguments.steps, arguments.sigma)?;
    let sampler = Sampler::new(parts.step_or_ddpm(), path).checking_each();
    let shape = [arguments.draws, 4, PATCH, PATCH];
    let x = sampler.start(shape, &Device::default(), noise)?;
    walk(&sampler, "restoring", &*parts.denoiser, x, noise)
}

/// Prints how near each draw is, and draws them all.
fn report(
    arguments: &Arguments,
    operator: BlindBlur,
    measured: &Measurement<4, AnyOperator, GaussianNoise>,
    truth: &Tensor<4>,
    drawn: Tensor<4>,
) -> Result<ExitCode, Box<dyn Error>> {
    let clean = operator.images(truth.clone());
    let images = operator.images(drawn.clone());
    let y = measured.y.clone();
    let margin = KERNEL / 2;
    let inner = PATCH + 1 - KERNEL;
    let crop = |x: Tensor<4>| x.narrow(2, margin, inner).narrow(3, margin, inner);
    let blurred = psnr(y.clone(), crop(clean.clone()), 2.0)[0];
    println!("blurred: {blurred:.2} dB");
    let fits = measured.operator.apply(drawn.clone()) - y.clone();
    let mut labels = vec!["truth".to_owned(), "measured".to_owned()];
    let mut top = vec![clean.clone(), framed(y, margin)];
    let known = operator.kernels(truth.clone());
    let mut below = vec![enlarged(known.clone()), enlarged(known.clone()) * 0.0 - 1.0];
    for i in 0..arguments.draws {
        let one = |x: &Tensor<4>| x.clone().narrow(0, i, 1);
        let (found, shift) = aligned(&clean, &one(&images));
        let kernel = operator.kernels(one(&drawn));
        let likeness = likeness(&known, &kernel);
        let rms = one(&fits).square().mean().sqrt().into_scalar::<f64>();
        println!(
            "draw {i}: {found:.2} dB at a shift of {shift:?}, kernel {likeness:.3}, residual {:.2} σ",
            rms / arguments.sigma
        );
        labels.push(format!("{found:.1} dB"));
        top.push(one(&images));
        below.push(enlarged(kernel));
    }
    let sheet = Sheet::new().with_scale(2).with_columns(labels);
    let sheet = sheet
        .with_row("image", Tensor::cat(top, 0), ValueRange::Signed)?
        .with_row("kernel", Tensor::cat(below, 0), ValueRange::Signed)?;
    if let Some(folder) = arguments.out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    sheet.save(&arguments.out)?;
    println!("picture: {}", arguments.out.display());
    Ok(ExitCode::SUCCESS)
}

/// A patch of the photograph, on `[−1, 1]`.
fn patch(arguments: &Arguments, device: &Device) -> Result<Tensor<4>, Box<dyn Error>> {
    let whole = photograph(&arguments.image, device)?;
    let [_, channels, height, width] = whole.dims();
    let (top, left, side) = (
        arguments.corner[0],
        arguments.corner[1],
        PATCH * arguments.shrink,
    );
    if channels != 3 || arguments.shrink == 0 || top + side > height || left + side > width {
        return Err(format!(
            "{side}×{side} pixels at ({top}, {left}) of {}: {channels} channels of \
             {height}×{width} pixels",
            arguments.image
        )
        .into());
    }
    let patch = whole.narrow(2, top, side).narrow(3, left, side);
    let n = arguments.shrink;
    let patch = patch
        .reshape([1, 3, PATCH, n, PATCH, n])
        .mean_dim(5)
        .mean_dim(3);
    Ok(patch.reshape([1, 3, PATCH, PATCH]))
}

/// A measurement with a frame of black, of the size of the image.
fn framed(y: Tensor<4>, margin: usize) -> Tensor<4> {
    let inner = y.dims()[2];
    let black = Tensor::full([1, 3, PATCH, PATCH], -1.0, (&y.device(), y.dtype()));
    let at = margin..margin + inner;
    black.slice_assign([0..1, 0..3, at.clone(), at], y)
}

/// A kernel as an image of the size of a patch, whose largest value is white.
fn enlarged(kernel: Tensor<4>) -> Tensor<4> {
    let n = PATCH / KERNEL;
    let largest = kernel
        .clone()
        .max()
        .into_scalar::<f64>()
        .max(f64::MIN_POSITIVE);
    let wide = kernel.reshape([1, 1, KERNEL, 1, KERNEL, 1]) * (2.0 / largest) - 1.0;
    let wide = wide.expand([1, 1, KERNEL, n, KERNEL, n]);
    wide.reshape([1, 1, PATCH, PATCH]).repeat_dim(1, 3)
}

/// The parts of two images that overlap when the second is moved down and right by `shift`, within
/// the area that the blur has seen.
fn overlap(shift: [i32; 2], clean: &Tensor<4>, found: &Tensor<4>) -> [Tensor<4>; 2] {
    let (first, length) = (KERNEL / 2 + FARTHEST, PATCH + 1 - KERNEL - 2 * FARTHEST);
    let part = |x: &Tensor<4>, by: [i32; 2]| {
        let at = by.map(|by| (first as i32 + by) as usize);
        x.clone().narrow(2, at[0], length).narrow(3, at[1], length)
    };
    [part(clean, [0, 0]), part(found, shift)]
}

/// The largest shift of an image against a kernel shifted the other way, in pixels.
const FARTHEST: usize = 4;

/// The PSNR at the best shift: a shifted image with a kernel shifted back fits as well.
fn aligned(clean: &Tensor<4>, found: &Tensor<4>) -> (f64, [i32; 2]) {
    let reach = FARTHEST as i32;
    let shifts = (-reach..=reach).flat_map(|i| (-reach..=reach).map(move |j| [i, j]));
    let measured = shifts.map(|shift| {
        let [clean, found] = overlap(shift, clean, found);
        (psnr(found, clean, 2.0)[0], shift)
    });
    let best = measured.max_by(|a, b| a.0.total_cmp(&b.0));
    best.unwrap_or((f64::NAN, [0, 0]))
}

/// The largest normalised correlation of two kernels over all shifts.
fn likeness(known: &Tensor<4>, found: &Tensor<4>) -> f64 {
    let [a, b] = [known, found].map(|k| k.to_data().iter::<f64>().collect::<Vec<_>>());
    let norm = |k: &[f64]| k.iter().map(|v| v * v).sum::<f64>().sqrt();
    let (n, reach) = (KERNEL as i32, KERNEL as i32 / 2);
    let shifts = (-reach..=reach).flat_map(|i| (-reach..=reach).map(move |j| (i, j)));
    let products = shifts.map(|(down, right)| {
        let place = |at: i32| {
            let (row, column) = (at / n + down, at % n + right);
            let inside = (0..n).contains(&row) && (0..n).contains(&column);
            inside.then_some((row * n + column) as usize)
        };
        let each = a.iter().enumerate();
        each.filter_map(|(i, a)| place(i as i32).map(|j| a * b[j]))
            .sum::<f64>()
    });
    products.fold(0.0, f64::max) / (norm(&a) * norm(&b))
}

/// Motion kernels of all lengths, as bytes of `u`.
fn training_set(device: &Device) -> Result<Npz, Box<dyn Error>> {
    let operator = BlindBlur::new(KERNEL)?;
    let blank = Tensor::<4>::zeros([1, 1, KERNEL, KERNEL], device);
    let kernels = (0..TRAINED).map(|i| {
        let (length, intensity) = (3 + 2 * (i as usize % 7), (i / 7 % 11) as f64 / 10.0);
        let kernel = PointSpread::motion(length, intensity, 1000 + i)?;
        let signal = operator.signal(blank.clone(), &kernel)?;
        Ok(signal.narrow(1, 1, 1))
    });
    let kernels: Vec<Tensor<4>> = kernels.collect::<Result<_, Box<dyn Error>>>()?;
    let bytes = ((Tensor::cat(kernels, 0) + 1.0) * 127.5).round();
    Ok(Npz::new().with("images", bytes))
}
