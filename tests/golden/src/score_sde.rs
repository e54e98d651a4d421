//! Predictors and correctors of the score-SDE library, as diffusers implements them.

use crate::case::Case;
use crate::compare::DOUBLE;
use crate::error::{Done, GoldenError, refused, skip};
use crate::trajectory::{check_state, moved, open_loop};
use tweedie::burn::tensor::{DType, Tensor};
use tweedie::core::{Replay, from_fn};
use tweedie::math::{
    EulerMaruyama, Kernel, Level, Move, Prediction, ReverseDiffusion, Schedule, VariancePreserving,
};
use tweedie::prelude::Denoiser;
use tweedie::samplers::{History, Langevin};

pub(crate) fn run(case: &Case) -> Done {
    match case.text("cls") {
        "ScoreSdeVeScheduler" => variance_exploding(case),
        "ScoreSdeVpScheduler" => variance_preserving(case),
        _ => skip("the index that a peer finds for a time in f32; levels need none"),
    }
}

/// Returns a denoiser that reads one output as `prediction`, at any level.
fn output(value: Tensor<4>, prediction: Prediction) -> impl Denoiser<4> {
    from_fn(move |x: Tensor<4>, level: Level| {
        let row = prediction.to_clean(level);
        x * row.skip + value.clone() * row.out
    })
}

/// Returns a record of every move.
fn each(case: &Case, name: &str, dtype: DType) -> Result<Vec<Tensor<4>>, GoldenError> {
    let (found, moves) = (case.parts(name, dtype)?, case.record("xs")?.shape[0] - 1);
    match found.len() == moves {
        true => Ok(found),
        false => Err(refused(format!("{} {name} of {moves} moves", found.len()))),
    }
}

/// Replays `correct_steps` moves of the corrector for each level, then one of the predictor.
fn variance_exploding(case: &Case) -> Done {
    // The levels are recorded.
    case.implied(&[
        "N",
        "config.num_train_timesteps",
        "config.sigma_max",
        "config.sampling_eps",
    ]);
    let snr = case.number_or("config.snr", 0.15);
    let corrections = case.count("correct_steps")?;
    let sigmas = &case.record("discrete_sigmas")?.values;
    for dtype in [DType::F64, DType::F32] {
        let (outputs, noises) = (
            each(case, "model_outputs", dtype)?,
            each(case, "noises", dtype)?,
        );
        let mut x = case.record("xs")?.part(0).tensor::<4>(dtype)?;
        let mut calls = outputs.into_iter().zip(noises).zip(1..);
        for (k, &sigma) in sigmas.iter().enumerate().rev() {
            let below = if k == 0 { 0.0 } else { sigmas[k - 1] };
            let level = |sigma| Level::variance_exploding(sigma).map_err(refused);
            let (from, to) = (level(sigma)?, level(below)?);
            for (part, ((score, z), call)) in (0..=corrections).zip(calls.by_ref()) {
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
                    x = moved(
                        &Langevin::fixed(epsilon)?,
                        &model,
                        x,
                        stay,
                        &mut noise,
                        &mut (),
                    )?
                    .x;
                } else {
                    let mv = Move { from, to };
                    let rule = ReverseDiffusion.transition(from, to)?;
                    let clean = model.denoise(x.clone(), from)?;
                    if dtype == DType::F64 {
                        check_mean(case, call, x.clone() * rule.state + clean * rule.clean)?;
                    }
                    let memory = &mut History::default();
                    x = moved(&ReverseDiffusion, &model, x, mv, &mut noise, memory)?.x;
                    // The peer's last move adds noise, as the printed algorithm does.
                    if k == 0 {
                        x = x + z * sigma;
                    }
                }
                if dtype == DType::F64 {
                    check_state(case, call, &x)?;
                }
            }
        }
        if dtype == DType::F32 {
            let top = Level::variance_exploding(sigmas[sigmas.len() - 1])?;
            case.check("x_final_f32", x, open_loop(case, std::iter::repeat(top))?)?;
        }
    }
    Ok(())
}

/// Compares the mean of move `call`.
fn check_mean(case: &Case, call: usize, mean: Tensor<4>) -> Done {
    let recorded = case.record("means")?.part(call - 1);
    case.compare(&format!("means[{}]", call - 1), mean, &recorded, DOUBLE);
    Ok(())
}

/// Replays Euler–Maruyama with steps of −1/N between times that are (1 − ε)/(N − 1) apart (a
/// documented bug). The peer's score is in fact the noise.
fn variance_preserving(case: &Case) -> Done {
    // The times are recorded.
    case.implied(&["config.sampling_eps", "config.num_train_timesteps"]);
    let number = |key: &str, default| case.number_or(&format!("config.{key}"), default);
    let schedule = VariancePreserving::new(number("beta_min", 0.1), number("beta_max", 20.0))?;
    let kernel = EulerMaruyama::new(schedule);
    let dt = 1.0 / case.count("N")? as f64;
    let times = &case.record("timesteps")?.values;
    for dtype in [DType::F64, DType::F32] {
        let (outputs, noises) = (
            each(case, "model_outputs", dtype)?,
            each(case, "noises", dtype)?,
        );
        let mut x = case.record("xs")?.part(0).tensor::<4>(dtype)?;
        for (((&t, v), z), call) in times.iter().zip(outputs).zip(noises).zip(1..) {
            let from = schedule.level(t);
            // The last move would end before time 0, so a shorter one is scaled: the method is
            // linear in the step.
            let short = dt.min(0.5 * t);
            let rule = kernel.transition(from, schedule.level(t - short))?;
            let (state, clean) = (rule.state - 1.0, rule.clean);
            let estimate = output(v, Prediction::Noise).denoise(x.clone(), from)?;
            let mean = x.clone() * (1.0 + state * dt / short) + estimate * (clean * dt / short);
            x = mean.clone() + z * (rule.noise * (dt / short).sqrt());
            if dtype == DType::F64 {
                check_mean(case, call, mean)?;
                check_state(case, call, &x)?;
            }
        }
        if dtype == DType::F32 {
            let levels = times.iter().map(|&t| schedule.level(t));
            case.check("x_final_f32", x, open_loop(case, levels)?)?;
        }
    }
    Ok(())
}
