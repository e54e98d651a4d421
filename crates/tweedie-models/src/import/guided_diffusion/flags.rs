//! Reading the arguments of the published constructor, or of the script that calls it.

use super::{GuidedCheckpoint, base};
use crate::import::CheckpointError;
use crate::import::fields::Fields;
use crate::sampling::{Clip, End, Grid, Sampling};
use crate::{Attend, Heads, Resampling, UnetLevel};
use serde_json::{Map, Value, json};
use std::path::Path;
use tweedie_core::TimeInput;
use tweedie_math::{Chain, Prediction, Spacing};

/// Reads the arguments of the constructor, or of the script that calls it.
pub(crate) fn read(mut fields: Fields) -> Result<GuidedCheckpoint, CheckpointError> {
    // The script has flags and defaults that the constructor does not have.
    let script = [
        "num_channels",
        "learn_sigma",
        "class_cond",
        "diffusion_steps",
    ];
    let script = script.iter().any(|flag| fields.contains(flag))
        || fields.text("attention_resolutions").is_some();
    let size: Option<usize> = fields.take("image_size")?;
    let width: usize = match fields.take("model_channels")? {
        Some(width) => width,
        None => fields.or("num_channels", 128)?,
    };
    let learned = fields.or("learn_sigma", false)?;
    let channels: usize = fields.or("in_channels", 3)?;
    let both = if learned { 2 } else { 1 };
    let output = fields.or("out_channels", channels.saturating_mul(both))?;
    let multipliers = match numbers(&mut fields, "channel_mult")? {
        Some((multipliers, _)) if !multipliers.is_empty() => multipliers,
        _ => match size {
            Some(512) => vec![0.5, 1.0, 1.0, 2.0, 2.0, 4.0, 4.0],
            Some(256) => vec![1.0, 1.0, 2.0, 2.0, 4.0, 4.0],
            Some(128) => vec![1.0, 1.0, 2.0, 3.0, 4.0],
            // The default of improved-diffusion, the predecessor.
            Some(32) => vec![1.0, 2.0, 2.0, 2.0],
            _ => vec![1.0, 2.0, 3.0, 4.0],
        },
    };
    // The constructor takes downsampling factors, the script takes sides of the feature map.
    let sides = |sides: Vec<f64>| {
        let size = size.unwrap_or(64) as f64;
        sides.into_iter().map(|side| size / side).collect()
    };
    let attention: Vec<f64> = match numbers(&mut fields, "attention_resolutions")? {
        Some((list, false)) => list,
        Some((list, true)) => sides(list),
        None if script => sides(vec![16.0, 8.0]),
        None => Vec::new(),
    };
    let count: i64 = fields.or("num_heads", if script { 4 } else { 1 })?;
    let head: i64 = fields.or("num_head_channels", -1)?;
    let up: i64 = fields.or("num_heads_upsample", -1)?;
    if up != -1 && up != count && head == -1 {
        return Err(fields.wrong(
            "num_heads_upsample",
            "the same as num_heads, in this library",
        ));
    }
    let heads = match usize::try_from(head) {
        Ok(head) => Heads::Width(head),
        Err(_) => Heads::Count(usize::try_from(count).unwrap_or(0)),
    };
    let residual = fields.or("resblock_updown", false)?;
    let resampling = if residual {
        Resampling::Residual
    } else {
        Resampling::Convolution
    };
    let classes: Option<usize> = fields.take("num_classes")?;
    let conditional = fields.or("class_cond", false)?;
    let classes = classes.or(conditional.then_some(1000));
    let levels = multipliers.iter().enumerate().map(|(i, multiplier)| {
        let factor = f64::from(1_u32 << i.min(31));
        let attends = attention.iter().any(|other| (other - factor).abs() < 1e-9);
        UnetLevel::new((multiplier * width as f64) as usize)
            .with_attention(if attends {
                Attend::Pixels
            } else {
                Attend::Nothing
            })
            .with_heads(heads)
            .with_resampling(resampling)
    });
    let blocks = fields.or("num_res_blocks", 2)?;
    let scale_shift = fields.or("use_scale_shift_norm", script)?;
    let mut network = base([channels, output], width, scale_shift, classes);
    network.levels = levels.collect();
    network.blocks = blocks;
    network.dropout = fields.or("dropout", 0.0)?;
    let new_order = fields.or("use_new_attention_order", false)?;
    fields.only(&[("dims", json!(2)), ("conv_resample", json!(true))])?;
    let (sampling, time_scale) =
        diffusion(&mut fields, learned || output == channels.saturating_mul(2))?;
    network.time_scale = time_scale;
    // Settings of precision, memory and training, and fields of calling code.
    fields.ignore(&[
        "use_fp16",
        "use_checkpoint",
        "model_path",
        "use_kl",
        "rescale_learned_sigmas",
        "timestep_respacing",
        "sigma_small",
    ]);
    let path = fields.path().to_owned();
    fields.finish()?;
    network
        .check()
        .map_err(|source| CheckpointError::Network { path, source })?;
    Ok(GuidedCheckpoint {
        network,
        size,
        new_order,
        heads: true,
        sampling,
    })
}

