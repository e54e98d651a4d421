//! A Brownian path that does not change when steps are refined.
//!
//! The noise of the reverse process is a Brownian motion `W` in the time `τ = α²/σ²`. For exact
//! data `x₀`, `α x/σ² = τ x₀ + W(τ)`, and an ancestral move from `τ_t` to `τ_s` adds
//! `(σ_s²/α_s) (W(τ_s) − W(τ_t))`.
//!
//! The path is bisected in `ln τ`. Every node of the tree has a fixed position in the counter-based
//! stream of every sample. Its value therefore depends on the seed alone, and not on the order or
//! the number of queries.
//!
//! # Reference
//! Li et al. 2020, "Scalable Gradients for Stochastic Differential Equations" (virtual Brownian
//! tree), arXiv:2001.01328; El Alaoui, Montanari & Sellke 2022 (the time `τ`), arXiv:2203.05093.

use crate::noise::draw;
use crate::{HostNoise, Noise};
use burn::tensor::Tensor;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::collections::HashMap;
use tweedie_math::{Level, Move};

/// The path covers log-SNRs within ±50.
const REACH: f64 = 50.0;
/// The number of bisections; nodes are 10⁻⁷ apart in `ln τ`.
const DEPTH: u32 = 30;

/// Noise whose increments belong to one Brownian path per sample.
///
/// Runs with the same seed and different steps follow the same path, and a rejected step can be
/// retried in smaller parts. The tree keeps only the nodes of the last query. A query next to the
/// last one draws up to 30 normal tensors, and up to 120 tensors of the batch's shape are alive
/// meanwhile.
///
/// Use one `BrownianTree` per trajectory; a second trajectory would get the same increments.
/// Forward moves, as in time travel, need fresh noise. Between nodes, which are 10⁻⁷ apart in `ln
/// τ`, the path is linear.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::{BrownianTree, Noise};
/// use tweedie_math::{Level, Move};
///
/// let [a, b, c] = [-2.0, -1.0, 1.0].map(Level::variance_preserving);
/// let like = Tensor::<2>::zeros([4, 3], &Device::flex());
/// let mut path = BrownianTree::seeded(7);
/// // √(τ_c − τ_a) z(a, c) = √(τ_b − τ_a) z(a, b) + √(τ_c − τ_b) z(b, c)
/// let mut part = |from: Level, to: Level| {
///     path.increment(Move { from, to }, &like) * (to.snr() - from.snr()).sqrt()
/// };
/// let gap = (part(a, c) - part(a, b) - part(b, c)).abs().max().into_scalar::<f32>();
/// assert!(gap < 1e-5);
/// ```
#[derive(Clone, Debug)]
pub struct BrownianTree<const D: usize> {
    root: ChaCha8Rng,
    first: u64,
    fresh: HostNoise,
    /// `W/√τ` at the nodes of the last query.
    nodes: Nodes<D>,
}

