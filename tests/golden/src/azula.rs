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
        return schedules(file);
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
        "ddim_eta0.5" => AnyStep::new(Ddim::new(0.5_f64.sqrt())?),
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
        "ito_eta1" => AnyStep::new(DpmSolverMultistep::on_noise(Order::First).sde()),
        other => return Err(GoldenError::Lacks(format!("a known sampler: {other}"))),
    };
    let prior = prior(file)?;
    let times = &file.tensor(case, "timesteps")?.values;
    let levels = times.iter().map(|&t| level(case.text("schedule"), t));
    let path = LevelPath::through(levels.collect::<Result<_, _>>()?).map_err(refused)?;
    // The peer's Heun solver works on x/α.
    let path = match case.text("sampler") {
        "heun" => path.without_scaling().map_err(refused)?,
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
            level(case.text("schedule"), t)?.alpha()
        } else {
            1.0
        })
    };
    let x = states[0].tensor::<2>(DType::F64)? / scale(times[0])?;
    let sampler = Sampler::new(step, path);
    let run = sampler.trajectory(&prior, x, &mut draws).map_err(refused)?;
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

/// Returns the peer's level, which stays away from both ends by 10⁻³. Its VE runs go from 10 to
/// 0.01.
pub(crate) fn level(schedule: &str, t: f64) -> Result<Level, GoldenError> {
    let least = 1e-3_f64;
    let above = |alpha: f64| (alpha, (1.0 - alpha * alpha + least * least).sqrt());
    let line = |t: f64| (1.0 - t + t * least, t + (1.0 - t) * least);
    let (alpha, sigma) = match schedule {
        "VP" => above(least.powf(t * t)),
        "VE" => (1.0, 1e-2 * 1e3_f64.powf(t)),
        "VE by default" => (1.0, 1e-3 * 1e6_f64.powf(t)),
        "Cosine" => above((t * least.acos()).cos()),
        "Rectified" => line(t),
        "Decay" => line((1.0 - 0.1_f64.powf(t)) / 0.9),
        other => return Err(GoldenError::Lacks(format!("a known schedule: {other}"))),
    };
    Level::new(alpha, sigma).map_err(refused)
}

fn schedules(file: &File) -> Result<Outcome, GoldenError> {
    let times = &file.shared("schedule_t")?.values;
    let mut comparison = Comparison::default();
    for name in ["VP", "VE", "Cosine", "Rectified", "Decay"] {
        let kind = if name == "VE" { "VE by default" } else { name };
        let levels = times.iter().map(|&t| level(kind, t));
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
