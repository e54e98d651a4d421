//! Methods that wrap a step or a kernel and correct its moves with the measurement.

mod ddnm_plus;
mod dps_step;
mod enkg;
mod fps_smc;
mod ilvr;
mod mcg;
mod mcg_diff;
mod particles;
mod pigdm_step;
mod psld;
mod repaint;
mod resample;
mod scg;
mod twist;
mod twisted_smc;

pub use ddnm_plus::DdnmPlus;
pub use dps_step::DpsStep;
pub use enkg::EnKg;
pub use fps_smc::{FilteredParticles, FpsSmc};
pub use ilvr::Ilvr;
pub use mcg::Mcg;
pub use mcg_diff::McgDiff;
pub use particles::Particles;
pub use pigdm_step::PigdmStep;
pub use psld::Psld;
pub use repaint::RePaint;
pub use resample::Resample;
pub use scg::Scg;
pub use twist::{PigdmTwist, Twist};
pub use twisted_smc::{TwistedParticles, TwistedSmc};
