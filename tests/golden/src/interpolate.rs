//! Resizing: `in_8__bicubic_acFalse_aaTrue__32x32`, by both matrices and in `f64`.

use crate::case::Case;
use crate::compare::DOUBLE;
use crate::error::{Done, lacks, skip};
use tweedie::core::{Interpolation, Resize};

/// Runs one case.
pub(crate) fn run(case: &Case) -> Done {
    let lacks = |what: &str| lacks(format!("{what} in {}", case.id));
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
        other => return skip(format!("no interpolation {other}")),
    };
    let flags: Vec<&str> = how.collect();
    let resize = Resize::new(interpolation)
        .with_align_corners(flags.contains(&"acTrue"))
        .with_antialias(flags.contains(&"aaTrue"));
    let sides = size.split('x').map(str::parse);
    let sides: Vec<usize> = sides
        .collect::<Result<_, _>>()
        .map_err(|_| lacks("a size"))?;
    let size = <[usize; 2]>::try_from(sides).map_err(|_| lacks("a size"))?;
    let x = case.tensor::<4>(input)?.autodiff().require_grad();
    let resized = resize.forward(x.clone(), size);
    let record = case
        .find(&case.id)
        .or(case.find(&format!("{}/out", case.id)))
        .ok_or_else(|| lacks("a record"))?;
    case.compare("resized", resized.clone().inner(), record, DOUBLE);
    // The gradient is recorded for one case only.
    let gradient = format!("grad/{input}_bicubic_up4");
    if case.find(&gradient).is_some() && how_text == "bicubic_acFalse_aaFalse" {
        let found = x.grad(&(resized * case.tensor("grad/cot")?).sum().backward());
        case.check(&gradient, found.ok_or_else(|| lacks("a gradient"))?, DOUBLE)?;
    }
    Ok(())
}
