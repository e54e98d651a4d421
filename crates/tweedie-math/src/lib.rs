//! The mathematics of diffusion models, without tensors.
//!
//! A forward process turns data `x₀` into noise through the levels `x_t = α x₀ + σ ε`. Samplers and
//! trainers need only a few `f64` numbers about that process. This crate computes them on the host:
//!
//! | question | type |
//! |---|---|
//! | how much signal and how much noise? | [`Level`] |
//! | which level at which time? | [`Schedule`]: [`VariancePreserving`], [`SubVariancePreserving`], [`FromBeta`], [`VarianceExploding`], [`Brownian`], [`OrnsteinUhlenbeck`], [`Cosine`], [`Sigmoid`], [`RectifiedFlow`], [`Edm`], [`Chain`] |
//! | how does a network's output determine `x₀`? | [`Prediction`] |
//! | how does a reverse step move? | [`Kernel`]: [`Ancestral`], [`Ddim`], [`EulerOde`], [`EulerMaruyama`], [`ReverseDiffusion`], [`Renoise`] |
//! | which levels does a sampler visit, in which order? | [`LevelPath`], [`Move`] |
//! | how does a multistep method combine past estimates? | [`multistep`]: Adams–Bashforth, DEIS, DPM-Solver++, UniPC, iPNDM |
//! | which weights integrate an interpolating polynomial? | [`interpolation`] |
//! | how does a Runge–Kutta method weight its slopes? | [`tableau`] |
//! | which times does training draw, and how are they weighted? | [`TimeDensity`], [`Weighting`] |
//! | which quantities have a closed form? | [`gaussian`] |
//!
//! ```
//! use tweedie_math::{Ddim, Kernel, LevelPath, Span, VariancePreserving};
//!
//! let path = LevelPath::uniform(VariancePreserving::default(), Span::FULL, 50)?;
//! let kernel = Ddim::ancestral();
//! for mv in path.moves() {
//!     let step = kernel.transition(mv.from, mv.to)?;
//!     // x_s = step.state · x_t + step.clean · x̂₀ + step.noise · z
//!     assert!(step.noise >= 0.0);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod forward;
pub mod gaussian;
pub mod interpolation;
pub mod kernel;
mod level;
mod level_path;
mod moves;
pub mod multistep;
mod parameter;
mod prediction;
mod schedule;
mod spacing;
pub mod tableau;
mod time_density;
mod transition;
mod travel;
mod weighting;

pub use kernel::*;
pub use level::{Level, LevelError};
pub use level_path::{LevelPath, PathError, Span};
pub use moves::{Move, MoveError};
pub use multistep::Multistep;
pub use multistep::exponential::{exponential_move, midpoint_move};
pub use parameter::ParameterError;
pub use prediction::{Affine, Prediction, TrainingTarget};
pub use schedule::*;
pub use spacing::Spacing;
pub use tableau::Tableau;
pub use time_density::{TimeDensity, stratified};
pub use transition::Transition;
pub use weighting::{LossWeight, Weighting};
