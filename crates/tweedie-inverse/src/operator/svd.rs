//! The singular value decomposition of a small matrix, on the host.

use nalgebra::DMatrix;
use tweedie_ops::Constant;

/// `R = U Σ Vᵀ` for a matrix of `m` rows and `n` columns, with all of `V`.
#[derive(Clone, Debug)]
pub(crate) struct Factors {
    /// `U`, `m × n`; a column is zero where the singular value is 0.
    pub(crate) left: Constant<2>,
    /// `Σ`: `n` values, largest first.
    pub(crate) values: Vec<f64>,
    /// `V`, `n × n`.
    pub(crate) right: Constant<2>,
}

impl Factors {
    /// Decomposes a matrix.
    pub(crate) fn of(matrix: &Constant<2>) -> Self {
        let [m, n] = matrix.shape();
        // Pad wide matrices with rows of zeros, so that the decomposition has all of `V`.
        let rows = m.max(n);
        let mut padded = DMatrix::zeros(rows, n);
        for (i, &value) in matrix.values().iter().enumerate() {
            padded[(i / n, i % n)] = value;
        }
        let svd = padded.svd(true, true);
        let (Some(u), Some(vt)) = (svd.u, svd.v_t) else {
            unreachable!("both factors were asked for");
        };
        let mut order: Vec<usize> = (0..n).collect();
        let values = &svd.singular_values;
        order.sort_by(|&i, &j| values[j].total_cmp(&values[i]));
        let largest = order.first().map_or(0.0, |&i| values[i]);
        let kept = |i: usize| values[i] > 1e-13 * largest;
        let left = (0..m).flat_map(|row| {
            let u = &u;
            order
                .iter()
                .map(move |&i| if kept(i) { u[(row, i)] } else { 0.0 })
        });
        let right = (0..n).flat_map(|row| {
            let vt = &vt;
            order.iter().map(move |&i| vt[(i, row)])
        });
        Self {
            left: Constant::new(left.collect(), [m, n]),
            right: Constant::new(right.collect(), [n, n]),
            values: order
                .iter()
                .map(|&i| if kept(i) { values[i] } else { 0.0 })
                .collect(),
        }
    }

    /// `R⁺ = V Σ⁺ Uᵀ`, `n × m`.
    pub(crate) fn pseudo_inverse(&self) -> Constant<2> {
        let ([m, n], u, v) = (self.left.shape(), self.left.values(), self.right.values());
        let entry = |i: usize, j: usize| -> f64 {
            let terms = self.values.iter().enumerate().filter(|(_, s)| **s > 0.0);
            terms.map(|(k, s)| v[i * n + k] * u[j * n + k] / s).sum()
        };
        let values = (0..n * m).map(|i| entry(i / m, i % m));
        Constant::new(values.collect(), [n, m])
    }
}
