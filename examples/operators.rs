//! Applies every operator to one photograph: `cargo run --example operators`.
//!
//! A contact sheet shows the measurement `y`, the restoration `A⁺ y`, and the adjoint gap
//! `|⟨A x, y⟩ − ⟨x, Aᵀ y⟩|/(‖A x‖ ‖y‖)` of each operator on that photograph. Measurements that are
//! not images are drawn in shades of grey, Fourier samples by their magnitude.

use clap::Parser;
use indicatif::ProgressBar;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use tweedie::core::{Interpolation, Resize};
use tweedie::image::{PHOTOS, Sheet};
use tweedie::inverse::operator::{
    AnyOperator, AveragePool, Basis, Bayer, Blur, ChannelMix, Channels, CircularBlur, FourierPhase,
    Gamma, Identity, Jpeg, Linear, Mask, Matrix, MultiCoil, Operator, OperatorError, Padding,
    PointSpread, RandomPhase, Sampled, Saturation, Separable, Side, Taps, Tomography, Transform,
    VaryingBlur, adjoint_gap, pansharpen,
};
use tweedie::prelude::*;
use tweedie_examples::finish;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Applies every operator to one photograph.
#[derive(Parser)]
struct Arguments {
    /// One of the bundled photographs, or a PNG or JPEG file in colour
    #[arg(long, default_value = "astronaut")]
    photo: String,
    /// The picture to write
    #[arg(long, default_value = "out/operators.png")]
    out: PathBuf,
}

/// Height and width of the photograph: powers of two, for the Hadamard transform.
const SIZE: [usize; 2] = [128, 128];

fn main() -> ExitCode {
    finish(show(&Arguments::parse()))
}

