//! EDM: noise levels, Heun's and Euler's trajectories, preconditioning; schedules of the SDEs.

use crate::case::Case;
use crate::compare::DOUBLE;
use crate::error::{Done, GoldenError, refused, skip};
use crate::model::of_images;
use crate::settings::gaussian;
use crate::trajectory::check_states;
use tweedie::burn::tensor::{DType, Tensor};
use tweedie::core::Replay;
use tweedie::math::{
    Cosine, Ddim, Edm, Level, LevelPath, Prediction, Schedule, Span, SubVariancePreserving,
    VarianceExploding, VariancePreserving, Weighting,
};
use tweedie::samplers::{Churn, RungeKutta, Sampler, Step};

/// Returns whether a case is of this kind.
pub(crate) fn knows(id: &str) -> bool {
    let whole = ["sigmas", "precond", "sde"].contains(&id);
    whole || id.starts_with("heun_N") || id.starts_with("stoch_N")
}

pub(crate) fn run(case: &Case) -> Done {
    match case.id.as_str() {
        "sigmas" => case.names("sigmas_N").into_iter().try_for_each(|name| {
            let path = named_path(case, name)?;
            let found: Vec<f64> = path.levels().iter().map(|level| level.sigma()).collect();
            case.check_values(name, &found, DOUBLE)
        }),
        "precond" => precondition(case),
        "sde" => schedules(case),
        id if id.starts_with("heun_N") => deterministic(case),
        id if id.starts_with("stoch_N") => stochastic(case),
        _ => skip("this kind of case is not implemented yet"),
    }
}

/// Returns `N` levels from `σ_max` to `σ_min`, followed by clean data.
fn path(case: &Case, steps: f64) -> Result<LevelPath, GoldenError> {
    named_path(case, &format!("sigmas_N{steps}"))
}

/// Parses a name such as `sigmas_N10_smin.01_smax50_rho3`. Missing fields are those of the case, or
/// of EDM.
fn named_path(case: &Case, name: &str) -> Result<LevelPath, GoldenError> {
    let field = |prefix: &str, key: &str, otherwise: f64| {
        let mut fields = name.split('_');
        let spelled = fields.find_map(|field| field.strip_prefix(prefix)?.parse().ok());
        spelled.unwrap_or_else(|| case.number_or(key, otherwise))
    };
    let (least, most) = (
        field("smin", "sigma_min", 0.002),
        field("smax", "sigma_max", 80.0),
    );
    let (steps, rho) = (field("N", "N", 18.0) as usize, field("rho", "rho", 7.0));
    let span = Span::new(1.0, least / most);
    Ok(LevelPath::karras(Edm::new(most)?, span, steps - 1, rho)?.then_clean())
}

/// Returns the states of a run.
fn walk(
    case: &Case,
    step: impl Step<4>,
    path: &LevelPath,
    noise: Vec<Tensor<4>>,
) -> Result<Vec<Tensor<4>>, GoldenError> {
    let start = case.record("xs")?.part(0);
    let prior = of_images(gaussian(case, &start.shape)?);
    let (sampler, mut noise) = (Sampler::new(step, path.clone()), Replay::new(noise));
    let states = sampler.trajectory(&prior, start.tensor(DType::F64)?, &mut noise)?;
    states.map(|state| Ok(state?.x)).collect()
}

/// Heun's and Euler's method.
fn deterministic(case: &Case) -> Done {
    let path = path(case, case.count("N")? as f64)?;
    let found = walk(case, RungeKutta::heun(), &path, Vec::new())?;
    check_states(case, &found)?;
    let euler = walk(case, Ddim::deterministic(), &path, Vec::new())?;
    let name = format!("{}/x_final", case.id.replace("heun", "euler"));
    match (euler.last(), case.find(&name)) {
        (Some(x), Some(_)) => case.check(&name, x.clone(), DOUBLE),
        _ => Ok(()),
    }
}

/// Algorithm 2 of EDM, with recorded noise.
fn stochastic(case: &Case) -> Done {
    let steps: usize = case.id.trim_start_matches("stoch_N").parse()?;
    let path = path(case, steps as f64)?;
    let churn = Churn::new(RungeKutta::heun(), case.number("S_churn")?, steps)?
        .within(case.number("S_min")?, case.number("S_max")?)?
        .with_noise_scale(case.number("S_noise")?)?;
    // Noise is recorded for every step, but only used where γ > 0.
    let gamma = &case.record("gamma")?.values;
    let draws = case.parts("noises", DType::F64)?.into_iter().zip(gamma);
    let used = draws.filter(|(_, gamma)| **gamma > 0.0).map(|(z, _)| z);
    let found = walk(case, churn, &path, used.collect())?;
    check_states(case, &found)
}

fn precondition(case: &Case) -> Done {
    let sigma_data = case.number("sigma_data")?;
    let karras = Prediction::Edm { sigma_data };
    let weighting = Weighting::Edm { sigma_data };
    let sigmas = &case.record("sigma")?.values;
    let edm = Edm::new(1e4)?;
    let each = |name: &str, f: &dyn Fn(Level) -> f64| -> Done {
        let level = |&sigma: &f64| Level::variance_exploding(sigma).map(f).map_err(refused);
        let found = sigmas.iter().map(level).collect::<Result<Vec<_>, _>>()?;
        case.check_values(name, &found, DOUBLE)
    };
    each("c_skip", &|level| karras.to_clean(level).skip)?;
    each("c_out", &|level| karras.to_clean(level).out)?;
    each("c_in", &|level| karras.input_scale(level))?;
    each("c_noise", &|level| tweedie::core::TimeInput::Edm.of(level))?;
    each("lambda", &|level| {
        weighting.weight(edm, Prediction::Clean, edm.time(level.log_snr()))
    })
}

fn schedules(case: &Case) -> Done {
    // The file's σ are those of EDM.
    let own = |key| case.own(key).and_then(serde_json::Value::as_f64);
    let number = |key, otherwise| own(key).unwrap_or(otherwise);
    let betas = [number("beta_min", 0.1), number("beta_max", 20.0)];
    let vp = VariancePreserving::new(betas[0], betas[1])?;
    let sub = SubVariancePreserving::new(betas[0], betas[1])?;
    let ve = VarianceExploding::new(number("sigma_min", 0.01), number("sigma_max", 50.0))?;
    let cosine = Cosine::new(number("cosine_s", 0.008))?;
    let times = &case.record("t")?.values;
    let each = |name: &str, f: &dyn Fn(f64) -> f64| -> Done {
        let found: Vec<f64> = times.iter().map(|&t| f(t)).collect();
        case.compare_values(name, &found, &case.spelled_record(name)?.values, DOUBLE);
        Ok(())
    };
    each("vp_alpha", &|t| vp.level(t).alpha())?;
    each("vp_sigma", &|t| vp.level(t).sigma())?;
    each("vp_beta", &|t| vp.rates(t).g2)?;
    each("subvp_sigma", &|t| sub.level(t).sigma())?;
    each("ve_sigma", &|t| ve.level(t).sigma())?;
    each("ve_g", &|t| ve.rates(t).g2.sqrt())?;
    each("cosine_alpha_bar", &|t| cosine.level(t).alpha().powi(2))
}
