//! DRUNet: a U-Net without normalisation that removes noise of a known level, the denoiser of DPIR.
//!
//! The input is an image in `[0, 1]` with a map of the noise level. A convolution, three stages of
//! residual blocks with a strided convolution each, a body, and the same stages back up with
//! transposed convolutions. Stages are joined by sums, and no layer has a bias.
//!
//! # Reference
//! Zhang, Li, Zuo, Zhang, Van Gool & Timofte 2021, "Plug-and-play image restoration with deep
//! denoiser prior", section 4.1, arXiv:2008.13751; the names of the parameters are those of its
//! authors' code.

use crate::NetworkError;
use crate::convolution::{Conv2d, Conv2dConfig};
use crate::import::{CheckpointError, Naming, Place, Precision, Stored, Target, load, pytorch};
use crate::photograph::{accepts, estimate, unmade};
use crate::resblock::conv3x3;
use crate::unet::counted;
use burn::module::{Module, Param};
use burn::tensor::activation::relu;
use burn::tensor::module::conv_transpose2d;
use burn::tensor::ops::{ConvTransposeOptions, PadMode};
use burn::tensor::{Device, Tensor};
use std::path::Path;
use tweedie_core::{DenoiseError, Denoiser, InputError};
use tweedie_math::Level;

/// The DRUNet denoiser.
///
/// As a [`Denoiser`] it takes images in `[−1, 1]` at any level with `α > 0`. The published networks
/// were trained for noise of up to 50/255 in `[0, 1]`, that is `σ/α ≤ 0.39`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_models::Drunet;
///
/// // The published networks have the widths 64, 128, 256, 512 and 4 blocks on each level.
/// let network = Drunet::new(3, [8, 16, 16, 32], 1, &Device::flex())?;
/// let images = Tensor::<4>::ones([1, 3, 20, 12], &Device::flex());
/// assert_eq!(network.restore(images, 0.1).dims(), [1, 3, 20, 12]);
/// # Ok::<(), tweedie_models::NetworkError>(())
/// ```
#[derive(Module, Debug)]
pub struct Drunet {
    head: Conv2d,
    down: Vec<Down>,
    body: Vec<Residual>,
    up: Vec<Up>,
    tail: Conv2d,
}

/// `x + conv(relu(conv(x)))`.
#[derive(Module, Debug)]
struct Residual {
    first: Conv2d,
    second: Conv2d,
}

/// Residual blocks, then a convolution of stride 2.
#[derive(Module, Debug)]
struct Down {
    blocks: Vec<Residual>,
    shrink: Conv2d,
}

/// A transposed convolution of stride 2, then residual blocks.
#[derive(Module, Debug)]
struct Up {
    /// The kernel, `[in, out, 2, 2]`.
    grow: Param<Tensor<4>>,
    blocks: Vec<Residual>,
}

fn unbiased(config: &Conv2dConfig, device: &Device) -> Conv2d {
    let mut layer = config.init(device);
    layer.bias = None;
    layer
}

impl Residual {
    fn stack(width: usize, count: usize, device: &Device) -> Vec<Self> {
        let conv = || unbiased(&conv3x3(width, width), device);
        let block = |_| Self {
            first: conv(),
            second: conv(),
        };
        (0..count).map(block).collect()
    }

    fn through(blocks: &[Self], x: Tensor<4>) -> Tensor<4> {
        blocks.iter().fold(x, |x, block| {
            let inner = block.second.forward(relu(block.first.forward(x.clone())));
            x + inner
        })
    }
}

impl Drunet {
    /// Creates an untrained network for images of `channels` channels, with `blocks` residual
    /// blocks on each of the four levels.
    ///
    /// # Errors
    /// [`NetworkError`] if a number is 0 or above 65,536.
    pub fn new(
        channels: usize,
        widths: [usize; 4],
        blocks: usize,
        device: &Device,
    ) -> Result<Self, NetworkError> {
        counted(&[("channels", channels), ("blocks", blocks)])?;
        counted(&widths.map(|width| ("width", width)))?;
        let halve = |from: usize, to: usize| {
            let config = Conv2dConfig::new([from, to], [2, 2]).with_stride([2, 2]);
            unbiased(&config, device)
        };
        let pairs = || widths.windows(2).map(|pair| (pair[0], pair[1]));
        let down = pairs().map(|(fine, coarse)| Down {
            blocks: Residual::stack(fine, blocks, device),
            shrink: halve(fine, coarse),
        });
        let up = pairs().rev().map(|(fine, coarse)| Up {
            // Of the same shape and law as a convolution back.
            grow: halve(fine, coarse).weight,
            blocks: Residual::stack(fine, blocks, device),
        });
        Ok(Self {
            head: unbiased(&conv3x3(channels + 1, widths[0]), device),
            down: down.collect(),
            body: Residual::stack(widths[3], blocks, device),
            up: up.collect(),
            tail: unbiased(&conv3x3(widths[0], channels), device),
        })
    }