/// The operators on colour images, then those on grey and on complex ones.
fn operators() -> Result<Vec<(&'static str, AnyOperator)>, OperatorError> {
    let motion = PointSpread::motion(25, 0.5, 4)?;
    let blur = |kernel, padding| AnyOperator::from(Blur::new(kernel, padding));
    let decimate = |taps| Separable::decimate(taps, 4, SIZE, Padding::Circular);
    let small = SIZE.map(|n| n * 2 / 7);
    let resize = Resize::new(Interpolation::Bicubic).with_antialias(true);
    let kernels = (0..9).map(|i| PointSpread::motion(15, 0.3, i));
    let kernels = kernels.collect::<Result<Vec<_>, _>>()?;
    let camera = Blur::new(PointSpread::gaussian(1.5)?, Padding::Reflect);
    let camera = camera.then(Mask::bayer(SIZE, Bayer::Rggb));
    let random = Mask::random(SIZE, 0.3, 1)?;
    let scan = Mask::cartesian(SIZE, 3.0, 0.1, 2)?;
    Ok(vec![
        ("denoising", Identity.into()),
        ("box", Mask::missing_box(SIZE, [30, 40], [50, 50])?.into()),
        ("random pixels", random.clone().into()),
        ("half", Mask::missing_half(SIZE, Side::Right).into()),
        ("lines", Mask::lines(SIZE, 3)?.into()),
        ("mosaic", Mask::bayer(SIZE, Bayer::Rggb).into()),
        ("grey", ChannelMix::grey().into()),
        ("one channel", Channels::new(0, 1, 3)?.into()),
        (
            "Gaussian blur",
            CircularBlur::new(PointSpread::gaussian(2.0)?, SIZE)?.into(),
        ),
        (
            "motion, circular",
            CircularBlur::new(motion.clone(), SIZE)?.into(),
        ),
        ("motion, reflect", blur(motion, Padding::Reflect)),
        (
            "anisotropic, valid",
            blur(PointSpread::anisotropic([3.0, 1.0], 30.0)?, Padding::Valid),
        ),
        (
            "defocus, replicate",
            blur(PointSpread::disc(3.5)?, Padding::Replicate),
        ),
        (
            "uniform, zero",
            blur(PointSpread::uniform([5, 9])?, Padding::Zero),
        ),
        (
            "varying blur",
            VaryingBlur::tiles(kernels, [3, 3], SIZE, Padding::Reflect)?.into(),
        ),
        ("average of 4×4", AveragePool::new(4)?.into()),
        ("bicubic ÷ 4", decimate(Taps::Bicubic)?.into()),
        ("bilinear ÷ 4", decimate(Taps::Bilinear)?.into()),
        ("sinc ÷ 4", decimate(Taps::Sinc)?.into()),
        (
            "Gaussian ÷ 4",
            decimate(Taps::Gaussian { sigma: 2.0 })?.into(),
        ),
        (
            "bicubic ÷ 3.5",
            Separable::resize(resize, SIZE, small)?.into(),
        ),
        ("MATLAB ÷ 3.5", Separable::imresize(SIZE, small)?.into()),
        (
            "bicubic × 1.5",
            Separable::imresize(SIZE, SIZE.map(|n| n * 3 / 2))?.into(),
        ),
        ("blur, mosaic", camera.into()),
        ("pansharpening", pansharpen(SIZE, 4)?.into()),
        (
            "cosine transform",
            Transform::new(Basis::Cosine, SIZE)?.into(),
        ),
        (
            "single pixel, 1/4",
            Sampled::single_pixel(SIZE, SIZE[0] * SIZE[1] / 4)?.into(),
        ),
        (
            "random cosines, 1/3",
            Sampled::new(Basis::Cosine, random.clone(), SIZE)?
                .with_random_signs(3)
                .into(),
        ),
        (
            "random sines, 1/3",
            Sampled::new(Basis::Sine, random, SIZE)?
                .with_random_signs(3)
                .into(),
        ),
        (
            "Gaussian matrix",
            Matrix::gaussian([1, 32, 32], 512, 1)?.into(),
        ),
        ("tomography", Tomography::half_turn(SIZE, 60)?.into()),
        (
            "resonance ÷ 3",
            Sampled::new(Basis::Fourier, scan.clone(), SIZE)?.into(),
        ),
        ("four coils ÷ 3", MultiCoil::ring(4, scan, SIZE)?.into()),
        ("Fourier amplitudes", FourierPhase::new(SIZE, 2.0)?.into()),
        (
            "random intensities",
            RandomPhase::gaussian(1024, 4096, 1)?.into(),
        ),
        (
            "saturated × 2",
            Saturation::new(2.0, ValueRange::Signed)?.into(),
        ),
        ("γ = 2.2", Gamma::new(2.2, ValueRange::Signed)?.into()),
        ("JPEG 5", Jpeg::new(5, ValueRange::Signed)?.into()),
    ])
}

