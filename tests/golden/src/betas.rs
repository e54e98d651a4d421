//! `β` and `ᾱ` of discrete chains.

use crate::case::Case;
use crate::compare::DOUBLE;
use crate::error::Done;
use crate::settings::chain_by_default;

pub(crate) fn run(case: &Case) -> Done {
    let chain = chain_by_default(case, "", [1e-4, 0.02])?;
    case.check_values("betas", &chain.betas(), DOUBLE)?;
    case.check_values("alphas_cumprod", chain.alpha_bar(), DOUBLE)
}
