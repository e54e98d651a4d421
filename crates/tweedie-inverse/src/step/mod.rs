//! Methods that bend the step: each is a step, most of them around a step.

mod couple;
mod daps;
mod ddnm;
mod ddrm;
mod descend;
mod dps;
mod enkg;
mod hqs;
mod ilvr;
mod pigdm;
mod pnp_dm;
mod pnp_ula;
mod red;
mod red_diff;
mod replace;

pub use couple::{Couple, LangevinCoupling};
pub use daps::Daps;
pub use ddnm::DdnmPlus;
pub use ddrm::Ddrm;
pub use dps::DpsStep;
pub use enkg::EnKg;
pub use hqs::Hqs;
pub use ilvr::Ilvr;
pub use pigdm::PigdmStep;
pub use pnp_dm::PnpDm;
pub use pnp_ula::PnpUla;
pub use red::Red;
pub use red_diff::{Averages, RedDiff};
pub use replace::{Replace, mcg};
