//! Settings of a peer, converted to values of the library.

use crate::case::{Case, File, GoldenError, Recorded, refused};
use serde_json::Value;
use tweedie::core::oracle::Gaussian;
use tweedie::math::{Chain, Prediction, Spacing};

/// Returns the chain that a peer's settings describe; `get` looks up a setting.
pub(crate) fn chain<'a>(get: impl Fn(&str) -> Option<&'a Value>) -> Result<Chain, GoldenError> {
    chain_by_default(get, [1e-4, 0.02])
}

/// Like [`chain`], with the first and the last β that a class has by default.
pub(crate) fn chain_by_default<'a>(
    get: impl Fn(&str) -> Option<&'a Value>,
    [first, last]: [f64; 2],
) -> Result<Chain, GoldenError> {
    let number = |key: &str, default: f64| get(key).and_then(Value::as_f64).unwrap_or(default);
    let steps = number("num_train_timesteps", 1000.0) as usize;
    let (first, last) = (number("beta_start", first), number("beta_end", last));
    let chain = match get("beta_schedule")
        .and_then(Value::as_str)
        .unwrap_or("linear")
    {
        "linear" => Chain::linear(steps, first, last),
        "scaled_linear" => Chain::scaled_linear(steps, first, last),
        "squaredcos_cap_v2" => Chain::squared_cosine(steps, 0.999),
        "sigmoid" => Chain::sigmoid(steps, first, last),
        other => {
            return Err(GoldenError::Lacks(format!(
                "a known beta_schedule: {other}"
            )));
        }
    };
    let chain = chain?;
    if get("rescale_betas_zero_snr").and_then(Value::as_bool) == Some(true) {
        return chain.with_zero_terminal_snr().map_err(refused);
    }
    Ok(chain)
}

/// Returns the spacing of a configuration. The peers have different defaults.
pub(crate) fn spacing(case: &Case, default: &str) -> Result<Spacing, GoldenError> {
    let offset = case
        .config("steps_offset")
        .and_then(Value::as_u64)
        .unwrap_or(0) as usize;
    let name = case.config("timestep_spacing").and_then(Value::as_str);
    match name.unwrap_or(default) {
        "leading" => Ok(Spacing::Leading { offset }),
        "linspace" => Ok(Spacing::Linspace),
        "trailing" => Ok(Spacing::Trailing),
        other => Err(GoldenError::Lacks(format!(
            "a known timestep_spacing: {other}"
        ))),
    }
}

/// Returns the prediction type of the recorded outputs.
pub(crate) fn prediction(case: &Case) -> Result<Prediction, GoldenError> {
    match case.text("prediction_type") {
        "epsilon" => Ok(Prediction::Noise),
        "sample" => Ok(Prediction::Clean),
        "v_prediction" => Ok(Prediction::Velocity),
        other => Err(GoldenError::Lacks(format!(
            "a known prediction_type: {other}"
        ))),
    }
}

/// Returns the Gaussian prior of a file, with one mean per channel, for samples of `shape`.
///
/// `mu` and `s` come from the file, or from the description of the format if the file lacks them.
pub(crate) fn gaussian(file: &File, shape: &[usize]) -> Result<Gaussian, GoldenError> {
    let list = file.meta["mu"].as_array().cloned().unwrap_or_default();
    let mut means: Vec<f64> = list.iter().filter_map(Value::as_f64).collect();
    if means.is_empty() {
        means = vec![0.3, -0.2, 0.1];
    }
    let std = file.meta["s"].as_f64().unwrap_or(0.5);
    if shape.get(1) != Some(&means.len()) {
        return Err(GoldenError::Lacks(format!("one mean a channel: {shape:?}")));
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
