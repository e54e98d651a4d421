//! Rectified flow: `α = 1 − t`, `σ = t`, a straight line from data to noise.
//!
//! `dx/dt = ε − x₀`; the SDE has `f = −1/(1 − t)` and `g² = 2t/(1 − t)`.
//!
//! # Reference
//! Liu et al. 2023, "Flow Straight and Fast", arXiv:2209.03003; Lipman et al. 2023,
//! arXiv:2210.02747.

use super::{Rates, Schedule, Slope, cut};
use crate::Level;
use serde::{Deserialize, Serialize};

/// The rectified flow; `t = 1` is pure noise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RectifiedFlow;

impl Schedule for RectifiedFlow {
    fn level(&self, t: f64) -> Level {
        let t = cut(t);
        Level::trusted(1.0 - t, t)
    }

    fn time(&self, log_snr: f64) -> f64 {
        1.0 / (1.0 + (0.5 * log_snr).exp())
    }

    fn rates(&self, t: f64) -> Rates {
        let t = cut(t);
        Rates {
            f: -1.0 / (1.0 - t),
            g2: 2.0 * t / (1.0 - t),
        }
    }

    fn slope(&self, _: f64) -> Slope {
        Slope {
            alpha: -1.0,
            sigma: 1.0,
        }
    }
}
