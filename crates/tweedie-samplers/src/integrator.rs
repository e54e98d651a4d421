//! Embedded Runge–Kutta pairs with adaptive step size.
//!
//! A step of length `h` is accepted if its error `e` is at most 1. `e` is the root mean square of
//! `|y − ŷ|/(a + r max(|y|, |y′|))` over a sample, and the largest such value in the batch. The
//! next length is `h` times
//!
//! `0.9 e_n^{−(I+P+D)/k} e_{n−1}^{(P+2D)/k} e_{n−2}^{−D/k}`, within `[1/5, 5]`,
//!
//! with `k` the order of the method. Each step reads one number back from the device; the state
//! stays there.
//!
//! # Reference
//! Hairer, Nørsett & Wanner 1993, sections II.4 to II.6; Söderlind 2003, "Digital filters in
//! adaptive time-stepping".

use burn::tensor::Tensor;
use tweedie_core::per_sample_sum;
use tweedie_math::{ParameterError, Tableau};

/// The error tolerance `a + r max(|y|, |y′|)`, absolute and relative.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    absolute: f64,
    relative: f64,
}

impl Default for Tolerance {
    /// 10⁻⁵ for both, as in Song et al.; smaller values are lost to rounding in `f32`.
    fn default() -> Self {
        Self {
            absolute: 1e-5,
            relative: 1e-5,
        }
    }
}

impl Tolerance {
    /// The tolerance of Jolicoeur-Martineau et al. for data in `[−1, 1]`.
    pub(crate) const SDE: Self = Self {
        absolute: 2.0 / 256.0,
        relative: 0.02,
    };

    /// The absolute part `a` and the relative part `r`. `a` is in units of the state: the flow is
    /// scaled to unit variance, the SDE is not.
    ///
    /// # Errors
    /// [`ParameterError`] unless both are finite and above 0.
    pub fn new(absolute: f64, relative: f64) -> Result<Self, ParameterError> {
        Ok(Self {
            absolute: ParameterError::require_positive("the absolute tolerance", absolute)?,
            relative: ParameterError::require_positive("the relative tolerance", relative)?,
        })
    }

    /// Uses the same number for both parts.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn both(tolerance: f64) -> Result<Self, ParameterError> {
        Self::new(tolerance, tolerance)
    }

    /// The root mean square over a sample of `error/(a + r max(|before|, |after|))`, and the
    /// largest of these in the batch.
    pub(crate) fn ratio<const D: usize>(
        self,
        error: Tensor<D>,
        before: &Tensor<D>,
        after: &Tensor<D>,
    ) -> f64 {
        let count = error.shape().num_elements() / error.dims()[0].max(1);
        let size = before.clone().abs().max_pair(after.clone().abs());
        let scaled = error / (size * self.relative + self.absolute);
        let worst = per_sample_sum(scaled.square()).max().into_scalar::<f64>();
        (worst / count as f64).sqrt()
    }
}

/// The coefficients of a PID controller.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Controller {
    /// `P`.
    pub proportional: f64,
    /// `I`.
    pub integral: f64,
    /// `D`.
    pub derivative: f64,
}

impl Default for Controller {
    /// PI with `P = 0.4`, `I = 0.3`.
    fn default() -> Self {
        Self {
            proportional: 0.4,
            integral: 0.3,
            derivative: 0.0,
        }
    }
}

impl Controller {
    /// Checks that all coefficients are finite.
    pub(crate) fn check(self) -> Result<(), ParameterError> {
        ParameterError::require_finite("P", self.proportional)?;
        ParameterError::require_finite("I", self.integral)?;
        ParameterError::require_finite("D", self.derivative)?;
        Ok(())
    }

    /// The step length factor from the last three errors, latest first.
    fn factor(self, errors: [f64; 3], order: usize) -> f64 {
        let (p, i, d) = (self.proportional, self.integral, self.derivative);
        let powers = [-(i + p + d), p + 2.0 * d, -d];
        let factors = errors
            .iter()
            .zip(powers)
            .map(|(error, power)| error.max(1e-10).powf(power / order as f64));
        (0.9 * factors.product::<f64>()).clamp(0.2, 5.0)
    }
}

/// A state that the integrator can advance.
pub(crate) trait Vector: Clone {
    /// `self + scale·other`.
    fn plus(self, scale: f64, other: &Self) -> Self;
    /// `self·scale`.
    fn times(self, scale: f64) -> Self;
    /// The error of a step in units of the tolerance.
    fn ratio(self, before: &Self, after: &Self, tolerance: Tolerance) -> f64;
}

impl<const D: usize> Vector for Tensor<D> {
    fn plus(self, scale: f64, other: &Self) -> Self {
        self + other.clone() * scale
    }
    fn times(self, scale: f64) -> Self {
        self * scale
    }
    fn ratio(self, before: &Self, after: &Self, tolerance: Tolerance) -> f64 {
        tolerance.ratio(self, before, after)
    }
}

/// An embedded pair with its controller.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Integrator {
    pub(crate) tableau: Tableau,
    pub(crate) tolerance: Tolerance,
    pub(crate) controller: Controller,
    pub(crate) most_steps: usize,
}

/// The result of an integration.
#[derive(Clone, Debug)]
pub(crate) struct Solved<Y> {
    /// The solution at the requested times.
    pub(crate) outputs: Vec<Y>,
    /// The length proposed for the next step.
    pub(crate) next_step: f64,
    pub(crate) accepted: usize,
    pub(crate) rejected: usize,
}

