//! Moves of the forward process, exact and by Euler–Maruyama.
//!
//! The forward SDE is `dx = f(t) x dt + g(t) dw` with `f = (ln α)′` and `g² = −σ² (ln SNR)′`.
//!
//! # Reference
//! Song et al. 2021, "Score-Based Generative Modeling through SDEs", eq. 5, arXiv:2011.13456.

use crate::{Level, Schedule, Transition};

/// Returns the marginal `q(x_t | x₀) = N(α x₀, σ² I)` as one move: `x_t = α x₀ + σ z`.
///
/// The transition's `clean` factor multiplies the true `x₀`.
#[must_use]
pub fn marginal(level: Level) -> Transition {
    Transition {
        state: 0.0,
        clean: level.alpha(),
        noise: level.sigma(),
    }
}

/// Returns the forward conditional `q(x_t | x_s)` as a move from `s` to `t`.
///
/// `x_t = (α_t/α_s) x_s + √(σ_t² − (α_t/α_s)² σ_s²) z`. The level `to` must be at least as noisy as
/// `from`; a negative variance, from rounding for instance, is replaced by 0.
///
/// ```
/// use tweedie_math::{Level, forward};
///
/// let up = forward::conditional(Level::CLEAN, Level::new(0.6, 0.8)?);
/// assert_eq!((up.state, up.clean, up.noise), (0.6, 0.0, 0.8));
/// # Ok::<(), tweedie_math::LevelError>(())
/// ```
#[must_use]
pub fn conditional(from: Level, to: Level) -> Transition {
    let state = if to.alpha() > 0.0 {
        to.alpha() / from.alpha()
    } else {
        0.0
    };
    let variance = to.sigma().powi(2) - (state * from.sigma()).powi(2);
    Transition {
        state,
        clean: 0.0,
        noise: variance.max(0.0).sqrt(),
    }
}

/// Returns one Euler–Maruyama move of the forward SDE from `t` to `t + dt`.
///
/// `x ← (1 + f dt) x + √(g² dt) z`. Its law differs from [`conditional`] by `O(dt²)`; it exists for
/// comparison.
#[must_use]
pub fn euler_maruyama(schedule: impl Schedule, t: f64, dt: f64) -> Transition {
    let rates = schedule.rates(t);
    Transition {
        state: 1.0 + rates.f * dt,
        clean: 0.0,
        noise: (rates.g2 * dt).sqrt(),
    }
}
