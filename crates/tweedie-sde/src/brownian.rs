//! Brownian motion on a grid of times, with refinement by bridges.
//!
//! `w_0 = 0`, and increments over disjoint intervals are independent, `w_t − w_s ~ N(0, t − s)`.
//! Given both ends of an interval of length `h`, the middle is `N((w_a + w_b)/2, h/4)`: Lévy's
//! construction.
//!
//! # Reference
//! Lévy 1939; Kloeden & Platen 1992, section 1.8.

use burn::tensor::Tensor;
use tweedie_core::{HostNoise, Noise};

/// Brownian paths, one for each value of a tensor, at equidistant times from 0.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_sde::BrownianPath;
///
/// let like = Tensor::<1>::zeros([8], &Device::flex());
/// let coarse = BrownianPath::new(&like, 1.0, 4, 7);
/// let fine = coarse.clone().refined();
/// assert_eq!((coarse.steps(), fine.steps()), (4, 8));
/// // The same path at more times.
/// let gap = coarse.value(3).clone() - fine.value(6).clone();
/// assert_eq!(gap.abs().max().into_scalar::<f32>(), 0.0);
/// ```
#[derive(Clone, Debug)]
pub struct BrownianPath<const D: usize> {
    values: Vec<Tensor<D>>,
    end: f64,
    noise: HostNoise,
}

impl<const D: usize> BrownianPath<D> {
    /// Draws paths in the shape and precision of `like` at `steps + 1` times from 0 to `end`.
    ///
    /// # Panics
    /// If there are no steps, or `end` is not finite and above 0.
    #[must_use]
    pub fn new(like: &Tensor<D>, end: f64, steps: usize, seed: u64) -> Self {
        assert!(steps > 0, "a path of no steps");
        assert!(end > 0.0 && end.is_finite(), "a path until {end}");
        let mut noise = HostNoise::seeded(seed);
        let deviation = (end / steps as f64).sqrt();
        let mut values = vec![like.zeros_like()];
        for step in 0..steps {
            let increment = noise.normal_like(like) * deviation;
            values.push(values[step].clone() + increment);
        }
        Self { values, end, noise }
    }

    /// The same paths at twice as many times.
    #[must_use]
    pub fn refined(mut self) -> Self {
        let deviation = (self.step() / 4.0).sqrt();
        let mut values = vec![self.values[0].clone()];
        for pair in self.values.windows(2) {
            let [from, to] = [0, 1].map(|i| pair[i].clone());
            let middle = (from + to.clone()) * 0.5;
            values.push(middle + self.noise.normal_like(&to) * deviation);
            values.push(to);
        }
        self.values = values;
        self
    }

    /// The number of steps.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.values.len() - 1
    }

    /// The length of a step.
    #[must_use]
    pub fn step(&self) -> f64 {
        self.end / self.steps() as f64
    }

    /// The time of node `i`, from 0.
    #[must_use]
    pub fn time(&self, i: usize) -> f64 {
        self.end * i as f64 / self.steps() as f64
    }

    /// The paths at node `i`.
    ///
    /// # Panics
    /// If there is no such node.
    #[must_use]
    pub fn value(&self, i: usize) -> &Tensor<D> {
        &self.values[i]
    }

    /// `w_{i+1} − w_i`.
    ///
    /// # Panics
    /// If there is no such step.
    #[must_use]
    pub fn increment(&self, i: usize) -> Tensor<D> {
        self.values[i + 1].clone() - self.values[i].clone()
    }
}
