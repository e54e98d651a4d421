//! The denoiser of a run: exact, or the recorded outputs of a network.

use crate::case::{Case, File, GoldenError, Recorded};
use crate::settings::{gaussian, prediction};
use serde_json::Value;
use std::cell::Cell;
use tweedie::burn::tensor::{DType, Tensor};
use tweedie::core::{DynamicThreshold, StaticClip, from_fn};
use tweedie::math::{Affine, Level};
use tweedie::prelude::Denoiser;

/// Returns the denoiser of a run. Recorded estimates are clipped here only for DDPM; other samplers
/// clip them in their own functions.
pub(crate) fn model(
    file: &File,
    case: &Case,
    dtype: DType,
) -> Result<Box<dyn Denoiser<4>>, GoldenError> {
    let states = file.tensor(case, "xs")?;
    let shape: [usize; 4] = states.part(0).tensor::<4>(dtype)?.dims();
    // An exact denoiser gives the same estimate, whatever the peer's network predicts.
    let prediction = prediction(case);
    let model: Box<dyn Denoiser<4>> = if case.text("model") == "gauss" {
        let prior = gaussian(file, &shape)?;
        Box::new(from_fn(move |x: Tensor<4>, level: Level| {
            let flat = x.reshape([shape[0], prior.dim()]);
            prior.posterior_mean(flat, level).reshape(shape)
        }))
    } else {
        let prediction = prediction?;
        recorded(file, case, dtype, move |_, level| {
            prediction.to_clean(level)
        })?
    };
    match case.text("cls") {
        "DDPMScheduler" => clipped(case, model),
        _ => Ok(model),
    }
}

/// Returns a denoiser that replays the recorded outputs of a network in order. `to_clean` gives the
/// conversion of output `k` to a clean estimate at a level.
pub(crate) fn recorded(
    file: &File,
    case: &Case,
    dtype: DType,
    to_clean: impl Fn(usize, Level) -> Affine + 'static,
) -> Result<Box<dyn Denoiser<4>>, GoldenError> {
    let channels = file.tensor(case, "xs")?.shape[2];
    let outputs = file.tensor(case, "model_outputs")?.parts();
    // A network with learned variance outputs twice the channels.
    let tensor = |output: &Recorded| Ok(output.tensor::<4>(dtype)?.narrow(1, 0, channels));
    let outputs = outputs.iter().map(tensor);
    let outputs = outputs.collect::<Result<Vec<_>, GoldenError>>()?;
    let asked = Cell::new(0);
    Ok(Box::new(from_fn(move |x: Tensor<4>, level: Level| {
        let k = asked.replace(asked.get() + 1);
        let row = to_clean(k, level);
        x * row.skip + outputs[k].clone() * row.out
    })))
}

/// Clips or thresholds the denoiser as the case's configuration says. The peers' DDPM and DDIM clip
/// by default.
pub(crate) fn clipped<'a>(
    case: &Case,
    model: Box<dyn Denoiser<4> + 'a>,
) -> Result<Box<dyn Denoiser<4> + 'a>, GoldenError> {
    let number = |key: &str, default| case.config(key).and_then(Value::as_f64).unwrap_or(default);
    let flag = |key: &str| case.config(key).and_then(Value::as_bool);
    let clips_by_default = matches!(case.text("cls"), "DDPMScheduler" | "DDIMScheduler");
    Ok(if flag("thresholding") == Some(true) {
        let model = DynamicThreshold::new(model)
            .with_quantile(number("dynamic_thresholding_ratio", 0.995))?
            .with_limit(number("sample_max_value", 1.0))?;
        Box::new(model)
    } else if flag("clip_sample").unwrap_or(clips_by_default) {
        let range = number("clip_sample_range", 1.0);
        Box::new(StaticClip::new(model, -range, range)?)
    } else {
        model
    })
}
