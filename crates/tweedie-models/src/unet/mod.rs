//! The U-Net of diffusion models, configurable as that of DDPM, ADM, NCSN++ or latent diffusion.
//!
//! Each [`UnetLevel`] halves the height and width of the previous one. A level has `blocks`
//! residual blocks on the down path. On the up path it has `blocks + 1`, each with one skip
//! connection. Attention follows every block of the chosen levels. The middle is block, attention,
//! block.
//!
//! # Reference
//! Ho et al. 2020, appendix B, arXiv:2006.11239 (DDPM); Dhariwal & Nichol 2021, section 3,
//! arXiv:2105.05233 (ADM); Song et al. 2021, appendix H, arXiv:2011.13456 (NCSN++); Rombach et al.
//! 2022, section 3.3, arXiv:2112.10752 (cross-attention). A `patch` above 1 first folds
//! `patch × patch` pixels into channels (Hoogeboom et al. 2023, "simple diffusion", section 3.3,
//! arXiv:2301.11093).

mod architecture;
mod build;
mod config;
mod down;
mod level;
mod middle;
mod up;

pub use config::UnetConfig;
pub(crate) use config::counted;
pub use down::DownBlock;
pub(crate) use down::Shrink;
pub use level::{Attend, ContextInput, Resampling, UnetLevel};
pub use middle::MidBlock;
pub(crate) use up::Grow;
pub use up::UpBlock;

use crate::convolution::Conv2d;
use crate::expect;
use crate::norm::{Modulation, norm_act, norm_alone};
use crate::patch::{fold, unfold};
use crate::probe::Probe;
use crate::{
    Activation, Architecture, ClassEmbedding, Conditions, Context, Probed, SelfAttention,
    SpatialTransformer, TimeEmbedding,
};
use burn::module::Module;
use burn::nn::GroupNorm;
use burn::tensor::Tensor;
use tweedie_core::ConditionError;
use tweedie_ops::concat_channels;

/// A U-Net: `[b, c, h, w]` and `[b]` to `[b, c', h, w]`.
///
/// `patch` has to divide height and width. With a pyramid over `n` levels, `patch·2ⁿ⁻¹` has to
/// divide them.
#[derive(Module, Debug)]
pub struct Unet {
    pub(crate) time_embedding: TimeEmbedding,
    pub(crate) class_embedding: Option<ClassEmbedding>,
    pub(crate) conv_in: Conv2d,
    pub(crate) down_blocks: Vec<DownBlock>,
    pub(crate) mid_block: Option<MidBlock>,
    pub(crate) up_blocks: Vec<UpBlock>,
    pub(crate) conv_norm_out: GroupNorm,
    pub(crate) conv_out: Conv2d,
    #[module(skip)]
    config: UnetConfig,
}

/// The inputs that the blocks of one forward pass share.
pub(crate) struct BlockInputs<'a> {
    /// The embedding of level and class.
    pub(crate) time: Option<Tensor<2>>,
    /// The context of the cross-attention.
    pub(crate) context: Option<&'a Context>,
}

impl BlockInputs<'_> {
    /// Neither level nor context, as in an autoencoder.
    pub(crate) fn nothing() -> Self {
        Self {
            time: None,
            context: None,
        }
    }
}

/// Attention after a block: between pixels, optionally also to a context.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "modules are not kept in boxes")]
#[non_exhaustive]
pub enum BlockAttention {
    /// Between pixels.
    Pixels(SelfAttention),
    /// Between pixels and to a context.
    Context(SpatialTransformer),
}

impl BlockAttention {
    fn forward(&self, x: Tensor<4>, shared: &BlockInputs<'_>) -> Tensor<4> {
        match (self, shared.context) {
            (Self::Pixels(attention), _) => attention.forward(x),
            (Self::Context(transformer), Some(context)) => transformer.forward(x, context),
            (Self::Context(_), None) => panic!("cross-attention without a context"),
        }
    }
}

impl Unet {
    /// The configuration of the network.
    #[must_use]
    pub fn config(&self) -> &UnetConfig {
        &self.config
    }

    fn embed(&self, time: Tensor<1>, conditions: &Conditions, probe: &mut dyn Probe) -> Tensor<2> {
        let waves = self.time_embedding.waves(time);
        probe.vectors("time_proj", &waves);
        let embedding = self.time_embedding.through(waves);
        probe.vectors("time_embedding", &embedding);
        let conditions = self
            .config
            .with_null(conditions.clone(), &embedding.device());
        match (&self.class_embedding, &conditions.class) {
            (Some(embed), Some(class)) => {
                let class = embed.forward(class, &self.time_embedding);
                probe.vectors("class_embedding", &class);
                embedding + class
            }
            (None, None) => embedding,
            (Some(_), None) => panic!("a network with classes, and no class"),
            (None, Some(_)) => panic!("a class, and a network without classes"),
        }
    }
}

crate::probe::probed!(Unet);

impl Probed for Unet {
    /// # Panics
    /// If `patch` does not divide height and width, if a class or a context is missing, if a class
    /// is not expected, or if the channels, including those of a conditioning image, are not the
    /// network's.
    fn forward_probed(
        &self,
        x: Tensor<4>,
        time: Tensor<1>,
        conditions: &Conditions,
        probe: &mut dyn Probe,
    ) -> Tensor<4> {
        let x = match &conditions.image {
            Some(image) => concat_channels(x, image.clone()),
            None => x,
        };
        let x = fold(x, self.config.patch);
        let x = if self.config.center { x * 2.0 - 1.0 } else { x };
        let activation = self.config.activation;
        let shared = BlockInputs {
            time: Some(activation.forward(self.embed(time.clone(), conditions, probe))),
            context: conditions.context.as_ref(),
        };
        let mut image = x.clone();
        let mut h = self.conv_in.forward(x);
        probe.images("conv_in", &h);
        let mut skips = vec![h.clone()];
        for (i, block) in self.down_blocks.iter().enumerate() {
            h = block.forward(h, &shared, &mut skips, &mut image);
            probe.images(&format!("down_blocks.{i}"), &h);
        }
        if let Some(block) = &self.mid_block {
            h = block.forward(h, &shared);
            probe.images("mid_block", &h);
        }
        let mut image = None;
        for (i, block) in self.up_blocks.iter().enumerate() {
            h = block.forward(h, &shared, &mut skips, &mut image);
            probe.images(&format!("up_blocks.{i}"), &h);
        }
        // In published checkpoints, this name is the normalisation without the activation.
        let activation = self.config.outer_activation;
        let h = norm_alone(&self.conv_norm_out, h);
        probe.images("conv_norm_out", &h);
        let mut h = self.conv_out.forward(activation.forward(h));
        if let Some(image) = image {
            h = h + image;
        }
        probe.images("conv_out", &h);
        if self.config.scale_by_sigma {
            h = h.clone() / time.cast(h.dtype()).unsqueeze_dims::<4>(&[1, 2, 3]);
        }
        unfold(h, self.config.patch)
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

pub(crate) fn plain(norm: &GroupNorm, x: Tensor<4>, activation: Activation) -> Tensor<4> {
    norm_act(norm, x, Modulation::None, activation)
}
