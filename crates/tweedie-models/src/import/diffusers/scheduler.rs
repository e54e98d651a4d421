//! Configurations of schedulers: `scheduler_config.json`.
//!
//! The forward process, the prediction type and the default levels of such a file are read. Its
//! solver is ignored, because any solver can be used with them.

use crate::import::CheckpointError;
use crate::import::fields::Fields;
use crate::sampling::{Clip, End, Grid, Sampling};
use serde_json::{Value, json};
use std::path::Path;
use tweedie_core::TimeInput;
use tweedie_math::{Chain, Prediction, Spacing, VarianceExploding};

/// Reads a configuration.
pub(crate) fn read(fields: Fields) -> Result<Sampling, CheckpointError> {
    let class = fields.text("_class_name").unwrap_or_default().to_owned();
    match class.as_str() {
        "DDPMScheduler"
        | "DDIMScheduler"
        | "PNDMScheduler"
        | "DPMSolverMultistepScheduler"
        | "DPMSolverSinglestepScheduler"
        | "UniPCMultistepScheduler"
        | "DEISMultistepScheduler"
        | "EulerDiscreteScheduler"
        | "EulerAncestralDiscreteScheduler"
        | "HeunDiscreteScheduler"
        | "LMSDiscreteScheduler"
        | "RePaintScheduler" => chain(fields, &class),
        "ScoreSdeVeScheduler" => variance_exploding(fields),
        "EDMEulerScheduler" | "EDMDPMSolverMultistepScheduler" => karras(fields, &class),
        other => {
            let message = format!(
                "{other:?} is not a scheduler of a chain (DDPM, DDIM, PNDM, DPMSolver, UniPC, \
                 DEIS, Euler, Heun, LMS), of ScoreSdeVe or of EDM"
            );
            Err(fields.wrong("_class_name", message))
        }
    }
}

/// Maximum number of steps: a thousand times the usual number.
const MOST_STEPS: usize = 1_000_000;

/// Reads a discrete chain, with the index as time input.
fn chain(mut fields: Fields, class: &str) -> Result<Sampling, CheckpointError> {
    let path = fields.path().to_owned();
    let refused = |source| CheckpointError::Schedule {
        path: path.clone(),
        source,
    };
    let steps = fields.or("num_train_timesteps", 1000)?;
    if !(1..=MOST_STEPS).contains(&steps) {
        let message = format!("{steps} is not within 1 and {MOST_STEPS}");
        return Err(fields.wrong("num_train_timesteps", message));
    }
    let (default_first, default_last) = match class {
        "HeunDiscreteScheduler" => (0.00085, 0.012),
        _ => (1e-4, 0.02),
    };
    let first = fields.or("beta_start", default_first)?;
    let last = fields.or("beta_end", default_last)?;
    let kind = fields.or("beta_schedule", "linear".to_owned())?;
    let trained: Option<Vec<f64>> = fields.take("trained_betas")?;
    if let Some(found) = trained
        .as_ref()
        .map(Vec::len)
        .filter(|found| *found != steps)
    {
        let message = format!("{found} values for {steps} steps");
        return Err(fields.wrong("trained_betas", message));
    }
    let chain = match (trained, kind.as_str()) {
        (Some(betas), _) => Chain::from_betas(&betas),
        (None, "linear") => Chain::linear(steps, first, last),
        (None, "scaled_linear") => Chain::scaled_linear(steps, first, last),
        (None, "squaredcos_cap_v2") => Chain::squared_cosine(steps, 0.999),
        (None, "sigmoid") => Chain::sigmoid(steps, first, last),
        (None, other) => {
            let known = "linear, scaled_linear, squaredcos_cap_v2 or sigmoid";
            return Err(fields.wrong("beta_schedule", format!("{other:?} is not {known}")));
        }
    };
    let mut chain = chain.map_err(refused)?;
    if fields.or("rescale_betas_zero_snr", false)? {
        chain = chain.with_zero_terminal_snr().map_err(refused)?;
    }
    let kind = fields.or("prediction_type", "epsilon".to_owned())?;
    let prediction = match kind.as_str() {
        "epsilon" => Prediction::Noise,
        "sample" => Prediction::Clean,
        "v_prediction" => Prediction::Velocity,
        other => {
            let message = format!("{other:?} is not epsilon, sample or v_prediction");
            return Err(fields.wrong("prediction_type", message));
        }
    };
    let grid = grid(&mut fields, class, &chain)?;
    let clip = clip(&mut fields, class)?;
    let variance = fields.or("variance_type", "fixed_small".to_owned())?;
    let known = [
        "fixed_small",
        "fixed_small_log",
        "fixed_large",
        "fixed_large_log",
        "learned_range",
    ];
    if !known.contains(&variance.as_str()) {
        let message = format!("{variance:?} is not one of {}", known.join(", "));
        return Err(fields.wrong("variance_type", message));
    }
    fields.only(&[
        ("use_flow_sigmas", json!(false)),
        ("timestep_type", json!("discrete")),
    ])?;
    // Settings of the solver, which the user of this library chooses.
    fields.ignore(&STEP);
    fields.finish()?;
    Ok(Sampling {
        prediction,
        time: TimeInput::Index(chain),
        grid,
        clip,
        learned_variance: variance == "learned_range",
    })
}

