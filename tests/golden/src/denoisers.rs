//! `DRUNet`, `DnCNN` and `demosaicnet`, against their authors' definitions.

use crate::case::Case;
use crate::error::Done;
use tweedie::burn::tensor::{DType, Device, Tensor};
use tweedie::models::{Demosaicnet, Dncnn, Drunet};

pub(crate) fn run(case: &Case) -> Done {
    let device = Device::flex();
    let weights = case
        .file
        .folder
        .join(format!("{}.weights.safetensors", case.id));
    let input: Tensor<4> = case.record("input")?.tensor(DType::F32)?;
    let output = match &case.id[..] {
        "drunet" => Drunet::open(weights, &device)?.restore(input, case.number("sigma")?),
        "demosaicnet" => {
            // The inner part, which does not see what is beyond the edges.
            let output = case.record("output")?.tensor::<4>(DType::F32)?;
            let ([.., h, w], [.., rows, columns]) = (input.dims(), output.dims());
            let network = Demosaicnet::open(weights, &device)?;
            let whole = network.restore(input, [0, 0]);
            let whole = whole.narrow(2, (h - rows) / 2, rows);
            whole.narrow(3, (w - columns) / 2, columns)
        }
        _ => Dncnn::open(weights, &device)?.restore(input),
    };
    case.check("output", output, 1e-5)
}
