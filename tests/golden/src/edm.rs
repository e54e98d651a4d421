//! EDM: noise levels, Heun's and Euler's trajectories, preconditioning; schedules of the SDEs.

use crate::case::{Case, File, GoldenError, Recorded, refused};
use crate::compare::{Comparison, DOUBLE, Outcome};
use crate::settings::gaussian;
use tweedie::burn::tensor::{DType, Tensor};
use tweedie::core::{Replay, from_fn};
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

pub(crate) fn run(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    let mut comparison = Comparison::default();
    match case.id.as_str() {
        "sigmas" => {
            for name in file.names("sigmas_N") {
                let recorded = &file.shared(name)?.values;
                let found: Vec<f64> = named_path(file, case, name)?
                    .levels()
                    .iter()
                    .map(|l| l.sigma())
                    .collect();
                comparison.values(name, &found, recorded, DOUBLE);
            }
        }
        "precond" => precondition(file, case, &mut comparison)?,
        "sde" => schedules(file, case, &mut comparison)?,
        id if id.starts_with("heun_N") => {
            let path = path(file, case, case.count("N")? as f64)?;
            let states = file.tensor(case, "xs")?;
            let found = walk(file, RungeKutta::heun(), &path, &states.part(0))?;
            for (k, x) in found.into_iter().enumerate() {
                comparison.tensor(&format!("xs[{}]", k + 1), x, &states.part(k + 1), DOUBLE);
            }
            let euler = walk(file, Ddim::deterministic(), &path, &states.part(0))?;
            let name = format!("{}/x_final", id.replace("heun", "euler"));
            if let (Some(x), Some(recorded)) = (euler.into_iter().last(), file.find(&name)) {
                comparison.tensor("Euler", x, recorded, DOUBLE);
            }
        }
        id if id.starts_with("stoch_N") => stochastic(file, case, &mut comparison)?,
        _ => return Ok(Outcome::skipped("this kind of case is not implemented yet")),
    }
    Ok(Outcome::Ran(comparison))
}

/// Returns `N` levels from `σ_max` to `σ_min`, followed by clean data.
fn path(file: &File, case: &Case, steps: f64) -> Result<LevelPath, GoldenError> {
    named_path(file, case, &format!("sigmas_N{steps}"))
}

/// Parses a name such as `sigmas_N10_smin.01_smax50_rho3`. Missing fields are those of the case, or
/// of EDM.
fn named_path(file: &File, case: &Case, name: &str) -> Result<LevelPath, GoldenError> {
    let field = |prefix: &str, key: &str, otherwise: f64| {
        let mut fields = name.split('_');
        let spelled = fields.find_map(|field| field.strip_prefix(prefix)?.parse().ok());
        spelled.unwrap_or_else(|| file.number(case, key, otherwise))
    };
    let (least, most) = (
        field("smin", "sigma_min", 0.002),
        field("smax", "sigma_max", 80.0),
    );
    let (steps, rho) = (field("N", "N", 18.0) as usize, field("rho", "rho", 7.0));
    let span = Span::new(1.0, least / most);
    Ok(LevelPath::karras(Edm::new(most)?, span, steps - 1, rho)?.then_clean())
}

fn walk(
    file: &File,
    step: impl Step<4>,
    path: &LevelPath,
    start: &Recorded,
) -> Result<Vec<Tensor<4>>, GoldenError> {
    walk_with(file, step, path, start, Replay::new(Vec::new()))
}

fn walk_with(
    file: &File,
    step: impl Step<4>,
    path: &LevelPath,
    start: &Recorded,
    mut noise: Replay<4>,
) -> Result<Vec<Tensor<4>>, GoldenError> {
    let x = start.tensor::<4>(DType::F64)?;
    let shape = x.dims();
    let prior = gaussian(file, &shape)?;
    let denoiser = from_fn(|x: Tensor<4>, level: Level| {
        prior
            .posterior_mean(x.reshape([shape[0], prior.dim()]), level)
            .reshape(shape)
    });
    let sampler = Sampler::new(step, path.clone());
    let states = sampler.trajectory(&denoiser, x, &mut noise)?;
    states.map(|state| Ok(state?.x)).collect()
}

/// Algorithm 2 of EDM, with recorded noise.
fn stochastic(file: &File, case: &Case, comparison: &mut Comparison) -> Result<(), GoldenError> {
    let steps: usize = case.id.trim_start_matches("stoch_N").parse()?;
    let path = path(file, case, steps as f64)?;
    let churn = Churn::new(RungeKutta::heun(), case.number("S_churn")?, steps)?
        .within(case.number("S_min")?, case.number("S_max")?)?
        .with_noise_scale(case.number("S_noise")?)?;
    // Noise is recorded for every step, but only used where γ > 0.
    let gamma = &file.tensor(case, "gamma")?.values;
    let draws = file.tensor(case, "noises")?.parts();
    let used = draws.iter().zip(gamma).filter(|(_, gamma)| **gamma > 0.0);
    let used = used.map(|(z, _)| z.tensor(DType::F64));
    let noise = Replay::new(used.collect::<Result<_, _>>()?);
    let states = file.tensor(case, "xs")?.parts();
    let found = walk_with(file, churn, &path, &states[0], noise)?;
    for (k, (x, state)) in found.into_iter().zip(&states[1..]).enumerate() {
        comparison.tensor(&format!("xs[{}]", k + 1), x, state, DOUBLE);
    }
    Ok(())
}

fn precondition(file: &File, case: &Case, comparison: &mut Comparison) -> Result<(), GoldenError> {
    let sigma_data = case.number("sigma_data")?;
    let karras = Prediction::Edm { sigma_data };
    let weighting = Weighting::Edm { sigma_data };
    let sigmas = &file.tensor(case, "sigma")?.values;
    let edm = Edm::new(1e4)?;
    let mut each = |name: &str, f: &dyn Fn(Level) -> f64| -> Result<(), GoldenError> {
        let levels = sigmas
            .iter()
            .map(|&sigma| Level::variance_exploding(sigma).map_err(refused));
        let found = levels
            .map(|level| level.map(f))
            .collect::<Result<Vec<_>, _>>()?;
        comparison.values(name, &found, &file.tensor(case, name)?.values, DOUBLE);
        Ok(())
    };
    each("c_skip", &|level| karras.to_clean(level).skip)?;
    each("c_out", &|level| karras.to_clean(level).out)?;
    each("c_in", &|level| karras.input_scale(level))?;
    each("c_noise", &|level| tweedie::core::TimeInput::Edm.of(level))?;
    each("lambda", &|level| {
        weighting.weight(edm, Prediction::Clean, edm.time(level.log_snr()))
    })
}

fn schedules(file: &File, case: &Case, comparison: &mut Comparison) -> Result<(), GoldenError> {
    let number = |key, otherwise| file.number(case, key, otherwise);
    let betas = [number("beta_min", 0.1), number("beta_max", 20.0)];
    let vp = VariancePreserving::new(betas[0], betas[1])?;
    let sub = SubVariancePreserving::new(betas[0], betas[1])?;
    let ve = VarianceExploding::new(number("sigma_min", 0.01), number("sigma_max", 50.0))?;
    let cosine = Cosine::new(number("cosine_s", 0.008))?;
    let times = &file.tensor(case, "t")?.values;
    let mut each = |name: &str, f: &dyn Fn(f64) -> f64| -> Result<(), GoldenError> {
        let found: Vec<f64> = times.iter().map(|&t| f(t)).collect();
        comparison.values(name, &found, &file.spelled(case, name)?.values, DOUBLE);
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
