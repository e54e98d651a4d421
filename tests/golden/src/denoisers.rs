//! `DRUNet` and `DnCNN`, against their authors' definitions.

use crate::case::Case;
use crate::error::Done;
use tweedie::burn::tensor::{DType, Device, Tensor};
use tweedie::models::{Dncnn, Drunet};

pub(crate) fn run(case: &Case) -> Done {
    let device = Device::flex();
    let weights = case
        .file
        .folder
        .join(format!("{}.weights.safetensors", case.id));
    let input: Tensor<4> = case.record("input")?.tensor(DType::F32)?;
    let output = match &case.id[..] {
        "drunet" => Drunet::open(weights, &device)?.restore(input, case.number("sigma")?),
        _ => Dncnn::open(weights, &device)?.restore(input),
    };
    case.check("output", output, 1e-5)
}
