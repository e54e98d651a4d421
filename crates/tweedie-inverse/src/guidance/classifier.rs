//! Classifier guidance: `p(y | x_t)` from a classifier of noisy states.
//!
//! # Reference
//! Dhariwal & Nichol 2021, "Diffusion Models Beat GANs on Image Synthesis", algorithm 1 and section 4,
//! arXiv:2105.05233.

use super::NoisyLikelihood;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor};
use tweedie_core::InputError;
use tweedie_math::Level;

/// The class that each sample is to have, by a classifier; for [`Conditioned`](crate::Conditioned).
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::{Denoiser, oracle::{Gaussian, GaussianMixture}};
/// use tweedie_inverse::{Classifier, Conditioned};
/// use tweedie_math::Level;
///
/// // The classes of a mixture are known: the guided denoiser is that of one component.
/// let (device, level) = (Device::flex(), Level::new(0.6, 0.8)?);
/// let left = Gaussian::isotropic(&[-1.0, 0.0], 0.5)?;
/// let right = Gaussian::isotropic(&[1.0, 0.0], 0.5)?;
/// let both = GaussianMixture::new(vec![(0.5, left), (0.5, right.clone())])?;
/// let logits = |x: Tensor<2>, level| both.responsibilities(&x, level).log();
/// let classifier = Classifier::new(logits, Tensor::from_ints([1], &device));
/// let x = Tensor::<2>::from_floats([[-0.2, 0.3]], &device);
/// let guided = Conditioned::new(&both, classifier).denoise(x.clone(), level);
/// let gap = guided - right.denoise(x, level);
/// assert!(gap.abs().max().into_scalar::<f32>() < 1e-5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Classifier<F> {
    logits: F,
    classes: Tensor<1, Int>,
    /// The least and the largest of them.
    span: [i64; 2],
}

impl<F> Classifier<F> {
    /// `logits` maps states `[batch, …]` at a level to `[batch, classes]`; `classes` says which one
    /// each sample is to have, or one for all.
    pub fn new(logits: F, classes: Tensor<1, Int>) -> Self {
        let numbers: Vec<i64> = classes.to_data().iter::<i64>().collect();
        let least = numbers.iter().copied().min().unwrap_or(-1);
        let most = numbers.iter().copied().max().unwrap_or(-1);
        Self {
            logits,
            classes,
            span: [least, most],
        }
    }
}

impl<const D: usize, F: Fn(Tensor<D>, Level) -> Tensor<2>> NoisyLikelihood<D> for Classifier<F> {
    /// # Panics
    /// If a class is none of those that the classifier tells apart.
    fn log_likelihood(&self, x: Tensor<D>, level: Level) -> Tensor<1> {
        let batch = x.dims()[0];
        let log = log_softmax((self.logits)(x, level), 1);
        let ([least, most], known) = (self.span, log.dims()[1]);
        assert!(
            least >= 0 && most < known as i64,
            "classes from {least} to {most} of a classifier of {known}"
        );
        let classes = self.classes.clone().unsqueeze_dim::<2>(1);
        log.gather(1, classes.expand([batch, 1])).reshape([batch])
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        let [least, _] = self.span;
        InputError::unless(least >= 0, "a class", "at least 0, and there", least as f64)?;
        let found = self.classes.dims();
        match found[0] == 1 || found[0] == shape[0] {
            true => Ok(()),
            false => Err(InputError::Shape {
                name: "classes",
                found: found.to_vec(),
                expected: format!("[{}], one for each sample, or [1]", shape[0]),
            }),
        }
    }
}
