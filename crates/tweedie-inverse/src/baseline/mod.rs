//! Baselines: point estimates without a network.

mod tikhonov;
mod tv;
mod wiener;

pub use tikhonov::tikhonov;
pub use tv::TotalVariation;
pub use wiener::wiener;
