//! Classifier guidance: `p(y | x_t)` from a classifier of noisy states.
//!
//! # Reference
//! Dhariwal & Nichol 2021, "Diffusion Models Beat GANs on Image Synthesis", algorithm 1 and section
//! 4, arXiv:2105.05233.

use super::NoisyLikelihood;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor};
use tweedie_core::{DenoiseError, InputError};
use tweedie_math::{Level, ParameterError};

/// The likelihood of a class under a classifier, for
/// [`ScoreGuidance`](crate::posterior::ScoreGuidance).
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::{Denoiser, oracle::{Gaussian, GaussianMixture}};
/// use tweedie_inverse::posterior::{Classifier, ScoreGuidance};
/// use tweedie_math::Level;
///
/// // With the exact classes of a mixture, the guided denoiser is that of one component.
/// let (device, level) = (Device::flex(), Level::new(0.6, 0.8)?);
/// let left = Gaussian::isotropic(&[-1.0, 0.0], 0.5)?;
/// let right = Gaussian::isotropic(&[1.0, 0.0], 0.5)?;
/// let both = GaussianMixture::new(vec![(0.5, left), (0.5, right.clone())])?;
/// let logits = |x: Tensor<2>, level| both.responsibilities(&x, level).log();
/// let classifier = Classifier::new(logits, Tensor::from_ints([1], &device))?;
/// let x = Tensor::<2>::from_floats([[-0.2, 0.3]], &device);
/// let guided = ScoreGuidance::new(&both, classifier).denoise(x.clone(), level)?;
/// let gap = guided - right.denoise(x, level)?;
/// assert!(gap.abs().max().into_scalar::<f32>() < 1e-5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Classifier<F> {
    logits: F,
    classes: Tensor<1, Int>,
    largest: i64,
}

impl<F> Classifier<F> {
    /// Creates the likelihood from a classifier and the target classes.
    ///
    /// `logits` maps states `[batch, …]` at a level to `[batch, classes]`. `classes` holds the
    /// class of each sample, or one class for all.
    ///
    /// # Errors
    /// [`ParameterError`] if `classes` is empty or has a class below 0.
    pub fn new(logits: F, classes: Tensor<1, Int>) -> Result<Self, ParameterError> {
        let numbers: Vec<i64> = classes.to_data().iter::<i64>().collect();
        ParameterError::require_count("the number of classes", numbers.len())?;
        let least = numbers.iter().copied().min().unwrap_or(0);
        ParameterError::require(least >= 0, "a class", "at least 0", least as f64)?;
        Ok(Self {
            logits,
            classes,
            largest: numbers.iter().copied().max().unwrap_or(0),
        })
    }
}

impl<const D: usize, F: Fn(Tensor<D>, Level) -> Tensor<2>> NoisyLikelihood<D> for Classifier<F> {
    fn log_likelihood(&self, x: Tensor<D>, level: Level) -> Result<Tensor<1>, DenoiseError> {
        let batch = x.dims()[0];
        let log = log_softmax((self.logits)(x, level), 1);
        let known = self.largest < log.dims()[1] as i64;
        let expected = "below the classifier's number of classes";
        ParameterError::require(known, "a class", expected, self.largest as f64)
            .map_err(InputError::from)?;
        let classes = self.classes.clone().unsqueeze_dim::<2>(1);
        let log = log.gather(1, classes.expand([batch, 1]));
        Ok(log.reshape([batch]))
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
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
