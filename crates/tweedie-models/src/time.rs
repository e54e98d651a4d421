//! Time embeddings: an encoding of one number per sample, then two linear layers.
//!
//! | encoding | of the time input `c` | reference |
//! |---|---|---|
//! | [`Sinusoidal`](TimeEncoding::Sinusoidal) | `sin(c ω_k)`, `cos(c ω_k)`, `ω_k = 10000^{−k/(n−s)}`, `k < n` | Vaswani et al. 2017, section 3.5, arXiv:1706.03762; Ho et al. 2020, appendix B, arXiv:2006.11239 |
//! | [`Fourier`](TimeEncoding::Fourier) | `sin(2π w_k c)`, `cos(2π w_k c)`, random frequencies `w` | Tancik et al. 2020, arXiv:2006.10739; Song et al. 2021, appendix C, arXiv:2011.13456 |
//! | [`Learned`](TimeEncoding::Learned) | a row of a table | |

use crate::Activation;
use crate::convolution::linear;
use burn::module::{Module, Param};
use burn::nn::{Embedding, EmbeddingConfig, Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;

/// How a network encodes its time input, the number that represents the level.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TimeEncoding {
    /// Sines and cosines of fixed frequencies, for values up to 1000.
    Sinusoidal {
        /// Number of features; an odd width ends with a zero.
        width: usize,
        /// Whether cosines precede sines.
        cosine_first: bool,
        /// The shift `s` of the frequencies.
        shift: f64,
    },
    /// Sines and cosines of random frequencies.
    Fourier {
        /// Number of features, even.
        width: usize,
        /// Whether cosines precede sines.
        cosine_first: bool,
        /// Whether to encode the logarithm of the time input.
        log: bool,
    },
    /// A learned table, indexed by the time input rounded to an integer.
    Learned {
        /// Number of features.
        width: usize,
        /// Rows of the table.
        count: usize,
    },
}

impl TimeEncoding {
    /// The number of features.
    #[must_use]
    pub fn width(self) -> usize {
        match self {
            Self::Sinusoidal { width, .. }
            | Self::Fourier { width, .. }
            | Self::Learned { width, .. } => width,
        }
    }
}

/// Two linear layers with a nonlinearity between them.
#[derive(Module, Debug)]
pub struct Perceptron {
    pub(crate) linear_1: Linear,
    pub(crate) linear_2: Linear,
    #[module(skip)]
    activation: Activation,
}

impl Perceptron {
    /// Creates layers from `input` to `output` features, with `output` hidden features.
    #[must_use]
    pub fn new(input: usize, output: usize, activation: Activation, device: &Device) -> Self {
        Self {
            linear_1: LinearConfig::new(input, output).init(device),
            linear_2: LinearConfig::new(output, output).init(device),
            activation,
        }
    }

    /// Maps `[batch, input]` to `[batch, output]`.
    #[must_use]
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let hidden = self.activation.forward(linear(&self.linear_1, x));
        linear(&self.linear_2, hidden)
    }
}

/// The embedding of one number per sample: an encoding, then two linear layers.
#[derive(Module, Debug)]
pub struct TimeEmbedding {
    pub(crate) fourier: Option<Param<Tensor<1>>>,
    pub(crate) table: Option<Embedding>,
    pub(crate) layers: Perceptron,
    #[module(skip)]
    waves: TimeEncoding,
    scale: f64,
}

impl TimeEmbedding {
    /// Creates an embedding of `features` features.
    ///
    /// The time input is multiplied by `scale` first: the frequencies of sinusoids suit values from
    /// 0 to 1000.
    #[must_use]
    pub fn new(
        waves: TimeEncoding,
        features: usize,
        scale: f64,
        activation: Activation,
        device: &Device,
    ) -> Self {
        let fourier = |width: usize| {
            let frequencies = Initializer::Normal {
                mean: 0.0,
                std: 16.0,
            };
            let frequencies = frequencies.init([width / 2], device);
            frequencies.set_require_grad(false)
        };
        Self {
            fourier: match waves {
                TimeEncoding::Fourier { width, .. } => Some(fourier(width)),
                _ => None,
            },
            table: match waves {
                TimeEncoding::Learned { width, count } => {
                    Some(EmbeddingConfig::new(count, width).init(device))
                }
                _ => None,
            },
            layers: Perceptron::new(waves.width(), features, activation, device),
            waves,
            scale,
        }
    }

    /// Maps `[batch]` to `[batch, features]`.
    #[must_use]
    pub fn forward(&self, condition: Tensor<1>) -> Tensor<2> {
        self.through(self.waves(condition))
    }

    /// Applies the two layers, in the precision of their weights.
    pub(crate) fn through(&self, waves: Tensor<2>) -> Tensor<2> {
        let dtype = self.layers.linear_1.weight.val().dtype();
        self.layers.forward(waves.cast(dtype))
    }

