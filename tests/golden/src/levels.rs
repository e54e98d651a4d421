//! The noise levels of a peer's run, built from its configuration.

use crate::case::{Case, list};
use crate::compare::DOUBLE;
use crate::error::{GoldenError, refused};
use crate::settings::{chain_by_default, spacing};
use tweedie::math::{Edm, Level, LevelPath, Move, Spacing, Span};

/// Returns the moves of a run.
///
/// The levels come from the configuration and must agree with the recorded ones. For options that
/// the library does not have (scheduler `beta` levels, rescaled chains in `f32`), they are the
/// recorded ones.
pub(crate) fn moves(case: &Case) -> Result<Vec<Move>, GoldenError> {
    // Heun's method records the levels between its two evaluations twice, and a run that ends at
    // its last level records that one twice.
    let once = |mut levels: Vec<f64>| {
        levels.dedup_by(|b, a| (*b - *a).abs() <= 1e-12 * *a);
        levels
    };
    let recorded = once(case.record("sigmas")?.values.clone());
    let mut sigmas = match built(case)? {
        Some(built) => agreed(once(built), &recorded)?,
        None => recorded,
    };
    // A peer may record one level more than it visits.
    if !case.text("cls").starts_with("Heun") {
        sigmas.truncate(case.record("xs")?.shape[0]);
    }
    let level = |&sigma: &f64| match case.text("model_kind") {
        "flow" => Level::new(1.0 - sigma, sigma),
        "vps" => Ok(Level::variance_preserving(-2.0 * sigma.ln())),
        _ => Level::variance_exploding(sigma),
    };
    let levels = sigmas.iter().map(level).collect::<Result<Vec<_>, _>>()?;
    Ok(LevelPath::through(levels)?.moves().collect())
}

/// Returns numbers if they are the recorded ones.
pub(crate) fn agreed(built: Vec<f64>, recorded: &[f64]) -> Result<Vec<f64>, GoldenError> {
    let close = |(a, b): (&f64, &f64)| (a - b).abs() <= DOUBLE * b.abs().max(1.0);
    match built.len() == recorded.len() && built.iter().zip(recorded).all(close) {
        true => Ok(built),
        false => Err(refused(format!(
            "{built:?} instead of the recorded {recorded:?}"
        ))),
    }
}

/// Returns the noise levels that a configuration describes; `None` if the library has no such
/// option.
fn built(case: &Case) -> Result<Option<Vec<f64>>, GoldenError> {
    let flag = |key: &str| case.flag(&format!("config.{key}"), false);
    if flag("use_beta_sigmas") || flag("rescale_betas_zero_snr") {
        case.implied(&["num_inference_steps", "config.timestep_spacing"]);
        return Ok(None);
    }
    let (mut sigmas, least) = match case.text("cls").trim_end_matches("Scheduler") {
        "EDMEuler" => edm(case)?,
        "FlowMatchEulerDiscrete" => (flow(case)?, 0.0),
        class => on_chain(case, class)?,
    };
    sigmas.push(match case.text("config.final_sigmas_type") {
        "sigma_min" => least,
        _ => 0.0,
    });
    Ok(Some(sigmas))
}

/// Levels of a chain, and the level of its first node.
fn on_chain(case: &Case, class: &str) -> Result<(Vec<f64>, f64), GoldenError> {
    let flag = |key: &str| case.flag(&format!("config.{key}"), false);
    // The defaults of the peer's Heun sampler are those of Stable Diffusion.
    let defaults = match class {
        "HeunDiscrete" => [0.00085, 0.012],
        _ => [1e-4, 0.02],
    };
    let chain = chain_by_default(case, "config.", defaults)?;
    let steps = case.count("num_inference_steps")?;
    let sigma = |level: Level| level.noise_to_signal();
    let table: Vec<f64> = (0..chain.len()).map(|i| sigma(chain.node(i))).collect();
    let spacing = spacing(case, "linspace")?;
    let multistep = ["DPMSolverMultistep", "UniPCMultistep"].contains(&class);
    // Nodes at which the log-SNR is above a bound.
    let clip = case.number_or("config.lambda_min_clipped", f64::NEG_INFINITY);
    let above = |sigma: &&f64| -sigma.ln() >= clip;
    let usable = table.iter().filter(above).count();
    let positions: Vec<f64> = match spacing {
        Spacing::Trailing => whole(spacing.indices(usable, steps)?),
        // These peers space one step more and drop the last node.
        _ if multistep => {
            let mut nodes = whole(spacing.indices(usable, steps + 1)?);
            nodes.pop();
            nodes
        }
        Spacing::Linspace => spacing.positions(usable, steps)?,
        _ => whole(spacing.indices(usable, steps)?),
    };
    // The peers interpolate linearly in σ.
    let at = |t: &f64| {
        let (below, part) = (t.floor() as usize, t.fract());
        let next = table[(below + 1).min(chain.len() - 1)];
        table[below] + part * (next - table[below])
    };
    let visited: Vec<f64> = positions.iter().map(at).collect();
    let (first, last) = match multistep {
        true => (table[chain.len() - 1], table[0]),
        false => (visited[0], visited[steps - 1]),
    };
    let sigmas = if flag("use_karras_sigmas") {
        rooted(first, last, steps, 7.0)?
    } else if flag("use_exponential_sigmas") || flag("use_lu_lambdas") {
        geometric(first, last, steps)
    } else if case.text("config.interpolation_type") == "log_linear" {
        geometric(table[chain.len() - 1], table[0], steps + 1)
    } else {
        visited
    };
    Ok((sigmas, table[0]))
}

