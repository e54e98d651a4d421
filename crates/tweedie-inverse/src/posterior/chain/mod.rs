//! Methods that make their own moves.

mod daps;
mod ddrm;
mod descend;
mod dpir;
mod likelihood_step;
mod pnp_dm;
mod pnp_ula;
mod red;
mod red_diff;

pub(crate) use ddrm::CUTOFF;
pub(crate) use descend::descend;

pub use daps::Daps;
pub use ddrm::Ddrm;
pub use dpir::Dpir;
pub use likelihood_step::{LangevinLikelihoodStep, LikelihoodStep};
pub use pnp_dm::PnpDm;
pub use pnp_ula::PnpUla;
pub use red::Red;
pub use red_diff::{Averages, RedDiff};
