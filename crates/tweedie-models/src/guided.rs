//! Classifier-free guidance in one pass, with both conditions in one batch.
//!
//! # Reference
//! Ho & Salimans 2022, arXiv:2207.12598.

use crate::{AnyArchitecture, Architecture, Model};
use burn::module::Module;
use burn::tensor::Tensor;
use tweedie_core::{Condition, DenoiseError, Denoiser, InputError, Posterior};
use tweedie_math::{Level, ParameterError};

/// Classifier-free guidance of one model in one pass: `x̂₀ = u + s (c − u)`.
///
/// `c` and `u` are the estimates under the two conditions.
/// [`ClassifierFree`](tweedie_core::ClassifierFree) computes the same from two models; here the
/// weights are read only once.
///
/// [`Model::guided`] creates this denoiser.
#[derive(Clone, Debug)]
pub struct Guided<A: Architecture = AnyArchitecture> {
    model: Model<A>,
    conditions: [A::Condition; 2],
    scale: f64,
}

impl<A: Architecture> Model<A> {
    /// Returns the model guided towards `condition` and away from `other`.
    ///
    /// `other` is usually the empty text or no class. A `scale` of 1 gives the estimate under
    /// `condition` alone, 0 the one under `other`. Every evaluation is one pass with twice the
    /// batch.
    ///
    /// # Errors
    /// [`InputError`] if the network does not take a condition, if the conditions cannot share a
    /// batch, or if the scale is not finite.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use tweedie_core::{ClassifierFree, Denoiser, TimeInput};
    /// use tweedie_math::{Level, Prediction};
    /// use tweedie_models::{Conditions, DitConfig, Model, ModelConfig};
    ///
    /// let device = Device::flex();
    /// let config = DitConfig::new(3).with_width(24).with_layers(1).with_heads(2);
    /// let config = config.with_classes(10).with_grid(4);
    /// let config = ModelConfig::new(config, Prediction::Noise, TimeInput::LogSnr, [8, 8]);
    /// let model = Model::new(config.clone(), config.init(&device)?.into_network())?;
    ///
    /// let third = Conditions::none().with_labels(Tensor::from_ints([3], &device));
    /// let guided = model.guided(third.clone(), Conditions::none(), 4.0)?;
    /// let (x, level) = (Tensor::ones([2, 3, 8, 8], &device), Level::new(0.6, 0.8)?);
    /// let one = guided.denoise(x.clone(), level)?;
    ///
    /// let conditioned = model.with_condition(third)?;
    /// let two = ClassifierFree::new(&conditioned, &model, 4.0)?.denoise(x, level)?;
    /// assert!((one - two).abs().max().into_scalar::<f32>() < 1e-5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn guided(
        &self,
        condition: A::Condition,
        other: A::Condition,
        scale: f64,
    ) -> Result<Guided<A>, InputError> {
        ParameterError::require_finite("the guidance scale", scale)?;
        let config = self.config();
        for condition in [&condition, &other] {
            config.network.check_condition(config.channels, condition)?;
        }
        let device = self.network().devices().into_iter().next();
        let device = device.unwrap_or_default();
        let complete = |condition| config.network.with_defaults(condition, &device);
        let conditions = [condition, other].map(complete);
        let [c, u] = conditions.clone();
        A::Condition::join(c, u)?;
        Ok(Guided {
            model: self.clone(),
            conditions,
            scale,
        })
    }
}

impl<A: Architecture> Guided<A> {
    /// The model under both conditions, and the batch `x` repeated twice.
    fn both(&self, x: &Tensor<4>) -> Result<(Model<A>, Tensor<4>), InputError> {
        let batch = x.dims()[0];
        let [c, u] = self.conditions.each_ref().map(|it| it.for_batch(batch));
        let both = self.model.conditioned_on(A::Condition::join(c, u)?);
        Ok((both, Tensor::cat(vec![x.clone(), x.clone()], 0)))
    }

    /// Combines the two halves of the batch: `u + s (c − u)`.
    fn combine(&self, both: Tensor<4>) -> Tensor<4> {
        let batch = both.dims()[0] / 2;
        let (c, u) = (
            both.clone().narrow(0, 0, batch),
            both.narrow(0, batch, batch),
        );
        u.clone() + (c - u) * self.scale
    }
}

impl<A: Architecture> Denoiser<4> for Guided<A> {
    fn denoise(&self, x: Tensor<4>, level: Level) -> Result<Tensor<4>, DenoiseError> {
        let (model, both) = self.both(&x)?;
        Ok(self.combine(model.denoise(both, level)?))
    }

    /// The variance is that of the estimate under `condition`.
    fn estimate(&self, x: Tensor<4>, level: Level) -> Result<Posterior<4>, DenoiseError> {
        let batch = x.dims()[0];
        let (model, both) = self.both(&x)?;
        let estimate = model.estimate(both, level)?;
        Ok(Posterior {
            clean: self.combine(estimate.clean),
            interpolation: estimate.interpolation.map(|v| v.narrow(0, 0, batch)),
        })
    }

    fn supports(&self, level: Level) -> bool {
        self.model.supports(level)
    }

    fn accepts(&self, shape: [usize; 4]) -> Result<(), InputError> {
        self.model.accepts_images(shape)?;
        let mut conditions = self.conditions.iter();
        Ok(conditions.try_for_each(|condition| condition.check(&shape))?)
    }
}
