//! Classifier-free guidance in one pass: both conditions as one batch.
//!
//! # Reference
//! Ho & Salimans 2022, arXiv:2207.12598.

use crate::{Architecture, Class, ConditionError, Conditions, Context, Model};
use burn::tensor::Tensor;
use tweedie_core::{DenoiseError, Denoiser, InputError, Posterior};
use tweedie_math::{Level, ParameterError};

/// `x̂₀ = u + s (c − u)` of one model that is told `c` and `u` side by side; what
/// [`ClassifierFree`](tweedie_core::ClassifierFree) says of two models, with the weights read once.
///
/// Made by [`Model::guided`].
#[derive(Clone, Debug)]
pub struct Guided {
    model: Model,
    told: [Conditions; 2],
    scale: f64,
}

impl Model {
    /// The model under guidance: towards what it says when told `conditions`, away from what it says when told
    /// `others`, the empty text or no class; `scale` 1 is the former alone, 0 the latter. Every step is one pass
    /// of twice the batch.
    ///
    /// # Errors
    /// [`ConditionError`] for conditions that the network does not take, or contexts of unequal length.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use tweedie_core::{ClassifierFree, Denoiser, TimeInput};
    /// use tweedie_math::{Level, Prediction};
    /// use tweedie_models::{Conditions, DitConfig, Model, ModelConfig};
    ///
    /// let device = Device::flex();
    /// let config = DitConfig::new(3).with_width(24).with_layers(1).with_heads(2).with_classes(10).with_grid(4);
    /// let config = ModelConfig::new(config, Prediction::Noise, TimeInput::LogSnr, [8, 8]);
    /// let model = Model::new(config.clone(), config.init(&device)?.into_network())?;
    ///
    /// let third = Conditions::none().with_labels(Tensor::from_ints([3], &device));
    /// let guided = model.guided(third.clone(), Conditions::none(), 4.0)?;
    /// let (x, level) = (Tensor::ones([2, 3, 8, 8], &device), Level::new(0.6, 0.8)?);
    /// let one = guided.denoise(x.clone(), level)?;
    ///
    /// let told = model.with_conditions(third)?;
    /// let two = ClassifierFree::new(&told, &model, 4.0)?.denoise(x, level)?;
    /// assert!((one - two).abs().max().into_scalar::<f32>() < 1e-5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn guided(
        &self,
        conditions: Conditions,
        others: Conditions,
        scale: f64,
    ) -> Result<Guided, ConditionError> {
        let told = [conditions, others];
        for conditions in &told {
            let config = self.config();
            config.network.accepts(config.channels, conditions)?;
        }
        let tokens = told.each_ref().map(|conditions| {
            let context = conditions.context.as_ref();
            context.map_or(0, |context| context.tokens.dims()[1])
        });
        if tokens[0] != tokens[1] {
            return Err(ConditionError {
                what: "context without the condition",
                expected: format!("{} tokens", tokens[0]),
                found: format!("{} tokens", tokens[1]),
            });
        }
        Ok(Guided {
            model: self.clone(),
            told,
            scale,
        })
    }

    /// A transformer's row for no class, by its number.
    fn named_class(&self, conditions: Conditions, x: &Tensor<4>) -> Conditions {
        match &self.config().network {
            Architecture::Dit(config) if conditions.class.is_none() => {
                let none = Tensor::from_ints([config.classes as i32], &x.device());
                conditions.with_labels(none)
            }
            _ => conditions,
        }
    }
}

impl Guided {
    /// The model, told both, on `x` twice.
    fn both(&self, x: &Tensor<4>) -> (Model, Tensor<4>) {
        let batch = x.dims()[0];
        let [c, u] = self.told.clone().map(|conditions| {
            let conditions = self.model.named_class(conditions, x);
            conditions.for_batch(batch)
        });
        let told = self.model.told(join(c, u));
        (told, Tensor::cat(vec![x.clone(), x.clone()], 0))
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

impl Denoiser<4> for Guided {
    fn denoise(&self, x: Tensor<4>, level: Level) -> Result<Tensor<4>, DenoiseError> {
        let (model, both) = self.both(&x);
        Ok(self.combine(model.denoise(both, level)?))
    }

    /// The variance is the conditional model's.
    fn estimate(&self, x: Tensor<4>, level: Level) -> Result<Posterior<4>, DenoiseError> {
        let batch = x.dims()[0];
        let (model, both) = self.both(&x);
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
        ParameterError::require_finite("the guidance scale", self.scale)?;
        self.model.accepts_images(shape)?;
        let serve = |conditions: &Conditions| conditions.serve(shape);
        let served = self.told.iter().try_for_each(serve);
        served.map_err(|error| InputError::Refused(error.to_string()))
    }
}

/// The rows of one batch above those of another, where both are of a kind.
fn join(first: Conditions, second: Conditions) -> Conditions {
    let class = match (first.class, second.class) {
        (Some(Class::Labels(a)), Some(Class::Labels(b))) => {
            Some(Class::Labels(Tensor::cat(vec![a, b], 0)))
        }
        (Some(Class::Vectors(a)), Some(Class::Vectors(b))) => {
            Some(Class::Vectors(Tensor::cat(vec![a, b], 0)))
        }
        _ => None,
    };
    let context = first.context.zip(second.context).map(|(a, b)| {
        let none = |context: &Context| {
            let [rows, tokens, _] = context.tokens.dims();
            Tensor::zeros(
                [rows, tokens],
                (&context.tokens.device(), context.tokens.dtype()),
            )
        };
        let bias = match (&a.bias, &b.bias) {
            (None, None) => None,
            _ => {
                let [a, b] = [&a, &b].map(|c| c.bias.clone().unwrap_or_else(|| none(c)));
                Some(Tensor::cat(vec![a, b], 0))
            }
        };
        Context {
            tokens: Tensor::cat(vec![a.tokens, b.tokens], 0),
            bias,
        }
    });
    let image = first.image.zip(second.image);
    Conditions {
        class,
        context,
        image: image.map(|(a, b)| Tensor::cat(vec![a, b], 0)),
    }
}
