//! Closed forms for Gaussian forward processes.

use crate::{Level, MoveError, Transition, forward};

/// Computes `KL(N(m₁, s₁²) ‖ N(m₂, s₂²))` in nats, in one dimension.
///
/// `ln(s₂/s₁) + (s₁² + (m₁−m₂)²)/(2 s₂²) − ½`. Each argument is a pair (mean, standard deviation).
/// `s₁ = 0` gives `∞`; the result is finite only if both standard deviations are positive.
///
/// ```
/// use tweedie_math::gaussian::kl;
///
/// assert_eq!(kl((0.3, 2.0), (0.3, 2.0)), 0.0);
/// assert!((kl((1.0, 1.0), (0.0, 1.0)) - 0.5).abs() < 1e-12);
/// ```
#[must_use]
pub fn kl((mean_p, std_p): (f64, f64), (mean_q, std_q): (f64, f64)) -> f64 {
    let (ratio, shift) = (std_p / std_q, (mean_p - mean_q) / std_q);
    0.5 * (ratio * ratio - 1.0 + shift * shift) - ratio.ln()
}

/// Returns the posterior `q(x_s | x_t, x₀)` as a move from `from = t` to `to = s`.
///
/// `state = (α_t/α_s) σ_s²/σ_t²`, `clean = α_s (1 − (α_t/α_s)² σ_s²/σ_t²)`,
/// `noise² = σ_s²/σ_t² (σ_t² − (α_t/α_s)² σ_s²)`, which for a DDPM chain is
/// `(√ᾱ_{t−1} β_t x₀ + √α_t (1 − ᾱ_{t−1}) x_t)/(1 − ᾱ_t)` and `β̃_t`.
///
/// # Errors
/// [`MoveError::Uphill`] if the move adds noise, [`MoveError::Singular`] if `from` has no noise.
///
/// # Reference
/// Ho et al. 2020, eq. 6 and 7, arXiv:2006.11239.
pub fn posterior(from: Level, to: Level) -> Result<Transition, MoveError> {
    if to.is_noisier_than(from) {
        return Err(MoveError::Uphill);
    }
    let step = forward::conditional(to, from);
    let kept = (to.sigma() / from.sigma()).powi(2);
    let state = step.state * kept;
    let transition = Transition {
        state,
        clean: to.alpha() * (step.noise / from.sigma()).powi(2),
        noise: (to.sigma() / from.sigma()) * step.noise,
    };
    transition.checked()
}

/// Returns the standard deviation of the prior `N(0, σ_T² I)` at the noisiest level.
///
/// The prior omits the mean `α_T x₀`; [`prior_kl`] is the cost of this.
#[must_use]
pub fn prior_std(level: Level) -> f64 {
    level.sigma()
}

/// Computes `KL(q(x_T | x₀) ‖ N(0, σ_T² I)) = (α x₀)²/(2σ²)` in nats, for one coordinate.
///
/// `clean` is the coordinate's value `x₀`.
#[must_use]
pub fn prior_kl(level: Level, clean: f64) -> f64 {
    0.5 * (level.alpha() * clean / prior_std(level)).powi(2)
}
