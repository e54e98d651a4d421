//! The errors of posterior methods, measured against exact posteriors.
//!
//! For mixtures of Gaussians, the denoiser and the posterior of a linear measurement have closed
//! forms. Any difference between a method's draws and the exact posterior is therefore the error of
//! the method and of its steps. [`Problem`] is a prior, an operator and a noise level with its
//! measurements. [`Method`] is a posterior method. [`Scores`] measures the distance of its draws
//! from the exact posterior.

mod method;
mod problem;
mod score;
mod study;
mod table;

pub use method::{Method, Run, Walk};
pub use problem::{AsImages, Prior, Problem, Task, exact_draws};
pub use score::{Scores, bar};
pub use study::floor;
pub use table::{Row, markdown, summary};

/// The error of a run.
pub type Failure = Box<dyn std::error::Error>;
