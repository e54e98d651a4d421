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
mod lpips;
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

use case::File;
use std::path::{Path, PathBuf};

/// The result of one case.
#[derive(Debug)]
pub struct Line {
    /// The file, relative to the folder.
    pub file: String,
    /// The name of the case.
    pub id: String,
    /// The outcome of the case.
    pub outcome: Outcome,
}

/// Replays every case below `folder`, in the order of the files' names.
///
/// # Errors
/// Returns a [`GoldenError`] if a folder has no cases, or if a file has a wrong format.
pub fn replay(folder: &Path) -> Result<Vec<Line>, GoldenError> {
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
                id: case.id.clone(),
                outcome: run(&file, case),
            });
        }
    }
    Ok(lines)
}

/// Runs a case. Its kind follows from its settings and tensors.
fn run(file: &File, case: &case::Case) -> Outcome {
    let has = |key: &str| case.get(key).is_some();
    let recorded = |name: &str| file.find(&format!("{}/{name}", case.id)).is_some();
    let outcome = if ffdnet::knows(file) {
        ffdnet::run(file, case)
    } else if lpips::knows(file) {
        lpips::run(file, case)
    } else if networks::knows(file) {
        networks::run(file)
    } else if layers::knows(file) {
        layers::run(file, case)
    } else if embeddings::knows(file) {
        embeddings::run(file, case)
    } else if interpolate::knows(case) {
        interpolate::run(file, case)
    } else if metrics::knows(file, case) {
        metrics::run(file, case)
    } else if operators::knows(file, case) {
        operators::run(file, case)
    } else if deepinv_posterior::knows(case) {
        deepinv_posterior::run(file, case)
    } else if has("beta_schedule") {
        betas::run(file, case)
    } else if has("cls") && has("steps_run") {
        trajectory::run(file, case)
    } else if has("cls") && has("count") {
        timesteps::run(file, case)
    } else if has("cls") && recorded("means") || recorded("index") {
        score_sde::run(file, case)
    } else if has("schedule") && has("sampler") || file.find("schedule_t").is_some() {
        azula::run(file, case)
    } else if has("jump_length") || case.id.starts_with("jump_N") {
        repaint::run(file, case)
    } else if has("final_mean") {
        chain_moments::run(file, case)
    } else if recorded("variance") || recorded("x0") {
        forward::run(file, case)
    } else if file.find("means").is_some() && file.find("covs").is_some() {
        mixture::run(file, case)
    } else if edm::knows(&case.id) {
        edm::run(file, case)
    } else {
        Ok(Outcome::skipped("this kind of case is not implemented yet"))
    };
    outcome.unwrap_or_else(|error| Outcome::Broken(error.to_string()))
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
