//! Resizing: `in_8__bicubic_acFalse_aaTrue__32x32`, by both matrices and in `f64`.

use crate::case::{Case, File, GoldenError};
use crate::compare::{Comparison, Outcome};
use tweedie::burn::tensor::{DType, Tensor};
use tweedie::core::{Interpolation, Resize};

/// Runs one case.
pub(crate) fn run(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    let lacks = |what: &str| GoldenError::Lacks(format!("{what} in {}", case.id));
    let parts: Vec<&str> = case.id.split("__").collect();
    let [input, how_text, size] = parts[..] else {
        return Err(lacks("three parts"));
    };
    let mut how = how_text.split('_');
    let interpolation = match how.next().unwrap_or_default() {
        "nearest" => Interpolation::Nearest,
        "nearest-exact" => Interpolation::NearestCentre,
        "bilinear" => Interpolation::Bilinear,
        "bicubic" => Interpolation::Bicubic,
        "area" => Interpolation::Area,
        other => return Ok(Outcome::skipped(format!("no interpolation {other}"))),
    };
    let flags: Vec<&str> = how.collect();
    let resize = Resize::new(interpolation)
        .with_align_corners(flags.contains(&"acTrue"))
        .with_antialias(flags.contains(&"aaTrue"));
    let (h, w) = size.split_once('x').ok_or_else(|| lacks("a size"))?;
    let side = |text: &str| text.parse::<usize>().map_err(|_| lacks("a size"));
    let size = [side(h)?, side(w)?];
    let mut comparison = Comparison::default();
    let x: Tensor<4> = file.shared(input)?.tensor(DType::F64)?;
    let recorded = file
        .find(&case.id)
        .or(file.find(&format!("{}/out", case.id)));
    let recorded = recorded.ok_or_else(|| lacks("a record"))?;
    let x = x.autodiff().require_grad();
    let resized = resize.forward(x.clone(), size);
    comparison.tensor("resized", resized.clone().inner(), recorded, 1e-10);
    // The gradient is recorded for one case only.
    let gradient = file.find(&format!("grad/{input}_bicubic_up4"));
    if let (Some(gradient), "bicubic_acFalse_aaFalse") = (gradient, how_text) {
        let cotangent: Tensor<4> = file.shared("grad/cot")?.tensor(DType::F64)?;
        let found = x.grad(&(resized * cotangent).sum().backward());
        let found = found.ok_or_else(|| lacks("a gradient"))?;
        comparison.tensor("gradient", found, gradient, 1e-10);
    }
    Ok(Outcome::Ran(comparison))
}
