//! The autoencoder of latent diffusion, from images to latents of an eighth of the side and back.
//!
//! The encoder returns a Gaussian, `z ~ N(μ(x), diag e^{v(x)})`; the decoder returns an image.
//!
//! # Reference
//! Rombach et al. 2022, section 3.1, arXiv:2112.10752; Kingma & Welling 2014, arXiv:1312.6114.

use crate::convolution::{Conv2d, Conv2dConfig};
use crate::norm::group_norm;
use crate::probe::Probe;
use crate::resblock::conv3x3;
use crate::unet::{BlockAttention, BlockInputs, MidBlock, counted, plain};
use crate::{
    Activation, Downsample, NetworkError, ResBlock, ResBlockConfig, SelfAttention, Upsample,
};
use burn::config::Config;
use burn::module::Module;
use burn::nn::GroupNorm;
use burn::tensor::{Device, Tensor};
use tweedie_core::{Encoding, LatentGaussian};
use tweedie_math::ParameterError;

/// Configuration of an [`Autoencoder`].
#[derive(Config, Debug, PartialEq)]
#[non_exhaustive]
pub struct AutoencoderConfig {
    /// Channels of the image.
    #[config(default = 3)]
    pub channels: usize,
    /// Channels of the latents.
    #[config(default = 4)]
    pub latent: usize,
    /// Channels of each resolution, finest first.
    #[config(default = "vec![128, 256, 512, 512]")]
    pub widths: Vec<usize>,
    /// Residual blocks per resolution in the encoder; the decoder has one more.
    #[config(default = 2)]
    pub blocks: usize,
    /// Groups of the normalisations.
    #[config(default = 32)]
    pub groups: usize,
    /// The nonlinearity of the blocks.
    #[config(default = "Activation::Silu")]
    pub activation: Activation,
    /// Whether the middle block has attention.
    #[config(default = true)]
    pub attention: bool,
    /// Whether a 1×1 convolution follows the encoder.
    #[config(default = true)]
    pub quant: bool,
    /// Whether a 1×1 convolution precedes the decoder.
    #[config(default = true)]
    pub post_quant: bool,
    /// Shift of the latents, subtracted to normalise them.
    #[config(default = 0.0)]
    pub shift: f64,
    /// Factor of the shifted latents, `scale·(z − shift)`.
    #[config(default = 0.18215)]
    pub scale: f64,
}

/// An autoencoder of images, `[b, c, h, w]` to `[b, latent, h/2ᵏ, w/2ᵏ]` with `k + 1` resolutions.
#[derive(Module, Debug)]
pub struct Autoencoder {
    encoder: Encoder,
    decoder: LatentDecoder,
    quant_conv: Option<Conv2d>,
    post_quant_conv: Option<Conv2d>,
    #[module(skip)]
    config: AutoencoderConfig,
}

#[derive(Module, Debug)]
pub(crate) struct Encoder {
    pub(crate) conv_in: Conv2d,
    pub(crate) down_blocks: Vec<EncoderBlock>,
    pub(crate) mid_block: MidBlock,
    pub(crate) conv_norm_out: GroupNorm,
    pub(crate) conv_out: Conv2d,
}

#[derive(Module, Debug)]
pub(crate) struct EncoderBlock {
    pub(crate) resnets: Vec<ResBlock>,
    pub(crate) shrink: Option<Downsample>,
}

#[derive(Module, Debug)]
pub(crate) struct LatentDecoder {
    pub(crate) conv_in: Conv2d,
    pub(crate) mid_block: MidBlock,
    pub(crate) up_blocks: Vec<DecoderBlock>,
    pub(crate) conv_norm_out: GroupNorm,
    pub(crate) conv_out: Conv2d,
}

#[derive(Module, Debug)]
pub(crate) struct DecoderBlock {
    pub(crate) resnets: Vec<ResBlock>,
    pub(crate) grow: Option<Upsample>,
}

