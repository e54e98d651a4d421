//! `β` and `ᾱ` of discrete chains.

use crate::case::{Case, File, GoldenError};
use crate::compare::{Comparison, DOUBLE, Outcome};
use crate::settings::chain;

pub(crate) fn run(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    let chain = chain(|key| case.get(key))?;
    let mut comparison = Comparison::default();
    let betas = &file.tensor(case, "betas")?.values;
    comparison.values("betas", &chain.betas(), betas, DOUBLE);
    let alpha_bar = &file.tensor(case, "alphas_cumprod")?.values;
    comparison.values("alphas_cumprod", chain.alpha_bar(), alpha_bar, DOUBLE);
    Ok(Outcome::Ran(comparison))
}
