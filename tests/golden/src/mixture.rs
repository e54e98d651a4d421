//! A mixture of Gaussians and its posteriors.

use crate::case::{Case, File, GoldenError, refused};
use crate::compare::{Comparison, DOUBLE, Outcome};
use crate::mixture_guidance;
use tweedie::burn::tensor::DType;
use tweedie::core::HostNoise;
use tweedie::core::oracle::{Gaussian, GaussianMixture};
use tweedie::math::{Level, LevelPath, Schedule, VarianceExploding, VariancePreserving};
use tweedie::samplers::likelihood::FlowLikelihood;
use tweedie::samplers::{Adaptive, Tolerance};

pub(crate) fn run(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    // α and σ of the level are recorded, and so are the samples.
    case.implied(&["n", "sde", "t"]);
    if case.get("alpha").is_some() {
        return at_a_level(file, case);
    }
    if let Some(name) = case.id.strip_prefix("posterior_") {
        return posterior(file, name);
    }
    if case.id.starts_with("pf_ode") {
        return flow(file, case);
    }
    if case.id == "samples_x0" {
        let mut comparison = Comparison::default();
        let mixture = prior(file)?;
        comparison.values(
            "mean",
            &mixture.mean(),
            &file.shared("prior_mean")?.values,
            DOUBLE,
        );
        let covariance = mixture.covariance().concat();
        comparison.values(
            "covariance",
            &covariance,
            &file.shared("prior_cov")?.values,
            DOUBLE,
        );
        return Ok(Outcome::Ran(comparison));
    }
    Ok(Outcome::skipped("this kind of case is not implemented yet"))
}

/// Compares the end points of the probability flow and the densities there.
fn flow(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    let mixture = prior(file)?;
    let number = |key, otherwise| file.number(case, key, otherwise);
    let schedule: Box<dyn Schedule> = match case.id.trim_start_matches("pf_ode_") {
        "vp" => Box::new(VariancePreserving::new(
            number("vp.beta_min", 0.1),
            number("vp.beta_max", 20.0),
        )?),
        "ve" => Box::new(VarianceExploding::new(
            number("ve.sigma_min", 0.01),
            number("ve.sigma_max", 50.0),
        )?),
        other => return Err(GoldenError::Lacks(format!("a known process: {other}"))),
    };
    let [start, end] = ["t_start", "t_end"].map(|key| case.number(key));
    let (start, end) = (schedule.level(start?), schedule.level(end?));
    let tensor = |name: &str| file.tensor(case, name)?.tensor::<2>(DType::F64);
    let solver = Adaptive::dormand_prince().with_tolerance(Tolerance::both(1e-12)?);
    let path = LevelPath::through(vec![start, end])?;
    let solution = solver.solve(&mixture, tensor("x_start")?, &path)?;
    let mut comparison = Comparison::default();
    for x in solution.states {
        comparison.tensor("x_end", x, file.tensor(case, "x_end")?, ADAPTIVE);
    }
    let x = tensor("x_end")?;
    let flow = FlowLikelihood::new().with_solver(solver);
    let mut noise = HostNoise::seeded(0);
    let found = flow.log_density(&mixture, x, end, start, &mut noise)?;
    // The recorded density starts from the exact marginal, not from pure noise.
    let pure = Gaussian::isotropic(&vec![0.0; mixture.dim()], start.sigma())?;
    let difference = mixture.log_density(found.latent.clone(), start)
        - pure.log_density(found.latent, Level::CLEAN);
    let log_density = found.log_density + difference;
    let recorded = file.tensor(case, "logp_end_ode")?;
    comparison.tensor("logp_end_ode", log_density.clone(), recorded, ADAPTIVE);
    let exact = file.tensor(case, "logp_end_exact")?;
    comparison.tensor("logp_end_exact", log_density, exact, ADAPTIVE);
    Ok(Outcome::Ran(comparison))
}

/// The tolerance for adaptive solvers whose own tolerances are 10⁻¹².
const ADAPTIVE: f64 = 1e-9;

