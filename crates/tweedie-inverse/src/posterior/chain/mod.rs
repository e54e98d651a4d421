//! Methods that make their own moves.

mod adam;
mod daps;
mod ddrm;
mod descend;
mod dpir;
mod flow_dps;
mod likelihood_step;
mod pnp_admm;
mod pnp_dm;
mod pnp_flow;
mod pnp_gradient;
mod pnp_ula;
mod red;
mod red_diff;
mod sitcom;
mod sk_rock;

pub(crate) use ddrm::CUTOFF;
pub(crate) use descend::descend;
pub(crate) use likelihood_step::perturb_and_solve;

pub use adam::Averages;
pub use daps::Daps;
pub use ddrm::Ddrm;
pub use dpir::Dpir;
pub use flow_dps::FlowDps;
pub use likelihood_step::{LangevinLikelihoodStep, LikelihoodStep};
pub use pnp_admm::{Dual, PnpAdmm};
pub use pnp_dm::PnpDm;
pub use pnp_flow::PnpFlow;
pub use pnp_gradient::{Momentum, PnpGradient};
pub use pnp_ula::PnpUla;
pub use red::Red;
pub use red_diff::RedDiff;
pub use sitcom::Sitcom;
pub use sk_rock::SkRock;
