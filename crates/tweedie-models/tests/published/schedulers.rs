//! Levels that schedulers visit, against the formulas of their authors.

use crate::{copy, device, refusal};
use approx::abs_diff_eq;
use std::fs;
use tweedie_core::TimeInput;
use tweedie_math::{Chain, Level, LevelPath};
use tweedie_models::{CheckpointError, Model};

const STEPS: usize = 10;

/// The chain and the path of a configuration.
fn levels(text: &str) -> Result<(Chain, LevelPath), CheckpointError> {
    let folder = copy("unet_ddpm");
    fs::write(folder.path().join("scheduler_config.json"), text).expect("a file");
    let model = Model::open(folder.path(), &device())?;
    let sampling = model.config().sampling.clone().expect("a scheduler");
    let TimeInput::Index(chain) = sampling.time.clone() else {
        panic!("{:?}", sampling.time);
    };
    Ok((chain, sampling.path(STEPS).expect("a path")))
}

fn indices(chain: &Chain, path: &LevelPath) -> Vec<f64> {
    let visited = &path.levels()[..STEPS];
    visited.iter().map(|level| chain.index(*level)).collect()
}

#[test]
fn the_last_move_ends_where_the_scheduler_says() -> Result<(), CheckpointError> {
    for (text, is_clean) in [
        (r#"{"_class_name": "DDIMScheduler"}"#, true),
        (
            r#"{"_class_name": "DDIMScheduler", "set_alpha_to_one": false}"#,
            false,
        ),
        // The default of this class, unlike DDIM's.
        (r#"{"_class_name": "PNDMScheduler"}"#, false),
        (
            r#"{"_class_name": "PNDMScheduler", "set_alpha_to_one": true}"#,
            true,
        ),
        // A field of DDIM, which this class ignores.
        (
            r#"{"_class_name": "DDPMScheduler", "set_alpha_to_one": false}"#,
            true,
        ),
        (r#"{"_class_name": "DPMSolverMultistepScheduler"}"#, true),
        (
            r#"{"_class_name": "DPMSolverMultistepScheduler", "final_sigmas_type": "sigma_min"}"#,
            false,
        ),
        (r#"{"_class_name": "DEISMultistepScheduler"}"#, false),
    ] {
        let (chain, path) = levels(text)?;
        let end = match is_clean {
            true => Level::CLEAN,
            false => chain.node(0),
        };
        assert_eq!(path.end(), end, "{text}");
    }
    Ok(())
}

/// `linspace(0, N − 1, steps + 1)`, rounded and in descending order, without the final 0.
#[test]
fn multistep_solvers_stop_before_the_first_node() -> Result<(), CheckpointError> {
    for class in ["DPMSolverMultistep", "UniPCMultistep", "DEISMultistep"] {
        let (chain, path) = levels(&format!(r#"{{"_class_name": "{class}Scheduler"}}"#))?;
        let expected = (0..STEPS).map(|i| (999.0 - 99.9 * i as f64).round());
        for (found, expected) in indices(&chain, &path).into_iter().zip(expected) {
            assert!(
                abs_diff_eq!(found, expected, epsilon = 1e-6),
                "{class}: {found}, {expected}"
            );
        }
    }
    Ok(())
}

/// `σ_i = (σ_max^{1/7} + i/(n − 1) (σ_min^{1/7} − σ_max^{1/7}))⁷`, Karras et al. 2022, equation 5.
#[test]
fn noise_levels_are_spaced_in_their_seventh_root() -> Result<(), CheckpointError> {
    let (chain, path) =
        levels(r#"{"_class_name": "EulerDiscreteScheduler", "use_karras_sigmas": true}"#)?;
    let [most, least] = [999, 0].map(|node| chain.node(node).noise_to_signal().powf(1.0 / 7.0));
    assert_eq!((path.len(), path.end()), (STEPS, Level::CLEAN));
    for (i, level) in path.levels()[..STEPS].iter().enumerate() {
        let expected = (most + i as f64 / 9.0 * (least - most)).powi(7);
        let found = level.noise_to_signal();
        assert!(
            abs_diff_eq!(found / expected, 1.0, epsilon = 1e-9),
            "{found}, {expected}"
        );
    }
    Ok(())
}

#[test]
fn what_is_not_followed_is_refused() {
    for field in [
        r#""use_exponential_sigmas": true"#,
        r#""use_beta_sigmas": true"#,
        r#""timestep_type": "continuous""#,
        r#""final_sigmas_type": "half""#,
        r#""timestep_spacing": "random""#,
    ] {
        let folder = copy("unet_ddpm");
        let text = format!(r#"{{"_class_name": "EulerDiscreteScheduler", {field}}}"#);
        fs::write(folder.path().join("scheduler_config.json"), text).expect("a file");
        let name = field.split('"').nth(1).unwrap_or_default();
        let error = refusal(folder.path());
        assert!(error.contains(name), "{field}: {error}");
    }
}
