//! Weights of multistep methods on arbitrary grids, by integrals of Lagrange polynomials.
//!
//! With slopes known at nodes `t_0 … t_{k−1}`, `∫_a^b ω F ≈ Σ_j w_j F(t_j)`, where
//! `w_j = ∫_a^b ω(τ) ℓ_j(τ) dτ`. The weight `ω ≡ 1` gives Adams–Bashforth. The weight
//! `ω(τ) = e^{τ−b}` gives the exponential methods (DEIS, DPM-Solver++), which solve the linear part
//! exactly.
//!
//! # Reference
//! Hairer, Nørsett & Wanner 1993, section III.5; Zhang & Chen 2023, "DEIS", eq. 14,
//! arXiv:2204.13902; Lu et al. 2022, "DPM-Solver++", arXiv:2211.01095.

/// Returns the Adams–Bashforth weights `w_j = ∫_a^b ℓ_j(τ) dτ` for the given nodes.
///
/// The weights are exact for polynomials of degree below `nodes.len()`. The nodes must be distinct.
///
/// ```
/// use tweedie_math::interpolation::adams_bashforth;
///
/// // Equal steps of 1, slopes at 0 and −1, from 0 to 1: 3/2 and −1/2.
/// let weights = adams_bashforth(&[0.0, -1.0], 0.0, 1.0);
/// assert!((weights[0] - 1.5).abs() < 1e-12 && (weights[1] + 0.5).abs() < 1e-12);
/// ```
#[must_use]
pub fn adams_bashforth(nodes: &[f64], a: f64, b: f64) -> Vec<f64> {
    let h = b - a;
    let moments: Vec<f64> = (1..=nodes.len())
        .map(|k| h.powi(k as i32) / k as f64)
        .collect();
    weights(nodes, a, &moments)
}

/// Returns the exponential Adams–Bashforth weights `w_j = ∫_a^b e^{τ−b} ℓ_j(τ) dτ`.
///
/// The weights sum to `1 − e^{a−b}`. The nodes must be distinct.
#[must_use]
pub fn exponential_adams_bashforth(nodes: &[f64], a: f64, b: f64) -> Vec<f64> {
    let moments: Vec<f64> = (0..nodes.len())
        .map(|k| exponential_moment(k, b - a))
        .collect();
    weights(nodes, a, &moments)
}

/// Computes `M_k = ∫_0^h e^{u−h} u^k du` by its series for small `h`, else by the recurrence
/// `M_k = h^k − k M_{k−1}`.
fn exponential_moment(k: usize, h: f64) -> f64 {
    if h.abs() > 2.0 {
        let first = -(-h).exp_m1();
        return (1..=k).fold(first, |before, k| h.powi(k as i32) - k as f64 * before);
    }
    // M_k = k! Σ_j (−1)^j h^{k+1+j}/(k+1+j)!
    let mut term = h.powi(k as i32 + 1) / (k + 1) as f64;
    let mut sum = 0.0;
    for j in 0..40 {
        sum += term;
        term *= -h / (k + 2 + j) as f64;
    }
    sum
}

/// Computes `Σ_k (coefficient of (τ−a)^k in ℓ_j) · moment_k` for each `j`.
pub(crate) fn weights(nodes: &[f64], a: f64, moments: &[f64]) -> Vec<f64> {
    let weight = |j: usize| {
        let mut polynomial = vec![1.0];
        for (_, &node) in nodes.iter().enumerate().filter(|&(m, _)| m != j) {
            // Multiply by ((τ − a) − (t_m − a))/(t_j − t_m).
            let (root, scale) = (node - a, 1.0 / (nodes[j] - node));
            let mut product = vec![0.0; polynomial.len() + 1];
            for (k, coefficient) in polynomial.iter().enumerate() {
                product[k] -= coefficient * root * scale;
                product[k + 1] += coefficient * scale;
            }
            polynomial = product;
        }
        polynomial.iter().zip(moments).map(|(c, m)| c * m).sum()
    };
    (0..nodes.len()).map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::abs_diff_eq;
    use proptest::prelude::*;

    /// Integrates `f` over `[a, b]` by composite Gauss–Legendre quadrature with 3 nodes.
    fn integral(f: impl Fn(f64) -> f64, a: f64, b: f64) -> f64 {
        let (pieces, root) = (200, 0.6_f64.sqrt());
        let h = (b - a) / f64::from(pieces);
        (0..pieces)
            .map(|i| {
                let middle = a + (f64::from(i) + 0.5) * h;
                let at = |x: f64| f(middle + 0.5 * h * x);
                h / 18.0 * (5.0 * at(-root) + 8.0 * at(0.0) + 5.0 * at(root))
            })
            .sum()
    }

    proptest! {
        #[test]
        fn polynomials_are_integrated_exactly(
            gaps in prop::collection::vec(0.1..1.5, 1..5),
            h in 0.01..5.0,
            coefficients in prop::collection::vec(-1.0..1.0, 4),
        ) {
            let place = |t: &mut f64, gap: &f64| {
                let here = *t;
                *t -= gap;
                Some(here)
            };
            let nodes: Vec<f64> = gaps.iter().scan(0.3, place).collect();
            let polynomial = |t: f64| -> f64 {
                let terms = coefficients[..nodes.len()].iter().enumerate();
                terms.map(|(k, c)| c * t.powi(k as i32)).sum()
            };
            let (a, b) = (nodes[0], nodes[0] + h);
            let sum = |weights: Vec<f64>| -> f64 {
                weights.iter().zip(&nodes).map(|(w, &t)| w * polynomial(t)).sum()
            };
            let plain = integral(polynomial, a, b);
            prop_assert!(abs_diff_eq!(sum(adams_bashforth(&nodes, a, b)), plain,
                epsilon = 1e-8 * (1.0 + plain.abs())));
            let exact = integral(|t| (t - b).exp() * polynomial(t), a, b);
            prop_assert!(abs_diff_eq!(sum(exponential_adams_bashforth(&nodes, a, b)), exact,
                epsilon = 1e-8 * (1.0 + exact.abs())));
        }
    }
}