/// An integration that gave up: the time reached, the number of steps and the last error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stuck {
    pub(crate) time: f64,
    pub(crate) steps: usize,
    pub(crate) error: f64,
}

impl Integrator {
    /// Integrates `y′ = f(t, y)` from `times[0]` and returns the solution at the other times.
    /// `times` must be monotonic. `slope` is `f` at `times[0]`, and `step` an initial step length,
    /// if known.
    pub(crate) fn solve<Y: Vector, E: From<Stuck>>(
        &self,
        mut f: impl FnMut(f64, &Y) -> Result<Y, E>,
        mut y: Y,
        mut slope: Y,
        times: &[f64],
        step: Option<f64>,
    ) -> Result<Solved<Y>, E> {
        let (mut t, end) = (times[0], times[times.len() - 1]);
        let (direction, span) = ((end - t).signum(), (end - t).abs());
        // At `y = 0` the guess is 0: use at least 10⁻⁶ of the span.
        let guess = || (0.1 * self.guess(&y, &slope)).max(1e-6 * span);
        let mut h = step.filter(|h| *h > 0.0).unwrap_or_else(guess).min(span);
        let mut errors = [1.0; 3];
        let mut outputs = Vec::with_capacity(times.len() - 1);
        let (mut accepted, mut rejected) = (0, 0);
        while outputs.len() < times.len() - 1 {
            let rest = (end - t).abs();
            // A step that ends within rounding of the end is the last one.
            let is_last = h >= rest * (1.0 - 1e-12);
            let signed = direction * h.min(rest);
            let slopes = self.slopes(&mut f, t, &y, slope.clone(), signed)?;
            let after = combine(y.clone(), signed, self.tableau.b, &slopes);
            let error = self.error(&y, &after, signed, &slopes);
            if error <= 1.0 {
                let reached = if is_last { end } else { t + signed };
                for &at in &times[outputs.len() + 1..] {
                    if direction * (at - reached) > 0.0 {
                        break;
                    }
                    let theta = (at - t) / (reached - t);
                    outputs.push(match self.tableau.dense_weights(theta) {
                        Some(weights) if theta < 1.0 => {
                            combine(y.clone(), signed, &weights, &slopes)
                        }
                        _ => after.clone(),
                    });
                }
                slope = match slopes.into_iter().last() {
                    Some(last) if self.tableau.is_first_same_as_last() => last,
                    _ => f(reached, &after)?,
                };
                (t, y) = (reached, after);
                errors = [error, errors[0], errors[1]];
                // A step truncated at the end tells nothing about the length of the next ones.
                if !is_last {
                    h *= self.controller.factor(errors, self.tableau.order);
                }
                accepted += 1;
            } else {
                let shrink = if error.is_finite() {
                    0.9 * error.powf(-1.0 / self.tableau.order as f64)
                } else {
                    0.0
                };
                h = signed.abs() * shrink.clamp(0.2, 0.9);
                rejected += 1;
            }
            let (steps, ended) = (accepted + rejected, outputs.len() == times.len() - 1);
            if !ended && (h < 1e-12 * span || steps >= self.most_steps) {
                return Err(E::from(Stuck {
                    time: t,
                    steps,
                    error,
                }));
            }
        }
        Ok(Solved {
            outputs,
            next_step: h,
            accepted,
            rejected,
        })
    }

    fn slopes<Y: Vector, E>(
        &self,
        f: &mut impl FnMut(f64, &Y) -> Result<Y, E>,
        t: f64,
        y: &Y,
        first: Y,
        h: f64,
    ) -> Result<Vec<Y>, E> {
        let mut slopes = vec![first];
        for i in 1..self.tableau.stages() {
            let stage = combine(y.clone(), h, self.tableau.a[i], &slopes);
            slopes.push(f(t + h * self.tableau.node(i), &stage)?);
        }
        Ok(slopes)
    }

    /// The difference from the embedded solution, in units of the tolerance.
    fn error<Y: Vector>(&self, before: &Y, after: &Y, h: f64, slopes: &[Y]) -> f64 {
        let embedded = self.tableau.embedded.unwrap_or(self.tableau.b);
        let weights = self.tableau.b.iter().zip(embedded).map(|(b, e)| b - e);
        let nothing = before.clone().times(0.0);
        let difference = combine(nothing, h, &weights.collect::<Vec<_>>(), slopes);
        difference.ratio(before, after, self.tolerance)
    }

    /// The time in which the solution changes by its own size, `‖y‖/‖y′‖`.
    fn guess<Y: Vector>(&self, y: &Y, slope: &Y) -> f64 {
        let size = y.clone().ratio(y, y, self.tolerance);
        let speed = slope.clone().ratio(y, y, self.tolerance);
        if speed > 0.0 {
            size / speed
        } else {
            f64::INFINITY
        }
    }
}

/// `y + h Σ_i weight_i k_i`.
fn combine<Y: Vector>(y: Y, h: f64, weights: &[f64], slopes: &[Y]) -> Y {
    let terms = weights.iter().zip(slopes).filter(|(w, _)| **w != 0.0);
    terms.fold(y, |y, (weight, slope)| y.plus(h * weight, slope))
}
