//! Settings of a peer, converted to values of the library.

use crate::case::Case;
use crate::error::{GoldenError, lacks, refused};
use crate::record::Recorded;
use tweedie::core::oracle::Gaussian;
use tweedie::math::{Chain, Prediction, Spacing};

/// Returns the chain of a case's configuration.
pub(crate) fn chain(case: &Case) -> Result<Chain, GoldenError> {
    chain_by_default(case, "config.", [1e-4, 0.02])
}

/// Returns the chain that the settings under `prefix` describe, with the first and the last β that
/// a class has by default.
pub(crate) fn chain_by_default(
    case: &Case,
    prefix: &str,
    [first, last]: [f64; 2],
) -> Result<Chain, GoldenError> {
    let path = |key: &str| format!("{prefix}{key}");
    let number = |key: &str, default| case.number_or(&path(key), default);
    let steps = number("num_train_timesteps", 1000.0) as usize;
    let (first, last) = (number("beta_start", first), number("beta_end", last));
    let chain = match case.text_or(&path("beta_schedule"), "linear") {
        "linear" => Chain::linear(steps, first, last),
        "scaled_linear" => Chain::scaled_linear(steps, first, last),
        "squaredcos_cap_v2" => Chain::squared_cosine(steps, 0.999),
        "sigmoid" => Chain::sigmoid(steps, first, last),
        other => return Err(lacks(format!("a known beta_schedule: {other}"))),
    }?;
    Ok(match case.flag(&path("rescale_betas_zero_snr"), false) {
        true => chain.with_zero_terminal_snr()?,
        false => chain,
    })
}

/// Returns the spacing of a configuration. The peers have different defaults.
pub(crate) fn spacing(case: &Case, default: &str) -> Result<Spacing, GoldenError> {
    let offset = case.number_or("config.steps_offset", 0.0) as usize;
    match case.text_or("config.timestep_spacing", default) {
        "leading" => Ok(Spacing::Leading { offset }),
        "linspace" => Ok(Spacing::Linspace),
        "trailing" => Ok(Spacing::Trailing),
        other => Err(lacks(format!("a known timestep_spacing: {other}"))),
    }
}

/// Returns the prediction type of the recorded outputs.
pub(crate) fn prediction(case: &Case) -> Result<Prediction, GoldenError> {
    match case.text("prediction_type") {
        "epsilon" => Ok(Prediction::Noise),
        "sample" => Ok(Prediction::Clean),
        "v_prediction" => Ok(Prediction::Velocity),
        other => Err(lacks(format!("a known prediction_type: {other}"))),
    }
}

/// Returns the Gaussian prior of a file, with one mean per channel, for samples of `shape`.
///
/// `mu` and `s` come from the file, or from the description of the format if the file lacks them.
pub(crate) fn gaussian(case: &Case, shape: &[usize]) -> Result<Gaussian, GoldenError> {
    let means = case.numbers("mu").unwrap_or_else(|_| vec![0.3, -0.2, 0.1]);
    let std = case.number_or("s", 0.5);
    if shape.get(1) != Some(&means.len()) {
        return Err(lacks(format!("one mean a channel: {shape:?}")));
    }
    let pixels: usize = shape[2..].iter().product();
    let mean: Vec<f64> = means.iter().flat_map(|&mean| vec![mean; pixels]).collect();
    Gaussian::isotropic(&mean, std).map_err(refused)
}

/// Returns recorded numbers as indices.
pub(crate) fn indices(recorded: &Recorded) -> Vec<usize> {
    recorded
        .values
        .iter()
        .map(|&value| value as usize)
        .collect()
}
