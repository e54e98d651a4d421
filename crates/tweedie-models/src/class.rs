//! Class embeddings: vectors that are added to the embedding of the level.

use crate::{Activation, Class, Perceptron, TimeEmbedding};
use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use tweedie_core::accumulation_dtype;

/// How a network embeds the class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClassInput {
    /// A learned table with a row for each class.
    Table {
        /// The number of rows.
        count: usize,
        /// The row for samples without a class, as classifier-free guidance needs. With `None`
        /// every sample has a class.
        #[serde(default)]
        null: Option<usize>,
    },
    /// A number, encoded like the level, with separate linear layers.
    Timestep,
    /// A vector with as many features as the embedding of the level, added unchanged.
    Identity,
    /// A vector, mapped by two linear layers.
    Perceptron {
        /// Features of the vector.
        features: usize,
    },
    /// A vector, mapped by one linear layer.
    Linear {
        /// Features of the vector.
        features: usize,
    },
}

impl ClassInput {
    /// A table with a row for each of `count` classes.
    #[must_use]
    pub fn table(count: usize) -> Self {
        Self::Table { count, null: None }
    }

    /// A table with a row for each of `classes` classes, and a last row for no class.
    #[must_use]
    pub fn table_with_null(classes: usize) -> Self {
        Self::Table {
            count: classes.saturating_add(1),
            null: Some(classes),
        }
    }

    /// The label of samples without a class, if there is one.
    #[must_use]
    pub fn null(self) -> Option<usize> {
        match self {
            Self::Table { null, .. } => null,
            _ => None,
        }
    }
}

/// The parameters of a [`ClassInput`].
#[derive(Module, Debug)]
pub struct ClassEmbedding {
    pub(crate) table: Option<Embedding>,
    pub(crate) layers: Option<Perceptron>,
    pub(crate) linear: Option<Linear>,
    #[module(skip)]
    input: ClassInput,
}

impl ClassEmbedding {
    /// Creates an embedding of `features` features.
    ///
    /// `waves` is the width of the level's encoding.
    #[must_use]
    pub fn new(
        input: ClassInput,
        waves: usize,
        features: usize,
        activation: Activation,
        device: &Device,
    ) -> Self {
        let mut embedding = Self {
            table: None,
            layers: None,
            linear: None,
            input,
        };
        let perceptron =
            |from, activation| Some(Perceptron::new(from, features, activation, device));
        match input {
            ClassInput::Table { count, .. } => {
                embedding.table = Some(EmbeddingConfig::new(count, features).init(device));
            }
            ClassInput::Timestep => embedding.layers = perceptron(waves, activation),
            ClassInput::Identity => {}
            // Published networks use SiLU here, regardless of their other nonlinearities.
            ClassInput::Perceptron { features: from } => {
                embedding.layers = perceptron(from, Activation::Silu);
            }
            ClassInput::Linear { features: from } => {
                embedding.linear = Some(LinearConfig::new(from, features).init(device));
            }
        }
        embedding
    }

    /// Embeds the class, `[batch, features]`.
    ///
    /// # Panics
    /// If a network that takes labels is given vectors, or vice versa.
    #[must_use]
    pub fn forward(&self, class: &Class, time: &TimeEmbedding) -> Tensor<2> {
        match (self.input, class) {
            (ClassInput::Table { .. }, Class::Labels(labels)) => {
                let table = self.table.as_ref().map(|table| table.weight.val());
                table
                    .unwrap_or_else(|| wrong("a table"))
                    .select(0, labels.clone())
            }
            (ClassInput::Timestep, Class::Labels(labels)) => {
                let like = time.layers.linear_1.weight.val().dtype();
                let waves = time.waves(labels.clone().float().cast(accumulation_dtype(like)));
                self.through(waves.cast(like))
            }
            (ClassInput::Identity, Class::Vectors(vectors)) => vectors.clone(),
            (
                ClassInput::Perceptron { .. } | ClassInput::Linear { .. },
                Class::Vectors(vectors),
            ) => self.through(vectors.clone()),
            (input, Class::Labels(_)) => panic!("a class given as {input:?} takes vectors"),
            (input, Class::Vectors(_)) => panic!("a class given as {input:?} takes labels"),
        }
    }

    fn through(&self, vectors: Tensor<2>) -> Tensor<2> {
        match (&self.layers, &self.linear) {
            (Some(layers), _) => layers.forward(vectors),
            (None, Some(linear)) => linear.forward(vectors),
            (None, None) => wrong("layers"),
        }
    }
}

fn wrong<T>(what: &str) -> T {
    unreachable!("a class embedding without {what}")
}
