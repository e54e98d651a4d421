//! Stochastic calculus: what the derivation of a diffusion model rests on, as programs.
//!
//! | piece | file |
//! |---|---|
//! | [`BrownianPath`]: paths that can be refined | `brownian.rs` |
//! | [`ito_integral`], [`stratonovich_integral`] | `integral.rs` |
//! | [`Sde`]: drift and diffusion; the forward and the reverse process of a schedule | `sde.rs` |
//! | [`euler_maruyama`] | `euler_maruyama.rs` |
//! | [`milstein`] | `milstein.rs` |
//! | [`CellGrid`], [`Density`]: densities on a grid | `density.rs` |
//! | [`FokkerPlanck`]: the density of a process | `fokker_planck.rs` |
//!
//! The samplers of `tweedie-samplers` solve the reverse process with steps that know its form,
//! which takes fewer evaluations.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use tweedie_sde::{BrownianPath, Sde, euler_maruyama};
//!
//! // The Ornstein–Uhlenbeck process dx = −x dt + √2 dw, from x = 3.
//! let process = Sde::additive(|x: Tensor<2>, _| -x, |_| 2.0_f64.sqrt());
//! let start = Tensor::<2>::full([4000, 1], 3.0, &Device::flex());
//! let path = BrownianPath::new(&start, 5.0, 100, 0);
//! let end = euler_maruyama(&process, start, &path);
//! assert!((end.clone().mean().into_scalar::<f32>()).abs() < 0.1);
//! assert!((end.square().mean().into_scalar::<f32>() - 1.0).abs() < 0.1);
//! ```

mod brownian;
mod density;
mod euler_maruyama;
mod fokker_planck;
mod integral;
mod milstein;
mod sde;

pub use brownian::BrownianPath;
pub use density::{CellGrid, Density};
pub use euler_maruyama::euler_maruyama;
pub use fokker_planck::FokkerPlanck;
pub use integral::{ito_integral, stratonovich_integral};
pub use milstein::milstein;
pub use sde::Sde;
