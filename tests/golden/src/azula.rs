//! Samplers of azula on an exact Gaussian.

use crate::azula_posterior;
use crate::case::Case;
use crate::compare::DOUBLE;
use crate::error::{Done, GoldenError, lacks, refused};
use crate::levels::agreed;
use crate::trajectory::check_states;
use tweedie::burn::tensor::{DType, Tensor};
use tweedie::core::Replay;
use tweedie::core::oracle::Gaussian;
use tweedie::math::multistep::{
    AdamsBashforth, DpmSolverMultistep, ExponentialAdamsBashforth, Order, Variable,
};
use tweedie::math::{Ddim, Kernel, Level, LevelPath, MoveError, Transition};
use tweedie::samplers::{AnyStep, PredictorCorrector, RungeKutta, Sampler};

pub(crate) fn run(case: &Case) -> Done {
    if case.id == "schedules" {
        return schedules(case);
    }
    if azula_posterior::knows(case) {
        return azula_posterior::run(case);
    }
    let noise = |order| AnyStep::new(ExponentialAdamsBashforth::new(order, Variable::Noise));
    let clean = |order| AnyStep::new(ExponentialAdamsBashforth::new(order, Variable::Clean));
    let name = case.text("sampler");
    let step = match name {
        "ddpm" => AnyStep::new(Ddim::ancestral()),
        "ddim_eta0" | "euler" => AnyStep::new(Ddim::deterministic()),
        // The peer's η scales the variance; in the paper and here it scales the standard deviation.
        _ if name.starts_with("ddim") => AnyStep::new(Ddim::new(eta(case).sqrt())?),
        "heun" => AnyStep::new(RungeKutta::heun()),
        "zAB2" => AnyStep::new(AdamsBashforth::new(Order::Second)),
        "zAB3" => AnyStep::new(AdamsBashforth::new(Order::Third)),
        "zEAB2" => noise(Order::Second),
        "xEAB2" => clean(Order::Second),
        "xEAB3" => clean(Order::Third),
        "pc" => {
            let corrector = Renewal { part: 0.01 };
            let step = PredictorCorrector::new(Ddim::deterministic(), corrector);
            AnyStep::new(step.correcting_first())
        }
        // Here the peer's η scales the standard deviation, and ours the variance.
        _ if name.starts_with("ito") => {
            let solver = DpmSolverMultistep::on_noise(Order::First);
            AnyStep::new(solver.with_eta(eta(case).powi(2))?)
        }
        other => return Err(lacks(format!("a known sampler: {other}"))),
    };
    let path = path(case)?;
    // The peer's Heun solver works on x/α.
    let (path, scales): (_, Vec<f64>) = match name {
        "heun" => {
            let scales = path.levels().iter().map(|level| level.alpha()).collect();
            (path.without_scaling()?, scales)
        }
        _ => {
            let scales = vec![1.0; path.levels().len()];
            (path, scales)
        }
    };
    let states = case.record("xs")?;
    // With η = 0 the peer still draws noise, and multiplies it by 0.
    let mut draws = Replay::new(case.parts_if_any("noises", DType::F64)?);
    let x = states.part(0).tensor::<2>(DType::F64)? / scales[0];
    let (sampler, prior) = (Sampler::new(step, path), prior(case)?);
    let run = sampler.trajectory(&prior, x, &mut draws)?;
    let run = run
        .zip(&scales[1..])
        .map(|(state, scale)| Ok(state?.x * *scale));
    let found = run.collect::<Result<Vec<Tensor<2>>, GoldenError>>()?;
    // Some runs are recorded only at their ends.
    let every = found.len() / (states.shape[0] - 1);
    let found: Vec<_> = found.into_iter().skip(every - 1).step_by(every).collect();
    check_states(case, &found)
}

pub(crate) fn prior(case: &Case) -> Result<Gaussian, GoldenError> {
    let variance = &case.record("var")?.values;
    let stds: Vec<f64> = variance.iter().map(|v| v.sqrt()).collect();
    Gaussian::diagonal(&case.record("mean")?.values, &stds).map_err(refused)
}

/// Returns the η that the sampler's name spells, or that of the parameters.
fn eta(case: &Case) -> f64 {
    let spelled = case.text("sampler").split_once("eta");
    let spelled = spelled.and_then(|(_, number)| number.parse().ok());
    spelled.unwrap_or_else(|| case.number_or("params.eta", 1.0))
}

/// Returns the path of a run, through times from 1 to 0, which must be the recorded ones.
pub(crate) fn path(case: &Case) -> Result<LevelPath, GoldenError> {
    let recorded = &case.record("timesteps")?.values;
    let steps = case.number_or("steps", (recorded.len() - 1) as f64);
    let times = (0..=steps as usize).map(|k| 1.0 - k as f64 / steps);
    let times = agreed(times.collect(), recorded)?;
    let levels = times.iter().map(|&t| level(case, case.text("schedule"), t));
    Ok(LevelPath::through(levels.collect::<Result<_, _>>()?)?)
}

/// Returns the peer's level, which stays away from both ends.
fn level(case: &Case, schedule: &str, t: f64) -> Result<Level, GoldenError> {
    let number = |key: &str, default| case.number_or(&format!("schedule_params.{key}"), default);
    let (alpha_min, sigma_min) = (number("alpha_min", 1e-3), number("sigma_min", 1e-3));
    let above = |alpha: f64| (alpha, (1.0 - alpha * alpha + sigma_min * sigma_min).sqrt());
    let line = |t: f64| (1.0 - t + t * alpha_min, t + (1.0 - t) * sigma_min);
    let exploding = |first: f64, last: f64| (1.0, first * (last / first).powf(t));
    let gamma = number("gamma", 0.1);
    let (alpha, sigma) = match schedule {
        "VP" => above(alpha_min.powf(t * t)),
        "VE" => exploding(number("sigma_min", 1e-2), number("sigma_max", 10.0)),
        "VE by default" => exploding(1e-3, 1e3),
        "Cosine" => above((t * alpha_min.acos()).cos()),
        "Rectified" => line(t),
        "Decay" => line((1.0 - gamma.powf(t)) / (1.0 - gamma)),
        other => return Err(lacks(format!("a known schedule: {other}"))),
    };
    Ok(Level::new(alpha, sigma)?)
}

fn schedules(case: &Case) -> Done {
    let times = &case.record("schedule_t")?.values;
    for name in ["VP", "VE", "Cosine", "Rectified", "Decay"] {
        let kind = if name == "VE" { "VE by default" } else { name };
        let levels = times.iter().map(|&t| level(case, kind, t));
        let levels = levels.collect::<Result<Vec<_>, _>>()?;
        let of = |part: fn(Level) -> f64| levels.iter().copied().map(part).collect::<Vec<_>>();
        case.check_values(&format!("schedule_{name}/alpha"), &of(Level::alpha), DOUBLE)?;
        case.check_values(&format!("schedule_{name}/sigma"), &of(Level::sigma), DOUBLE)?;
    }
    Ok(())
}

/// The peer's corrector: it replaces a part of the noise, as a variance, by a fresh draw.
struct Renewal {
    part: f64,
}

impl Kernel for Renewal {
    fn transition(&self, _: Level, to: Level) -> Result<Transition, MoveError> {
        let kept = (1.0 - self.part).sqrt();
        Ok(Transition {
            state: kept,
            clean: to.alpha() * (1.0 - kept),
            noise: self.part.sqrt() * to.sigma(),
        })
    }
}
