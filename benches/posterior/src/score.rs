//! Distances of draws from the exact posterior.

use crate::problem::{Problem, exact_draws, rows};
use serde::{Deserialize, Serialize};
use tweedie::metrics::sliced_wasserstein;
use tweedie::prelude::*;

/// Differences between draws and the exact posterior, over all measurements of a problem.
///
/// Lengths are in units of the posterior's standard deviation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// The distance of the means, `√(Σ ‖m − m*‖²/Σ tr C*)`.
    ///
    /// The part that the finite number of draws explains is subtracted.
    pub mean: f64,
    /// The total variance relative to the exact one, `Σ tr C/Σ tr C*`.
    pub variance: f64,
    /// The distance of the covariances, `‖Σ (C − C*)‖/‖Σ C*‖` (Frobenius).
    pub covariance: f64,
    /// The sliced Wasserstein distance of order 2, per dimension, averaged over measurements.
    pub wasserstein: f64,
    /// The fraction of exact draws in the ball around the mean that holds half of the draws.
    pub half: f64,
    /// The same for the ball that holds 90 % of the draws.
    pub ninety: f64,
    /// The non-uniformity of ranks in simulation-based calibration.
    ///
    /// Exact draws are ranked among the draws along one direction. The score is the largest
    /// difference between the distribution function of the ranks and the uniform one.
    pub ranks: f64,
}

impl Scores {
    /// Returns the distance of every score from its value for exact draws.
    #[must_use]
    pub fn errors(self) -> [f64; 7] {
        [
            self.mean,
            (self.variance - 1.0).abs(),
            self.covariance,
            self.wasserstein,
            (self.half - 0.5).abs(),
            (self.ninety - 0.9).abs(),
            self.ranks,
        ]
    }

    /// Returns whether two runs agree: each score within `share` of its [`bar`].
    #[must_use]
    pub fn agrees(self, other: Self, share: f64) -> bool {
        let mut pairs = self.errors().into_iter().zip(other.errors());
        pairs.all(|(a, b)| (a - b).abs() <= share * bar(a))
    }
}

/// Returns the tolerance of a score: a tenth of it, plus 0.03 for the finite number of draws.
#[must_use]
pub fn bar(recorded: f64) -> f64 {
    0.03 + 0.1 * recorded
}

/// The number of exact draws for each measurement.
const EXACT: usize = 256;

impl Scores {
    /// Computes the scores of `draws`, `[measurements × count, values]`, the same number for each
    /// measurement.
    ///
    /// Returns `None` if a draw is not finite.
    #[must_use]
    pub fn of(problem: &Problem, draws: &Tensor<2>) -> Option<Self> {
        let (groups, dim) = (problem.posteriors.len(), problem.law.dim());
        let count = draws.dims()[0] / groups;
        let host = |x: &Tensor<2>| x.to_data().iter::<f64>().collect::<Vec<f64>>();
        let (all, exact) = (host(draws), host(&exact_draws(problem, EXACT, 1000)));
        if all.iter().any(|x| !x.is_finite()) {
            return None;
        }
        let mut sums = Sums::new(dim);
        for (group, law) in problem.posteriors.iter().enumerate() {
            let part = &all[group * count * dim..(group + 1) * count * dim];
            let truth = &exact[group * EXACT * dim..(group + 1) * EXACT * dim];
            sums.add(part, truth, &law.mean(), &law.covariance(), group as u64);
        }
        Some(sums.finish(groups))
    }
}

struct Sums {
    dim: usize,
    gap: f64,
    noise: f64,
    trace: f64,
    exact_trace: f64,
    covariance: Vec<f64>,
    exact_covariance: Vec<f64>,
    wasserstein: f64,
    covered: [usize; 2],
    ranks: Vec<f64>,
    seen: usize,
}

impl Sums {
    fn new(dim: usize) -> Self {
        Self {
            dim,
            gap: 0.0,
            noise: 0.0,
            trace: 0.0,
            exact_trace: 0.0,
            covariance: vec![0.0; dim * dim],
            exact_covariance: vec![0.0; dim * dim],
            wasserstein: 0.0,
            covered: [0; 2],
            ranks: Vec::new(),
            seen: 0,
        }
    }

