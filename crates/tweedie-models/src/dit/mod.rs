//! DiT: a transformer on patches of the image, conditioned by adaptive normalisation.
//!
//! `h` are the linearly projected patches plus sinusoidal position embeddings. With the embedding
//! `e` of level and class, a block maps `h ← h + g₁·A(ln(h)(1 + s₁) + b₁)` and then
//! `h ← h + g₂·F(ln(h)(1 + s₂) + b₂)`, where `[b₁, s₁, g₁, b₂, s₂, g₂] = W silu(e)`. `W` is
//! initialised to zero ("adaLN-Zero"), and `F` is two linear layers with GELU between them.
//!
//! # Reference
//! Peebles & Xie 2023, section 3.2, arXiv:2212.09748.

mod architecture;

use crate::attention::Attention;
use crate::convolution::{Conv2d, Conv2dConfig};
use crate::expect;
use crate::probe::Probe;
use crate::time::sinusoids;
use crate::unet::counted;
use crate::{Activation, Architecture, Class, Conditions, Heads, NetworkError, Perceptron, Probed};
use burn::config::Config;
use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, Initializer, Linear, LinearConfig};
use burn::tensor::activation::silu;
use burn::tensor::{Device, Int, Tensor, TensorData};
use tweedie_core::ConditionError;
use tweedie_math::ParameterError;

/// Configuration of a [`Dit`].
#[derive(Config, Debug, PartialEq)]
#[non_exhaustive]
pub struct DitConfig {
    /// Channels of the image.
    pub channels: usize,
    /// Channels of the output; `None` for as many as the image has.
    pub output: Option<usize>,
    /// Features of a token.
    #[config(default = 384)]
    pub width: usize,
    /// Number of transformer blocks.
    #[config(default = 12)]
    pub layers: usize,
    /// Number of attention heads.
    #[config(default = 6)]
    pub heads: usize,
    /// Side of a patch in pixels.
    #[config(default = 2)]
    pub patch: usize,
    /// Number of classes; the table has one more row, for no class.
    #[config(default = 1000)]
    pub classes: usize,
    /// Patches along a side of the training images; other sizes stretch this grid.
    #[config(default = 16)]
    pub grid: usize,
    /// `ε` of the second normalisation of a block, added to the variance; the others use 1e-6.
    #[config(default = 1e-6)]
    pub epsilon: f64,
    /// The `s` of the sinusoids' frequencies, see [`TimeEncoding`](crate::TimeEncoding).
    #[config(default = 0.0)]
    pub wave_shift: f64,
    /// Whether every block has its own embedding of level and class.
    #[config(default = false)]
    pub embed_in_blocks: bool,
}

/// A diffusion transformer: `[b, c, h, w]` and `[b]` to `[b, c', h, w]`.
#[derive(Module, Debug)]
pub struct Dit {
    pub(crate) embeddings: Vec<LevelAndClass>,
    pub(crate) proj_in: Conv2d,
    pub(crate) blocks: Vec<DitBlock>,
    pub(crate) modulation: Linear,
    pub(crate) proj_out: Linear,
    #[module(skip)]
    config: DitConfig,
}

/// The embedding of level and class.
#[derive(Module, Debug)]
pub struct LevelAndClass {
    pub(crate) level: Perceptron,
    pub(crate) class: Embedding,
}

/// A block of a [`Dit`].
#[derive(Module, Debug)]
pub struct DitBlock {
    pub(crate) modulation: Linear,
    pub(crate) attention: Attention,
    pub(crate) hidden: Linear,
    pub(crate) back: Linear,
}

/// Number of sines and cosines of the level.
const WAVES: usize = 256;
/// `ε` of the normalisations, added to the variance.
const EPSILON: f64 = 1e-6;

