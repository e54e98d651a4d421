//! Operators: `A x`, the adjoint, the pseudo-inverse and the proximal step of each.

use crate::case::{Case, File, GoldenError, refused};
use crate::compare::{Comparison, Outcome};
use crate::mersenne::mersenne_normals;
use serde_json::Value;
use tweedie::burn::tensor::{DType, Tensor};
use tweedie::inverse::operator::{
    AnyLinear, Basis, Bayer, Blur, ChannelMix, CircularBlur, Linear, Mask, Matrix, MultiCoil,
    Operator, Padding, PointSpread, Sampled, Separable, Spectral, Taps, Tomography, pansharpen,
};
use tweedie::inverse::solver::ConjugateGradient;
use tweedie::ops::Constant;

/// Returns whether a case is of this kind.
pub(crate) fn knows(file: &File, case: &Case) -> bool {
    let peer = file.meta["peer"].as_str().unwrap_or_default();
    peer.starts_with("deepinv")
        && file.meta["semantics"]
            .as_str()
            .unwrap_or_default()
            .contains("A_adjoint(v)")
        && case.get("x").is_none()
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
pub(crate) fn run(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    match case.id.as_str() {
        "filters" => return filters(file),
        "phase_retrieval" => return crate::phase::run(file, case),
        "pansharpen" => return two_images(file, case),
        "tomo_extra" => return back_projection(file, case),
        _ => {}
    }
    let x = file.tensor(case, "x")?;
    let size = [x.shape[x.shape.len() - 2], x.shape[x.shape.len() - 1]];
    let (operator, tolerance) = match build(file, case, size)? {
        Some(built) => built,
        None => {
            return Ok(Outcome::skipped(format!(
                "no operator {}",
                case.text("cls")
            )));
        }
    };
    let mut comparison = Comparison::default();
    // Five-dimensional measurements have a dimension for coils; two-dimensional ones are rows.
    let tensor = |name: &str| -> Result<Tensor<4>, GoldenError> {
        let mut recorded = file.tensor(case, name)?.clone();
        recorded.shape = match recorded.shape[..] {
            [b, m] => vec![b, 1, 1, m],
            [b, p, n, h, w] => vec![b, p * n, h, w],
            _ => recorded.shape,
        };
        recorded.tensor(DType::F64)
    };
    let mut compare = |what: &str, found: Tensor<4>, name: &str, tolerance: f64| {
        let found: Vec<f64> = found.into_data().iter::<f64>().collect();
        let recorded = file.tensor(case, name)?;
        comparison.values(what, &found, &recorded.values, tolerance);
        Ok::<_, GoldenError>(())
    };
    compare("A x", operator.apply(tensor("x")?), "y", tolerance.y)?;
    compare("Aᵀ v", operator.adjoint(tensor("v")?), "Atv", tolerance.y)?;
    if file.find(&format!("{}/prox_l2", case.id)).is_some() {
        let gamma = case.number("prox_gamma")?;
        let x = operator.proximal(tensor("prox_z")?, tensor("y")?, gamma);
        compare("prox", x?.x, "prox_l2", tolerance.inverse)?;
    }
    if file.find(&format!("{}/dagger", case.id)).is_some() {
        let y = tensor("y")?;
        // deepinv takes spectral values below 10⁻⁵ as 0.
        let found = match circular(file, case, size)? {
            Some(blur) => blur.truncated_pinv(y.clone(), 1e-5),
            None => operator.pinv(y.clone())?.x,
        };
        if case.id.starts_with("down_") {
            // The recorded iteration was stopped early, so it is only compared up to its own
            // residual.
            let residual = case.number("dagger_resid")?;
            let recorded = operator.apply(tensor("dagger")?);
            compare("A of the recorded A⁺ y", recorded, "y", 1.5 * residual)?;
            compare("A A⁺ y", operator.apply(found), "y", tolerance.inverse)?;
        } else {
            compare("A⁺ y", found, "dagger", tolerance.inverse)?;
        }
    }
    Ok(Outcome::Ran(comparison))
}

fn kernel(file: &File, case: &Case) -> Result<PointSpread, GoldenError> {
    let recorded = file.tensor(case, "filter")?;
    let size = [recorded.shape[2], recorded.shape[3]];
    PointSpread::new(recorded.values.clone(), size).map_err(refused)
}

fn circular(
    file: &File,
    case: &Case,
    size: [usize; 2],
) -> Result<Option<CircularBlur>, GoldenError> {
    if !case.id.starts_with("blurfft") {
        return Ok(None);
    }
    let blur = CircularBlur::new(kernel(file, case)?, size)?;
    Ok(Some(blur))
}

/// The padding of a case, which its name may spell.
fn padding(case: &Case) -> Padding {
    let id = case
        .get("padding")
        .and_then(Value::as_str)
        .unwrap_or(&case.id);
    let pairs = [
        ("valid", Padding::Valid),
        ("circular", Padding::Circular),
        ("reflect", Padding::Reflect),
        ("replicate", Padding::Replicate),
    ];
    let found = pairs.into_iter().find(|(name, _)| id.ends_with(name));
    found.map_or(Padding::Zero, |(_, padding)| padding)
}

fn build(
    file: &File,
    case: &Case,
    size: [usize; 2],
) -> Result<Option<(AnyLinear, Tolerance)>, GoldenError> {
    let id = case.id.as_str();
    let mask = || -> Result<Mask<4>, GoldenError> {
        let kept: Tensor<4> = file.tensor(case, "mask")?.tensor(DType::F64)?;
        Ok(Mask::new(kept.greater_elem(0.5)))
    };
    let operator: AnyLinear = match case.text("cls") {
        "Inpainting" => mask()?.into(),
        "Demosaicing" => {
            let pattern = case.get("pattern").and_then(Value::as_str);
            let pattern = match pattern.unwrap_or("bggr") {
                "bggr" => Bayer::Bggr,
                "rggb" => Bayer::Rggb,
                "grbg" => Bayer::Grbg,
                "gbrg" => Bayer::Gbrg,
                other => return Err(GoldenError::Lacks(format!("a known mosaic: {other}"))),
            };
            Mask::bayer(size, pattern).into()
        }
        "Blur" => Blur::new(kernel(file, case)?, padding(case)).into(),
        "BlurFFT" => match circular(file, case, size)? {
            Some(blur) => blur.into(),
            None => return Ok(None),
        },
        "Downsampling" => {
            let factor = case.spelled("factor", "x")? as usize;
            let spelled = id.split('_').nth(1).unwrap_or_default();
            let filter = case
                .get("filter")
                .and_then(Value::as_str)
                .unwrap_or(spelled);
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
            return Ok(Some((operator?.into(), tolerance)));
        }
        "DownsamplingMatlab" => {
            let factor = case.spelled("factor", "x")? as usize;
            let small = size.map(|n| n / factor);
            Separable::imresize(size, small)?.into()
        }
        "Upsampling" => {
            // deepinv's operator is the bare transpose, without the factor that keeps a constant.
            let factor = case.spelled("factor", "x")? as usize;
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
            let tolerance = Tolerance {
                y: 2e-7,
                inverse: 4e-7,
            };
            return Ok(Some((mix.into(), tolerance)));
        }
        "CompressedSensing" => {
            let signal = file.tensor(case, "x")?.shape[1..].to_vec();
            let shape = [file.tensor(case, "y")?.shape[1], signal.iter().product()];
            let recorded = match file.tensor(case, "matrix") {
                Ok(matrix) => matrix.values.clone(),
                // The matrix is not recorded; it comes from PyTorch's generator at seed 0.
                Err(_) => mersenne_normals(shape[0] * shape[1])
                    .map(|z| z / (shape[0] as f64).sqrt())
                    .collect(),
            };
            let rounded = case.text("x_dtype").ends_with("32");
            let matrix = Constant::new(recorded, shape);
            let dense = Matrix::new(matrix, [signal[0], signal[1], signal[2]])?;
            return Ok(Some((dense.into(), if rounded { ROUNDED } else { EXACT })));
        }
        "SinglePixelCamera" => {
            let sampled = Sampled::new(Basis::Hadamard, mask()?, size)?;
            // The mask must be that of the sequency order.
            let count = file.tensor(case, "mask")?.values.iter().sum::<f64>() as usize;
            let own = Sampled::single_pixel(size, count)?;
            if own != sampled {
                return Err(GoldenError::Refused(
                    "another mask in sequency order".into(),
                ));
            }
            return Ok(Some((sampled.into(), ROUNDED)));
        }
        "MRI" => Sampled::new(Basis::Fourier, mask()?, size)?.into(),
        "MultiCoilMRI" => {
            let (re, im) = (
                file.tensor(case, "coil_maps_re")?,
                file.tensor(case, "coil_maps_im")?,
            );
            let maps = [re.values.clone(), im.values.clone()].concat();
            let maps = Constant::new(maps, [2, re.shape[1], re.shape[2], re.shape[3]]);
            MultiCoil::new(maps, mask()?)?.into()
        }
        "Tomography" => {
            let scan = scan(file, case, size)?;
            let tolerance = Tolerance {
                y: 5e-5,
                inverse: 5e-5,
            };
            return Ok(Some((scan.into(), tolerance)));
        }
        _ => return Ok(None),
    };
    Ok(Some((operator, EXACT)))
}

/// Returns the scan of a case. deepinv pads an image of 16 pixels by 3 before and 4 after, so its
/// centre of rotation is pixel 8.
fn scan(file: &File, case: &Case, size: [usize; 2]) -> Result<Tomography, GoldenError> {
    let angles = match file.tensor(case, "angles") {
        Ok(angles) => angles,
        Err(_) => file.shared("tomo_circle0/angles")?,
    };
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
fn back_projection(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    let recorded = file.tensor(case, "fbp")?;
    let size = [recorded.shape[2], recorded.shape[3]];
    let scan = scan(file, case, size)?;
    let y: Tensor<4> = file.tensor(case, "y")?.tensor(DType::F64)?;
    let mut comparison = Comparison::default();
    let found = scan.filtered_back_projection(y.clone());
    comparison.tensor("filtered back-projection", found, recorded, 1e-5);
    // The peer's solution leaves 0.00842 of the sinogram; our converged solution leaves less.
    let theirs: Tensor<4> = file.tensor(case, "dagger_lsq")?.tensor(DType::F64)?;
    let left = |x: Tensor<4>| {
        let norm = |x: Tensor<4>| x.square().sum().sqrt().into_scalar::<f64>();
        norm(scan.apply(x) - y.clone()) / norm(y.clone())
    };
    let recorded = left(theirs);
    comparison.values("its residual", &[recorded], &[0.00842], 1e-4);
    let settings = ConjugateGradient::default().with_tolerance(1e-4);
    let ours = settings.pinv(&scan, y.clone())?;
    let worse = (left(ours.x) - recorded).max(0.0);
    comparison.values("how much worse A⁺ y meets y", &[worse], &[0.0], 1e-12);
    Ok(Outcome::Ran(comparison))
}

fn two_images(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    let x = file.tensor(case, "x")?;
    let factor = file.number(case, "factor", 4.0) as usize;
    let stack = pansharpen([x.shape[2], x.shape[3]], factor)?;
    let mut comparison = Comparison::default();
    let y = stack.apply(x.tensor(DType::F64)?);
    for (found, name) in stack.split(y).into_iter().zip(["y0", "y1"]) {
        comparison.tensor(name, found, file.tensor(case, name)?, 1e-6);
    }
    let rows = ["y0", "y1"].map(|name| {
        let y: Result<Tensor<4>, _> = file.tensor(case, name).and_then(|y| y.tensor(DType::F64));
        y.map(|y| {
            let count = y.dims().iter().product();
            y.reshape([1, 1, 1, count])
        })
    });
    let rows: Result<Vec<_>, _> = rows.into_iter().collect();
    let found = stack.adjoint(Tensor::cat(rows?, 3));
    comparison.tensor("Aᵀ y", found, file.tensor(case, "Aty")?, 1e-6);
    Ok(Outcome::Ran(comparison))
}

/// Compares the filters themselves, recorded in `f32`.
fn filters(file: &File) -> Result<Outcome, GoldenError> {
    let mut comparison = Comparison::default();
    for name in file.names("filters/") {
        let recorded = file.shared(name)?;
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
                comparison.values(name, &[sum], &[1.0], 1e-12);
                continue;
            }
            other => return Ok(Outcome::skipped(format!("no filter {other}"))),
        };
        let spread = spread?;
        // Rounded to f32; sinc's constants have seven digits.
        comparison.values(name, spread.values(), &recorded.values, 5e-8);
    }
    Ok(Outcome::Ran(comparison))
}
