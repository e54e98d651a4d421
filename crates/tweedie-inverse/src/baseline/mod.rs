//! Point estimates without a network, to compare with.

mod tikhonov;
mod tv;
mod wiener;

pub use tikhonov::tikhonov;
pub use tv::TotalVariation;
pub use wiener::wiener;
