//! A measurement: an operator, a noise model and what was seen.

use crate::{NoiseModel, Operator};
use burn::tensor::Tensor;
use tweedie_core::Noise;

/// Anything that scores clean signals: a measurement, a classifier, a constraint.
pub trait Likelihood<const D: usize> {
    /// `log p(y | x₀)` in nats for each sample, up to a constant: `[batch]`. A sample's score does
    /// not depend on its neighbours.
    fn log_likelihood(&self, clean: Tensor<D>) -> Tensor<1>;
}

impl<const D: usize, L: Likelihood<D> + ?Sized> Likelihood<D> for &L {
    fn log_likelihood(&self, clean: Tensor<D>) -> Tensor<1> {
        (**self).log_likelihood(clean)
    }
}

impl<const D: usize, L: Likelihood<D> + ?Sized> Likelihood<D> for Box<L> {
    fn log_likelihood(&self, clean: Tensor<D>) -> Tensor<1> {
        (**self).log_likelihood(clean)
    }
}

/// `y = A x₀ + noise`. A `y` of batch 1 is shared by a batch of any size.
#[derive(Clone, Debug)]
pub struct Measurement<const D: usize, A, N> {
    /// `A`.
    pub operator: A,
    /// The law of `y` around `A x₀`.
    pub noise: N,
    /// What was seen.
    pub y: Tensor<D>,
}

impl<const D: usize, A: Operator<D>, N: NoiseModel<D>> Measurement<D, A, N> {
    /// A measurement that was made.
    pub fn new(operator: A, noise: N, y: Tensor<D>) -> Self {
        Self { operator, noise, y }
    }

    /// Measures `truth`.
    pub fn simulate(operator: A, noise: N, truth: Tensor<D>, random: &mut dyn Noise<D>) -> Self {
        let y = noise.corrupt(operator.apply(truth), random);
        Self { operator, noise, y }
    }
}

impl<const D: usize, A: Operator<D>, N: NoiseModel<D>> Likelihood<D> for Measurement<D, A, N> {
    fn log_likelihood(&self, clean: Tensor<D>) -> Tensor<1> {
        let mean = self.operator.apply(clean);
        self.noise.log_likelihood(self.y.clone(), mean)
    }
}
