//! Restores a blurred photograph without knowing the blur: `cargo run --example blind`.
//!
//! A state holds the image and the kernel side by side. Its prior is the product of the two that
//! come with the repository, of patches of photographs and of motion kernels, and the measurement
//! is the convolution of both. Any method for nonlinear operators then draws both together.
//!
//! From the kernel that agrees best with those of the other draws, expectation maximisation goes
//! on: DiffPIR draws images with the present kernel, and the next kernel is the one with which all
//! draws fit best. With the last one, DPIR restores the image.

use clap::Parser;
use clap::builder::PossibleValuesParser;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use tweedie::core::{Corner, Product, vjp};
use tweedie::image::Npz;
use tweedie::inverse::measurement::{Likelihood, Measurement};
use tweedie::inverse::noise::GaussianNoise;
use tweedie::inverse::operator::{
    AnyOperator, BlindBlur, Blur, Operator, OperatorError, Padding, PointSpread,
};
use tweedie::inverse::posterior::{Averages, DiffPir, Dpir};
use tweedie::math::Renoise;
use tweedie::metrics::psnr;
use tweedie::models::Ffdnet;
use tweedie::prelude::*;
use tweedie_catalogue::{Setup, methods_of_any_operator};
use tweedie_examples::blind::{KERNEL, PATCH, aligned, centred, enlarged, framed, likeness};
use tweedie_examples::restoration::walk;
use tweedie_examples::{finish, photograph};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Restores a blurred photograph without knowing the blur.
#[derive(Parser)]
struct Arguments {
    /// One of the bundled photographs, or a PNG or JPEG file in colour
    #[arg(default_value = "astronaut")]
    image: String,
    /// The upper-left corner of the patch of 64×64 pixels
    #[arg(long, num_args = 2, default_values_t = [100, 20])]
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
    #[arg(long, value_parser = PossibleValuesParser::new(ids()), default_value = "daps-langevin")]
    method: String,
    /// The strength of the method
    #[arg(long)]
    strength: Option<f64>,
    /// Steps of each chain
    #[arg(long, default_value_t = 100)]
    steps: usize,
    /// Draws
    #[arg(long, default_value_t = 4)]
    draws: usize,
    /// Rounds of expectation maximisation after the joint draws
    #[arg(long, default_value_t = 6)]
    rounds: usize,
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
    let kernel = PointSpread::motion(
        arguments.length,
        arguments.intensity,
        arguments.seed.wrapping_add(1),
    )?;
    let truth = operator.signal(truth, &kernel)?;
    let mut noise = HostNoise::seeded(arguments.seed);
    let sensor = GaussianNoise::new(arguments.sigma)?;
    let blur = AnyOperator::from(operator);
    let measured = Measurement::simulate(blur, sensor, truth.clone(), &mut noise)?;

    let images = Model::open(concat!(env!("CARGO_MANIFEST_DIR"), "/photos"), &device)?;
    let kernels = Model::open(&arguments.kernels, &device)?;
    let prior = Product::new(&images, 3, Corner::new(kernels, [KERNEL, KERNEL])?)?;
    let drawn = draw(arguments, &prior, &measured, &mut noise)?;
    let known = operator.kernels(truth.clone());
    let found = operator.kernels(drawn.clone()).split(1, 0);
    let found: Vec<Tensor<4>> = found.iter().map(centred).collect();
    let agreement =
        |kernel: &Tensor<4>| -> f64 { found.iter().map(|other| likeness(other, kernel)).sum() };
    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_by(|a, b| agreement(&found[*b]).total_cmp(&agreement(&found[*a])));
    let mut kernel = found[order[0]].clone();
    println!(
        "the kernel of draw {}: {:.3}",
        order[0],
        likeness(&known, &kernel)
    );
    for round in 1..=arguments.rounds {
        let draws = draw_with(&images, &kernel, &measured, arguments.draws, &mut noise)?;
        kernel = centred(&fitted(&draws, &measured, &kernel)?);
        println!("round {round}: {:.3}", likeness(&known, &kernel));
    }
    report(arguments, operator, &measured, &truth, drawn, &kernel)
}

/// Draws images from the posterior with a known kernel, by DiffPIR.
fn draw_with(
    prior: &Model,
    kernel: &Tensor<4>,
    measured: &Measurement<4, AnyOperator, GaussianNoise>,
    count: usize,
    noise: &mut HostNoise,
) -> Result<Tensor<4>, Box<dyn Error>> {
    let known = Measurement::new(blur(kernel)?, measured.noise, measured.y.clone());
    let path = LevelPath::karras(Cosine::default(), Span::new(0.98, 2e-3), 30, 7.0)?;
    let sampler = Sampler::new(Renoise::new(0.3)?, path.then_clean());
    let guided = DiffPir::new(prior, &known);
    let shape = [count, 3, PATCH, PATCH];
    let x = sampler.start(shape, &Device::default(), noise)?;
    walk(&sampler, "drawing", &guided, x, noise)
}

