//! Operators: `A x`, the adjoint, the pseudo-inverse and the proximal step of each.

use crate::case::Case;
use crate::compare::numbers;
use crate::error::{Done, GoldenError, lacks, refused, skip};
use crate::mersenne::mersenne_normals;
use tweedie::burn::tensor::{DType, Tensor};
use tweedie::inverse::operator::{
    AnyLinear, Basis, Bayer, Blur, ChannelMix, CircularBlur, Linear, Mask, Matrix, MultiCoil,
    Operator, Padding, PointSpread, Sampled, Separable, Spectral, Taps, Tomography, pansharpen,
};
use tweedie::inverse::solver::ConjugateGradient;
use tweedie::ops::Constant;

/// Returns whether a case is of this kind.
pub(crate) fn knows(case: &Case) -> bool {
    let text = |key: &str| case.file.meta[key].as_str().unwrap_or_default();
    text("peer").starts_with("deepinv") && text("semantics").contains("A_adjoint(v)")
}

/// The tolerances for `A x` and `Aᵀ v`, and for the pseudo-inverse and the proximal step.
#[derive(Clone, Copy)]
struct Tolerance {
    y: f64,
    inverse: f64,
}

/// The tolerances for records in `f64`.
const EXACT: Tolerance = Tolerance {
    y: 1e-12,
    inverse: 1e-11,
};
/// The tolerances for records in `f32`, or with weights rounded to it.
const ROUNDED: Tolerance = Tolerance {
    y: 5e-6,
    inverse: 1e-5,
};

/// Runs one case.
pub(crate) fn run(case: &Case) -> Done {
    match case.id.as_str() {
        "filters" => return filters(case),
        "phase_retrieval" => return crate::phase::run(case),
        "pansharpen" => return two_images(case),
        "tomo_extra" => return back_projection(case),
        _ => {}
    }
    let x = case.record("x")?;
    let size = [x.shape[x.shape.len() - 2], x.shape[x.shape.len() - 1]];
    let (operator, tolerance) = build(case, size)?;
    // Five-dimensional measurements have a dimension for coils; two-dimensional ones are rows.
    let tensor = |name: &str| -> Result<Tensor<4>, GoldenError> {
        let mut recorded = case.record(name)?.clone();
        recorded.shape = match recorded.shape[..] {
            [b, m] => vec![b, 1, 1, m],
            [b, p, n, h, w] => vec![b, p * n, h, w],
            _ => recorded.shape,
        };
        recorded.tensor(DType::F64)
    };
    case.check_values("y", &numbers(operator.apply(tensor("x")?)), tolerance.y)?;
    case.check_values("Atv", &numbers(operator.adjoint(tensor("v")?)), tolerance.y)?;
    if case.find("prox_l2").is_some() {
        let gamma = case.number("prox_gamma")?;
        let x = operator.proximal(tensor("prox_z")?, tensor("y")?, gamma)?.x;
        case.check_values("prox_l2", &numbers(x), tolerance.inverse)?;
    }
    if case.find("dagger").is_some() {
        let y = tensor("y")?;
        // deepinv takes spectral values below 10⁻⁵ as 0.
        let found = match case.text("cls") {
            "BlurFFT" => CircularBlur::new(kernel(case)?, size)?.truncated_pinv(y, 1e-5),
            _ => operator.pinv(y)?.x,
        };
        if case.id.starts_with("down_") {
            // The recorded iteration was stopped early, so it is only compared up to its own
            // residual.
            let residual = case.number("dagger_resid")?;
            let recorded = operator.apply(tensor("dagger")?);
            let y = &case.record("y")?.values;
            let found = numbers(operator.apply(found));
            case.compare_values(
                "A of the recorded A⁺ y",
                &numbers(recorded),
                y,
                1.5 * residual,
            );
            case.compare_values("A A⁺ y", &found, y, tolerance.inverse);
        } else {
            case.check_values("dagger", &numbers(found), tolerance.inverse)?;
        }
    }
    Ok(())
}

fn kernel(case: &Case) -> Result<PointSpread, GoldenError> {
    let recorded = case.record("filter")?;
    let size = [recorded.shape[2], recorded.shape[3]];
    PointSpread::new(recorded.values.clone(), size).map_err(refused)
}

/// The padding of a case, which its name may spell.
fn padding(case: &Case) -> Padding {
    let name = case.text_or_spelled("padding", &case.id);
    let pairs = [
        ("valid", Padding::Valid),
        ("circular", Padding::Circular),
        ("reflect", Padding::Reflect),
        ("replicate", Padding::Replicate),
    ];
    let found = pairs.into_iter().find(|(end, _)| name.ends_with(end));
    found.map_or(Padding::Zero, |(_, padding)| padding)
}

