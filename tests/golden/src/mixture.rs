//! A mixture of Gaussians and its posteriors.

use crate::case::Case;
use crate::compare::DOUBLE;
use crate::error::{Done, GoldenError, lacks, refused, skip};
use crate::mixture_guidance;
use tweedie::burn::tensor::Tensor;
use tweedie::core::HostNoise;
use tweedie::core::oracle::{Gaussian, GaussianMixture};
use tweedie::math::{Level, LevelPath, Schedule, VarianceExploding, VariancePreserving};
use tweedie::samplers::likelihood::FlowLikelihood;
use tweedie::samplers::{Adaptive, Tolerance};

pub(crate) fn run(case: &Case) -> Done {
    // α and σ of the level are recorded, and so are the samples.
    case.implied(&["n", "sde", "t"]);
    if case.has("alpha") {
        return at_a_level(case);
    }
    if let Some(name) = case.id.strip_prefix("posterior_") {
        return posterior(case, name);
    }
    if case.id.starts_with("pf_ode") {
        return flow(case);
    }
    if case.id == "samples_x0" {
        let mixture = prior(case)?;
        case.check_values("prior_mean", &mixture.mean(), DOUBLE)?;
        return case.check_values("prior_cov", &mixture.covariance().concat(), DOUBLE);
    }
    skip("this kind of case is not implemented yet")
}

/// Compares the end points of the probability flow and the densities there.
fn flow(case: &Case) -> Done {
    let mixture = prior(case)?;
    let number = |key, default| case.number_or(key, default);
    let schedule: Box<dyn Schedule> = match case.id.trim_start_matches("pf_ode_") {
        "vp" => {
            let ends = (number("vp.beta_min", 0.1), number("vp.beta_max", 20.0));
            Box::new(VariancePreserving::new(ends.0, ends.1)?)
        }
        "ve" => {
            let ends = (number("ve.sigma_min", 0.01), number("ve.sigma_max", 50.0));
            Box::new(VarianceExploding::new(ends.0, ends.1)?)
        }
        other => return Err(lacks(format!("a known process: {other}"))),
    };
    let [start, end] = ["t_start", "t_end"].map(|key| case.number(key));
    let (start, end) = (schedule.level(start?), schedule.level(end?));
    let solver = Adaptive::dormand_prince().with_tolerance(Tolerance::both(1e-12)?);
    let path = LevelPath::through(vec![start, end])?;
    let solution = solver.solve(&mixture, case.tensor("x_start")?, &path)?;
    for x in solution.states {
        case.check("x_end", x, ADAPTIVE)?;
    }
    let x = case.tensor("x_end")?;
    let flow = FlowLikelihood::new().with_solver(solver);
    let mut noise = HostNoise::seeded(0);
    let found = flow.log_density(&mixture, x, end, start, &mut noise)?;
    // The recorded density starts from the exact marginal, not from pure noise.
    let pure = Gaussian::isotropic(&vec![0.0; mixture.dim()], start.sigma())?;
    let difference = mixture.log_density(found.latent.clone(), start)
        - pure.log_density(found.latent, Level::CLEAN);
    let log_density = found.log_density + difference;
    case.check("logp_end_ode", log_density.clone(), ADAPTIVE)?;
    case.check("logp_end_exact", log_density, ADAPTIVE)
}

/// The tolerance for adaptive solvers whose own tolerances are 10⁻¹².
const ADAPTIVE: f64 = 1e-9;

fn prior(case: &Case) -> Result<GaussianMixture, GoldenError> {
    let weights = &case.shared("weights")?.values;
    let means = case.shared("means")?.rows();
    let covariances = case.shared("covs")?.parts();
    let components = weights.iter().zip(means).zip(covariances);
    let components = components.map(|((&weight, mean), covariance)| {
        let gaussian = Gaussian::full(&mean, &covariance.rows())?;
        Ok((weight, gaussian))
    });
    GaussianMixture::new(components.collect::<Result<_, GoldenError>>()?).map_err(refused)
}

/// `A` by its rows, `y` and `σ_y`.
type Measured = (Vec<Vec<f64>>, Vec<f64>, f64);

/// Returns `A`, `y` and `σ_y` of a recorded measurement.
fn measurement(case: &Case, name: &str) -> Result<Measured, GoldenError> {
    let record = |field: &str| case.record(&format!("posterior_{name}/{field}"));
    let sigma = record("sigma_y")?.values[0];
    Ok((record("A")?.rows(), record("y")?.values.clone(), sigma))
}

fn posterior(case: &Case, name: &str) -> Done {
    let (a, y, sigma) = measurement(case, name)?;
    let mixture = prior(case)?;
    let posterior = mixture.posterior(&a, &y, sigma)?;
    let check = |field: &str, found: Vec<f64>| {
        case.check_values(&format!("posterior_{name}/{field}"), &found, DOUBLE)
    };
    let components = posterior.components().iter();
    check("weights", posterior.weights().to_vec())?;
    check(
        "means",
        components.clone().flat_map(Gaussian::mean).collect(),
    )?;
    check(
        "covs",
        components.flat_map(|it| it.covariance().concat()).collect(),
    )?;
    check("mean", posterior.mean())?;
    check("cov", posterior.covariance().concat())?;
    check("log_evidence", vec![mixture.log_evidence(&a, &y, sigma)?])
}

fn at_a_level(case: &Case) -> Done {
    let level = Level::new(case.number("alpha")?, case.number("sigma")?)?;
    let mixture = prior(case)?;
    let x: Tensor<2> = case.tensor("x")?;
    let spread = mixture.conditional_covariance(x.clone(), level);
    let jacobian = spread.clone() * (level.alpha() / level.sigma().powi(2));
    // Near σ = 0 the score is a difference of nearly equal numbers divided by σ², so f64 resolves
    // it only to the tolerance times 1/σ².
    let steep = DOUBLE / level.sigma().powi(2).min(1.0);
    case.check("logp", mixture.log_density(x.clone(), level), DOUBLE)?;
    case.check("score", mixture.score(x.clone(), level), DOUBLE)?;
    case.check("denoised", mixture.posterior_mean(x.clone(), level), DOUBLE)?;
    case.check("resp", mixture.responsibilities(&x, level), DOUBLE)?;
    case.check("cov", spread, DOUBLE)?;
    case.check("jac", jacobian, steep)?;
    let prefix = format!("{}/", case.id);
    for name in case.names(&prefix) {
        let name = name
            .strip_prefix(&prefix)
            .and_then(|name| name.strip_suffix("/score_cond"));
        let Some(name) = name else { continue };
        let (a, y, sigma) = measurement(case, name)?;
        let posterior = mixture.posterior(&a, &y, sigma)?;
        let field = |field: &str| format!("{name}/{field}");
        let (density, score) = (
            posterior.log_density(x.clone(), level),
            posterior.score(x.clone(), level),
        );
        let guidance = score.clone() - mixture.score(x.clone(), level);
        case.check(&field("logp_cond"), density, DOUBLE)?;
        case.check(&field("score_cond"), score, DOUBLE)?;
        case.check(
            &field("denoised_cond"),
            posterior.posterior_mean(x.clone(), level),
            DOUBLE,
        )?;
        case.check(&field("exact_guid"), guidance, steep)?;
        mixture_guidance::compare(case, name, (&a, &y, sigma), (&mixture, level))?;
    }
    Ok(())
}
