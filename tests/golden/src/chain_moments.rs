//! Mean and variance of a chain on one-dimensional Gaussian data, in closed form.

use crate::case::Case;
use crate::compare::DOUBLE;
use crate::error::Done;
use crate::settings::chain;
use tweedie::math::{Ddim, Kernel, LevelPath, Spacing};

pub(crate) fn run(case: &Case) -> Done {
    let prior = &case.record("mu_s")?.values;
    let (mu, s2) = (prior[0], prior[1].powi(2));
    let chain = chain(case)?;
    let spacing = Spacing::Leading { offset: 0 };
    let path = LevelPath::respaced(&chain, spacing, case.count("N")?)?;
    let kernel = Ddim::new(case.number("eta")?)?;
    let (mut mean, mut variance) = (0.0, 1.0);
    for mv in path.moves() {
        // x̂₀ = μ + g (x − α μ) is affine, so the distribution stays Gaussian.
        let (alpha, sigma) = (mv.from.alpha(), mv.from.sigma());
        let g = alpha * s2 / (alpha * alpha * s2 + sigma * sigma);
        let step = kernel.transition(mv.from, mv.to)?;
        let slope = step.state + step.clean * g;
        mean = slope * mean + step.clean * (mu - g * alpha * mu);
        variance = slope * slope * variance + step.noise.powi(2);
    }
    case.check_number("final_mean", mean, DOUBLE)?;
    case.check_number("final_var", variance, DOUBLE)
}
