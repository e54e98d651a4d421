//! The denoiser of a run: exact, or what was recorded of a network.

use crate::case::{Case, File, GoldenError};
use crate::settings::{gaussian, prediction};
use serde_json::Value;
use std::cell::Cell;
use tweedie::burn::tensor::{DType, Tensor};
use tweedie::core::{DynamicThreshold, StaticClip, from_fn};
use tweedie::math::Level;
use tweedie::prelude::Denoiser;

/// The denoiser of a run. Estimates of a network are clipped as the run says, but for DDIM, which
/// clips in a way of its own.
pub(crate) fn model(
    file: &File,
    case: &Case,
    dtype: DType,
) -> Result<Box<dyn Denoiser<4>>, GoldenError> {
    let states = file.tensor(case, "xs")?;
    let shape: [usize; 4] = states.part(0).tensor::<4>(dtype)?.dims();
    if case.text("model") == "gauss" {
        let prior = gaussian(file, &shape)?;
        return Ok(Box::new(from_fn(move |x: Tensor<4>, level: Level| {
            let flat = x.reshape([shape[0], prior.dim()]);
            prior.denoise(flat, level).reshape(shape)
        })));
    }
    let prediction = prediction(case)?;
    let outputs = file.tensor(case, "model_outputs")?.parts();
    let outputs = outputs.iter().map(|output| {
        // A network with learned variance has twice the channels.
        output
            .tensor::<4>(dtype)
            .map(|output| output.narrow(1, 0, shape[1]))
    });
    let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
    let asked = Cell::new(0);
    let recorded = from_fn(move |x: Tensor<4>, level: Level| {
        let k = asked.replace(asked.get() + 1);
        let row = prediction.to_clean(level);
        x * row.skip + outputs[k].clone() * row.out
    });
    if case.text("cls") == "DDPMScheduler" {
        return Ok(clipped(case, Box::new(recorded)));
    }
    Ok(Box::new(recorded))
}

/// The denoiser, clipped or thresholded as the case's configuration says. The peers' DDPM and DDIM
/// clip unless told not to.
pub(crate) fn clipped<'a>(
    case: &Case,
    model: Box<dyn Denoiser<4> + 'a>,
) -> Box<dyn Denoiser<4> + 'a> {
    let number = |key: &str, default| case.config(key).and_then(Value::as_f64).unwrap_or(default);
    let flag = |key: &str| case.config(key).and_then(Value::as_bool);
    let clips_by_default = matches!(case.text("cls"), "DDPMScheduler" | "DDIMScheduler");
    if flag("thresholding") == Some(true) {
        let model = DynamicThreshold::new(model)
            .with_quantile(number("dynamic_thresholding_ratio", 0.995))
            .with_limit(number("sample_max_value", 1.0));
        Box::new(model)
    } else if flag("clip_sample").unwrap_or(clips_by_default) {
        let range = number("clip_sample_range", 1.0);
        Box::new(StaticClip::new(model, -range, range))
    } else {
        model
    }
}