impl AutoencoderConfig {
    /// Checks the configuration.
    ///
    /// # Errors
    /// [`NetworkError`] names the invalid field.
    pub fn check(&self) -> Result<(), NetworkError> {
        let counts = [
            ("channels", self.channels),
            ("latent", self.latent),
            ("blocks", self.blocks),
            ("groups", self.groups),
            ("the number of widths", self.widths.len()),
            ("widths", self.widths.iter().copied().min().unwrap_or(0)),
        ];
        counted(&counts)?;
        if self.widths.len() > 16 {
            // Each width after the first halves the image.
            let (range, value) = ("at most 16", self.widths.len() as f64);
            let name = "the number of widths";
            return Err(ParameterError {
                name,
                expected: range,
                value,
            }
            .into());
        }
        counted(&[("widths", self.widths.iter().copied().max().unwrap_or(0))])?;
        for (level, &channels) in self.widths.iter().enumerate() {
            let divisor = self.groups.min(channels);
            if !channels.is_multiple_of(divisor) {
                return Err(NetworkError::Divides {
                    name: "groups",
                    divisor,
                    channels,
                    level,
                });
            }
        }
        let (name, range, value) = ("scale", "other than 0", self.scale);
        if value == 0.0 || !value.is_finite() {
            return Err(ParameterError {
                name,
                expected: range,
                value,
            }
            .into());
        }
        Ok(())
    }

    fn resnet(&self, input: usize, output: usize, device: &Device) -> ResBlock {
        ResBlockConfig::new(input, output)
            .with_groups([self.groups.min(input), self.groups.min(output)])
            .with_activation(self.activation)
            .init(device)
    }

    fn middle(&self, device: &Device) -> MidBlock {
        let channels = self.widths[self.widths.len() - 1];
        let resnet = || self.resnet(channels, channels, device);
        let groups = Some(self.groups.min(channels));
        MidBlock {
            resnets: [resnet(), resnet()],
            attentions: self.attention.then(|| {
                BlockAttention::Pixels(SelfAttention::new(channels, groups, EPSILON, 1, device))
            }),
        }
    }

    /// Initialises the network on `device`.
    ///
    /// # Errors
    /// [`NetworkError`] for an invalid configuration.
    pub fn init(&self, device: &Device) -> Result<Autoencoder, NetworkError> {
        self.check()?;
        let last = self.widths.len() - 1;
        let coarsest = self.widths[last];
        let norm =
            |channels: usize| group_norm(self.groups.min(channels), channels, EPSILON, device);
        let conv = |from, to| conv3x3(from, to).init(device);
        let conv1x1 = |channels| Conv2dConfig::new([channels, channels], [1, 1]).init(device);

        let mut here = self.widths[0];
        let mut down_blocks = Vec::new();
        for (index, &to) in self.widths.iter().enumerate() {
            let mut resnets = Vec::new();
            for _ in 0..self.blocks {
                resnets.push(self.resnet(here, to, device));
                here = to;
            }
            let shrink = (index < last).then(|| Downsample::new(to, false, device));
            down_blocks.push(EncoderBlock { resnets, shrink });
        }
        let encoder = Encoder {
            conv_in: conv(self.channels, self.widths[0]),
            down_blocks,
            mid_block: self.middle(device),
            conv_norm_out: norm(here),
            conv_out: conv(here, 2 * self.latent),
        };
        let mut up_blocks = Vec::new();
        for (index, &to) in self.widths.iter().enumerate().rev() {
            let mut resnets = Vec::new();
            for _ in 0..=self.blocks {
                resnets.push(self.resnet(here, to, device));
                here = to;
            }
            let grow = (index > 0).then(|| Upsample::new(to, device));
            up_blocks.push(DecoderBlock { resnets, grow });
        }
        let decoder = LatentDecoder {
            conv_in: conv(self.latent, coarsest),
            mid_block: self.middle(device),
            up_blocks,
            conv_norm_out: norm(here),
            conv_out: conv(here, self.channels),
        };
        Ok(Autoencoder {
            encoder,
            decoder,
            quant_conv: self.quant.then(|| conv1x1(2 * self.latent)),
            post_quant_conv: self.post_quant.then(|| conv1x1(self.latent)),
            config: self.clone(),
        })
    }
}

/// `ε` of the normalisations, added to the variance.
const EPSILON: f64 = 1e-6;