impl DitConfig {
    /// Channels of the output.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.output.unwrap_or(self.channels)
    }

    /// Checks the configuration.
    ///
    /// # Errors
    /// [`NetworkError`] names the invalid field.
    pub fn check(&self) -> Result<(), NetworkError> {
        let counts = [
            ("channels", self.channels),
            ("output", self.outputs()),
            ("width", self.width),
            ("layers", self.layers),
            ("patch", self.patch),
            ("grid", self.grid),
            ("classes", (self.classes / 256).max(1)),
        ];
        counted(&counts)?;
        let divides = |name, divisor| NetworkError::Divides {
            name,
            divisor,
            channels: self.width,
            level: 0,
        };
        if Heads::Count(self.heads).on(self.width).is_none() {
            return Err(divides("heads", self.heads));
        }
        if !(self.epsilon > 0.0 && self.epsilon.is_finite()) {
            return Err(ParameterError {
                name: "epsilon",
                expected: "above 0",
                value: self.epsilon,
            }
            .into());
        }
        if !self.width.is_multiple_of(4) {
            return Err(divides("the sinusoids of rows and columns, 4,", 4));
        }
        Ok(())
    }

    /// Initialises the network on `device`.
    ///
    /// # Errors
    /// [`NetworkError`] for an invalid configuration.
    pub fn init(&self, device: &Device) -> Result<Dit, NetworkError> {
        self.check()?;
        let width = self.width;
        let zero = |from, to| {
            LinearConfig::new(from, to)
                .with_initializer(Initializer::Zeros)
                .init(device)
        };
        let embedding = |_| LevelAndClass {
            level: Perceptron::new(WAVES, width, Activation::Silu, device),
            class: EmbeddingConfig::new(self.classes + 1, width).init(device),
        };
        let block = |_| DitBlock {
            modulation: zero(width, 6 * width),
            attention: Attention::new(width, width, self.heads, true, device),
            hidden: LinearConfig::new(width, 4 * width).init(device),
            back: LinearConfig::new(4 * width, width).init(device),
        };
        let embeddings = if self.embed_in_blocks { self.layers } else { 1 };
        let side = [self.patch, self.patch];
        Ok(Dit {
            embeddings: (0..embeddings).map(embedding).collect(),
            proj_in: Conv2dConfig::new([self.channels, width], side)
                .with_stride(side)
                .init(device),
            blocks: (0..self.layers).map(block).collect(),
            modulation: zero(width, 2 * width),
            proj_out: zero(width, self.outputs() * self.patch * self.patch),
            config: self.clone(),
        })
    }
}

impl Dit {
    /// The configuration of the network.
    #[must_use]
    pub fn config(&self) -> &DitConfig {
        &self.config
    }

    fn embed(&self, waves: &Tensor<2>, labels: &Tensor<1, Int>) -> Vec<Tensor<2>> {
        let each = self.embeddings.iter().map(|embedding| {
            let class = embedding.class.weight.val().select(0, labels.clone());
            silu(embedding.level.forward(waves.clone()) + class)
        });
        each.collect()
    }
}

crate::probe::probed!(Dit);