impl<const D: usize> BrownianTree<D> {
    /// Returns the paths of a seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self {
            root: ChaCha8Rng::seed_from_u64(seed),
            first: 0,
            fresh: HostNoise::seeded(seed),
            nodes: HashMap::new(),
        }
    }

    /// Returns the paths of a batch whose first sample has the index `first` in the whole job.
    #[must_use]
    pub fn starting_at(self, first: u64) -> Self {
        Self {
            first,
            fresh: self.fresh.starting_at(first),
            nodes: HashMap::new(),
            ..self
        }
    }

    /// Returns the `N(0, 1)` values of node `k`.
    fn normal_at(&self, k: u32, like: &Tensor<D>) -> Tensor<D> {
        let stream = |sample: usize| {
            let mut stream = self.root.clone();
            stream.set_stream(self.first.wrapping_add(sample as u64));
            // The positions start after everything that `fresh` will ever draw.
            stream.set_word_pos((u128::from(k) + 1) << 32);
            stream
        };
        let mut streams: Vec<ChaCha8Rng> = (0..like.dims()[0]).map(stream).collect();
        draw(&mut streams, like)
    }

    /// Returns `W/√τ` at a position among the nodes, by bisection down to the two adjacent nodes.
    ///
    /// Between the two the path is linear in `τ`. All nodes on the way are stored in `kept`.
    fn value(&self, place: f64, like: &Tensor<D>, kept: &mut Nodes<D>) -> Tensor<D> {
        let known = |node: u32, kept: &Nodes<D>| {
            let found = kept.get(&node).or_else(|| self.nodes.get(&node));
            found.cloned()
        };
        let end = |node: u32, kept: &Nodes<D>| {
            known(node, kept).unwrap_or_else(|| self.normal_at(node, like))
        };
        let (mut low, mut high) = (0, 1 << DEPTH);
        // The two ends are independent up to a correlation of e^{−REACH}.
        let (mut w_low, mut w_high) = (end(low, kept), end(high, kept));
        kept.insert(low, w_low.clone());
        kept.insert(high, w_high.clone());
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let w = known(middle, kept).unwrap_or_else(|| {
                let bridge = Bridge::at([low, middle, high].map(|node| log_snr(node.into())));
                let mean = w_low.clone() * bridge.low + w_high.clone() * bridge.high;
                mean + self.normal_at(middle, like) * bridge.spread
            });
            kept.insert(middle, w.clone());
            if place < f64::from(middle) {
                (high, w_high) = (middle, w);
            } else {
                (low, w_low) = (middle, w);
            }
        }
        let bridge = Bridge::at([low.into(), place, high.into()].map(log_snr));
        w_low * bridge.low + w_high * bridge.high
    }
}

type Nodes<const D: usize> = HashMap<u32, Tensor<D>>;

/// `W/√τ` between two known nodes: `low·w_a + high·w_b + spread·z`.
struct Bridge {
    low: f64,
    high: f64,
    spread: f64,
}

impl Bridge {
    /// Returns the bridge at `m` between `a` and `b`, all in `ln τ`.
    fn at([a, m, b]: [f64; 3]) -> Self {
        // τ_a/τ_b and τ_m/τ_b, then the fractions of τ_b − τ_a on the two sides of τ_m.
        let (ea, em) = ((a - b).exp(), (m - b).exp());
        let whole = -(a - b).exp_m1();
        let (left, right) = (ea * (m - a).exp_m1() / whole, -(m - b).exp_m1() / whole);
        Self {
            low: right * (ea / em).sqrt(),
            high: left / em.sqrt(),
            spread: (left * right * whole / em).max(0.0).sqrt(),
        }
    }
}

fn log_snr(place: f64) -> f64 {
    REACH * (place / f64::from(1_u32 << (DEPTH - 1)) - 1.0)
}

/// Returns the position of a level among the nodes.
fn place(level: Level) -> f64 {
    let place = level.log_snr().clamp(-REACH, REACH) / REACH + 1.0;
    place * f64::from(1_u32 << (DEPTH - 1))
}

impl<const D: usize> Noise<D> for BrownianTree<D> {
    /// Returns fresh noise, independent of the path.
    fn normal_like(&mut self, like: &Tensor<D>) -> Tensor<D> {
        self.fresh.normal_like(like)
    }