impl Autoencoder {
    /// The configuration of the network.
    #[must_use]
    pub fn config(&self) -> &AutoencoderConfig {
        &self.config
    }

    pub(crate) fn quants(&self) -> (Option<&Conv2d>, Option<&Conv2d>) {
        (self.quant_conv.as_ref(), self.post_quant_conv.as_ref())
    }

    pub(crate) fn parts(&self) -> (&Encoder, &LatentDecoder) {
        (&self.encoder, &self.decoder)
    }

    /// Encodes images as Gaussians over latents.
    ///
    /// Heights and widths should be multiples of `2ᵏ`, for `k + 1` resolutions.
    #[must_use]
    pub fn encode(&self, images: Tensor<4>) -> LatentGaussian<4> {
        let shared = BlockInputs::nothing();
        let encoder = &self.encoder;
        let mut h = encoder.conv_in.forward(images);
        for block in &encoder.down_blocks {
            for resnet in &block.resnets {
                h = resnet.forward(h, None, None);
            }
            if let Some(shrink) = &block.shrink {
                h = shrink.forward(h);
            }
        }
        h = encoder.mid_block.forward(h, &shared);
        h = encoder
            .conv_out
            .forward(plain(&encoder.conv_norm_out, h, Activation::Silu));
        if let Some(conv) = &self.quant_conv {
            h = conv.forward(h);
        }
        let latent = self.config.latent;
        LatentGaussian {
            mean: h.clone().narrow(1, 0, latent),
            log_variance: h.narrow(1, latent, latent).clamp(-30.0, 20.0),
        }
    }

    /// Decodes latents, `[b, latent, h, w]`, to images.
    #[must_use]
    pub fn decode(&self, latents: Tensor<4>) -> Tensor<4> {
        self.decode_probed(latents, &mut ())
    }

    /// Like [`decode`](Self::decode), passing the outputs of the parts to `probe`.
    pub fn decode_probed(&self, latents: Tensor<4>, probe: &mut dyn Probe) -> Tensor<4> {
        let shared = BlockInputs::nothing();
        let decoder = &self.decoder;
        let mut h = match &self.post_quant_conv {
            Some(conv) => conv.forward(latents),
            None => latents,
        };
        h = decoder.conv_in.forward(h);
        probe.images("decoder.conv_in", &h);
        h = decoder.mid_block.forward(h, &shared);
        probe.images("decoder.mid_block", &h);
        for (i, block) in decoder.up_blocks.iter().enumerate() {
            for resnet in &block.resnets {
                h = resnet.forward(h, None, None);
            }
            if let Some(grow) = &block.grow {
                let [_, _, height, width] = h.dims();
                h = grow.forward(h, [2 * height, 2 * width]);
            }
            probe.images(&format!("decoder.up_blocks.{i}"), &h);
        }
        let h = plain(&decoder.conv_norm_out, h, Activation::Silu);
        decoder.conv_out.forward(h)
    }

    /// Sets the shift and the scale that normalise the latents.
    #[must_use]
    pub fn with_normalisation(mut self, shift: f64, scale: f64) -> Self {
        (self.config.shift, self.config.scale) = (shift, scale);
        self
    }

    /// Normalises latents for the diffusion model: `scale·(z − shift)`.
    #[must_use]
    pub fn normalise(&self, latents: Tensor<4>) -> Tensor<4> {
        (latents - self.config.shift) * self.config.scale
    }

    /// The inverse of [`normalise`](Self::normalise).
    #[must_use]
    pub fn denormalise(&self, latents: Tensor<4>) -> Tensor<4> {
        latents / self.config.scale + self.config.shift
    }
}

impl Encoding<4> for Autoencoder {
    fn encode(&self, x: Tensor<4>) -> LatentGaussian<4> {
        Self::encode(self, x)
    }

    fn decode(&self, latents: Tensor<4>) -> Tensor<4> {
        Self::decode(self, latents)
    }

    fn decoded_shape(&self, latents: [usize; 4]) -> Option<[usize; 4]> {
        let [batch, channels, height, width] = latents;
        let factor = 1 << (self.config.widths.len() - 1);
        let known = channels == self.config.latent;
        known.then_some([batch, self.config.channels, factor * height, factor * width])
    }
}