    /// The number of image channels.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.tail.weight.dims()[0]
    }

    /// Reads weights in the published layout: `m_head`, `m_down1.0.res.0`, ….
    ///
    /// # Errors
    /// [`CheckpointError`] for a file that is broken or has other tensors.
    pub fn open(path: impl AsRef<Path>, device: &Device) -> Result<Self, CheckpointError> {
        let path = path.as_ref();
        let stored = Stored::open(path)?.below("m_head.weight")?;
        let side =
            |name: &str, i: usize| stored.shape(name).and_then(|shape| shape.get(i).copied());
        let width = |level: usize| side(&format!("m_up{level}.0.weight"), 1);
        let blocks = (0..65_536).find(|i| {
            let name = format!("m_body.{i}.res.0.weight");
            stored.shape(&name).is_none()
        });
        let found = (side("m_tail.weight", 0), width(1), width(2), width(3));
        let coarsest = side("m_up3.0.weight", 0);
        let (Some(channels), Some(a), Some(b), Some(c)) = found else {
            return Err(CheckpointError::Unknown {
                path: path.into(),
                message: "not DRUNet's layers m_head, m_down1, …".into(),
            });
        };
        let widths = [a, b, c, coarsest.unwrap_or(0)];
        let blocks = blocks.unwrap_or(0);
        let network = Self::new(channels, widths, blocks, device);
        let network = network.map_err(|source| unmade(path, source))?;
        load(network, &stored, &Published { blocks }, Precision::Full)
    }

    /// Denoises images `[b, c, h, w]` in `[0, 1]`.
    ///
    /// `sigma` is the standard deviation of the noise in the same range. Heights and widths that
    /// are no multiples of 8 are padded by repeating the last row or column.
    #[must_use]
    pub fn restore(&self, images: Tensor<4>, sigma: f64) -> Tensor<4> {
        let [batch, _, h, w] = images.dims();
        let missing = [h, w].map(|side| side.next_multiple_of(8) - side);
        let images = match missing {
            [0, 0] => images,
            [down, right] => images.pad((0, right, 0, down), PadMode::Edge),
        };
        let [_, _, rows, columns] = images.dims();
        let options = (&images.device(), images.dtype());
        let map = Tensor::full([batch, 1, rows, columns], sigma, options);
        let mut x = self.head.forward(Tensor::cat(vec![images, map], 1));
        let mut skips = Vec::with_capacity(self.down.len());
        for stage in &self.down {
            skips.push(x.clone());
            x = stage.shrink.forward(Residual::through(&stage.blocks, x));
        }
        let coarse = x.clone();
        x = Residual::through(&self.body, x) + coarse;
        for (stage, skip) in self.up.iter().zip(skips.into_iter().rev()) {
            let options = ConvTransposeOptions::new([2, 2], [0, 0], [0, 0], [1, 1], 1);
            x = conv_transpose2d(x, stage.grow.val(), None, options);
            x = Residual::through(&stage.blocks, x) + skip;
        }
        self.tail.forward(x).narrow(2, 0, h).narrow(3, 0, w)
    }
}

impl Denoiser<4> for Drunet {
    fn denoise(&self, x: Tensor<4>, level: Level) -> Result<Tensor<4>, DenoiseError> {
        Ok(estimate(x, level, |images, sigma| {
            self.restore(images, sigma)
        }))
    }

    fn supports(&self, level: Level) -> bool {
        level.alpha() > 0.0
    }

    fn accepts(&self, shape: [usize; 4]) -> Result<(), InputError> {
        accepts(self.channels(), shape)
    }
}

/// The names of the authors' code.
#[derive(Clone, Copy, Debug)]
struct Published {
    /// The number of blocks on each level.
    blocks: usize,
}

impl Naming for Published {
    fn place(&self, target: &Target) -> Place {
        let parts: Vec<&str> = target.path.split('.').collect();
        let residual = |inner: &str| if inner == "first" { "res.0" } else { "res.2" };
        let number = |text: &str| text.parse::<usize>().unwrap_or(0);
        let name = match parts[..] {
            ["head" | "tail", _] => format!("m_{}.weight", parts[0]),
            ["body", i, inner, _] => format!("m_body.{i}.{}.weight", residual(inner)),
            ["down", level, "blocks", i, inner, _] => {
                let level = number(level) + 1;
                format!("m_down{level}.{i}.{}.weight", residual(inner))
            }
            // After the blocks.
            ["down", level, "shrink", _] => {
                format!("m_down{}.{}.weight", number(level) + 1, self.blocks)
            }
            ["up", level, "grow"] => format!("m_up{}.0.weight", 3 - number(level)),
            ["up", level, "blocks", i, inner, _] => {
                let (level, i) = (3 - number(level), number(i) + 1);
                format!("m_up{level}.{i}.{}.weight", residual(inner))
            }
            _ => target.path.clone(),
        };
        pytorch(target, &name)
    }
}
