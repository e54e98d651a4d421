//! Runge–Kutta methods as tables of coefficients.
//!
//! `k_i = F(t + c_i h, y + h Σ_j a_ij k_j)`, `y ← y + h Σ_i b_i k_i`. An embedded method adds a
//! second row `b̂`; the difference between `b̂` and `b` estimates the error.
//!
//! # Reference
//! Hairer, Nørsett & Wanner 1993, "Solving Ordinary Differential Equations I", chapter II;
//! Tsitouras 2011, "Runge–Kutta pairs of order 5(4) satisfying only the first column simplifying
//! assumption".

use crate::ParameterError;

mod embedded;
mod fixed;

pub use embedded::{BOGACKI_SHAMPINE, DORMAND_PRINCE, TSITOURAS};
pub use fixed::{EULER, HEUN, MIDPOINT, RK4};

/// The coefficients of an explicit Runge–Kutta method.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tableau {
    /// The method's name.
    pub name: &'static str,
    /// The order: the local error of a step of length `h` is `O(h^{order + 1})`.
    pub order: usize,
    /// The strictly lower triangle of the matrix: row `i` has `i` entries.
    pub a: &'static [&'static [f64]],
    /// The weights of the slopes.
    pub b: &'static [f64],
    /// The weights of the embedded method, which is one order lower.
    pub embedded: Option<&'static [f64]>,
    /// For each slope, the coefficients of `θ, θ², …` of its weight at the fraction `θ` of the
    /// step.
    pub dense: Option<&'static [&'static [f64]]>,
}

impl Tableau {
    /// The number of slopes.
    #[must_use]
    pub fn stages(&self) -> usize {
        self.b.len()
    }

    /// Returns `Ok` for a valid explicit method. The other methods assume a valid tableau.
    ///
    /// Row `i` must have `i` finite entries, the number of rows and weights must agree, and the
    /// weights must sum to 1.
    ///
    /// # Errors
    /// [`ParameterError`] for the first invalid number.
    pub fn check(&self) -> Result<(), ParameterError> {
        let count = |name, found: usize, stages: usize| {
            let expected = "one for each stage before it, or for each stage";
            ParameterError::require(found == stages, name, expected, found as f64)
        };
        let sum = |name, row: &[f64]| {
            let sum: f64 = row.iter().sum();
            ParameterError::require((sum - 1.0).abs() < 1e-9, name, "1", sum)
        };
        count("the number of rows", self.a.len(), self.b.len())?;
        for (i, row) in self.a.iter().enumerate() {
            count("the length of a row", row.len(), i)?;
            for &value in *row {
                ParameterError::require_finite("a coefficient", value)?;
            }
        }
        sum("the sum of the weights", self.b)?;
        if let Some(row) = self.embedded {
            count("the number of embedded weights", row.len(), self.b.len())?;
            sum("the sum of the embedded weights", row)?;
        }
        if let Some(rows) = self.dense {
            count("the number of dense weights", rows.len(), self.b.len())?;
        }
        Ok(())
    }

    /// Returns `c_i = Σ_j a_ij`, the position of stage `i` within the step.
    ///
    /// # Panics
    /// If `i` is not a stage of the method.
    #[must_use]
    pub fn node(&self, i: usize) -> f64 {
        self.a[i].iter().sum()
    }

    /// Returns whether the last slope of a step equals the first slope of the next step (FSAL).
    #[must_use]
    pub fn is_first_same_as_last(&self) -> bool {
        let Some(last) = self.a.last().filter(|_| self.check().is_ok()) else {
            return false;
        };
        self.b[last.len()] == 0.0 && **last == self.b[..last.len()]
    }

    /// Returns whether a slope is evaluated at the end of the step.
    #[must_use]
    pub fn reaches_the_end(&self) -> bool {
        (0..self.a.len()).any(|i| (self.node(i) - 1.0).abs() < 1e-9)
    }

    /// Returns the dense-output weights at the fraction `θ ∈ [0, 1]` of the step.
    ///
    /// `y(θ) = y + h Σ_i b_i(θ) k_i`, with the method's own polynomials if it has them, and
    /// otherwise with the cubic Hermite polynomial. The latter needs the slope at the end of the
    /// step: `None` unless [`is_first_same_as_last`](Self::is_first_same_as_last).
    #[must_use]
    pub fn dense_weights(&self, theta: f64) -> Option<Vec<f64>> {
        if let Some(polynomials) = self.dense {
            let value = |p: &&[f64]| theta * p.iter().rev().fold(0.0, |sum, c| sum * theta + c);
            return Some(polynomials.iter().map(value).collect());
        }
        let rest = 1.0 - theta;
        let whole = theta * theta * (3.0 - 2.0 * theta);
        let mut weights: Vec<f64> = self.b.iter().map(|b| whole * b).collect();
        let last = weights.len().checked_sub(1)?;
        weights[0] += theta * rest * rest;
        weights[last] -= theta * theta * rest;
        self.is_first_same_as_last().then_some(weights)
    }
}

