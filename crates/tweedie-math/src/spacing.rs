//! Spacings: which nodes of a discrete chain a sampler visits.

use crate::{ParameterError, PathError, level_path::check_steps};
use serde::{Deserialize, Serialize};

/// The rule that selects `steps` of the `N` nodes of a chain.
///
/// | spacing | nodes in ascending order | 10 of 1000, as visited |
/// |---|---|---|
/// | `Leading { offset }` | `i ⌊N/steps⌋ + offset` | 900, 800 … 0 |
/// | `Linspace` | `round(i (N−1)/(steps−1))` | 999, 888 … 0 |
/// | `Trailing` | `round(N − i N/steps) − 1` | 999, 899 … 99 |
/// | `OpenLeading { offset }` | `i ⌊N/(steps+1)⌋ + offset`, `i` from 1 | 900, 810 … 90 |
/// | `OpenLinspace` | `round(i (N−1)/steps)`, `i` from 1 | 999, 899 … 100 |
///
/// The open spacings omit the cleanest node, as diffusers' DPM-Solver, UniPC and DEIS do.
///
/// # Reference
/// Lin et al. 2024, table 2, arXiv:2305.08891.
///
/// ```
/// use tweedie_math::Spacing;
///
/// assert_eq!(Spacing::Trailing.indices(1000, 4)?, [999, 749, 499, 249]);
/// assert_eq!(Spacing::Leading { offset: 1 }.indices(1000, 4)?, [751, 501, 251, 1]);
/// # Ok::<(), tweedie_math::PathError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Spacing {
    /// Every `⌊N/steps⌋`-th node from 0, shifted by `offset`.
    ///
    /// With `offset = 0` the path starts below the noisiest node unless `steps = N`.
    Leading {
        /// Added to every index.
        offset: usize,
    },
    /// Evenly spaced from the first node to the last, both included.
    Linspace,
    /// Evenly spaced down from the last node, as Lin et al. recommend for zero terminal SNR.
    Trailing,
    /// `Leading` with one more step, without the cleanest node.
    OpenLeading {
        /// Added to every index.
        offset: usize,
    },
    /// `Linspace` with one more step, without the cleanest node.
    OpenLinspace,
}

impl Spacing {
    /// Returns the indices of the `steps` selected nodes of `nodes`, noisiest first.
    ///
    /// `Leading` spacings do not check that `offset` keeps the indices below `nodes`.
    ///
    /// # Errors
    /// [`PathError`] unless `1 ≤ steps ≤ nodes`, or `steps < nodes` for an open spacing.
    pub fn indices(self, nodes: usize, steps: usize) -> Result<Vec<usize>, PathError> {
        let positions = self.positions(nodes, steps)?;
        // diffusers rounds the `Trailing` positions before it subtracts 1, which decides ties.
        let base = if self == Self::Trailing { 1.0 } else { 0.0 };
        let round = |position: f64| ((position + base).round_ties_even() - base) as usize;
        Ok(positions.into_iter().map(round).collect())
    }

    /// Returns the fractional positions before rounding, for [`Chain::at`](crate::Chain::at).
    ///
    /// # Errors
    /// [`PathError`] as [`indices`](Self::indices).
    pub fn positions(self, nodes: usize, steps: usize) -> Result<Vec<f64>, PathError> {
        check_steps(steps)?;
        if steps > nodes {
            return Err(PathError::TooManySteps { steps, nodes });
        }
        let open = matches!(self, Self::OpenLeading { .. } | Self::OpenLinspace);
        if open && steps == nodes {
            return Err(ParameterError {
                name: "the number of steps",
                expected: "below the number of nodes, for a spacing without the cleanest",
                value: steps as f64,
            }
            .into());
        }
        let (n, k) = (nodes as f64, steps as f64);
        let position = |i: usize| match self {
            Self::Leading { offset } => (i * (nodes / steps)).saturating_add(offset) as f64,
            Self::OpenLeading { offset } => {
                ((i + 1) * (nodes / (steps + 1))).saturating_add(offset) as f64
            }
            Self::OpenLinspace => (i + 1) as f64 * (n - 1.0) / k,
            Self::Linspace if steps == 1 => 0.0,
            Self::Linspace => i as f64 * (n - 1.0) / (k - 1.0),
            Self::Trailing => {
                let place = n - (k - 1.0 - i as f64) * n / k;
                place.max(1.0) - 1.0
            }
        };
        Ok((0..steps).rev().map(position).collect())
    }
}