fn build(case: &Case, size: [usize; 2]) -> Result<(AnyLinear, Tolerance), GoldenError> {
    let id = case.id.as_str();
    let mask = || -> Result<Mask<4>, GoldenError> {
        Ok(Mask::new(case.tensor("mask")?.greater_elem(0.5)))
    };
    let factor = || case.spelled("factor", "x").map(|factor| factor as usize);
    let operator: AnyLinear = match case.text("cls") {
        "Inpainting" => mask()?.into(),
        "Demosaicing" => {
            let pattern = match case.text_or("pattern", "bggr") {
                "bggr" => Bayer::Bggr,
                "rggb" => Bayer::Rggb,
                "grbg" => Bayer::Grbg,
                "gbrg" => Bayer::Gbrg,
                other => return Err(lacks(format!("a known mosaic: {other}"))),
            };
            Mask::bayer(size, pattern).into()
        }
        "Blur" => Blur::new(kernel(case)?, padding(case)).into(),
        "BlurFFT" => CircularBlur::new(kernel(case)?, size)?.into(),
        "Downsampling" => {
            let factor = factor()?;
            let spelled = id.split('_').nth(1).unwrap_or_default();
            let filter = case.text_or_spelled("filter", spelled);
            let taps = match filter {
                "none" => Taps::None,
                "bilinear" => Taps::Bilinear,
                "bicubic" => Taps::Bicubic,
                "sinc" => Taps::Sinc,
                _ => Taps::Gaussian {
                    sigma: factor as f64,
                },
            };
            let operator = Separable::decimate(taps, factor, size, padding(case));
            // Gaussian and sinc filters were rounded to f32.
            let rounded = ["gaussian", "sinc"].contains(&filter);
            let tolerance = if rounded { ROUNDED } else { EXACT };
            return Ok((operator?.into(), tolerance));
        }
        "DownsamplingMatlab" => {
            let factor = factor()?;
            Separable::imresize(size, size.map(|n| n / factor))?.into()
        }
        "Upsampling" => {
            // deepinv's operator is the bare transpose, without the factor that keeps a constant.
            let factor = factor()?;
            let large = size.map(|n| factor * n);
            let shrink = Separable::decimate(Taps::Bicubic, factor, large, Padding::Circular);
            shrink?.transposed().into()
        }
        "Decolorize" => {
            let weights = match id {
                "decolorize" => vec![0.4472 * 0.66851, 0.8781 * 0.66851, 0.1706 * 0.66851],
                _ => vec![1.0 / 3.0; 3],
            };
            let mix = ChannelMix::new(&[weights])?;
            return Ok((
                mix.into(),
                Tolerance {
                    y: 2e-7,
                    inverse: 4e-7,
                },
            ));
        }
        "CompressedSensing" => {
            let signal = case.record("x")?.shape[1..].to_vec();
            let shape = [case.record("y")?.shape[1], signal.iter().product()];
            let recorded = match case.record("matrix") {
                Ok(matrix) => matrix.values.clone(),
                // The matrix is not recorded; it comes from PyTorch's generator at seed 0.
                Err(_) => mersenne_normals(shape[0] * shape[1])
                    .map(|z| z / (shape[0] as f64).sqrt())
                    .collect(),
            };
            let rounded = case.text("x_dtype").ends_with("32");
            let matrix = Constant::new(recorded, shape);
            let dense = Matrix::new(matrix, [signal[0], signal[1], signal[2]])?;
            return Ok((dense.into(), if rounded { ROUNDED } else { EXACT }));
        }
        "SinglePixelCamera" => {
            let sampled = Sampled::new(Basis::Hadamard, mask()?, size)?;
            // The mask must be that of the sequency order.
            let count = case.record("mask")?.values.iter().sum::<f64>() as usize;
            let own = Sampled::single_pixel(size, count)?;
            if own != sampled {
                return Err(refused("another mask in sequency order"));
            }
            return Ok((sampled.into(), ROUNDED));
        }
        "MRI" => Sampled::new(Basis::Fourier, mask()?, size)?.into(),
        "MultiCoilMRI" => {
            let (re, im) = (case.record("coil_maps_re")?, case.record("coil_maps_im")?);
            let maps = [re.values.clone(), im.values.clone()].concat();
            let maps = Constant::new(maps, [2, re.shape[1], re.shape[2], re.shape[3]]);
            MultiCoil::new(maps, mask()?)?.into()
        }
        "Tomography" => {
            return Ok((
                scan(case, size)?.into(),
                Tolerance {
                    y: 5e-5,
                    inverse: 5e-5,
                },
            ));
        }
        class => return skip(format!("no operator {class}")),
    };
    Ok((operator, EXACT))
}