    /// The encoding before the two layers: `[batch]` to `[batch, width]`.
    ///
    /// Sines and cosines keep the precision of the time input.
    #[must_use]
    pub fn waves(&self, condition: Tensor<1>) -> Tensor<2> {
        let condition = condition * self.scale;
        match (self.waves, &self.fourier, &self.table) {
            (
                TimeEncoding::Fourier {
                    cosine_first, log, ..
                },
                Some(frequencies),
                _,
            ) => {
                let condition = if log { condition.log() } else { condition };
                let frequencies = frequencies.val().cast(condition.dtype());
                let frequencies = frequencies.unsqueeze::<2>();
                both(condition.unsqueeze_dim(1) * frequencies * TAU, cosine_first)
            }
            (TimeEncoding::Learned { width, .. }, _, Some(table)) => {
                let rows = table.forward(condition.round().int().unsqueeze_dim::<2>(1));
                rows.reshape([-1, width as i64])
            }
            (
                TimeEncoding::Sinusoidal {
                    width,
                    cosine_first,
                    shift,
                },
                ..,
            ) => sinusoids(condition, width, cosine_first, shift),
            // `new` creates the table or the frequencies together with the encoding.
            _ => unreachable!("waves without their parameters"),
        }
    }
}

/// The sinusoidal encoding, `[batch]` to `[batch, width]`.
pub(crate) fn sinusoids(
    condition: Tensor<1>,
    width: usize,
    cosine_first: bool,
    shift: f64,
) -> Tensor<2> {
    let half = width / 2;
    let gap = (half as f64 - shift).max(1.0);
    let frequencies: Vec<f64> = (0..half)
        .map(|k| (-(10_000.0_f64.ln()) * k as f64 / gap).exp())
        .collect();
    let options = (&condition.device(), condition.dtype());
    let frequencies = Tensor::<2>::from_data(TensorData::new(frequencies, [1, half]), options);
    let waves = both(condition.unsqueeze_dim::<2>(1) * frequencies, cosine_first);
    if width.is_multiple_of(2) {
        return waves;
    }
    let zero = Tensor::zeros([waves.dims()[0], 1], options);
    Tensor::cat(vec![waves, zero], 1)
}

fn both(angles: Tensor<2>, cosine_first: bool) -> Tensor<2> {
    let (sines, cosines) = (angles.clone().sin(), angles.cos());
    let parts = if cosine_first {
        vec![cosines, sines]
    } else {
        vec![sines, cosines]
    };
    Tensor::cat(parts, 1)
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact by construction")]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use burn::module::ModuleMapper;
    use burn::tensor::DType;

    #[test]
    fn the_first_wave_has_period_two_pi_and_the_last_is_ten_thousand_times_slower() {
        let c = Tensor::from_floats([0.0, 1.5], &Device::flex());
        let waves: Vec<f32> = sinusoids(c, 6, false, 1.0)
            .into_data()
            .iter::<f32>()
            .collect();
        let expected = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0];
        assert_eq!(waves[..6], expected);
        for (k, frequency) in [1.0_f64, 0.01, 0.0001].into_iter().enumerate() {
            assert_abs_diff_eq!(
                f64::from(waves[6 + k]),
                (1.5 * frequency).sin(),
                epsilon = 1e-6
            );
            assert_abs_diff_eq!(
                f64::from(waves[9 + k]),
                (1.5 * frequency).cos(),
                epsilon = 1e-6
            );
        }
    }

    #[test]
    fn a_learned_embedding_is_a_row_of_its_table() {
        let device = Device::flex();
        let waves = TimeEncoding::Learned { width: 3, count: 5 };
        let embedding = TimeEmbedding::new(waves, 4, 1.0, Activation::Silu, &device);
        let rows = embedding.waves(Tensor::from_floats([4.0, 0.0], &device));
        let table = embedding.table.as_ref().expect("a table").weight.val();
        let row = |x: &Tensor<2>, i| x.clone().narrow(0, i, 1).into_data();
        assert_eq!(row(&rows, 0), row(&table, 4));
        assert_eq!(row(&rows, 1), row(&table, 0));
    }

    /// In `bf16`, 996 and 997 round to the same number, but their encodings differ.
    #[test]
    fn the_condition_keeps_its_digits_in_half_precision() {
        struct Half;
        impl ModuleMapper for Half {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                param.map(|values| values.cast(DType::BF16))
            }
        }
        let device = Device::flex();
        let waves = TimeEncoding::Sinusoidal {
            width: 8,
            cosine_first: false,
            shift: 0.0,
        };
        let embedding = TimeEmbedding::new(waves, 4, 1.0, Activation::Silu, &device).map(&mut Half);
        let time = Tensor::from_floats([997.0], &device);
        let first = embedding
            .waves(time.clone())
            .into_data()
            .iter::<f64>()
            .next();
        assert_abs_diff_eq!(first.expect("a wave"), 997.0_f64.sin(), epsilon = 1e-4);
        assert_eq!(embedding.forward(time).dtype(), DType::BF16);
    }
}
