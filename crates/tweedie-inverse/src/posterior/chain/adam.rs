//! Adam, for descents within a run.
//!
//! # Reference
//! Kingma & Ba 2015, algorithm 1, arXiv:1412.6980.

use crate::values::widened;
use burn::tensor::Tensor;

/// Adam's running averages of the gradient and of its square, and the number of gradients.
#[derive(Clone, Debug)]
pub struct Averages<const D: usize> {
    mean: Option<(Tensor<D>, Tensor<D>)>,
    seen: i32,
}

impl<const D: usize> Default for Averages<D> {
    fn default() -> Self {
        Self {
            mean: None,
            seen: 0,
        }
    }
}

impl<const D: usize> Averages<D> {
    /// Adds a gradient and returns Adam's direction, with β = 0.9 and 0.99.
    pub fn direction(&mut self, gradient: Tensor<D>) -> Tensor<D> {
        const BETAS: [f64; 2] = [0.9, 0.99];
        // The square of a small gradient is 0 in half precision.
        let dtype = gradient.dtype();
        let gradient = widened(gradient);
        let zeros = || (gradient.zeros_like(), gradient.zeros_like());
        let (first, second) = self.mean.take().unwrap_or_else(zeros);
        let first = first * BETAS[0] + gradient.clone() * (1.0 - BETAS[0]);
        let second = second * BETAS[1] + gradient.square() * (1.0 - BETAS[1]);
        self.seen += 1;
        let unbiased = BETAS.map(|beta| 1.0 / (1.0 - beta.powi(self.seen)));
        let scale = (second.clone() * unbiased[1]).sqrt() + 1e-8;
        let direction = first.clone() * unbiased[0] / scale;
        self.mean = Some((first, second));
        direction.cast(dtype)
    }
}