    fn add(
        &mut self,
        draws: &[f64],
        truth: &[f64],
        mean: &[f64],
        covariance: &[Vec<f64>],
        seed: u64,
    ) {
        let dim = self.dim;
        let count = draws.len() / dim;
        let found = average(draws, dim);
        let spread = scatter(draws, &found, dim);
        let trace: f64 = (0..dim).map(|i| spread[i * dim + i]).sum();
        let exact: f64 = (0..dim).map(|i| covariance[i][i]).sum();
        self.gap += distance(&found, mean).powi(2);
        self.noise += trace / count as f64;
        self.trace += trace;
        self.exact_trace += exact;
        for i in 0..dim * dim {
            self.covariance[i] += spread[i];
            self.exact_covariance[i] += covariance[i / dim][i % dim];
        }
        let unit = (exact / dim as f64).sqrt();
        let same = truth[..count.min(EXACT) * dim].to_vec();
        let (a, b) = (rows(draws.to_vec(), dim), rows(same, dim));
        self.wasserstein += sliced_wasserstein(&a, &b, 2.0, 32, seed) / unit;
        // The centre of the ball is the mean of one half of the draws, its radius comes from the
        // other half. A draw and the truth are then exchangeable if they have the same
        // distribution.
        let (first, second) = draws.split_at(count / 2 * dim);
        let centre = average(first, dim);
        let mut radii: Vec<f64> = second.chunks(dim).map(|x| distance(x, &centre)).collect();
        radii.sort_by(f64::total_cmp);
        let direction = direction(dim, seed);
        let mut along: Vec<f64> = draws.chunks(dim).map(|x| dot(x, &direction)).collect();
        along.sort_by(f64::total_cmp);
        for x in truth.chunks(dim) {
            let rank = radii.partition_point(|r| *r < distance(x, &centre)) as f64;
            let part = (rank + 0.5) / (radii.len() + 1) as f64;
            self.covered[0] += usize::from(part <= 0.5);
            self.covered[1] += usize::from(part <= 0.9);
            let rank = along.partition_point(|v| *v < dot(x, &direction)) as f64;
            self.ranks.push((rank + 0.5) / (count + 1) as f64);
            self.seen += 1;
        }
    }

    fn finish(mut self, groups: usize) -> Scores {
        let norm = |c: &[f64]| c.iter().map(|v| v * v).sum::<f64>().sqrt();
        let off: Vec<f64> = self
            .covariance
            .iter()
            .zip(&self.exact_covariance)
            .map(|(a, b)| a - b)
            .collect();
        self.ranks.sort_by(f64::total_cmp);
        let n = self.ranks.len() as f64;
        let gap = |(i, u): (usize, &f64)| {
            let (below, above) = (i as f64 / n, (i + 1) as f64 / n);
            (u - below).abs().max((above - u).abs())
        };
        Scores {
            mean: ((self.gap - self.noise).max(0.0) / self.exact_trace).sqrt(),
            variance: self.trace / self.exact_trace,
            covariance: norm(&off) / norm(&self.exact_covariance),
            wasserstein: self.wasserstein / groups as f64,
            half: self.covered[0] as f64 / self.seen as f64,
            ninety: self.covered[1] as f64 / self.seen as f64,
            ranks: self.ranks.iter().enumerate().map(gap).fold(0.0, f64::max),
        }
    }
}

fn average(rows: &[f64], dim: usize) -> Vec<f64> {
    let count = (rows.len() / dim) as f64;
    let mut mean = vec![0.0; dim];
    for row in rows.chunks(dim) {
        for (sum, value) in mean.iter_mut().zip(row) {
            *sum += value / count;
        }
    }
    mean
}

/// Returns the unbiased covariance around `mean`.
fn scatter(rows: &[f64], mean: &[f64], dim: usize) -> Vec<f64> {
    let count = (rows.len() / dim) as f64;
    let mut sum = vec![0.0; dim * dim];
    for row in rows.chunks(dim) {
        for i in 0..dim {
            for j in 0..dim {
                sum[i * dim + j] += (row[i] - mean[i]) * (row[j] - mean[j]) / (count - 1.0);
            }
        }
    }
    sum
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    let square: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
    square.sqrt()
}

/// Returns a different random direction for each seed, that is, for each measurement.
fn direction(dim: usize, seed: u64) -> Vec<f64> {
    let z = HostNoise::seeded(500 + seed).normal([1, dim], &Device::flex());
    let z: Tensor<2> = z;
    z.into_data().iter::<f64>().collect()
}