/// Returns the scan of a case. deepinv pads an image of 16 pixels by 3 before and 4 after, so its
/// centre of rotation is pixel 8.
fn scan(case: &Case, size: [usize; 2]) -> Result<Tomography, GoldenError> {
    let angles = case
        .record("angles")
        .or_else(|_| case.record("tomo_circle0/angles"))?;
    let scan = Tomography::new(size, &angles.values)?;
    if case.id.ends_with("circle1") {
        return scan.with_disc().map_err(refused);
    }
    let detectors = scan.output_shape([1, 1, size[0], size[1]])?[2];
    let before = detectors / 2 - size[0] / 2;
    let centre = (detectors as f64 - 1.0) / 2.0 - before as f64;
    scan.with_centre([centre; 2]).map_err(refused)
}

/// Compares filtered back-projection, and a least-squares solution that stopped after 50 iterations
/// in `f32`.
fn back_projection(case: &Case) -> Done {
    let recorded = case.record("fbp")?;
    let size = [recorded.shape[2], recorded.shape[3]];
    let scan = scan(case, size)?;
    let y: Tensor<4> = case.tensor("y")?;
    let found = scan.filtered_back_projection(y.clone());
    case.check("fbp", found, 1e-5)?;
    // The peer's solution leaves 0.00842 of the sinogram; our converged solution leaves less.
    let theirs: Tensor<4> = case.tensor("dagger_lsq")?;
    let left = |x: Tensor<4>| {
        let norm = |x: Tensor<4>| x.square().sum().sqrt().into_scalar::<f64>();
        norm(scan.apply(x) - y.clone()) / norm(y.clone())
    };
    let recorded = left(theirs);
    case.compare_values("its residual", &[recorded], &[0.00842], 1e-4);
    let settings = ConjugateGradient::default().with_tolerance(1e-4);
    let ours = settings.pinv(&scan, y.clone())?;
    let ours = left(ours.x);
    let worse = if ours <= recorded {
        0.0
    } else {
        ours - recorded
    };
    case.compare_values("how much worse A⁺ y meets y", &[worse], &[0.0], 1e-12);
    Ok(())
}

fn two_images(case: &Case) -> Done {
    let x: Tensor<4> = case.tensor("x")?;
    let [_, _, h, w] = x.dims();
    let stack = pansharpen([h, w], case.number_or("factor", 4.0) as usize)?;
    let y = stack.apply(x);
    for (found, name) in stack.split(y).into_iter().zip(["y0", "y1"]) {
        case.check(name, found, 1e-6)?;
    }
    let row = |name: &str| -> Result<Tensor<4>, GoldenError> {
        let y: Tensor<4> = case.tensor(name)?;
        Ok(y.reshape([1, 1, 1, -1]))
    };
    let found = stack.adjoint(Tensor::cat(vec![row("y0")?, row("y1")?], 3));
    case.check("Aty", found, 1e-6)
}

/// Compares the filters themselves, recorded in `f32`.
fn filters(case: &Case) -> Done {
    for name in case.names("filters/") {
        let recorded = case.shared(name)?;
        let spread = match name.trim_start_matches("filters/") {
            "bilinear4" => Taps::Bilinear.kernel(4),
            "bicubic2" => Taps::Bicubic.kernel(2),
            "bicubic4" => Taps::Bicubic.kernel(4),
            "sinc4" => Taps::Sinc.kernel(4),
            "gaussian1.5" => PointSpread::gaussian(1.5),
            "gaussian4_x4" => PointSpread::gaussian(4.0),
            "gaussian_aniso" => PointSpread::anisotropic([2.0, 0.8], 30.0),
            // A random trace from the peer's generator: only its sum is fixed.
            "motion9" => {
                let sum: f64 = recorded.values.iter().sum();
                case.compare_values(name, &[sum], &[1.0], 1e-12);
                continue;
            }
            other => return skip(format!("no filter {other}")),
        };
        let spread = spread?;
        // Rounded to f32; sinc's constants have seven digits.
        case.compare_values(name, spread.values(), &recorded.values, 5e-8);
    }
    Ok(())
}