fn whole(indices: Vec<usize>) -> Vec<f64> {
    indices.into_iter().map(|i| i as f64).collect()
}

/// Levels of EDM, and the last of them.
fn edm(case: &Case) -> Result<(Vec<f64>, f64), GoldenError> {
    let number = |key: &str, default| case.number_or(&format!("config.{key}"), default);
    let (least, most) = (number("sigma_min", 0.002), number("sigma_max", 80.0));
    let steps = case.count("num_inference_steps")?;
    let sigmas = match case.text("config.sigma_schedule") {
        "exponential" => geometric(most, least, steps),
        _ => rooted(most, least, steps, number("rho", 7.0))?,
    };
    let last = sigmas[steps - 1];
    Ok((sigmas, last))
}

/// Levels of the rectified flow, shifted.
fn flow(case: &Case) -> Result<Vec<f64>, GoldenError> {
    let shift = case.number_or("config.shift", 1.0);
    let nodes = case.number_or("config.num_train_timesteps", 1000.0);
    let dynamic = case.flag("config.use_dynamic_shifting", false);
    // A time shift by μ is a shift by e^μ.
    let factor = match (dynamic, case.maybe("set_timesteps_kwargs.mu")) {
        (true, Some(mu)) => mu.exp(),
        _ => shift,
    };
    let shifted = |by: f64, sigma: f64| by * sigma / (1.0 + (by - 1.0) * sigma);
    let mut sigmas = match case.get("set_timesteps_kwargs.sigmas") {
        Some(sigmas) => list(sigmas),
        None => {
            // The peer shifts the ends once before it shifts every level.
            let once = if dynamic { 1.0 } else { shift };
            let ends = [1.0, 1.0 / nodes].map(|sigma| shifted(once, sigma));
            evenly(ends[0], ends[1], case.count("num_inference_steps")?)
        }
    };
    for sigma in &mut sigmas {
        *sigma = shifted(factor, *sigma);
    }
    if let Some(terminal) = case.maybe("config.shift_terminal") {
        let last = sigmas[sigmas.len() - 1];
        let scale = (1.0 - last) / (1.0 - terminal);
        for sigma in &mut sigmas {
            *sigma = 1.0 - (1.0 - *sigma) / scale;
        }
    }
    match case.flag("config.use_karras_sigmas", false) {
        true => rooted(sigmas[0], sigmas[sigmas.len() - 1], sigmas.len(), 7.0),
        false => Ok(sigmas),
    }
}

fn evenly(first: f64, last: f64, count: usize) -> Vec<f64> {
    let step = (last - first) / (count.max(2) - 1) as f64;
    (0..count).map(|k| first + step * k as f64).collect()
}

fn geometric(first: f64, last: f64, count: usize) -> Vec<f64> {
    let logs = evenly(first.ln(), last.ln(), count);
    logs.into_iter().map(f64::exp).collect()
}

/// Levels evenly spaced in their root of order `rho`, by the library's path.
fn rooted(first: f64, last: f64, count: usize, rho: f64) -> Result<Vec<f64>, GoldenError> {
    let span = Span::new(1.0, last / first);
    let path = LevelPath::karras(Edm::new(first)?, span, count - 1, rho)?;
    Ok(path.levels().iter().map(|level| level.sigma()).collect())
}
