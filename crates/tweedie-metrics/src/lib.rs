//! How far samples are from the truth.
//!
//! | distance | of | file |
//! |---|---|---|
//! | [`wasserstein_1d`] | two sets of numbers | `wasserstein.rs` |
//! | [`sliced_wasserstein`] | two clouds of points | `wasserstein.rs` |
//! | [`energy_distance`] | two clouds of points | `energy.rs` |
//! | [`psnr`] | two batches of images | `psnr.rs` |
//!
//! SSIM, LPIPS and FID are in `burn-train` (feature `vision`); they bring a network stack along,
//! so this crate does not depend on it.
//!
//! ```
//! use tweedie_metrics::wasserstein_1d;
//!
//! // Moving everything by 2 costs 2.
//! assert_eq!(wasserstein_1d(&[0.0, 1.0, 5.0], &[7.0, 3.0, 2.0], 1.0), 2.0);
//! ```

mod energy;
mod psnr;
mod wasserstein;

pub use energy::energy_distance;
pub use psnr::psnr;
pub use wasserstein::{sliced_wasserstein, wasserstein_1d};
