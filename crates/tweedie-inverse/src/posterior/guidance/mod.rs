//! Methods that wrap the denoiser: each is itself a denoiser, for any sampler.

mod annealed;
mod classifier;
mod ddnm;
mod diffpir;
mod dpg;
mod dps;
mod lgd;
mod mmps;
mod pigdm;
mod score_guidance;
mod tmpd;

pub use annealed::Annealed;
pub use classifier::Classifier;
pub use ddnm::Ddnm;
pub use diffpir::DiffPir;
pub use dpg::Dpg;
pub use dps::Dps;
pub use lgd::Lgd;
pub use mmps::Mmps;
pub use pigdm::Pigdm;
pub use score_guidance::{NoisyLikelihood, ScoreGuidance};
pub use tmpd::Tmpd;