/// Reads which levels are visited. A setting counts only for the classes that use it. Others keep
/// it from the scheduler that they were converted from.
fn grid(fields: &mut Fields, class: &str, chain: &Chain) -> Result<Grid, CheckpointError> {
    let heeds = |classes: &[&str]| classes.iter().any(|known| class.starts_with(known));
    let solver = heeds(&["DPMSolver", "UniPC", "DEIS"]);
    let offset = fields.or("steps_offset", 0)?;
    let default = match heeds(&["DDPM", "DDIM", "PNDM", "RePaint"]) {
        true => "leading",
        false => "linspace",
    };
    let name = fields.or("timestep_spacing", default.to_owned())?;
    let spacing = match name.as_str() {
        // This class ignores the field.
        _ if class == "DPMSolverSinglestepScheduler" => Spacing::OpenLinspace,
        "leading" if solver => Spacing::OpenLeading { offset },
        "linspace" if solver => Spacing::OpenLinspace,
        "leading" => Spacing::Leading { offset },
        "linspace" => Spacing::Linspace,
        "trailing" => Spacing::Trailing,
        other => {
            let message = format!("{other:?} is not leading, linspace or trailing");
            return Err(fields.wrong("timestep_spacing", message));
        }
    };
    let to_one = fields.or("set_alpha_to_one", class == "DDIMScheduler")?;
    let last = fields.or("final_sigmas_type", "zero".to_owned())?;
    let end = match last.as_str() {
        _ if heeds(&["DDIM", "PNDM"]) && !to_one => End::FirstNode,
        // This class always ends at the first node.
        _ if heeds(&["DEIS"]) => End::FirstNode,
        "sigma_min" if heeds(&["DPMSolver", "UniPC", "EulerDiscrete"]) => End::FirstNode,
        "zero" | "sigma_min" => End::Clean,
        other => {
            let message = format!("{other:?} is not zero or sigma_min");
            return Err(fields.wrong("final_sigmas_type", message));
        }
    };
    let karras = fields.or("use_karras_sigmas", false)?;
    let spaces = solver || heeds(&["EulerDiscrete", "Heun", "LMS"]);
    if spaces {
        fields.only(&[
            ("use_exponential_sigmas", json!(false)),
            ("use_beta_sigmas", json!(false)),
            ("use_lu_lambdas", json!(false)),
            ("sigma_min", Value::Null),
            ("sigma_max", Value::Null),
            ("lambda_min_clipped", Value::Null),
        ])?;
    }
    let chain = chain.clone();
    Ok(match karras && spaces {
        true => Grid::Karras {
            chain,
            rho: 7.0,
            end,
        },
        false => Grid::Chain {
            chain,
            spacing,
            end,
        },
    })
}