/// All methods of this module.
pub const ALL: [Tableau; 7] = [
    EULER,
    MIDPOINT,
    HEUN,
    RK4,
    BOGACKI_SHAMPINE,
    DORMAND_PRINCE,
    TSITOURAS,
];

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact by construction")]
mod tests {
    use super::*;
    use approx::abs_diff_eq;

    /// Pairs `Σ_i b_i Φ_i(tree)` with the required `1/γ(tree)`, for trees up to size `order ≤ 5`.
    fn conditions(tableau: &Tableau, b: &[f64], order: usize) -> Vec<(f64, f64)> {
        let stages = tableau.stages();
        let c: Vec<f64> = (0..stages).map(|i| tableau.node(i)).collect();
        let a =
            |i: usize, v: &[f64]| -> f64 { tableau.a[i].iter().zip(v).map(|(a, v)| a * v).sum() };
        let apply = |v: &[f64]| -> Vec<f64> { (0..stages).map(|i| a(i, v)).collect() };
        let times =
            |u: &[f64], v: &[f64]| -> Vec<f64> { u.iter().zip(v).map(|(u, v)| u * v).collect() };
        let one = vec![1.0; stages];
        let c2 = times(&c, &c);
        let c3 = times(&c2, &c);
        let (ac, ac2) = (apply(&c), apply(&c2));
        let trees: Vec<(usize, Vec<f64>, f64)> = vec![
            (1, one, 1.0),
            (2, c.clone(), 2.0),
            (3, c2.clone(), 3.0),
            (3, ac.clone(), 6.0),
            (4, c3.clone(), 4.0),
            (4, times(&c, &ac), 8.0),
            (4, ac2.clone(), 12.0),
            (4, apply(&ac), 24.0),
            (5, times(&c3, &c), 5.0),
            (5, times(&c2, &ac), 10.0),
            (5, times(&c, &ac2), 15.0),
            (5, times(&c, &apply(&ac)), 30.0),
            (5, times(&ac, &ac), 20.0),
            (5, apply(&c3), 20.0),
            (5, apply(&times(&c, &ac)), 40.0),
            (5, apply(&ac2), 60.0),
            (5, apply(&apply(&ac)), 120.0),
        ];
        trees
            .into_iter()
            .filter(|(size, ..)| *size <= order)
            .map(|(_, phi, gamma)| (b.iter().zip(&phi).map(|(b, p)| b * p).sum(), 1.0 / gamma))
            .collect()
    }

    #[test]
    fn every_method_meets_the_conditions_of_its_order_and_not_of_the_next() {
        for tableau in &ALL {
            assert_eq!(tableau.a.len(), tableau.stages(), "{}", tableau.name);
            for (sum, value) in conditions(tableau, tableau.b, tableau.order) {
                assert!(
                    abs_diff_eq!(sum, value, epsilon = 1e-13),
                    "{}: {sum} ≠ {value}",
                    tableau.name
                );
            }
            if tableau.order < 5 {
                let next = conditions(tableau, tableau.b, tableau.order + 1);
                assert!(next.iter().any(|(sum, value)| (sum - value).abs() > 1e-3));
            }
            if let Some(embedded) = tableau.embedded {
                for (sum, value) in conditions(tableau, embedded, tableau.order - 1) {
                    assert!(
                        abs_diff_eq!(sum, value, epsilon = 1e-13),
                        "{}: {sum} ≠ {value}",
                        tableau.name
                    );
                }
                assert_ne!(embedded, tableau.b);
            }
        }
    }

    #[test]
    fn dense_output_meets_the_conditions_of_its_order() {
        let sizes = [1, 2, 3, 3, 4, 4, 4, 4];
        for (tableau, order) in [(BOGACKI_SHAMPINE, 3), (DORMAND_PRINCE, 4), (TSITOURAS, 4)] {
            let name = tableau.name;
            for theta in [0.0, 0.13, 0.5, 0.77, 1.0] {
                let weights = tableau.dense_weights(theta).expect("an interpolant");
                let sums = conditions(&tableau, &weights, order);
                for ((sum, value), size) in sums.into_iter().zip(sizes) {
                    let value = value * f64::powi(theta, size);
                    assert!(
                        abs_diff_eq!(sum, value, epsilon = 1e-12),
                        "{name}, θ = {theta}: {sum} ≠ {value}"
                    );
                }
            }
            let end = tableau.dense_weights(1.0).expect("an interpolant");
            for (found, b) in end.iter().zip(tableau.b) {
                assert!(
                    abs_diff_eq!(found, b, epsilon = 1e-12),
                    "{name}: {found} ≠ {b}"
                );
            }
        }
        assert!(RK4.dense_weights(0.5).is_none());
    }

    #[test]
    fn the_pairs_of_higher_order_reuse_their_last_slope() {
        let reusing = ALL.iter().filter(|t| t.is_first_same_as_last());
        let names: Vec<_> = reusing.map(|t| t.name).collect();
        assert_eq!(
            names,
            [
                "Bogacki–Shampine 3(2)",
                "Dormand–Prince 5(4)",
                "Tsitouras 5(4)"
            ]
        );
    }
}
