//! Methods that wrap a step or a kernel and correct its moves with the measurement.

mod ddnm_plus;
mod dps_step;
mod enkg;
mod ilvr;
mod mcg;
mod pigdm_step;
mod repaint;
mod twist;
mod twisted_smc;

pub use ddnm_plus::DdnmPlus;
pub use dps_step::DpsStep;
pub use enkg::EnKg;
pub use ilvr::Ilvr;
pub use mcg::Mcg;
pub use pigdm_step::PigdmStep;
pub use repaint::RePaint;
pub use twist::{PigdmTwist, Twist};
pub use twisted_smc::{Particles, TwistedSmc};
