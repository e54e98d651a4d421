//! Replays recorded outputs of reference implementations.
//!
//! A folder holds pairs of `X.json`, the cases with their settings, and `X.safetensors`, the
//! tensors of each case under `<id>/…`. Shapes, means, scales, settings and names are read from the
//! files. Cases of a kind that is not implemented count as skipped, with the reason.

mod azula;
mod azula_posterior;
mod betas;
mod case;
mod chain_moments;
mod churn;
mod compare;
mod deepinv_ddrm;
mod deepinv_posterior;
mod edm;
mod embeddings;
mod ffdnet;
mod forward;
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
mod repaint;
mod score_sde;
mod settings;
mod timesteps;
mod trajectory;

pub use case::GoldenError;
pub use compare::{Comparison, Outcome};

use case::{Case, File};
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
        let file = File::open(&sidecar)?;
        for case in &file.cases {
            lines.push(Line {
                file: name.with_extension("").display().to_string(),
                ..run(&file, case, strict)
            });
        }
    }
    Ok(lines)
}

/// A kind of case: its name in the data, and how it is replayed.
struct Kind {
    name: &'static str,
    /// Whether a case without a name in the data is of this kind.
    knows: fn(&File, &Case) -> bool,
    run: fn(&File, &Case) -> Result<Outcome, GoldenError>,
}

/// All kinds. Of those that know a case, the first one counts.
const KINDS: &[Kind] = &[
    Kind {
        name: "ffdnet",
        knows: |file, _| file.meta["network"] == "ffdnet",
        run: ffdnet::run,
    },
    Kind {
        name: "lpips",
        knows: |file, _| file.meta["network"] == "lpips",
        run: lpips::run,
    },
    Kind {
        name: "network",
        knows: |file, _| networks::knows(file),
        run: |file, _| networks::run(file),
    },
    Kind {
        name: "layer",
        knows: |file, _| file.find("conv_c3/x").is_some(),
        run: layers::run,
    },
    Kind {
        name: "embedding",
        knows: |file, _| file.find("gfp/weight").is_some(),
        run: embeddings::run,
    },
    Kind {
        name: "resize",
        knows: |_, case| case.id.starts_with("in_"),
        run: interpolate::run,
    },
    Kind {
        name: "metric",
        knows: metrics::knows,
        run: metrics::run,
    },
    Kind {
        name: "operator",
        knows: operators::knows,
        run: operators::run,
    },
    Kind {
        name: "deepinv_sampler",
        knows: |_, case| case.has("alg") && case.has("physics"),
        run: deepinv_posterior::run,
    },
    Kind {
        name: "betas",
        knows: |_, case| case.has("beta_schedule"),
        run: betas::run,
    },
    Kind {
        name: "trajectory",
        knows: |_, case| case.has("cls") && case.has("steps_run"),
        run: trajectory::run,
    },
    Kind {
        name: "timesteps",
        knows: |_, case| case.has("cls") && case.has("count"),
        run: timesteps::run,
    },
    Kind {
        name: "score_sde",
        knows: |file, case| {
            case.has("cls") && file.holds(case, "means") || file.holds(case, "index")
        },
        run: score_sde::run,
    },
    Kind {
        name: "azula",
        knows: |file, case| case.has("sampler") || file.find("schedule_t").is_some(),
        run: azula::run,
    },
    Kind {
        name: "repaint",
        knows: |_, case| case.has("jump_length") || case.id.starts_with("jump_N"),
        run: repaint::run,
    },
    Kind {
        name: "chain_moments",
        knows: |_, case| case.has("final_mean"),
        run: chain_moments::run,
    },
    Kind {
        name: "noising",
        knows: |file, case| file.holds(case, "variance") || file.holds(case, "x0"),
        run: forward::run,
    },
    Kind {
        name: "mixture",
        knows: |file, _| file.find("covs").is_some(),
        run: mixture::run,
    },
    Kind {
        name: "edm",
        knows: |_, case| edm::knows(&case.id),
        run: edm::run,
    },
];

/// Replays a case. A panic is the case's failure.
fn run(file: &File, case: &Case, strict: bool) -> Line {
    let named = |kind: &&Kind| kind.name == case.text("kind");
    let kind = KINDS.iter().find(named);
    let kind = kind.or_else(|| KINDS.iter().find(|kind| (kind.knows)(file, case)));
    let outcome = match kind {
        None => Ok(Outcome::skipped("this kind of case is not implemented yet")),
        Some(kind) => catch_unwind(AssertUnwindSafe(|| (kind.run)(file, case)))
            .unwrap_or_else(|panic| Err(GoldenError::Refused(message(&*panic)))),
    };
    let mut outcome = outcome.unwrap_or_else(|error| Outcome::Broken(error.to_string()));
    let unread = case.unread();
    if strict && matches!(outcome, Outcome::Ran(_)) && !unread.is_empty() {
        outcome = Outcome::Broken(format!("fields that no code reads: {}", unread.join(", ")));
    }
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
