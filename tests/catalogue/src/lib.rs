//! Lists every implementation of the library's traits once. Tests, benchmarks and examples iterate
//! over these lists.
//!
//! | function | lists |
//! |---|---|
//! | [`schedules`] | schedules, with their published parameters |
//! | [`steps`] | steps, with the order they declare and how it is measured |
//! | [`linear_operators`], [`spectral_operators`], [`nonlinear_operators`] | operators |
//! | [`photo_operators`], [`volume_operators`] | operators on a photograph; on volumes |
//! | [`noise_models`] | noise models, with their moments in closed form |
//! | [`posterior_methods`] | posterior methods, with what they wrap |
//! | [`architectures`] | architectures of networks, small ones |
//!
//! `cargo xtask lists` reads the sources of the library and fails if an implementation is missing
//! here.

#![allow(
    clippy::expect_used,
    reason = "the parameters are constants, and tests call this crate"
)]

mod architectures;
mod noise_models;
mod operators;
mod posterior_methods;
mod schedules;
mod setup;
mod steps;
mod volumes;

pub use architectures::{NamedArchitecture, architectures};
pub use noise_models::{Exact, NoiseCase, noise_models};
pub use operators::{
    LinearCase, NonlinearCase, SpectralCase, linear_operators, nonlinear_operators,
    photo_operators, spectral_operators,
};
pub use posterior_methods::{linear_methods, methods_of_any_operator, posterior_methods};
pub use schedules::schedules;
pub use setup::{Failure, Kind, Method, Moves, Owned, Parts, Route, Setup};
pub use steps::{Criterion, NamedStep, converging_steps, featured_steps, steps};
pub use volumes::volume_operators;

/// Unwraps what this crate builds from constants.
pub(crate) fn ok<T, E: std::fmt::Debug>(built: Result<T, E>) -> T {
    built.expect("constants in range")
}
