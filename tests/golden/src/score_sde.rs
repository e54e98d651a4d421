//! Predictors and correctors of the score-SDE library, as diffusers implements them.

use crate::case::{Case, File, GoldenError, refused};
use crate::compare::{Comparison, DOUBLE, Outcome, SINGLE};
use crate::trajectory::{moved, open_loop};
use tweedie::burn::tensor::{DType, Tensor};
use tweedie::core::{Replay, from_fn};
use tweedie::math::{
    EulerMaruyama, Kernel, Level, Move, Prediction, ReverseDiffusion, Schedule, Transition,
    VariancePreserving,
};
use tweedie::prelude::Denoiser;
use tweedie::samplers::{History, Langevin};

pub(crate) fn run(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    match case.text("cls") {
        "ScoreSdeVeScheduler" => variance_exploding(file, case),
        "ScoreSdeVpScheduler" => variance_preserving(file, case),
        _ => Ok(Outcome::skipped(
            "the index that a peer finds for a time in f32; levels need none",
        )),
    }
}

/// Returns a denoiser that reads one output as `prediction`, at any level.
fn output(value: Tensor<4>, prediction: Prediction) -> impl Denoiser<4> {
    from_fn(move |x: Tensor<4>, level: Level| {
        let row = prediction.to_clean(level);
        x * row.skip + value.clone() * row.out
    })
}

/// Replays `correct_steps` moves of the corrector for each level, then one of the predictor.
fn variance_exploding(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    // The levels are recorded.
    case.implied(&[
        "N",
        "config.num_train_timesteps",
        "config.sigma_max",
        "config.sampling_eps",
    ]);
    let snr = case.config("snr").and_then(serde_json::Value::as_f64);
    let (corrections, snr) = (case.count("correct_steps")?, snr.unwrap_or(0.15));
    let sigmas = &file.tensor(case, "discrete_sigmas")?.values;
    let parts = |name: &str| Ok::<_, GoldenError>(file.tensor(case, name)?.parts());
    let (states, outputs, noises, means) = (
        parts("xs")?,
        parts("model_outputs")?,
        parts("noises")?,
        parts("means")?,
    );
    let mut comparison = Comparison::default();
    for (dtype, tolerance) in [(DType::F64, DOUBLE), (DType::F32, SINGLE)] {
        let mut x = states[0].tensor::<4>(dtype)?;
        let mut call = 0;
        for (k, &sigma) in sigmas.iter().enumerate().rev() {
            let below = if k == 0 { 0.0 } else { sigmas[k - 1] };
            let level = |sigma| Level::variance_exploding(sigma).map_err(refused);
            let (from, to) = (level(sigma)?, level(below)?);
            for part in 0..=corrections {
                let score = outputs[call].tensor::<4>(dtype)?;
                let z = noises[call].tensor::<4>(dtype)?;
                let model = output(score.clone(), Prediction::Score);
                let mut noise = Replay::new(vec![z.clone()]);
                if part < corrections {
                    // The peer's norms are means over the batch.
                    let norm = |x: Tensor<4>| {
                        let squares = x.square().sum_dims(&[1, 2, 3]);
                        squares.sqrt().mean().into_scalar::<f64>()
                    };
                    let epsilon = 2.0 * (snr * norm(z) / norm(score)).powi(2);
                    let stay = Move { from, to: from };
                    let corrector = Langevin::fixed(epsilon)?;
                    (x, _) = moved(&corrector, &model, x, stay, &mut noise, &mut ())?;
                } else {
                    let mv = Move { from, to };
                    let rule = Transition {
                        noise: 0.0,
                        ..ReverseDiffusion.transition(from, to)?
                    };
                    let mean =
                        x.clone() * rule.state + model.denoise(x.clone(), from)? * rule.clean;
                    if dtype == DType::F64 {
                        comparison.tensor(&format!("means[{call}]"), mean, &means[call], tolerance);
                    }
                    let memory = &mut History::default();
                    (x, _) = moved(&ReverseDiffusion, &model, x, mv, &mut noise, memory)?;
                    // The peer's last move adds noise; the paper's does not.
                    if k == 0 {
                        x = x + z * sigma;
                    }
                }
                call += 1;
                if dtype == DType::F64 {
                    let name = format!("xs[{call}]");
                    comparison.tensor(&name, x.clone(), &states[call], tolerance);
                }
            }
        }
        if dtype == DType::F32 {
            let top = Level::variance_exploding(sigmas[sigmas.len() - 1])?;
            let single = open_loop(file, case, std::iter::repeat(top))?;
            let last = file.tensor(case, "x_final_f32")?;
            comparison.tensor("x_final_f32", x, last, single);
        }
    }
    Ok(Outcome::Ran(comparison))
}

/// Replays Euler–Maruyama with steps of −1/N between times that are (1 − ε)/(N − 1) apart (a
/// documented bug). The peer's score is in fact the noise.
fn variance_preserving(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    // The times are recorded.
    case.implied(&["config.sampling_eps", "config.num_train_timesteps"]);
    let number = |key: &str| case.config(key).and_then(serde_json::Value::as_f64);
    let schedule = VariancePreserving::new(
        number("beta_min").unwrap_or(0.1),
        number("beta_max").unwrap_or(20.0),
    )?;
    let kernel = EulerMaruyama::new(schedule);
    let dt = 1.0 / case.count("N")? as f64;
    let parts = |name: &str| Ok::<_, GoldenError>(file.tensor(case, name)?.parts());
    let (states, outputs, noises, means) = (
        parts("xs")?,
        parts("model_outputs")?,
        parts("noises")?,
        parts("means")?,
    );
    let times = &file.tensor(case, "timesteps")?.values;
    let mut comparison = Comparison::default();
    for (dtype, tolerance) in [(DType::F64, DOUBLE), (DType::F32, SINGLE)] {
        let mut x = states[0].tensor::<4>(dtype)?;
        for (k, &t) in times.iter().enumerate() {
            let from = schedule.level(t);
            // The last move would end before time 0, so a shorter one is scaled: the method is
            // linear in the step.
            let short = dt.min(0.5 * t);
            let rule = kernel.transition(from, schedule.level(t - short))?;
            let (state, clean) = (rule.state - 1.0, rule.clean);
            let model = output(outputs[k].tensor::<4>(dtype)?, Prediction::Noise);
            let estimate = model.denoise(x.clone(), from)?;
            let mean = x.clone() * (1.0 + state * dt / short) + estimate * (clean * dt / short);
            let z = noises[k].tensor::<4>(dtype)?;
            x = mean.clone() + z * (rule.noise * (dt / short).sqrt());
            if dtype == DType::F64 {
                comparison.tensor(&format!("means[{k}]"), mean, &means[k], tolerance);
                comparison.tensor(
                    &format!("xs[{}]", k + 1),
                    x.clone(),
                    &states[k + 1],
                    tolerance,
                );
            }
        }
        if dtype == DType::F32 {
            let levels = times.iter().map(|&t| schedule.level(t));
            let single = open_loop(file, case, levels)?;
            let last = file.tensor(case, "x_final_f32")?;
            comparison.tensor("x_final_f32", x, last, single);
        }
    }
    Ok(Outcome::Ran(comparison))
}
