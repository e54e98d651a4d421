//! Baselines: point estimates without a network.

mod mlem;
mod tikhonov;
mod tv;
mod wavelet;
mod wiener;

pub use mlem::Mlem;
pub use tikhonov::tikhonov;
pub use tv::TotalVariation;
pub use wavelet::Wavelets;
pub use wiener::wiener;
