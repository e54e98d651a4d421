//! Learned perceptual image patch similarity (LPIPS): distances between features of a network.
//!
//! `LPIPS = Σ_l mean_{hw} Σ_c w_{lc} (f̂_{lc} − f̂'_{lc})²` with the features `f` after each of
//! AlexNet's five convolutions, normalised over channels, and the learned weights `w` of version
//! 0.1.
//!
//! # Reference
//! Zhang et al. 2018, "The unreasonable effectiveness of deep features as a perceptual metric",
//! arXiv:1801.03924.

use burn::tensor::activation::relu;
use burn::tensor::module::{conv2d, max_pool2d};
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors};
use std::path::{Path, PathBuf};

/// The maximum size of a weight file in bytes; AlexNet's weights have 10 MB.
const MOST_BYTES: u64 = 1 << 28;

/// The perceptual distance between images in `[−1, 1]`, with AlexNet.
#[derive(Clone, Debug)]
pub struct Lpips {
    layers: Vec<LpipsLayer>,
}

#[derive(Clone, Debug)]
struct LpipsLayer {
    weight: Tensor<4>,
    bias: Tensor<1>,
    /// The learned weights `w` of the distance, `[1, channels, 1, 1]`.
    linear: Tensor<4>,
}

/// Why weights could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LpipsError {
    /// The file could not be read.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The path of the file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// The file does not hold the expected tensors.
    #[error("{path}: {message}", path = path.display())]
    Weights {
        /// The path of the file.
        path: PathBuf,
        /// The tensor and what is wrong with it.
        message: String,
    },
}

/// For each convolution: (output channels, input channels, height, width), stride and padding.
const LAYERS: [([usize; 4], usize, usize); 5] = [
    ([64, 3, 11, 11], 4, 2),
    ([192, 64, 5, 5], 1, 2),
    ([384, 192, 3, 3], 1, 1),
    ([256, 384, 3, 3], 1, 1),
    ([256, 256, 3, 3], 1, 1),
];

impl Lpips {
    /// Reads the weights from a `safetensors` file.
    ///
    /// The names are `AlexNet_0.Conv_l.kernel`, `AlexNet_0.Conv_l.bias` and
    /// `NetLinLayer_l.Conv_0.kernel` for `l` from 0 to 4. Kernels are (output, input, height,
    /// width), in `f32`.
    ///
    /// # Errors
    /// [`LpipsError`] names the file and what is wrong with it.
    pub fn open(path: impl AsRef<Path>, device: &Device) -> Result<Self, LpipsError> {
        let path = path.as_ref();
        let weights = |message: String| LpipsError::Weights {
            path: path.into(),
            message,
        };
        let bytes = tweedie_core::read_file(path, MOST_BYTES).map_err(|source| LpipsError::Io {
            path: path.into(),
            source,
        })?;
        let stored =
            SafeTensors::deserialize(&bytes).map_err(|error| weights(error.to_string()))?;
        let read = |name: String, shape: &[usize]| {
            let view = stored
                .tensor(&name)
                .map_err(|error| weights(error.to_string()))?;
            if view.shape() != shape || view.dtype() != Dtype::F32 {
                let (found, dtype) = (view.shape(), view.dtype());
                let message = format!("{name} is {dtype:?} {found:?}, expected F32 {shape:?}");
                return Err(weights(message));
            }
            let words = view.data().as_chunks::<4>().0;
            let values = words.iter().map(|word| f32::from_le_bytes(*word));
            let values: Vec<f32> = values.collect();
            match values.iter().find(|value| !value.is_finite()) {
                Some(value) => Err(weights(format!("{name} holds {value}"))),
                None => Ok(values),
            }
        };
        let layer = |(l, (shape, ..)): (usize, &([usize; 4], usize, usize))| {
            let [out, ..] = *shape;
            let place = |values: Vec<f32>, shape| {
                Tensor::<4>::from_data(TensorData::new(values, shape), device)
            };
            let linear = read(format!("NetLinLayer_{l}.Conv_0.kernel"), &[1, out, 1, 1])?;
            let bias = read(format!("AlexNet_0.Conv_{l}.bias"), &[out])?;
            Ok(LpipsLayer {
                weight: place(read(format!("AlexNet_0.Conv_{l}.kernel"), shape)?, *shape),
                bias: Tensor::from_data(TensorData::new(bias, [out]), device),
                linear: place(linear, [1, out, 1, 1]),
            })
        };
        let layers = LAYERS
            .iter()
            .enumerate()
            .map(layer)
            .collect::<Result<_, _>>()?;
        Ok(Self { layers })
    }

    /// The distance of each image of a batch `[b, 3, h, w]` in `[−1, 1]` to its reference: `[b]`.
    ///
    /// The result is differentiable. The network runs in the precision of the device on which it
    /// was opened.
    ///
    /// # Panics
    /// If the shapes differ, there are not 3 channels, or a side is below 31 pixels, for which the
    /// last feature maps would be empty.
    #[must_use]
    pub fn distance(&self, x: Tensor<4>, reference: Tensor<4>) -> Tensor<1> {
        let shape = x.dims();
        assert_eq!(shape, reference.dims(), "images of one shape");
        let [batch, channels, h, w] = shape;
        assert!(
            channels == 3 && h >= 31 && w >= 31,
            "colour images of 31 pixels or more"
        );
        let dtype = self.layers[0].weight.dtype();
        let run_in = |x: Tensor<4>| normalised(x.cast(dtype));
        let (mut a, mut b) = (run_in(x), run_in(reference));
        let mut sum = Tensor::zeros([batch], (&a.device(), a.dtype()));
        for (l, (layer, (_, stride, padding))) in self.layers.iter().zip(LAYERS).enumerate() {
            let run = |x: Tensor<4>| {
                let x = match l {
                    1 | 2 => max_pool2d(x, MaxPoolOptions::new([3, 3]).with_stride([2, 2])),
                    _ => x,
                };
                let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1);
                relu(conv2d(
                    x,
                    layer.weight.clone(),
                    Some(layer.bias.clone()),
                    options,
                ))
            };
            (a, b) = (run(a), run(b));
            let difference = (unit(a.clone()) - unit(b.clone())).square() * layer.linear.clone();
            let each: Tensor<1> = difference
                .sum_dim(1)
                .mean_dim(3)
                .mean_dim(2)
                .reshape([batch]);
            sum = sum + each;
        }
        sum
    }
}

/// Normalises red, green and blue as the network expects.
fn normalised(x: Tensor<4>) -> Tensor<4> {
    let row = |values: [f64; 3]| {
        let data = TensorData::new(values.to_vec(), [1, 3, 1, 1]);
        Tensor::<4>::from_data(data, (&x.device(), x.dtype()))
    };
    let (shift, scale) = (row([-0.030, -0.088, -0.188]), row([0.458, 0.448, 0.450]));
    (x.clone() - shift) / scale
}

/// Normalises every pixel's features to length 1.
fn unit(features: Tensor<4>) -> Tensor<4> {
    // The addend keeps the gradient of the root finite where all features are 0.
    let length = (features.clone().square().sum_dim(1) + 1e-20).sqrt();
    features / (length + 1e-10)
}