/// The kernel with which the draws fit best, by 150 steps of Adam from a kernel.
fn fitted(
    draws: &Tensor<4>,
    measured: &Measurement<4, AnyOperator, GaussianNoise>,
    kernel: &Tensor<4>,
) -> Result<Tensor<4>, Box<dyn Error>> {
    let operator = BlindBlur::new(KERNEL)?;
    let images = draws.clone();
    let values: Vec<f64> = kernel.to_data().iter::<f64>().collect();
    let spread = PointSpread::new(values, [KERNEL, KERNEL])?;
    let mut u = operator.signal(images.clone().narrow(0, 0, 1), &spread)?;
    u = u.narrow(1, 3, 1);
    let count = draws.dims()[0];
    let mut adam = Averages::default();
    for _ in 0..150 {
        let (value, pullback) = vjp(u.clone(), |u| {
            let all = u.expand([count, 1, PATCH, PATCH]);
            let signals = Tensor::cat(vec![images.clone(), all], 1);
            measured.log_likelihood(signals)
        });
        let slope = pullback.apply(value.ones_like());
        u = (u + adam.direction(slope) * 0.02).clamp(-1.0, 1.0);
    }
    Ok(operator.kernels(u.repeat_dim(1, 2)))
}

/// The convolution with a kernel, where it lies within the image.
fn blur(kernel: &Tensor<4>) -> Result<Blur, OperatorError> {
    let values = kernel.to_data().iter::<f64>().collect();
    Ok(Blur::new(
        PointSpread::new(values, [KERNEL, KERNEL])?,
        Padding::Valid,
    ))
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
    kernel: &Tensor<4>,
) -> Result<ExitCode, Box<dyn Error>> {
    let clean = operator.images(truth.clone());
    let images = operator.images(drawn.clone());
    let y = measured.y.clone();
    // The valid part begins where the kernel's last pixel is within the image.
    let margin = KERNEL - 1 - KERNEL / 2;
    let inner = PATCH + 1 - KERNEL;
    let crop = |x: Tensor<4>| x.narrow(2, margin, inner).narrow(3, margin, inner);
    let blurred = psnr(y.clone(), crop(clean.clone()), 2.0)[0];
    println!("blurred: {blurred:.2} dB");
    let fits = measured.operator.apply(drawn.clone()) - y.clone();
    let known = operator.kernels(truth.clone());
    let best = sharpened(&known, &y, arguments.sigma)?;
    let limit = aligned(&clean, &best);
    println!("DPIR with the true kernel: {limit:.2} dB");
    let last = sharpened(kernel, &y, arguments.sigma)?;
    let end = aligned(&clean, &last);
    println!("DPIR with the last kernel: {end:.2} dB");
    let name = |text: &str, found: f64| format!("{text} {found:.1} dB");
    let mut labels = vec!["truth".into(), name("blurred", blurred)];
    labels.extend([name("known", limit), name("blind", end)]);
    let blank = enlarged(known.clone()) * 0.0 - 1.0;
    let mut rows = [
        vec![clean.clone(), framed(y.clone(), margin), best, last],
        vec![
            enlarged(known.clone()),
            blank.clone(),
            enlarged(known.clone()),
            enlarged(kernel.clone()),
        ],
        vec![blank; 4],
    ];
    for i in 0..arguments.draws {
        let one = |x: &Tensor<4>| x.clone().narrow(0, i, 1);
        let kernel = centred(&operator.kernels(one(&drawn)));
        let sharp = sharpened(&kernel, &y, arguments.sigma)?;
        let found = aligned(&clean, &sharp);
        let likeness = likeness(&known, &kernel);
        let rms = one(&fits).square().mean().sqrt().into_scalar::<f64>();
        println!(
            "draw {i}: kernel {likeness:.3}, residual {:.2} σ, DPIR with it {found:.2} dB",
            rms / arguments.sigma
        );
        labels.push(name(&format!("draw {i}"), found));
        rows[0].push(sharp);
        rows[1].push(enlarged(kernel));
        rows[2].push(one(&images));
    }
    let mut sheet = Sheet::new().with_scale(2).with_columns(labels);
    for (name, row) in ["restored", "kernel", "drawn"].into_iter().zip(rows) {
        sheet = sheet.with_row(name, Tensor::cat(row, 0), ValueRange::Signed)?;
    }
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
        PATCH.saturating_mul(arguments.shrink),
    );
    if channels != 3
        || arguments.shrink == 0
        || top.saturating_add(side) > height
        || left.saturating_add(side) > width
    {
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

/// Restores the image by DPIR with a known kernel.
fn sharpened(kernel: &Tensor<4>, y: &Tensor<4>, sigma: f64) -> Result<Tensor<4>, Box<dyn Error>> {
    let device = Device::default();
    let measured = Measurement::new(blur(kernel)?, GaussianNoise::new(sigma)?, y.clone());
    let path = Dpir::<()>::path(2.0 * 49.0 / 255.0, sigma, 24)?;
    let sampler = Sampler::new(Dpir::new(measured), path);
    let mut noise = HostNoise::seeded(0);
    let x = sampler.start([1, 3, PATCH, PATCH], &device, &mut noise)?;
    Ok(sampler.sample(&Ffdnet::colour(&device), x, &mut noise)?)
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
