//! FFDNet: one recorded output, and the PSNR on photographs.

use crate::case::Case;
use crate::error::Done;
use tweedie::burn::tensor::{DType, Device, Tensor};
use tweedie::image::{Images, PHOTOS, ValueRange};
use tweedie::metrics::psnr;
use tweedie::models::Ffdnet;

/// Runs one case, with the weights in the same folder if there are any, otherwise with the shipped
/// ones.
pub(crate) fn run(case: &Case) -> Done {
    let device = Device::flex();
    let weights = case.file.folder.join("ffdnet_color.safetensors");
    let network = match weights.is_file() {
        true => Ffdnet::open(weights, &device)?,
        false => Ffdnet::colour(&device),
    };
    let Some(i) = PHOTOS.iter().position(|name| *name == case.id) else {
        let input = case.record("input")?.tensor(DType::F32)?;
        return case.check(
            "output",
            network.restore(input, case.number("sigma")?),
            1e-5,
        );
    };
    let noise: Tensor<4> = case.record("noise")?.tensor(DType::F32)?;
    let clean = Images::photos()?.select(&[i], ValueRange::Unit, &device);
    let clean = clean.repeat_dim(0, noise.dims()[0]);
    let recorded = case.numbers("psnr")?;
    for (sigma, recorded) in case.numbers("sigma_of_255")?.into_iter().zip(recorded) {
        let noisy = clean.clone() + noise.clone() * (sigma / 255.0);
        let found = network.restore(noisy, sigma / 255.0).clamp(0.0, 1.0);
        let found = psnr(found, clean.clone(), 1.0);
        let mean = found.iter().sum::<f64>() / found.len() as f64;
        // 0.02 dB; `values` takes tolerances relative to the value.
        case.compare_values("PSNR", &[mean], &[recorded], 0.02 / recorded);
    }
    Ok(())
}