impl Probed for Dit {
    /// # Panics
    /// If `patch` does not divide height and width, or if the class is given as vectors.
    fn forward_probed(
        &self,
        x: Tensor<4>,
        time: Tensor<1>,
        conditions: &Conditions,
        probe: &mut dyn Probe,
    ) -> Tensor<4> {
        let [batch, _, h, w] = x.dims();
        let (patch, config) = (self.config.patch, &self.config);
        assert!(
            h.is_multiple_of(patch) && w.is_multiple_of(patch),
            "a patch of {patch} has to divide {h}×{w} pixels"
        );
        let labels = match &conditions.class {
            Some(Class::Labels(labels)) => labels.clone(),
            Some(Class::Vectors(_)) => panic!("a transformer takes labels as its class"),
            None => Tensor::full([batch], config.classes as i64, &x.device()),
        };
        let waves = sinusoids(time, WAVES, true, config.wave_shift).cast(x.dtype());
        let embeddings = self.embed(&waves, &labels);
        let [rows, columns] = [h / patch, w / patch];
        let tokens = self.proj_in.forward(x);
        let tokens = tokens
            .reshape([batch, config.width, rows * columns])
            .swap_dims(1, 2);
        let places = places(config, rows, columns);
        let places = Tensor::<3>::from_data(places, (&tokens.device(), tokens.dtype()));
        let mut tokens = tokens + places;
        probe.tokens("pos_embed", &tokens);
        for (i, block) in self.blocks.iter().enumerate() {
            let embedding = embeddings.get(i).or(embeddings.first());
            let Some(embedding) = embedding else { continue };
            tokens = block.forward(tokens, block.modulation.forward(embedding.clone()), config);
            probe.tokens(&format!("transformer_blocks.{i}"), &tokens);
        }
        // The last modulation uses the first embedding, as published.
        let [shift, scale] = chunks(self.modulation.forward(embeddings[0].clone()));
        let tokens = standardised(tokens, EPSILON) * (scale + 1.0) + shift;
        let pixels = self.proj_out.forward(tokens);
        let outputs = config.outputs();
        pixels
            .reshape([batch, rows, columns, patch, patch, outputs])
            .permute([0, 5, 1, 3, 2, 4])
            .reshape([batch, outputs, h, w])
    }

    fn check_condition(
        &self,
        channels: usize,
        conditions: &Conditions,
    ) -> Result<(), ConditionError> {
        Architecture::check_condition(self.config(), channels, conditions)
    }

    fn check_size(&self, size: [usize; 2]) -> Result<(), ConditionError> {
        let config = self.config();
        expect::size(size, Architecture::patch(config), config.min_side())
    }
}

impl DitBlock {
    fn forward(&self, h: Tensor<3>, modulation: Tensor<2>, config: &DitConfig) -> Tensor<3> {
        let [b1, s1, g1, b2, s2, g2] = chunks(modulation);
        let rows = standardised(h.clone(), EPSILON) * (s1 + 1.0) + b1;
        let h = h + g1 * self.attention.forward(rows.clone(), rows, None);
        let rows = standardised(h.clone(), config.epsilon) * (s2 + 1.0) + b2;
        let hidden = Activation::GeluTanh.forward(self.hidden.forward(rows));
        h + g2 * self.back.forward(hidden)
    }
}

/// Splits `[b, n·f]` into `n` tensors `[b, 1, f]`.
fn chunks<const N: usize>(vectors: Tensor<2>) -> [Tensor<3>; N] {
    let width = vectors.dims()[1] / N;
    std::array::from_fn(|i| vectors.clone().narrow(1, i * width, width).unsqueeze_dim(1))
}

/// Normalises to zero mean and unit variance over the features.
fn standardised(x: Tensor<3>, epsilon: f64) -> Tensor<3> {
    let (variance, mean) = x.clone().var_mean_bias(2);
    (x - mean) / (variance + epsilon).sqrt()
}

/// Sinusoidal position embeddings of all patches, `[1, rows·columns, width]`. The first half
/// encodes the column, the second the row; in both, sines precede cosines.
fn places(config: &DitConfig, rows: usize, columns: usize) -> TensorData {
    let quarter = config.width / 4;
    let frequency = |k: usize| 10_000.0_f64.powf(-(k as f64) / quarter as f64);
    let waves = |place: f64| {
        let angles = move |k| place * frequency(k);
        let sines = (0..quarter).map(move |k| f64::sin(angles(k)));
        sines.chain((0..quarter).map(move |k| f64::cos(angles(k))))
    };
    let stretch = |i: usize, side: usize| i as f64 * config.grid as f64 / side as f64;
    let mut values = Vec::with_capacity(rows * columns * config.width);
    for row in 0..rows {
        for column in 0..columns {
            values.extend(waves(stretch(column, columns)));
            values.extend(waves(stretch(row, rows)));
        }
    }
    TensorData::new(values, [1, rows * columns, config.width])
}