fn prior(file: &File) -> Result<GaussianMixture, GoldenError> {
    let weights = &file.shared("weights")?.values;
    let means = file.shared("means")?.rows();
    let covariances = file.shared("covs")?.parts();
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
fn measurement(file: &File, name: &str) -> Result<Measured, GoldenError> {
    let tensor = |field: &str| file.shared(&format!("posterior_{name}/{field}"));
    Ok((
        tensor("A")?.rows(),
        tensor("y")?.values.clone(),
        tensor("sigma_y")?.values[0],
    ))
}

fn posterior(file: &File, name: &str) -> Result<Outcome, GoldenError> {
    let (a, y, sigma) = measurement(file, name)?;
    let mixture = prior(file)?;
    let posterior = mixture.posterior(&a, &y, sigma)?;
    let mut comparison = Comparison::default();
    let mut check = |field: &str, found: Vec<f64>| -> Result<(), GoldenError> {
        let recorded = file.shared(&format!("posterior_{name}/{field}"))?;
        comparison.values(field, &found, &recorded.values, DOUBLE);
        Ok(())
    };
    let components = posterior.components();
    check("weights", posterior.weights().to_vec())?;
    check(
        "means",
        components.iter().flat_map(Gaussian::mean).collect(),
    )?;
    check(
        "covs",
        components
            .iter()
            .flat_map(|c| c.covariance().concat())
            .collect(),
    )?;
    check("mean", posterior.mean())?;
    check("cov", posterior.covariance().concat())?;
    check("log_evidence", vec![mixture.log_evidence(&a, &y, sigma)?])?;
    Ok(Outcome::Ran(comparison))
}

fn at_a_level(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    let level = Level::new(case.number("alpha")?, case.number("sigma")?)?;
    let mixture = prior(file)?;
    let x = file.tensor(case, "x")?.tensor::<2>(DType::F64)?;
    let mut comparison = Comparison::default();
    let c = &mut comparison;
    let spread = mixture.conditional_covariance(x.clone(), level);
    let jacobian = spread.clone() * (level.alpha() / level.sigma().powi(2));
    // Near σ = 0 the score is a difference of nearly equal numbers divided by σ², so f64 resolves
    // it only to the tolerance times 1/σ².
    let steep = DOUBLE / level.sigma().powi(2).min(1.0);
    c.tensor(
        "logp",
        mixture.log_density(x.clone(), level),
        file.tensor(case, "logp")?,
        DOUBLE,
    );
    c.tensor(
        "score",
        mixture.score(x.clone(), level),
        file.tensor(case, "score")?,
        DOUBLE,
    );
    c.tensor(
        "denoised",
        mixture.posterior_mean(x.clone(), level),
        file.tensor(case, "denoised")?,
        DOUBLE,
    );
    c.tensor(
        "resp",
        mixture.responsibilities(&x, level),
        file.tensor(case, "resp")?,
        DOUBLE,
    );
    c.tensor("cov", spread, file.tensor(case, "cov")?, DOUBLE);
    c.tensor("jac", jacobian, file.tensor(case, "jac")?, steep);
    let prefix = format!("{}/", case.id);
    for name in file.names(&prefix) {
        let Some(name) = name
            .strip_prefix(&prefix)
            .and_then(|n| n.strip_suffix("/score_cond"))
        else {
            continue;
        };
        let (a, y, sigma) = measurement(file, name)?;
        let posterior = mixture.posterior(&a, &y, sigma)?;
        let recorded = |field: &str| file.tensor(case, &format!("{name}/{field}"));
        let score = posterior.score(x.clone(), level);
        let guidance = score.clone() - mixture.score(x.clone(), level);
        c.tensor(
            "logp_cond",
            posterior.log_density(x.clone(), level),
            recorded("logp_cond")?,
            DOUBLE,
        );
        c.tensor("score_cond", score, recorded("score_cond")?, DOUBLE);
        c.tensor(
            "denoised_cond",
            posterior.posterior_mean(x.clone(), level),
            recorded("denoised_cond")?,
            DOUBLE,
        );
        c.tensor("exact_guid", guidance, recorded("exact_guid")?, steep);
        let measured = (&a[..], &y[..], sigma);
        mixture_guidance::compare(file, case, name, measured, (&mixture, level), c)?;
    }
    Ok(Outcome::Ran(comparison))
}
