//! Schedules.

use crate::ok;
use tweedie_math::{
    AnySchedule, Brownian, Chain, Cosine, Edm, OrnsteinUhlenbeck, RectifiedFlow, Sigmoid,
    SubVariancePreserving, VarianceExploding, VariancePreserving,
};

/// Every schedule, with its published parameters; Brownian motion up to the noise of VE.
/// `FromBeta`, which holds a function, has tests of its own.
#[must_use]
pub fn schedules() -> Vec<(&'static str, AnySchedule)> {
    vec![
        ("VP", VariancePreserving::default().into()),
        ("sub-VP", SubVariancePreserving::default().into()),
        ("VE", VarianceExploding::default().into()),
        ("Brownian", ok(Brownian::new(2500.0)).into()),
        ("OU", OrnsteinUhlenbeck::default().into()),
        ("cosine", Cosine::default().into()),
        ("sigmoid", Sigmoid::default().into()),
        ("rectified", RectifiedFlow.into()),
        ("EDM", Edm::default().into()),
        ("chain", ok(Chain::linear(1000, 1e-4, 0.02)).into()),
    ]
}
