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
use tweedie::inverse::operator::{AnyOperator, ChannelMix, Linear, Operator, adjoint_gap};
use tweedie::prelude::*;
use tweedie_catalogue::photo_operators;
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

fn show(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let device = Device::default();
    let photo = photo(&arguments.photo, &device)?;
    let operators = photo_operators(SIZE)?;
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
