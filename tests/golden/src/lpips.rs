//! LPIPS: the perceptual distance of three pairs, with weights from the same folder as the record.

use crate::case::{Case, File, GoldenError};
use crate::compare::{Comparison, Outcome};
use tweedie::burn::tensor::{DType, Device};
use tweedie::metrics::Lpips;

/// Runs one case.
pub(crate) fn run(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    let weights = file.folder.join("alexnet.safetensors");
    if !weights.is_file() {
        return Ok(Outcome::skipped("no alexnet.safetensors beside it"));
    }
    let lpips = Lpips::open(weights, &Device::flex())?;
    let image = |name: &str| file.shared(name)?.tensor::<4>(DType::F32);
    let found = lpips.distance(image("a")?, image(case.text("other"))?);
    let mut comparison = Comparison::default();
    let found: Vec<f64> = found.into_data().iter::<f64>().collect();
    comparison.values("distance", &found, &[case.number("distance")?], 1e-6);
    Ok(Outcome::Ran(comparison))
}
