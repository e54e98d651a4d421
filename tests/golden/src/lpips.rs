//! LPIPS: the perceptual distance of three pairs, with weights from the same folder as the record.

use crate::case::Case;
use crate::compare::numbers;
use crate::error::{Done, skip};
use tweedie::burn::tensor::{DType, Device};
use tweedie::metrics::Lpips;

/// Runs one case.
pub(crate) fn run(case: &Case) -> Done {
    let weights = case.file.folder.join("alexnet.safetensors");
    if !weights.is_file() {
        return skip("no alexnet.safetensors in its folder");
    }
    let lpips = Lpips::open(weights, &Device::flex())?;
    let image = |name: &str| case.record(name)?.tensor::<4>(DType::F32);
    let found = lpips.distance(image("a")?, image(case.text("other"))?);
    case.compare_values(
        "distance",
        &numbers(found),
        &[case.number("distance")?],
        1e-6,
    );
    Ok(())
}
