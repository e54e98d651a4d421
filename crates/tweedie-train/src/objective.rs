//! What a run minimises: the seam between a model, its examples and the training loop.

use crate::{Batch, TrainError};
use burn::tensor::{Device, Tensor};
use tweedie_core::{HostNoise, InputError, Noise};

/// What a [`Trainer`](crate::Trainer) minimises for a model `M`.
///
/// [`ScoreMatching`](crate::ScoreMatching) trains denoisers. Implement this trait and [`Loss`] to
/// train anything else, such as a classifier, with the same loop:
///
/// ```
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::InputError;
/// use tweedie_train::{Batch, Draws, Loss, Losses, Objective, TrainError, TrainSettings, Trainer};
///
/// /// Reconstructs points after a projection.
/// struct Reconstruction;
///
/// impl Objective<Linear> for Reconstruction {
///     fn check(&self, _: &Linear) -> Result<(), TrainError> {
///         Ok(())
///     }
/// }
///
/// impl Loss<Linear, 2> for Reconstruction {
///     fn losses(
///         &self,
///         model: &Linear,
///         batch: Batch<2>,
///         _: &mut Draws,
///     ) -> Result<Losses, InputError> {
///         let error = model.forward(batch.clean.clone()) - batch.clean;
///         Ok(Losses::new(error.square().mean_dim(1).squeeze_dim(1)))
///     }
/// }
///
/// let device = Device::flex();
/// let points = Tensor::<2>::from_floats([[1.0, 2.0], [2.0, 1.0]], &device);
/// let model = LinearConfig::new(2, 2).init(&device);
/// let settings = TrainSettings::default().with_steps(3).with_batch(2);
/// let mut trainer = Trainer::new(model, Reconstruction, settings)?;
/// while trainer.step(&points)?.is_some() {}
/// # Ok::<(), TrainError>(())
/// ```
pub trait Objective<M> {
    /// Checks the objective and the model before the first step.
    ///
    /// # Errors
    /// [`TrainError`] for a parameter outside its range, or a model that the objective cannot
    /// train.
    fn check(&self, model: &M) -> Result<(), TrainError>;

    /// Learns from a step that was not skipped: the numbers in `[0, 1)` and the losses of its
    /// examples.
    fn observe(&mut self, uniform: &[f64], losses: &[f64]) {
        let _ = (uniform, losses);
    }

    /// What the objective has learned, for checkpoints; nothing by default.
    fn memory(&self) -> Vec<f64> {
        Vec::new()
    }

    /// Continues with what [`memory`](Self::memory) returned. Returns whether it fits.
    fn recall(&mut self, memory: &[f64]) -> bool {
        memory.is_empty()
    }
}

/// The losses of an [`Objective`] on examples of rank `D` with conditions `C`.
pub trait Loss<M, const D: usize, C = ()>: Objective<M> {
    /// Returns the loss of each example. The trainer minimises their mean.
    ///
    /// `batch` is on the device without autodiff. The model has autodiff in a training step, and
    /// none on held-out examples. All random numbers come from `draws`: the caller has locked
    /// burn's generator for dropout, and [`DeviceNoise`](tweedie_core::DeviceNoise) would wait for
    /// it for ever. The loss of an example must not depend on the other examples.
    ///
    /// # Errors
    /// [`InputError`] for examples that the model does not take.
    fn losses(
        &self,
        model: &M,
        batch: Batch<D, C>,
        draws: &mut Draws,
    ) -> Result<Losses, InputError>;
}

/// The losses of a batch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Losses {
    /// The loss of each example, `[batch]`.
    pub values: Tensor<1>,
    /// The log-SNR of each example; empty for an objective without noise levels.
    pub log_snr: Vec<f64>,
}

impl Losses {
    /// Losses `[batch]` of an objective without noise levels.
    #[must_use]
    pub fn new(values: Tensor<1>) -> Self {
        Self {
            values,
            log_snr: Vec::new(),
        }
    }

    /// Sets the log-SNR of each example.
    #[must_use]
    pub fn with_log_snr(self, log_snr: Vec<f64>) -> Self {
        Self { log_snr, ..self }
    }
}

/// The random numbers of a batch, or of a part of it.
///
/// Each example has its own, whatever part of the batch it is in.
#[derive(Clone, Debug)]
pub struct Draws {
    uniform: Vec<f64>,
    noise: HostNoise,
    is_training: bool,
}

impl Draws {
    /// The numbers of the examples from place `first` of the batch of a step. `uniform` has one
    /// number in `[0, 1)` for each.
    #[must_use]
    pub fn new(uniform: Vec<f64>, seed: u64, first: usize) -> Self {
        Self {
            uniform,
            noise: HostNoise::seeded(seed).starting_at(first as u64),
            is_training: true,
        }
    }

    /// The numbers for an evaluation on held-out examples, which have to be the same in each.
    #[must_use]
    pub fn evaluating(self) -> Self {
        Self {
            is_training: false,
            ..self
        }
    }

    /// Whether the numbers are for a training step, and not for an evaluation.
    #[must_use]
    pub fn is_training(&self) -> bool {
        self.is_training
    }

    /// A number in `[0, 1)` for each example. Those of a whole batch are stratified.
    #[must_use]
    pub fn uniform(&self) -> &[f64] {
        &self.uniform
    }

    /// Replaces the numbers in `[0, 1)`, for instance to draw some times more often.
    ///
    /// # Panics
    /// If there are not as many as before.
    pub fn set_uniform(&mut self, uniform: Vec<f64>) {
        assert_eq!(
            uniform.len(),
            self.uniform.len(),
            "one number for each example"
        );
        self.uniform = uniform;
    }

    /// Standard normal numbers, new ones at each call. The first axis counts the examples.
    pub fn normal<const D: usize>(&mut self, shape: [usize; D], device: &Device) -> Tensor<D> {
        self.noise.normal(shape, device)
    }

    /// Standard normal numbers in the shape and precision of `x`.
    pub fn normal_like<const D: usize>(&mut self, x: &Tensor<D>) -> Tensor<D> {
        self.noise.normal_like(x)
    }
}
