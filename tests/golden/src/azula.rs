//! Samplers of azula on an exact Gaussian.

use crate::azula_posterior;
use crate::case::{Case, File, GoldenError, refused};
use crate::compare::{Comparison, DOUBLE, Outcome};
use tweedie::burn::tensor::{DType, Tensor};
use tweedie::core::Replay;
use tweedie::core::oracle::Gaussian;
use tweedie::math::multistep::{
    AdamsBashforth, DpmSolverMultistep, ExponentialAdamsBashforth, Order, Variable,
};
use tweedie::math::{Ddim, Kernel, Level, LevelPath, MoveError, Transition};
use tweedie::samplers::{AnyStep, PredictorCorrector, RungeKutta, Sampler};

pub(crate) fn run(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    if case.id == "schedules" {
        return schedules(file, case);
    }
    if azula_posterior::knows(case) {
        return azula_posterior::run(file, case);
    }
    let noise = |order| ExponentialAdamsBashforth::new(order, Variable::Noise);
    let clean = |order| ExponentialAdamsBashforth::new(order, Variable::Clean);
    let step = match case.text("sampler") {
        "ddpm" => AnyStep::new(Ddim::ancestral()),
        "ddim_eta0" | "euler" => AnyStep::new(Ddim::deterministic()),
        // The peer's η scales the variance; in the paper and here it scales the standard deviation.
        name if name.starts_with("ddim") => AnyStep::new(Ddim::new(eta(file, case).sqrt())?),
        "heun" => AnyStep::new(RungeKutta::heun()),
        "zAB2" => AnyStep::new(AdamsBashforth::new(Order::Second)),
        "zAB3" => AnyStep::new(AdamsBashforth::new(Order::Third)),
        "zEAB2" => AnyStep::new(noise(Order::Second)),
        "xEAB2" => AnyStep::new(clean(Order::Second)),
        "xEAB3" => AnyStep::new(clean(Order::Third)),
        "pc" => {
            let corrector = Renewal { part: 0.01 };
            let step = PredictorCorrector::new(Ddim::deterministic(), corrector);
            AnyStep::new(step.correcting_first())
        }
        // Here the peer's η scales the standard deviation, and ours the variance.
        name if name.starts_with("ito") => {
            let solver = DpmSolverMultistep::on_noise(Order::First);
            AnyStep::new(solver.with_eta(eta(file, case).powi(2))?)
        }
        other => return Err(GoldenError::Lacks(format!("a known sampler: {other}"))),
    };
    let prior = prior(file)?;
    let times = times(file, case)?;
    let path = path(file, case, &times)?;
    // The peer's Heun solver works on x/α.
    let path = match case.text("sampler") {
        "heun" => path.without_scaling()?,
        _ => path,
    };
    let states = file.tensor(case, "xs")?.parts();
    let draws = file.tensor(case, "noises").ok();
    let draws = draws.map(|noises| noises.parts()).unwrap_or_default();
    let draws = draws.iter().map(|z| z.tensor::<2>(DType::F64));
    // With η = 0 the peer still draws noise, and multiplies it by 0.
    let mut draws = Replay::new(draws.collect::<Result<_, _>>()?);
    let scale = |t: f64| -> Result<f64, GoldenError> {
        let scaled = case.text("sampler") == "heun";
        Ok(if scaled {
            level(file, case, case.text("schedule"), t)?.alpha()
        } else {
            1.0
        })
    };
    let x = states[0].tensor::<2>(DType::F64)? / scale(times[0])?;
    let sampler = Sampler::new(step, path);
    let run = sampler.trajectory(&prior, x, &mut draws)?;
    let found: Vec<Tensor<2>> = run
        .map(|state| Ok(state?.x))
        .collect::<Result<_, GoldenError>>()?;
    let mut comparison = Comparison::default();
    // Some runs are recorded only at their ends.
    let every = found.len() / (states.len() - 1);
    for (k, state) in states.iter().enumerate().skip(1) {
        let x = found[k * every - 1].clone() * scale(times[k * every])?;
        comparison.tensor(&format!("xs[{k}]"), x, state, DOUBLE);
    }
    Ok(Outcome::Ran(comparison))
}

pub(crate) fn prior(file: &File) -> Result<Gaussian, GoldenError> {
    let variance = &file.shared("var")?.values;
    let stds: Vec<f64> = variance.iter().map(|v| v.sqrt()).collect();
    Gaussian::diagonal(&file.shared("mean")?.values, &stds).map_err(refused)
}

/// Returns the η that the sampler's name spells, or that of the parameters.
fn eta(file: &File, case: &Case) -> f64 {
    let spelled = case.text("sampler").split_once("eta");
    let spelled = spelled.and_then(|(_, number)| number.parse().ok());
    spelled.unwrap_or_else(|| file.number(case, "params.eta", 1.0))
}

/// Returns the times of a run, from 1 to 0, which must be the recorded ones.
pub(crate) fn times(file: &File, case: &Case) -> Result<Vec<f64>, GoldenError> {
    let recorded = &file.tensor(case, "timesteps")?.values;
    let steps = file.number(case, "steps", (recorded.len() - 1) as f64);
    let times: Vec<f64> = (0..=steps as usize)
        .map(|k| 1.0 - k as f64 / steps)
        .collect();
    let apart = |(a, b): (&f64, &f64)| (a - b).abs() > DOUBLE;
    match times.len() == recorded.len() && !times.iter().zip(recorded).any(apart) {
        true => Ok(times),
        false => Err(refused(format!("times {times:?} instead of {recorded:?}"))),
    }
}

/// Returns the path of a run.
pub(crate) fn path(file: &File, case: &Case, times: &[f64]) -> Result<LevelPath, GoldenError> {
    let levels = times
        .iter()
        .map(|&t| level(file, case, case.text("schedule"), t));
    Ok(LevelPath::through(levels.collect::<Result<_, _>>()?)?)
}

/// Returns the peer's level, which stays away from both ends.
fn level(file: &File, case: &Case, schedule: &str, t: f64) -> Result<Level, GoldenError> {
    let number =
        |key: &str, otherwise| file.number(case, &format!("schedule_params.{key}"), otherwise);
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
        other => return Err(GoldenError::Lacks(format!("a known schedule: {other}"))),
    };
    Ok(Level::new(alpha, sigma)?)
}

fn schedules(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    let times = &file.shared("schedule_t")?.values;
    let mut comparison = Comparison::default();
    for name in ["VP", "VE", "Cosine", "Rectified", "Decay"] {
        let kind = if name == "VE" { "VE by default" } else { name };
        let levels = times.iter().map(|&t| level(file, case, kind, t));
        let levels = levels.collect::<Result<Vec<_>, _>>()?;
        for (field, part) in [
            ("alpha", Level::alpha as fn(Level) -> f64),
            ("sigma", Level::sigma),
        ] {
            let found: Vec<f64> = levels.iter().map(|&level| part(level)).collect();
            let recorded = file.shared(&format!("schedule_{name}/{field}"))?;
            comparison.values(name, &found, &recorded.values, DOUBLE);
        }
    }
    Ok(Outcome::Ran(comparison))
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
