//! Writing `scheduler_config.json`.

use super::write::{extend, refuse};
use crate::import::CheckpointError;
use crate::sampling::{Clip, End, Grid, Sampling};
use serde_json::{Map, Value, json};
use tweedie_core::TimeInput;
use tweedie_math::{Prediction, Schedule, Spacing};

/// The class and the fields for levels on a chain.
fn of_chain(spacing: Spacing, end: End) -> Result<Value, CheckpointError> {
    let (name, offset) = match spacing {
        Spacing::Leading { offset } | Spacing::OpenLeading { offset } => ("leading", offset),
        Spacing::Linspace | Spacing::OpenLinspace => ("linspace", 0),
        Spacing::Trailing => ("trailing", 0),
        other => return refuse(format!("the spacing {other:?}")),
    };
    let open = matches!(spacing, Spacing::OpenLeading { .. } | Spacing::OpenLinspace);
    let mut fields = json!({ "timestep_spacing": name, "steps_offset": offset });
    match (open, end) {
        (true, _) => {
            fields["_class_name"] = json!("DPMSolverMultistepScheduler");
            fields["final_sigmas_type"] = json!(sigma(end));
        }
        (false, End::Clean) => fields["_class_name"] = json!("DDPMScheduler"),
        (false, End::FirstNode) => {
            fields["_class_name"] = json!("DDIMScheduler");
            fields["set_alpha_to_one"] = json!(false);
        }
    }
    Ok(fields)
}

fn sigma(end: End) -> &'static str {
    match end {
        End::Clean => "zero",
        End::FirstNode => "sigma_min",
    }
}

/// Returns the `scheduler_config.json` of sampling settings.
pub(crate) fn write(sampling: &Sampling) -> Result<Value, CheckpointError> {
    let matches = match &sampling.grid {
        Grid::Chain { chain, .. } | Grid::Karras { chain, .. } => {
            sampling.time == TimeInput::Index(chain.clone())
        }
        Grid::Exploding { rho: None, .. } => sampling.time == TimeInput::NoiseLevel,
        Grid::Exploding { rho: Some(_), .. } => sampling.time == TimeInput::Edm,
    };
    if !matches {
        return refuse("a time input that does not match the level grid");
    }
    let (chain, levels) = match &sampling.grid {
        Grid::Chain {
            chain,
            spacing,
            end,
        } => (chain, of_chain(*spacing, *end)?),
        Grid::Karras { rho, .. } if (*rho - 7.0).abs() > 1e-12 => {
            return refuse(format!("Karras levels with ρ = {rho} (only 7)"));
        }
        Grid::Karras { chain, end, .. } => {
            let levels = json!({
                "_class_name": "DPMSolverMultistepScheduler",
                "use_karras_sigmas": true,
                "final_sigmas_type": sigma(*end),
            });
            (chain, levels)
        }
        Grid::Exploding {
            schedule,
            rho: None,
        } if sampling.prediction == Prediction::ScaledScore => {
            return Ok(json!({
                "_class_name": "ScoreSdeVeScheduler",
                "sigma_min": schedule.level(0.0).sigma(),
                "sigma_max": schedule.level(1.0).sigma(),
            }));
        }
        Grid::Exploding { schedule, rho } => {
            let (Prediction::Edm { sigma_data }, Some(rho)) = (sampling.prediction, rho) else {
                return refuse("this combination of prediction and noise levels");
            };
            return Ok(json!({
                "_class_name": "EDMEulerScheduler",
                "sigma_min": schedule.level(0.0).sigma(),
                "sigma_max": schedule.level(1.0).sigma(),
                "sigma_data": sigma_data,
                "rho": rho,
                "prediction_type": "epsilon",
            }));
        }
    };
    let prediction = match sampling.prediction {
        Prediction::Noise => "epsilon",
        Prediction::Clean => "sample",
        Prediction::Velocity => "v_prediction",
        other => return refuse(format!("the prediction {other:?} of a chain")),
    };
    let mut fields = Map::new();
    let own = json!({
        "num_train_timesteps": chain.len(),
        "trained_betas": chain.betas(),
        "prediction_type": prediction,
    });
    extend(&mut fields, own);
    // Of these classes, only `DDPMScheduler` has a learned variance, and not every one has every
    // clip.
    let is_ddpm = levels["_class_name"] == "DDPMScheduler";
    if is_ddpm {
        let variance = if sampling.learned_variance {
            "learned_range"
        } else {
            "fixed_small"
        };
        extend(&mut fields, json!({ "variance_type": variance }));
    } else if sampling.learned_variance {
        return refuse("a learned variance with a DPM-Solver level grid");
    }
    let is_solver = levels["_class_name"] == "DPMSolverMultistepScheduler";
    if is_solver && matches!(sampling.clip, Clip::Static { .. }) {
        return refuse("static clipping with a DPM-Solver level grid");
    }
    extend(&mut fields, levels);
    let clip = match sampling.clip {
        Clip::None => json!({ "clip_sample": false }),
        Clip::Static { range } => json!({ "clip_sample": true, "clip_sample_range": range }),
        Clip::Dynamic { quantile, most } => json!({
            "clip_sample": false,
            "thresholding": true,
            "dynamic_thresholding_ratio": quantile,
            "sample_max_value": most,
        }),
    };
    extend(&mut fields, clip);
    Ok(Value::Object(fields))
}
