//! The optimal assignment between two sets of equal size.
//!
//! # Reference
//! Kuhn 1955; Jonker and Volgenant 1987, "A shortest augmenting path algorithm for dense and sparse
//! linear assignment problems".

/// The least total cost over all assignments of `n` rows to `n` columns, in `O(n³)`.
///
/// NaN if a cost is not finite.
pub(crate) fn least_cost(cost: &[f64], n: usize) -> f64 {
    if cost.iter().any(|cost| !cost.is_finite()) {
        return f64::NAN;
    }
    // Index 0 means "no row" or "no column". The potentials keep all reduced costs non-negative.
    let (mut of_row, mut of_column) = (vec![0.0; n + 1], vec![0.0; n + 1]);
    let mut row_at = vec![0; n + 1];
    for row in 1..=n {
        row_at[0] = row;
        let mut distance = vec![f64::INFINITY; n + 1];
        let mut before = vec![0; n + 1];
        let mut done = vec![false; n + 1];
        let mut column = 0;
        // The shortest path from the new row to a free column.
        while row_at[column] != 0 {
            done[column] = true;
            let (from, mut step, mut next) = (row_at[column], f64::INFINITY, 0);
            for j in (1..=n).filter(|&j| !done[j]) {
                let reduced = cost[(from - 1) * n + j - 1] - of_row[from] - of_column[j];
                if reduced < distance[j] {
                    (distance[j], before[j]) = (reduced, column);
                }
                if distance[j] < step {
                    (step, next) = (distance[j], j);
                }
            }
            for j in 0..=n {
                if done[j] {
                    of_row[row_at[j]] += step;
                    of_column[j] -= step;
                } else {
                    distance[j] -= step;
                }
            }
            column = next;
        }
        // Shift the assignments along that path.
        while column != 0 {
            row_at[column] = row_at[before[column]];
            column = before[column];
        }
    }
    let pairs = (1..=n).map(|column| cost[(row_at[column] - 1) * n + column - 1]);
    pairs.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    #[test]
    fn it_is_the_best_of_all_pairings() {
        let n = 6;
        let cost: Vec<f64> = (0..n * n)
            .map(|i| f64::from((i * i * 37 % 101) as u32))
            .collect();
        fn best(cost: &[f64], n: usize, row: usize, used: u32) -> f64 {
            if row == n {
                return 0.0;
            }
            let free = (0..n).filter(|j| used & (1 << j) == 0);
            free.map(|j| cost[row * n + j] + best(cost, n, row + 1, used | 1 << j))
                .fold(f64::INFINITY, f64::min)
        }
        assert_abs_diff_eq!(least_cost(&cost, n), best(&cost, n, 0, 0), epsilon = 1e-12);
        assert!(least_cost(&[f64::NAN, 1.0, 2.0, f64::INFINITY], 2).is_nan());
    }
}