/// Reads the chain and the prediction type, if there are flags for them, and the factor of the
/// index that the network receives.
fn diffusion(
    fields: &mut Fields,
    learned: bool,
) -> Result<(Option<Sampling>, f64), CheckpointError> {
    // Only improved-diffusion has this flag; its indices are rescaled by default.
    let improved = fields.contains("sigma_small");
    let given = ["diffusion_steps", "noise_schedule", "predict_xstart"];
    let given = given.iter().any(|flag| fields.has(flag));
    let steps: usize = fields.or("diffusion_steps", 1000)?;
    let schedule = fields.or("noise_schedule", "linear".to_owned())?;
    let clean = fields.or("predict_xstart", false)?;
    let rescaled: Option<bool> = fields.take("rescale_timesteps")?;
    if !given {
        return Ok((None, 1.0));
    }
    if !(1..=1_000_000).contains(&steps) {
        return Err(fields.wrong("diffusion_steps", "not within 1 and 1000000"));
    }
    let rescaled = match rescaled {
        Some(rescaled) => rescaled,
        None if improved || steps == 1000 => true,
        None => {
            let message = format!(
                "which it is matters for {steps} steps: true, improved-diffusion's default, or \
                 false, guided-diffusion's"
            );
            return Err(fields.wrong("rescale_timesteps", message));
        }
    };
    let time_scale = if rescaled { 1000.0 / steps as f64 } else { 1.0 };
    let chain = match schedule.as_str() {
        // The betas scale so that the process is the same for any number of steps.
        "linear" => Chain::linear(steps, 0.1 / steps as f64, 20.0 / steps as f64),
        "cosine" => Chain::squared_cosine(steps, 0.999),
        other => {
            let message = format!("{other:?} is not linear or cosine");
            return Err(fields.wrong("noise_schedule", message));
        }
    };
    let chain = chain.map_err(|source| CheckpointError::Schedule {
        path: fields.path().to_owned(),
        source,
    })?;
    let sampling = Sampling {
        prediction: if clean {
            Prediction::Clean
        } else {
            Prediction::Noise
        },
        learned_variance: learned,
        ..learned_noise(chain)
    };
    Ok((Some(sampling), time_scale))
}

/// The settings of all published networks: noise and a variance are predicted, on a chain.
pub(super) fn learned_noise(chain: Chain) -> Sampling {
    Sampling {
        prediction: Prediction::Noise,
        time: TimeInput::Index(chain.clone()),
        grid: Grid::Chain {
            chain,
            spacing: Spacing::Linspace,
            end: End::Clean,
        },
        clip: Clip::Static { range: 1.0 },
        learned_variance: true,
    }
}

/// Reads a list of numbers, and whether it was a text or a single number, the script's formats.
fn numbers(fields: &mut Fields, field: &str) -> Result<Option<(Vec<f64>, bool)>, CheckpointError> {
    Ok(match fields.take(field)? {
        None => None,
        Some(Value::String(text)) if text.is_empty() => Some((Vec::new(), true)),
        Some(Value::String(text)) => Some((list(fields, field, &text)?, true)),
        Some(Value::Number(number)) => Some((number.as_f64().into_iter().collect(), true)),
        Some(Value::Array(values)) => {
            let numbers: Option<Vec<f64>> = values.iter().map(Value::as_f64).collect();
            let wrong = || fields.wrong(field, "a list of numbers");
            Some((numbers.ok_or_else(wrong)?, false))
        }
        Some(other) => return Err(fields.wrong(field, format!("{other} is not a list"))),
    })
}

fn list(fields: &Fields, field: &str, text: &str) -> Result<Vec<f64>, CheckpointError> {
    let numbers = text.split(',').map(|number| number.trim().parse());
    let numbers: Result<_, _> = numbers.collect();
    numbers.map_err(|_| fields.wrong(field, format!("{text:?} is not a list of numbers")))
}

/// Opens the arguments next to weights `w.pt`: the first of `w.json`, `args.json` and `config.json`
/// that exists. The arguments may be nested under `config`.
pub(crate) fn beside(weights: &Path) -> Result<Option<Fields>, CheckpointError> {
    let names = [
        weights.with_extension("json"),
        weights.with_file_name("args.json"),
        weights.with_file_name("config.json"),
    ];
    let Some(path) = names.iter().find(|path| path.is_file()) else {
        return Ok(None);
    };
    let mut fields = Fields::open(path)?;
    if let Some(inner) = fields.take::<Map<String, Value>>("config")? {
        fields = Fields::new(path, inner);
    }
    Ok(Some(fields))
}