    /// Returns the path's increment, or fresh noise if the levels are closer than two nodes.
    fn increment(&mut self, mv: Move, like: &Tensor<D>) -> Tensor<D> {
        let (from, to) = (place(mv.from), place(mv.to));
        let (a, b) = (from.min(to), from.max(to));
        if b - a < 1.0 {
            return self.normal_like(like);
        }
        let stale = |w: &Tensor<D>| {
            let moved = w.device() != like.device();
            moved || w.dims() != like.dims() || w.dtype() != like.dtype()
        };
        if self.nodes.values().any(stale) {
            self.nodes.clear();
        }
        let mut kept = HashMap::new();
        let w_a = self.value(a, like, &mut kept);
        let w_b = self.value(b, like, &mut kept);
        self.nodes = kept;
        let ratio = log_snr(a) - log_snr(b);
        (w_b - w_a * (0.5 * ratio).exp()) / (-ratio.exp_m1()).sqrt()
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact by construction")]
mod tests {
    use super::*;
    use approx::{abs_diff_eq, assert_abs_diff_eq};
    use burn::tensor::{DType, Device};

    fn increments(seed: u64, log_snrs: &[f64], like: &Tensor<2>) -> Vec<Tensor<2>> {
        let mut path = BrownianTree::seeded(seed);
        let levels: Vec<Level> = log_snrs
            .iter()
            .map(|&l| Level::variance_preserving(l))
            .collect();
        levels
            .windows(2)
            .map(|pair| {
                let (from, to) = (pair[0], pair[1]);
                path.increment(Move { from, to }, like) * (to.snr() - from.snr()).sqrt()
            })
            .collect()
    }

    fn like(samples: usize) -> Tensor<2> {
        Tensor::zeros([samples, 2], (&Device::flex(), DType::F64))
    }

    fn values(x: &Tensor<2>) -> Vec<f64> {
        x.to_data().iter::<f64>().collect()
    }

    #[test]
    fn a_refined_path_has_the_same_sums() {
        let coarse = increments(3, &[-8.0, 1.0, 6.0], &like(5));
        let grid: Vec<f64> = (0..=90).map(|i| -8.0 + 0.1 * f64::from(i)).collect();
        let fine = increments(3, &grid, &like(5));
        let sum = fine
            .into_iter()
            .reduce(|a, b| a + b)
            .unwrap_or_else(|| like(5));
        for (a, b) in values(&sum).iter().zip(values(&coarse[0])) {
            assert!(abs_diff_eq!(*a, b, epsilon = 1e-9), "{a} instead of {b}");
        }
        // Each sample has its own path, independent of the batch.
        assert_eq!(
            values(&coarse[0])[..2],
            values(&increments(3, &[-8.0, 1.0], &like(1))[0])
        );
        assert_ne!(
            values(&coarse[0]),
            values(&increments(4, &[-8.0, 1.0], &like(5))[0])
        );
    }

    #[test]
    fn both_ends_have_noise_and_precision_may_change() {
        let mut path = BrownianTree::<2>::seeded(2);
        let middle = Level::variance_preserving(0.0);
        for (from, to) in [
            (Level::PURE_NOISE, middle),
            (middle, Level::CLEAN),
            (Level::PURE_NOISE, Level::CLEAN),
            (middle, middle),
        ] {
            for dtype in [DType::F64, DType::F32] {
                let like = Tensor::<2>::zeros([3, 2], (&Device::flex(), dtype));
                let z = path.increment(Move { from, to }, &like);
                assert_eq!(z.dtype(), dtype);
                assert!(values(&z).iter().all(|z| z.abs() < 5.0 && *z != 0.0));
            }
        }
    }

    #[test]
    fn increments_are_normal_and_independent() {
        let draws = 20_000;
        let grid = [-6.0, -5.9, -2.0, 0.0, 1e-4, 4.0];
        let parts: Vec<Vec<f64>> = increments(1, &grid, &like(draws / 2))
            .iter()
            .zip(grid.windows(2))
            .map(|(part, pair)| {
                let scale = (pair[1].exp() - pair[0].exp()).sqrt();
                values(part).iter().map(|z| z / scale).collect()
            })
            .collect();
        let mean = |f: &dyn Fn(usize) -> f64| (0..draws).map(f).sum::<f64>() / draws as f64;
        for (i, a) in parts.iter().enumerate() {
            // Five standard errors of mean, variance and correlation.
            assert!(mean(&|k| a[k]).abs() < 0.036);
            assert_abs_diff_eq!(mean(&|k| a[k] * a[k]), 1.0, epsilon = 0.05);
            for b in &parts[..i] {
                assert!(mean(&|k| a[k] * b[k]).abs() < 0.036);
            }
        }
    }
}
