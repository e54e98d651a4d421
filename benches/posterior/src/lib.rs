//! How wrong each posterior method is.
//!
//! For mixtures of Gaussians the posterior of a linear measurement is closed form, and so is the
//! denoiser: whatever separates a method's draws from the exact posterior is the method's own error
//! and that of its steps. [`Problem`] is a prior, an operator and a noise level with its
//! measurements; [`Method`] is what draws; [`Scores`] is how far the draws are from the truth.

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

/// Whatever went wrong.
pub type Failure = Box<dyn std::error::Error>;
