//! FFDNet: one recorded output, and the PSNR on photographs.

use crate::case::{Case, File, GoldenError};
use crate::compare::{Comparison, Outcome};
use tweedie::burn::tensor::{DType, Device, Tensor};
use tweedie::image::{Images, PHOTOS, ValueRange};
use tweedie::metrics::psnr;
use tweedie::models::Ffdnet;

/// Runs one case, with the weights in the same folder if there are any, otherwise with the shipped
/// ones.
pub(crate) fn run(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    let device = Device::flex();
    let weights = file.folder.join("ffdnet_color.safetensors");
    let network = if weights.is_file() {
        Ffdnet::open(weights, &device)?
    } else {
        Ffdnet::colour(&device)
    };
    let mut comparison = Comparison::default();
    if let Some(i) = PHOTOS.iter().position(|name| *name == case.id) {
        let clean = Images::photos()?;
        let clean = clean.select(&[i], ValueRange::Unit, &device);
        let noise: Tensor<4> = file.shared("noise")?.tensor(DType::F32)?;
        let clean = clean.repeat_dim(0, noise.dims()[0]);
        for (sigma, recorded) in case
            .numbers("sigma_of_255")?
            .into_iter()
            .zip(case.numbers("psnr")?)
        {
            let noisy = clean.clone() + noise.clone() * (sigma / 255.0);
            let found = network.restore(noisy, sigma / 255.0).clamp(0.0, 1.0);
            let found = psnr(found, clean.clone(), 1.0);
            let mean = found.iter().sum::<f64>() / found.len() as f64;
            // 0.02 dB; `values` takes tolerances relative to the value.
            comparison.values("PSNR", &[mean], &[recorded], 0.02 / recorded);
        }
        return Ok(Outcome::Ran(comparison));
    }
    let input = file.shared("input")?.tensor(DType::F32)?;
    let found = network.restore(input, case.number("sigma")?);
    comparison.tensor("output", found, file.shared("output")?, 1e-5);
    Ok(Outcome::Ran(comparison))
}
