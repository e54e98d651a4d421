//! Property tests of the mathematics.

#![allow(
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a test may stop at once, and compares exactly where it means to"
)]

mod kernels;
mod multistep;
mod numbers;
mod paths;
mod predictions;
mod schedules;
mod serialisation;
mod training;

use tweedie_math::{
    Chain, Cosine, Edm, OrnsteinUhlenbeck, RectifiedFlow, Schedule, Sigmoid, SubVariancePreserving,
    VarianceExploding, VariancePreserving,
};

/// All schedules of the crate, so that every law is tested on each of them.
fn schedules() -> Vec<(&'static str, Box<dyn Schedule>)> {
    let chain = Chain::linear(1000, 1e-4, 0.02).expect("DDPM's chain");
    vec![
        ("VP", Box::new(VariancePreserving::default())),
        ("sub-VP", Box::new(SubVariancePreserving::default())),
        ("VE", Box::new(VarianceExploding::default())),
        ("OU", Box::new(OrnsteinUhlenbeck::default())),
        ("cosine", Box::new(Cosine::default())),
        ("sigmoid", Box::new(Sigmoid::default())),
        ("rectified", Box::new(RectifiedFlow)),
        ("EDM", Box::new(Edm::default())),
        ("chain", Box::new(chain)),
    ]
}

#[track_caller]
fn close(name: &str, found: f64, expected: f64, tolerance: f64) {
    let scale = 1.0 + expected.abs();
    assert!(
        (found - expected).abs() <= tolerance * scale,
        "{name}: {found} instead of {expected}"
    );
}
