//! DEIS in the time of a schedule ("tAB-DEIS").
//!
//! `x_s = (α_s/α_t) x_t + α_s Σ_j ε̂_j ∫_t^s ℓ_j(τ) d(σ/α)(τ)`: the noise is a polynomial in time,
//! and the weight `d(σ/α)` is exact. The moments of the weight come from
//! `∫ (τ−t)^k dρ = (s−t)^k ρ(s) − k ∫ (τ−t)^{k−1} ρ dτ` and Gauss–Legendre quadrature.
//!
//! # Reference
//! Zhang & Chen 2023, "Fast Sampling of Diffusion Models with Exponential Integrator", eq. 14 and
//! 15, arXiv:2204.13902.

use super::{Combination, Multistep, Order, Variable, distinct_prefix, over_ratio};
use crate::interpolation::weights;
use crate::{Level, MoveError, Schedule};
use serde::{Deserialize, Serialize};

/// The tAB-DEIS method.
///
/// The levels must be on the schedule, and the starting level must have some signal, `α > 0`.
///
/// ```
/// use tweedie_math::multistep::{Deis, Multistep, Order};
/// use tweedie_math::{Schedule, VariancePreserving};
///
/// let vp = VariancePreserving::default();
/// let [before, here, to] = [0.5, 0.45, 0.4].map(|t| vp.level(t));
/// let step = Deis::new(Order::Second, vp).combination(&[here, before], to)?;
/// assert_eq!(step.past.len(), 2);
/// # Ok::<(), tweedie_math::MoveError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Deis<S> {
    /// The schedule in whose time the noise is interpolated.
    pub schedule: S,
    /// The number of estimates that are combined.
    pub order: Order,
}

impl<S: Schedule> Deis<S> {
    /// Returns the method of `order` in the time of `schedule`.
    pub fn new(order: Order, schedule: S) -> Self {
        Self { schedule, order }
    }
}

impl<S: Schedule> Multistep for Deis<S> {
    fn combination(&self, visited: &[Level], to: Level) -> Result<Combination, MoveError> {
        let time = |level| {
            let time = self.schedule.time_of(level);
            time.ok_or(MoveError::OffSchedule { level })
        };
        let (a, b) = (time(visited[0])?, time(to)?);
        let ratio = |t: f64| self.schedule.level(t).noise_to_signal();
        let time = |level: Level| self.schedule.time(level.log_snr());
        let nodes = distinct_prefix(visited, self.order.get(), time);
        let moment = |k: usize| match k {
            0 => to.noise_to_signal() - visited[0].noise_to_signal(),
            _ => {
                let inner = integral(|t| (t - a).powi(k as i32 - 1) * ratio(t), a, b);
                (b - a).powi(k as i32) * to.noise_to_signal() - k as f64 * inner
            }
        };
        let moments: Vec<f64> = (0..nodes.len()).map(moment).collect();
        over_ratio(visited[0], to, &weights(&nodes, a, &moments))
    }

    fn lookback(&self) -> usize {
        self.order.get()
    }

    fn variable(&self) -> Variable {
        Variable::Noise
    }

    fn order(&self) -> usize {
        self.order.get()
    }
}

/// Computes `∫_a^b f` by Gauss–Legendre quadrature with 3 nodes on each of 16 pieces.
fn integral(f: impl Fn(f64) -> f64, a: f64, b: f64) -> f64 {
    const PIECES: usize = 16;
    let (h, root) = ((b - a) / PIECES as f64, 0.6_f64.sqrt());
    let piece = |i: usize| {
        let middle = a + (i as f64 + 0.5) * h;
        let at = |x: f64| f(middle + 0.5 * h * x);
        h / 18.0 * (5.0 * at(-root) + 8.0 * at(0.0) + 5.0 * at(root))
    };
    (0..PIECES).map(piece).sum()
}
