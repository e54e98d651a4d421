//! Classifier-free guidance in one pass: both conditions as one batch.
//!
//! # Reference
//! Ho & Salimans 2022, arXiv:2207.12598.

use crate::{AnyArchitecture, Architecture, Model};
use burn::module::Module;
use burn::tensor::Tensor;
use tweedie_core::{Condition, DenoiseError, Denoiser, InputError, Posterior};
use tweedie_math::{Level, ParameterError};

/// `x̂₀ = u + s (c − u)` of one model that is told `c` and `u` side by side; what
/// [`ClassifierFree`](tweedie_core::ClassifierFree) says of two models, with the weights read once.
///
/// Made by [`Model::guided`].
#[derive(Clone, Debug)]
pub struct Guided<A: Architecture = AnyArchitecture> {
    model: Model<A>,
    told: [A::Condition; 2],
    scale: f64,
}

impl<A: Architecture> Model<A> {
    /// The model under guidance: towards what it says when told `condition`, away from what it says
    /// when told `other`, the empty text or no class; `scale` 1 is the former alone, 0 the latter.
    /// Every step is one pass of twice the batch.
    ///
    /// # Errors
    /// [`InputError`] for a condition that the network does not take, two that cannot stand in one
    /// batch, or a scale that is not finite.
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
    /// let told = model.with_condition(third)?;
    /// let two = ClassifierFree::new(&told, &model, 4.0)?.denoise(x, level)?;
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
        let told = [condition, other].map(|told| config.network.completed(told, &device));
        let [c, u] = told.clone();
        A::Condition::join(c, u)?;
        Ok(Guided {
            model: self.clone(),
            told,
            scale,
        })
    }
}

impl<A: Architecture> Guided<A> {
    /// The model, told both, on `x` twice.
    fn both(&self, x: &Tensor<4>) -> Result<(Model<A>, Tensor<4>), InputError> {
        let batch = x.dims()[0];
        let [c, u] = self.told.each_ref().map(|told| told.for_batch(batch));
        let told = self.model.told(A::Condition::join(c, u)?);
        Ok((told, Tensor::cat(vec![x.clone(), x.clone()], 0)))
    }

    /// `u + s (c − u)` of the two halves.
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

    /// The variance is the conditional model's.
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
        let mut told = self.told.iter();
        Ok(told.try_for_each(|condition| condition.check(&shape))?)
    }
}
