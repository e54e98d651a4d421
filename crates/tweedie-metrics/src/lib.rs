//! Distances between samples and a reference.
//!
//! | distance | between | file |
//! |---|---|---|
//! | [`wasserstein_1d`], [`wasserstein_weighted`] | two sets of numbers | `wasserstein.rs` |
//! | [`kolmogorov_smirnov`] | two sets of numbers | `wasserstein.rs` |
//! | [`wasserstein`], [`sliced_wasserstein`] | two clouds of points | `wasserstein.rs` |
//! | [`energy_distance`], [`energy_squared`] | two clouds of points | `energy.rs` |
//! | [`mmd_squared`] | two clouds of points | `mmd.rs` |
//! | [`frechet_distance`] | two sets of features | `frechet.rs` |
//! | [`psnr`] | two batches of images | `psnr.rs` |
//! | [`snr`], [`mse`], [`mae`], [`nmse`] | two batches of images | `errors.rs` |
//! | [`Ssim`]: SSIM and MS-SSIM | two batches of images | `ssim.rs` |
//! | [`Lpips`] | two batches of images | `lpips.rs` |
//! | [`calibration`] | uncertainties and truths | `calibration/` |
//!
//! Metrics of images return one number per image. burn-train also has PSNR, SSIM, MS-SSIM, LPIPS
//! and FID, for its dashboard. Its versions average over the batch, fix the border convention, and
//! depend on a network stack to download weights.
//!
//! ```
//! use tweedie_metrics::wasserstein_1d;
//!
//! // A shift by 2 costs 2.
//! assert_eq!(wasserstein_1d(&[0.0, 1.0, 5.0], &[7.0, 3.0, 2.0], 1.0), 2.0);
//! ```

mod assignment;
pub mod calibration;
mod energy;
mod errors;
mod frechet;
mod lpips;
mod mmd;
mod psnr;
mod ssim;
mod wasserstein;

pub use energy::{energy_distance, energy_squared};
pub use errors::{mae, mse, nmse, snr};
pub use frechet::frechet_distance;
pub use lpips::{Lpips, LpipsError};
pub use mmd::{Estimate, mmd_squared};
pub use psnr::psnr;
pub use ssim::{Border, Ssim, Window};
pub use wasserstein::{
    kolmogorov_smirnov, sliced_wasserstein, sliced_wasserstein_along, wasserstein, wasserstein_1d,
    wasserstein_weighted,
};
