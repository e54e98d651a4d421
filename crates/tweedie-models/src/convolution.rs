//! The convolution layer of all networks: burn's parameters and [`tweedie_ops::conv2d`].

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear, conv};
use burn::tensor::{Device, Tensor};
use tweedie_ops::{ConvGeometry, conv2d};

/// Configuration of a [`Conv2d`].
#[derive(Config, Debug)]
#[non_exhaustive]
pub struct Conv2dConfig {
    /// Input and output channels.
    pub channels: [usize; 2],
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Vertical and horizontal stride.
    #[config(default = "[1, 1]")]
    pub stride: [usize; 2],
    /// Zero padding: rows above and below, columns to the left and to the right.
    #[config(default = "[(0, 0), (0, 0)]")]
    pub padding: [(usize, usize); 2],
    /// How weights and biases are initialised.
    ///
    /// The default, as in burn and PyTorch, is `U(±1/√(input channels · kernel area))`.
    #[config(
        default = "Initializer::KaimingUniform { gain: 1.0 / 3_f64.sqrt(), fan_out_only: false }"
    )]
    pub initializer: Initializer,
}

/// A 2D convolution, `y[o, p] = Σ w[o, i, t] x[i, s p + t − pad] + b[o]`.
///
/// The sum runs over input channels `i` and kernel positions `t`; `s` is the stride. Inputs are
/// images `[batch, channels, height, width]`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_models::Conv2dConfig;
///
/// let device = Device::flex();
/// let conv = Conv2dConfig::new([3, 16], [3, 3]).with_padding([(1, 1), (1, 1)]).init(&device);
/// assert_eq!(conv.forward(Tensor::ones([2, 3, 8, 8], &device)).dims(), [2, 16, 8, 8]);
/// ```
#[derive(Module, Debug)]
pub struct Conv2d {
    /// The kernel, `[out, in, height, width]`.
    pub weight: Param<Tensor<4>>,
    /// The bias, `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    window: ConvGeometry,
}

impl Conv2dConfig {
    /// Initialises the layer on `device`.
    #[must_use]
    pub fn init(&self, device: &Device) -> Conv2d {
        let started = conv::Conv2dConfig::new(self.channels, self.kernel)
            .with_initializer(self.initializer.clone())
            .init(device);
        Conv2d {
            weight: started.weight,
            bias: started.bias,
            window: ConvGeometry {
                stride: self.stride,
                padding: self.padding,
            },
        }
    }
}

impl Conv2d {
    /// Maps `[batch, in, h, w]` to `[batch, out, h′, w′]`.
    #[must_use]
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let bias = self.bias.as_ref().map(Param::val);
        conv2d(x, self.weight.val(), bias, self.window)
    }
}

/// Applies a linear layer at every pixel: `[batch, in, h, w]` to `[batch, out, h, w]`.
pub(crate) fn pointwise(layer: &Linear, x: Tensor<4>) -> Tensor<4> {
    let weight = layer.weight.val().transpose().unsqueeze_dims(&[2, 3]);
    let bias = layer.bias.as_ref().map(Param::val);
    let window = ConvGeometry {
        stride: [1, 1],
        padding: [(0, 0); 2],
    };
    conv2d(x, weight, bias, window)
}

/// Applies a linear layer to a small number of rows.
pub(crate) fn linear(layer: &Linear, x: Tensor<2>) -> Tensor<2> {
    let bias = layer.bias.as_ref().map(Param::val);
    tweedie_ops::linear(x, layer.weight.val(), bias)
}
