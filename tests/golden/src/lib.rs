//! Replays recorded outputs of reference implementations.
//!
//! A folder holds pairs of `X.json`, the cases with their settings, and `X.safetensors`, the
//! tensors of each case under `<id>/…`. A setting or a tensor that a case does not have is that of
//! the file. Shapes, means, scales, settings and names are read from the files. Cases of a kind
//! that is not implemented count as skipped, with the reason.

mod azula;
mod azula_posterior;
mod betas;
mod case;
mod chain_moments;
mod churn;
mod compare;
mod components;
mod deepinv_ddrm;
mod deepinv_posterior;
mod denoisers;
mod edm;
mod embeddings;
mod error;
mod ffdnet;
mod forward;
mod hybrid;
mod interpolate;
mod layers;
mod levels;
mod lpips;
mod mersenne;
mod metrics;
mod mixture;
mod mixture_guidance;
mod model;
mod multistep;
mod networks;
mod operators;
mod phase;
mod pndm;
mod record;
mod repaint;
mod score_sde;
mod settings;
mod timesteps;
mod tiny_denoiser;
mod training;
mod trajectory;

pub use compare::{Comparison, Outcome};
pub use error::GoldenError;

use case::Case;
use error::Done;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// The result of one case.
#[derive(Debug)]
pub struct Line {
    /// The file, relative to the folder.
    pub file: String,
    /// The name of the case.
    pub id: String,
    /// The kind of the case.
    pub kind: &'static str,
    /// The outcome of the case.
    pub outcome: Outcome,
}

/// Replays every case below `folder`, in the order of the files' names. If `strict`, a field of a
/// case that no code reads is a failure.
///
/// # Errors
/// Returns a [`GoldenError`] if a folder has no cases, or if a file has a wrong format.
pub fn replay(folder: &Path, strict: bool) -> Result<Vec<Line>, GoldenError> {
    let mut sidecars = Vec::new();
    collect(folder, &mut sidecars)?;
    sidecars.sort();
    if sidecars.is_empty() {
        return Err(GoldenError::Empty(folder.into()));
    }
    let mut lines = Vec::new();
    for sidecar in sidecars {
        let name = sidecar.strip_prefix(folder).unwrap_or(&sidecar);
        for case in Case::open(&sidecar)? {
            lines.push(Line {
                file: name.with_extension("").display().to_string(),
                ..run(&case, strict)
            });
        }
    }
    Ok(lines)
}

/// A kind of case: its name in the data, and how it is replayed.
struct Kind {
    name: &'static str,
    /// Whether a case without a name in the data is of this kind.
    knows: fn(&Case) -> bool,
    run: fn(&Case) -> Done,
}

/// All kinds. Of those that know a case, the first one counts.
const KINDS: &[Kind] = &[
    Kind {
        name: "ffdnet",
        knows: |case| case.file.meta["network"] == "ffdnet",
        run: ffdnet::run,
    },
    Kind {
        name: "lpips",
        knows: |case| case.file.meta["network"] == "lpips",
        run: lpips::run,
    },
    Kind {
        name: "network",
        knows: networks::knows,
        run: networks::run,
    },
    Kind {
        name: "layer",
        knows: |case| case.find("conv_c3/x").is_some(),
        run: layers::run,
    },
    Kind {
        name: "embedding",
        knows: |case| case.find("gfp/weight").is_some(),
        run: embeddings::run,
    },
    Kind {
        name: "resize",
        knows: |case| case.id.starts_with("in_"),
        run: interpolate::run,
    },
    Kind {
        name: "metric",
        knows: metrics::knows,
        run: metrics::run,
    },
    Kind {
        name: "components",
        knows: |_| false,
        run: components::run,
    },
    Kind {
        name: "denoiser",
        knows: |_| false,
        run: denoisers::run,
    },
    Kind {
        name: "tiny_denoiser",
        knows: |_| false,
        run: tiny_denoiser::run,
    },
    Kind {
        name: "hybrid",
        knows: |_| false,
        run: hybrid::run,
    },
    Kind {
        name: "training",
        knows: training::knows,
        run: training::run,
    },
    Kind {
        name: "operator",
        knows: operators::knows,
        run: operators::run,
    },
    Kind {
        name: "deepinv_sampler",
        knows: |case| case.has("alg") && case.has("physics"),
        run: deepinv_posterior::run,
    },
    Kind {
        name: "betas",
        knows: |case| case.has("beta_schedule"),
        run: betas::run,
    },
    Kind {
        name: "trajectory",
        knows: |case| case.has("cls") && case.has("steps_run"),
        run: trajectory::run,
    },
    Kind {
        name: "timesteps",
        knows: |case| case.has("cls") && case.has("count"),
        run: timesteps::run,
    },
    Kind {
        name: "score_sde",
        knows: |case| case.has("cls") && case.has_record("means") || case.has_record("index"),
        run: score_sde::run,
    },
    Kind {
        name: "azula",
        knows: |case| case.has("sampler") || case.find("schedule_t").is_some(),
        run: azula::run,
    },
    Kind {
        name: "repaint",
        knows: |case| case.has("jump_length") || case.id.starts_with("jump_N"),
        run: repaint::run,
    },
    Kind {
        name: "chain_moments",
        knows: |case| case.has("final_mean"),
        run: chain_moments::run,
    },
    Kind {
        name: "noising",
        knows: |case| case.has_record("variance") || case.has_record("x0"),
        run: forward::run,
    },
    Kind {
        name: "mixture",
        knows: |case| case.find("covs").is_some(),
        run: mixture::run,
    },
    Kind {
        name: "edm",
        knows: |case| edm::knows(&case.id),
        run: edm::run,
    },
];

/// Replays a case. A panic is the case's failure.
fn run(case: &Case, strict: bool) -> Line {
    let named = |kind: &&Kind| case.own("kind").is_some_and(|name| name == kind.name);
    let kind = KINDS.iter().find(named);
    let kind = kind.or_else(|| KINDS.iter().find(|kind| (kind.knows)(case)));
    let replayed = match kind {
        None => error::skip("this kind of case is not implemented yet"),
        Some(kind) => catch_unwind(AssertUnwindSafe(|| (kind.run)(case)))
            .unwrap_or_else(|panic| Err(GoldenError::Refused(message(&*panic)))),
    };
    let comparison = case.comparison.take();
    let unread = case.unread();
    let outcome = match replayed {
        Err(GoldenError::Skipped(reason)) if comparison.passed() => Outcome::Skipped(reason),
        Err(error) => Outcome::Broken(error.to_string()),
        Ok(()) if strict && !unread.is_empty() => {
            Outcome::Broken(format!("fields that no code reads: {}", unread.join(", ")))
        }
        Ok(()) if comparison.compared == 0 => Outcome::Broken("nothing was compared".into()),
        Ok(()) => Outcome::Ran(comparison),
    };
    Line {
        file: String::new(),
        id: case.id.clone(),
        kind: kind.map_or("unknown", |kind| kind.name),
        outcome,
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panics: {}", text.unwrap_or("no message"))
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), GoldenError> {
    let error = |source| GoldenError::Io(folder.into(), source);
    for entry in std::fs::read_dir(folder).map_err(error)? {
        let path = entry.map_err(error)?.path();
        if path.is_dir() {
            collect(&path, found)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "json")
            && path.with_extension("safetensors").exists()
        {
            found.push(path);
        }
    }
    Ok(())
}