/// Reads how the estimate is clipped. A setting counts only for the classes that use it. Others
/// keep it from the scheduler that they were converted from.
fn clip(fields: &mut Fields, class: &str) -> Result<Clip, CheckpointError> {
    let clips = matches!(
        class,
        "DDPMScheduler" | "DDIMScheduler" | "RePaintScheduler" | "HeunDiscreteScheduler"
    );
    let thresholds = matches!(
        class,
        "DDPMScheduler"
            | "DDIMScheduler"
            | "DPMSolverMultistepScheduler"
            | "DPMSolverSinglestepScheduler"
            | "UniPCMultistepScheduler"
            | "DEISMultistepScheduler"
            | "EDMDPMSolverMultistepScheduler"
    );
    let clip = fields.or("clip_sample", class != "HeunDiscreteScheduler")?;
    let range: f64 = fields.or("clip_sample_range", 1.0)?;
    let dynamic = fields.or("thresholding", false)?;
    let quantile = fields.or("dynamic_thresholding_ratio", 0.995)?;
    let most = fields.or("sample_max_value", 1.0)?;
    if range.is_nan() || range <= 0.0 {
        return Err(fields.wrong("clip_sample_range", format!("{range} is not above 0")));
    }
    let clipped = match (thresholds && dynamic, clips && clip) {
        (true, _) => Clip::Dynamic { quantile, most },
        (false, true) => Clip::Static { range },
        (false, false) => Clip::None,
    };
    let message = |error: CheckpointError| fields.wrong("thresholding", error.to_string());
    clipped.check().map_err(message)?;
    Ok(clipped)
}

/// Reads NCSN++: score prediction, with the noise level as time input.
fn variance_exploding(mut fields: Fields) -> Result<Sampling, CheckpointError> {
    let (least, most) = (
        fields.or("sigma_min", 0.01)?,
        fields.or("sigma_max", 1348.0)?,
    );
    fields.ignore(&[
        "num_train_timesteps",
        "snr",
        "sampling_eps",
        "correct_steps",
    ]);
    let path = fields.path().to_owned();
    fields.finish()?;
    Ok(Sampling {
        prediction: Prediction::ScaledScore,
        time: TimeInput::NoiseLevel,
        grid: Grid::Exploding {
            schedule: exploding(&path, least, most)?,
            rho: None,
        },
        clip: Clip::None,
        learned_variance: false,
    })
}

fn exploding(path: &Path, least: f64, most: f64) -> Result<VarianceExploding, CheckpointError> {
    VarianceExploding::new(least, most).map_err(|source| CheckpointError::Schedule {
        path: path.to_owned(),
        source,
    })
}

/// Reads EDM's preconditioning and noise levels.
fn karras(mut fields: Fields, class: &str) -> Result<Sampling, CheckpointError> {
    let (least, most) = (
        fields.or("sigma_min", 0.002)?,
        fields.or("sigma_max", 80.0)?,
    );
    let sigma_data = fields.or("sigma_data", 0.5)?;
    let rho = fields.or("rho", 7.0)?;
    fields.only(&[
        ("prediction_type", json!("epsilon")),
        ("sigma_schedule", json!("karras")),
    ])?;
    let clip = clip(&mut fields, class)?;
    fields.ignore(&["num_train_timesteps"]);
    fields.ignore(&STEP);
    let path = fields.path().to_owned();
    fields.finish()?;
    Ok(Sampling {
        prediction: Prediction::Edm { sigma_data },
        time: TimeInput::Edm,
        grid: Grid::Exploding {
            schedule: exploding(&path, least, most)?,
            rho: Some(rho),
        },
        clip,
        learned_variance: false,
    })
}

/// Fields of the solver, and fields of levels in classes that ignore them.
const STEP: [&str; 22] = [
    "tensor_format",
    "skip_prk_steps",
    "algorithm_type",
    "solver_order",
    "solver_type",
    "lower_order_final",
    "euler_at_final",
    "use_exponential_sigmas",
    "use_beta_sigmas",
    "use_lu_lambdas",
    "flow_shift",
    "lambda_min_clipped",
    "interpolation_type",
    "sigma_min",
    "sigma_max",
    "predict_x0",
    "disable_corrector",
    "solver_p",
    "eta",
    "use_dynamic_shifting",
    "time_shift_type",
    "shift_terminal",
];
