//! What a network is told besides the level.

use crate::probe::Probe;
use burn::module::Module;
use burn::tensor::{Int, Tensor};
use tweedie_core::{Interpolation, Network, Resize};

/// The class of each sample, `[batch]` labels or `[batch, features]` vectors. One row serves a
/// batch of any size.
#[derive(Clone, Debug)]
pub enum Class {
    /// Indices, from 0.
    Labels(Tensor<1, Int>),
    /// Vectors.
    Vectors(Tensor<2>),
}

/// A sequence that pixels attend to, such as the embedding of a text.
#[derive(Clone, Debug)]
pub struct Context {
    /// `[batch, n, features]`; one row serves a batch of any size.
    pub tokens: Tensor<3>,
    /// Added to the scores of each token, `[batch, n]`: 0 to attend to it, −10000 not to.
    pub bias: Option<Tensor<2>>,
}

impl Context {
    /// A context without padding.
    #[must_use]
    pub fn new(tokens: Tensor<3>) -> Self {
        Self { tokens, bias: None }
    }

    /// A context whose tokens count where `mask`, `[batch, n]`, is 1, and not where it is 0.
    #[must_use]
    pub fn with_mask(self, mask: Tensor<2>) -> Self {
        Self {
            bias: Some((mask - 1.0) * 10_000.0),
            ..self
        }
    }
}

/// What a network is told besides the level; nothing by default.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// The class.
    pub class: Option<Class>,
    /// The context of the cross-attention.
    pub context: Option<Context>,
    /// Images that are concatenated to the noisy ones as further channels, in their size.
    pub image: Option<Tensor<4>>,
}

impl Conditions {
    /// Nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// With labels `[batch]`.
    #[must_use]
    pub fn with_labels(self, labels: Tensor<1, Int>) -> Self {
        Self {
            class: Some(Class::Labels(labels)),
            ..self
        }
    }

    /// With class vectors `[batch, features]`.
    #[must_use]
    pub fn with_class_vectors(self, vectors: Tensor<2>) -> Self {
        Self {
            class: Some(Class::Vectors(vectors)),
            ..self
        }
    }

    /// With a context for the cross-attention.
    #[must_use]
    pub fn with_context(self, context: Context) -> Self {
        Self {
            context: Some(context),
            ..self
        }
    }

    /// With images `[batch, channels, h, w]` beside the noisy ones.
    #[must_use]
    pub fn with_image(self, image: Tensor<4>) -> Self {
        Self {
            image: Some(image),
            ..self
        }
    }

    /// With a low-resolution image `[batch, channels, h, w]`, enlarged to `size` by bicubic
    /// interpolation, beside the noisy one.
    ///
    /// # Reference
    /// Saharia et al. 2022, "Image super-resolution via iterative refinement", section 2.3,
    /// arXiv:2104.07636.
    #[must_use]
    pub fn with_low_resolution(self, image: Tensor<4>, size: [usize; 2]) -> Self {
        self.with_image(Resize::new(Interpolation::Bicubic).forward(image, size))
    }

    /// The conditions for a batch: single rows are repeated.
    pub(crate) fn for_batch(&self, batch: usize) -> Self {
        let class = self.class.clone().map(|class| match class {
            Class::Labels(labels) if labels.dims()[0] == 1 => {
                Class::Labels(labels.repeat_dim(0, batch))
            }
            Class::Vectors(rows) => Class::Vectors(repeat(rows, batch)),
            labels => labels,
        });
        let context = self.context.clone().map(|context| Context {
            tokens: repeat(context.tokens, batch),
            bias: context.bias.map(|bias| repeat(bias, batch)),
        });
        let image = self.image.clone().map(|image| repeat(image, batch));
        Self {
            class,
            context,
            image,
        }
    }
}

fn repeat<const D: usize>(rows: Tensor<D>, batch: usize) -> Tensor<D> {
    if rows.dims()[0] == 1 {
        rows.repeat_dim(0, batch)
    } else {
        rows
    }
}

/// A network that can be told more than the level.
pub trait Conditional: Module + Network<4> {
    /// The output for images `x`, `[batch, channels, h, w]`, at levels that `time`, `[batch]`,
    /// stands for. `probe` sees the outputs of the parts.
    fn forward_conditional(
        &self,
        x: Tensor<4>,
        time: Tensor<1>,
        conditions: &Conditions,
        probe: &mut dyn Probe,
    ) -> Tensor<4>;
}

/// A network with its conditions: a [`Network`] of images alone.
#[derive(Module, Debug)]
pub struct Conditioned<N: Module> {
    network: N,
    #[module(skip)]
    conditions: Conditions,
}

impl<N: Module> Conditioned<N> {
    /// `network`, told `conditions` at every step.
    pub fn new(network: N, conditions: Conditions) -> Self {
        Self {
            network,
            conditions,
        }
    }

    /// The network itself.
    pub fn network(&self) -> &N {
        &self.network
    }

    /// What it is told.
    pub fn conditions(&self) -> &Conditions {
        &self.conditions
    }
}

impl<N: Conditional> Network<4> for Conditioned<N> {
    fn forward(&self, x: Tensor<4>, condition: Tensor<1>) -> Tensor<4> {
        let conditions = self.conditions.for_batch(x.dims()[0]);
        self.network
            .forward_conditional(x, condition, &conditions, &mut ())
    }
}
