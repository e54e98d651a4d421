//! Score matching for any corruption `P(z|x)` with an explicit density.
//!
//! `E ‖s(z) − ∇_z log P(z|x)‖²` over pairs of clean `x` and corrupted `z` is minimal at
//! `s = ∇ log P_Z`, the score of the corrupted data. Gaussian noise is one case.
//!
//! # Reference
//! Peyré 2023, "Denoising diffusion models" (lecture notes), eq. 6; Vincent 2011, "A connection
//! between score matching and denoising autoencoders".

use crate::{Batch, Draws, Loss, Losses, Objective, TrainError};
use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use serde::Serialize;
use tweedie_core::oracle::{Gaussian, OracleError};
use tweedie_core::{InputError, Network, accumulation_dtype, parameter_dtype, per_sample_sum};
use tweedie_math::{Level, ParameterError};

/// A random change of data whose density is known.
pub trait Corruption<const D: usize> {
    /// Draws `z` given `x`, in its shape.
    fn draw(&self, clean: Tensor<D>, draws: &mut Draws) -> Tensor<D>;

    /// `∇_z log P(z|x)`.
    fn score(&self, corrupted: Tensor<D>, clean: Tensor<D>) -> Tensor<D>;
}

/// The objective of a corruption, for networks that output the score of the corrupted data.
///
/// The loss of an example is the mean over its values. The time input of the network is 0.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_models::{MlpConfig, seeded};
/// use tweedie_train::{CorruptionMatching, LaplaceCorruption, TrainSettings, Trainer};
///
/// let device = Device::flex();
/// let points = Tensor::<2>::from_floats([[1.0], [-1.0]], &device);
/// let network = seeded(0, &device, MlpConfig::new(1).with_width(16).init(&device)?);
/// let objective = CorruptionMatching(LaplaceCorruption::new(0.5)?);
/// let mut trainer = Trainer::new(network, objective, TrainSettings::default().with_steps(3))?;
/// while trainer.step(&points)?.is_some() {}
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CorruptionMatching<C>(pub C);

impl<N: Module, C> Objective<N> for CorruptionMatching<C> {
    fn check(&self, _: &N) -> Result<(), TrainError> {
        Ok(())
    }
}

impl<const D: usize, N: Module + Network<D>, C: Corruption<D>> Loss<N, D>
    for CorruptionMatching<C>
{
    fn losses(
        &self,
        model: &N,
        Batch { clean, .. }: Batch<D>,
        draws: &mut Draws,
    ) -> Result<Losses, InputError> {
        let shape = clean.dims();
        model.accepts(shape, &())?;
        let corrupted = self.0.draw(clean.clone(), draws);
        let target = self.0.score(corrupted.clone(), clean);
        let dtype = parameter_dtype(model).unwrap_or(corrupted.dtype());
        let like = (&corrupted.device(), accumulation_dtype(dtype));
        let time = Tensor::<1>::zeros([shape[0]], like);
        let output = model.forward(corrupted.cast(dtype), time, &());
        crate::score_matching::of_clean("the network's output", shape, output.dims())?;
        let values = shape[1..].iter().product::<usize>() as f64;
        let error = output.cast(target.dtype()) - target;
        Ok(Losses::new(per_sample_sum(error.square()) / values))
    }
}

/// `z = x + n` with independent Laplace noise, `P(n) = e^{−|n|/b}/(2b)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LaplaceCorruption {
    scale: f64,
}

impl LaplaceCorruption {
    /// Takes the scale `b`; the standard deviation is `√2 b`.
    ///
    /// # Errors
    /// [`ParameterError`] unless the scale is finite and above 0.
    pub fn new(scale: f64) -> Result<Self, ParameterError> {
        let scale = ParameterError::require_positive("the scale of Laplace noise", scale)?;
        Ok(Self { scale })
    }
}

impl<const D: usize> Corruption<D> for LaplaceCorruption {
    fn draw(&self, clean: Tensor<D>, draws: &mut Draws) -> Tensor<D> {
        // Half the squared length of two normal numbers is exponential.
        let mut exponential = || {
            let [a, b] = [0, 1].map(|_| draws.normal_like(&clean).square());
            (a + b) * 0.5
        };
        let noise = exponential() - exponential();
        clean + noise * self.scale
    }

    fn score(&self, corrupted: Tensor<D>, clean: Tensor<D>) -> Tensor<D> {
        (clean - corrupted).sign() / self.scale
    }
}

/// `z = x + n` with Gaussian noise `n ~ N(0, C)`, for points `[batch, dim]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CorrelatedCorruption {
    covariance: Vec<Vec<f64>>,
    #[serde(skip)]
    law: Gaussian,
    /// `√Λ Eᵀ`, by rows.
    #[serde(skip)]
    root: Vec<f64>,
}

impl CorrelatedCorruption {
    /// Takes the covariance `C`, by its rows.
    ///
    /// # Errors
    /// [`OracleError`] unless the covariance is square, symmetric and positive definite.
    pub fn new(covariance: &[Vec<f64>]) -> Result<Self, OracleError> {
        let law = Gaussian::full(&vec![0.0; covariance.len()], covariance)?;
        let pairs = law.eigenvalues().into_iter().zip(law.eigenvectors());
        let mut root = Vec::new();
        for (variance, axis) in pairs {
            if variance <= 0.0 {
                return Err(OracleError::Definite {
                    name: "the covariance of the noise",
                    expected: "positive definite",
                    least: variance,
                });
            }
            root.extend(axis.into_iter().map(|value| variance.sqrt() * value));
        }
        Ok(Self {
            covariance: covariance.to_vec(),
            law,
            root,
        })
    }
}

impl Corruption<2> for CorrelatedCorruption {
    fn draw(&self, clean: Tensor<2>, draws: &mut Draws) -> Tensor<2> {
        let root = TensorData::new(self.root.clone(), [self.law.dim(); 2]);
        let root = Tensor::<2>::from_data(root, (&clean.device(), clean.dtype()));
        let normal = draws.normal_like(&clean);
        clean + normal.matmul(root)
    }

    fn score(&self, corrupted: Tensor<2>, clean: Tensor<2>) -> Tensor<2> {
        self.law.score(corrupted - clean, Level::CLEAN)
    }
}