fn show(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let device = Device::default();
    let photo = photo(&arguments.photo, &device)?;
    let operators = operators()?;
    let bar = ProgressBar::new(operators.len() as u64);
    let mut sheet = Sheet::new().with_panels(4).with_columns(["x", "y", "A⁺ y"]);
    println!(
        "{:20} {:>20} {:>9} {:>10} {:>9}",
        "operator", "y", "gap", "iterations", "residual"
    );
    for (name, operator) in operators {
        // Use the first form of the photograph whose shape the operator accepts.
        let fits = |x: &Tensor<4>| operator.output_shape(x.dims()).is_ok();
        let x = forms(&photo).into_iter().find(fits);
        let x = x.ok_or_else(|| format!("{name} does not take the photograph"))?;
        let y = operator.apply(x.clone());
        let shape = format!("{:?}", &y.dims()[1..]);
        let mut row = vec![
            shown(x.clone(), ValueRange::Signed),
            drawn(&operator, &x, y.clone()),
        ];
        let label = if let AnyOperator::Linear(linear) = &operator {
            let random = HostNoise::seeded(1).normal_like(&y);
            let gap = adjoint_gap(linear, x.clone(), random);
            let solution = linear.pinv(y)?;
            row.push(shown(solution.x, ValueRange::Signed));
            let residual = solution.residual.map(|residual| format!("{residual:.0e}"));
            println!(
                "{name:20} {shape:>20} {gap:>9.0e} {:>10} {:>9}",
                solution.iterations,
                residual.unwrap_or_else(|| "exact".into())
            );
            format!("{name}  {gap:.0e}")
        } else {
            println!("{name:20} {shape:>20} {:>9}", "nonlinear");
            name.to_owned()
        };
        let pictures = row
            .into_iter()
            .map(|x| Resize::new(Interpolation::NearestCentre).forward(x, SIZE));
        let pictures = pictures.map(|x| x.clone().expand([1, 3, SIZE[0], SIZE[1]]));
        sheet = sheet.with_row(label, Tensor::cat(pictures.collect(), 0), ValueRange::Unit)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    sheet.save(&arguments.out)?;
    println!("wrote {}", arguments.out.display());
    Ok(ExitCode::SUCCESS)
}

/// The photograph in `[−1, 1]`, `[1, 3, 128, 128]`.
fn photo(name: &str, device: &Device) -> Result<Tensor<4>, Box<dyn Error>> {
    let full = match PHOTOS.iter().position(|photo| *photo == name) {
        Some(i) => Images::photos()?.select(&[i], ValueRange::Signed, device),
        None => tweedie::image::load(name, ValueRange::Signed, device)?,
    };
    if full.dims()[1] != 3 {
        return Err(format!("{name} is grey; every operator has to be shown in colour").into());
    }
    Ok(Resize::new(Interpolation::Bicubic)
        .with_antialias(true)
        .forward(full, SIZE))
}

/// The photograph in colour, grey, complex (real part and 0), 32×32 and 16×16.
fn forms(photo: &Tensor<4>) -> [Tensor<4>; 5] {
    let grey = ChannelMix::grey().apply(photo.clone());
    let complex = Tensor::cat(vec![grey.clone(), grey.zeros_like()], 1);
    let small = |n: usize| {
        let resize = Resize::new(Interpolation::Bicubic).with_antialias(true);
        resize.forward(grey.clone(), [n, n])
    };
    [photo.clone(), grey.clone(), complex, small(32), small(16)]
}

/// Converts an image to `[0, 1]`; of a complex image, keeps the real part.
fn shown(x: Tensor<4>, range: ValueRange) -> Tensor<4> {
    let x = match x.dims()[1] {
        2 => x.narrow(1, 0, 1),
        _ => x,
    };
    range.convert(ValueRange::Unit, x).clamp(0.0, 1.0)
}

/// Draws a measurement in `[0, 1]`: an image as it is, anything else scaled to its own minimum and
/// maximum.
fn drawn(operator: &AnyOperator, x: &Tensor<4>, y: Tensor<4>) -> Tensor<4> {
    let [_, c, h, w] = y.dims();
    let coefficients = ["Transform", "Sampled", "MultiCoil", "Tomography", "Matrix"];
    let kind = match operator {
        AnyOperator::Linear(linear) => linear.kind(),
        other => other.kind(),
    };
    let is_image = h > 1 && matches!(c, 1 | 3) && !coefficients.contains(&kind);
    if is_image && !kind.ends_with("Phase") {
        return shown(y, ValueRange::Signed);
    }
    let values = match (kind, c) {
        // The squared magnitudes of the first coil, on a logarithmic scale.
        ("Sampled" | "MultiCoil", 2..) => {
            let square = y.clone().narrow(1, 0, 1).square() + y.narrow(1, c / 2, 1).square();
            (square + 1e-6).log()
        }
        ("Transform" | "Sampled" | "FourierPhase", _) => (y.narrow(1, 0, 1).square() + 1e-6).log(),
        _ if h == 1 => {
            // Reshape a row into a square and pad the rest with zeros.
            let count = c * h * w;
            let side = (count as f64).sqrt().ceil() as usize;
            let rest = Tensor::zeros([1, 1, 1, side * side - count], (&x.device(), x.dtype()));
            Tensor::cat(vec![y.reshape([1, 1, 1, count]), rest], 3).reshape([1, 1, side, side])
        }
        _ => y,
    };
    let (low, high) = (values.clone().min(), values.clone().max());
    let length = (high - low.clone()).clamp_min(1e-12);
    (values - low.reshape([1, 1, 1, 1])) / length.reshape([1, 1, 1, 1])
}
