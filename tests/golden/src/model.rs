//! The denoiser of a run: exact, or the recorded outputs of a network.

use crate::case::Case;
use crate::error::GoldenError;
use crate::record::Recorded;
use crate::settings::{gaussian, prediction};
use std::cell::Cell;
use tweedie::burn::tensor::{DType, Tensor};
use tweedie::core::oracle::Gaussian;
use tweedie::core::{DynamicThreshold, StaticClip, from_fn};
use tweedie::math::{Affine, Level};
use tweedie::prelude::Denoiser;

/// Returns the denoiser of a run. Recorded estimates are clipped here only for DDPM; other samplers
/// clip them in their own functions.
pub(crate) fn model(case: &Case, dtype: DType) -> Result<Box<dyn Denoiser<4>>, GoldenError> {
    // An exact denoiser gives the same estimate, whatever the peer's network predicts.
    let prediction = prediction(case);
    let model: Box<dyn Denoiser<4>> = if case.text("model") == "gauss" {
        Box::new(of_images(gaussian(case, &case.record("xs")?.shape[1..])?))
    } else {
        let prediction = prediction?;
        recorded(case, dtype, move |_, level| prediction.to_clean(level))?
    };
    match case.text("cls") {
        "DDPMScheduler" => clipped(case, model),
        _ => Ok(model),
    }
}

/// Returns the denoiser of a Gaussian prior of images.
pub(crate) fn of_images(prior: Gaussian) -> impl Denoiser<4> {
    from_fn(move |x: Tensor<4>, level: Level| {
        let flat = x.clone().reshape([-1, prior.dim() as i32]);
        prior.posterior_mean(flat, level).reshape(x.dims())
    })
}

/// Returns a denoiser that replays the recorded outputs of a network in order. `to_clean` gives the
/// conversion of output `k` to a clean estimate at a level.
pub(crate) fn recorded(
    case: &Case,
    dtype: DType,
    to_clean: impl Fn(usize, Level) -> Affine + 'static,
) -> Result<Box<dyn Denoiser<4>>, GoldenError> {
    let channels = case.record("xs")?.shape[2];
    let outputs = case.record("model_outputs")?.parts();
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
    let clips_by_default = matches!(case.text("cls"), "DDPMScheduler" | "DDIMScheduler");
    Ok(if case.flag("config.thresholding", false) {
        let model = DynamicThreshold::new(model)
            .with_quantile(case.number_or("config.dynamic_thresholding_ratio", 0.995))?
            .with_limit(case.number_or("config.sample_max_value", 1.0))?;
        Box::new(model)
    } else if case.flag("config.clip_sample", clips_by_default) {
        let range = case.number_or("config.clip_sample_range", 1.0);
        Box::new(StaticClip::new(model, -range, range)?)
    } else {
        model
    })
}

/// Clips the term `α_s x̂₀` of a move only, as peers do that move with the noise of the unclipped
/// estimate. Returns the state and the clipped estimate.
pub(crate) fn clipped_late(
    case: &Case,
    (moved, clean): (Tensor<4>, Tensor<4>),
    (from, to): (Level, Level),
) -> Result<(Tensor<4>, Tensor<4>), GoldenError> {
    let estimate = clean.clone();
    let constant = from_fn(move |_: Tensor<4>, _| estimate.clone());
    let bounded = clipped(case, Box::new(constant))?.denoise(moved.clone(), from)?;
    Ok((moved + (bounded.clone() - clean) * to.alpha(), bounded))
}
