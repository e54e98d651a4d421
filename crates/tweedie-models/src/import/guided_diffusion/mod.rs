//! The layout of guided-diffusion (ADM): one file of tensors named by their index in a list.
//!
//! The file has no configuration. Names and shapes determine everything but the attention heads,
//! which are known for published networks. For others, a JSON file next to the weights has to hold
//! the arguments of the constructor, or of the script that calls it.

mod flags;
mod names;

use names::GuidedDiffusion;

use super::checkpoint::{Checkpoint, CheckpointPart, Denoising};
use super::fields::Fields;
use super::stored::Stored;
use super::{CheckpointError, Layout};
use crate::sampling::Sampling;
use crate::{
    Attend, ClassInput, Conditioning, Heads, Resampling, TimeEncoding, UnetConfig, UnetLevel,
};
use std::path::{Path, PathBuf};
use tweedie_math::Chain;

/// A network of guided-diffusion, with the settings that its configuration does not hold.
#[derive(Clone, Debug)]
struct GuidedCheckpoint {
    /// The network.
    network: UnetConfig,
    /// Side of the images, if known.
    size: Option<usize>,
    /// Whether the `qkv` rows are grouped by queries, keys and values first, instead of by heads.
    new_order: bool,
    /// Whether the number of heads is known.
    heads: bool,
    /// The sampling settings, if known.
    sampling: Option<Sampling>,
}

/// A tensor that every network of this layout has.
const FIRST: &str = "input_blocks.0.0.weight";

/// Opens weights, which are a file or `model.safetensors` in a folder.
pub(crate) fn recognise(path: &Path) -> Result<Option<Checkpoint>, CheckpointError> {
    let weights = match path.is_file() {
        true => path.to_owned(),
        false => path.join("model.safetensors"),
    };
    if !weights.is_file() {
        return Ok(None);
    }
    let stored = Stored::open(&weights)?.below(FIRST)?;
    if !stored.tensors.contains_key(FIRST) {
        return Err(CheckpointError::Unknown {
            path: weights,
            message: "no tensor input_blocks.0.0.weight, by which guided-diffusion is recognised; \
                      a model of diffusers is a directory with config.json"
                .into(),
        });
    }
    let guided = match flags::beside(&weights)? {
        Some(fields) => flags::read(fields)?,
        None => infer(&stored)?,
    };
    let mut checkpoint = Checkpoint::empty(path, Layout::GuidedDiffusion);
    checkpoint.set(guided, weights);
    Ok(Some(checkpoint))
}

impl Checkpoint {
    /// Configures weights of guided-diffusion by the arguments of `UNetModel` or of the training
    /// script.
    ///
    /// Keys are the Python names: `image_size`, `num_channels` or `model_channels`,
    /// `num_res_blocks`, `channel_mult`, `attention_resolutions`, `num_heads`,
    /// `num_head_channels`, `learn_sigma`, `class_cond`, `resblock_updown`,
    /// `use_scale_shift_norm`, …. Missing keys have Python's defaults.
    ///
    /// # Errors
    /// [`CheckpointError`] for unknown or invalid arguments, or for a checkpoint of another layout.
    pub fn with_guided_diffusion_args(
        mut self,
        arguments: serde_json::Map<String, serde_json::Value>,
    ) -> Result<Self, CheckpointError> {
        let guided = flags::read(Fields::new(&self.path, arguments))?;
        match (self.layout, self.network.take()) {
            (Layout::GuidedDiffusion, Some(part)) => self.set(guided, part.weights),
            _ => {
                return Err(CheckpointError::Unknown {
                    path: self.path,
                    message: "not weights of guided-diffusion".into(),
                });
            }
        }
        Ok(self)
    }

    fn set(&mut self, guided: GuidedCheckpoint, weights: PathBuf) {
        let names = GuidedDiffusion::new(&guided);
        let size = guided.size.map(|side| [side, side]);
        let mut config = Denoising::new(guided.network.into(), size, names)
            .selecting(|stored| stored.below(FIRST));
        if !guided.heads {
            config.undetermined = Some(
                "the weights do not determine the number of attention heads: write the \
                 constructor's arguments, with num_heads or num_head_channels, to config.json next \
                 to them",
            );
        }
        self.sampling = guided.sampling;
        self.network = Some(CheckpointPart { config, weights });
    }
}

/// Infers the configuration from names and shapes.
fn infer(stored: &Stored) -> Result<GuidedCheckpoint, CheckpointError> {
    let side = |name: String, side: usize| {
        let shape = stored.shape(&name).filter(|shape| shape.len() > side);
        shape
            .map(|shape| shape[side])
            .ok_or(CheckpointError::Unknown {
                path: stored.path.clone(),
                message: format!("not a network of guided-diffusion: no {name}"),
            })
    };
    let has = |name: String| stored.tensors.contains_key(&name);
    let channels = side("input_blocks.0.0.weight".into(), 1)?;
    let output = side("out.2.weight".into(), 0)?;
    let waves = side("time_embed.0.weight".into(), 1)?;
    let input = |i: usize, name: &str| format!("input_blocks.{i}.0.{name}");
    // An upsampling is a convolution or a residual block, with or without attention before it.
    let grows = |i: usize| {
        let part = |part: usize, name: &str| has(format!("output_blocks.{i}.{part}.{name}"));
        [1, 2]
            .into_iter()
            .any(|at| part(at, "conv.weight") || part(at, "out_layers.3.weight"))
    };
    let blocks_down =
        (1..).take_while(|&i| has(input(i, "op.weight")) || has(input(i, "out_layers.3.weight")));
    let (total, passages) = (
        blocks_down.count(),
        (0..stored.tensors.len()).filter(|&i| grows(i)).count(),
    );
    let blocks = total.saturating_sub(passages) / (passages + 1);
    let convolved = has(input(blocks + 1, "op.weight"));
    let resampling = if convolved {
        Resampling::Convolution
    } else {
        Resampling::Residual
    };
    let mut levels = Vec::new();
    for level in 0..=passages {
        let first = 1 + level * (blocks + 1);
        let channels = side(input(first, "out_layers.3.weight"), 0)?;
        let attends = has(format!("input_blocks.{first}.1.qkv.weight"));
        let attend = if attends {
            Attend::Pixels
        } else {
            Attend::Nothing
        };
        levels.push(
            UnetLevel::new(channels)
                .with_attention(attend)
                .with_resampling(resampling),
        );
    }
    let embedded = side(input(1, "emb_layers.1.weight"), 0)?;
    let scale_shift = embedded != side(input(1, "out_layers.3.weight"), 0)?;
    let classes = side("label_emb.weight".into(), 0).ok();
    let mut network = base([channels, output], waves, scale_shift, classes);
    network.levels = levels;
    network.blocks = blocks;
    let published = published(&network);
    let heads = published
        .as_ref()
        .map_or(Heads::Count(1), |known| known.heads);
    for level in &mut network.levels {
        *level = level.with_heads(heads);
    }
    match network.check() {
        Ok(()) => Ok(GuidedCheckpoint {
            network,
            size: published.as_ref().map(|known| known.side),
            new_order: published.as_ref().is_some_and(|known| known.new_order),
            heads: published.is_some(),
            sampling: published.and_then(|known| known.sampling),
        }),
        Err(source) => Err(CheckpointError::Network {
            path: stored.path.clone(),
            source,
        }),
    }
}

/// The settings of a published network that its weights do not determine.
struct KnownNetwork {
    heads: Heads,
    new_order: bool,
    /// Side of the images.
    side: usize,
    /// The sampling settings, if the chain is not linear.
    sampling: Option<Sampling>,
}

/// Recognises published networks by their widths: the ImageNet and LSUN networks, and the FFHQ
/// network of DPS.
fn published(network: &UnetConfig) -> Option<KnownNetwork> {
    if (network.channels, network.outputs()) != (3, 6) {
        return None;
    }
    let widths: Vec<usize> = network.levels.iter().map(|level| level.channels).collect();
    let (heads, side) = match (widths.as_slice(), network.blocks) {
        ([192, 384, 576, 768], 3) => (Heads::Width(64), 64),
        ([256, 256, 512, 768, 1024], 2) => (Heads::Count(4), 128),
        ([256, 256, 512, 512, 1024, 1024], 2) => (Heads::Width(64), 256),
        ([128, 256, 256, 512, 512, 1024, 1024], 2) => (Heads::Width(64), 512),
        ([128, 128, 256, 256, 512, 512], 1) => (Heads::Width(64), 256),
        _ => return None,
    };
    // Only the smallest network has the new order and a cosine chain.
    let new_order = side == 64;
    let cosine = new_order.then(|| Chain::squared_cosine(1000, 0.999).ok());
    Some(KnownNetwork {
        heads,
        new_order,
        side,
        sampling: cosine.flatten().map(flags::learned_noise),
    })
}

/// The settings that all networks of this layout share.
fn base(
    [channels, output]: [usize; 2],
    waves: usize,
    scale_shift: bool,
    classes: Option<usize>,
) -> UnetConfig {
    let mut network = UnetConfig::new(channels).with_epsilon(1e-5);
    network.output = Some(output);
    network.features = Some(waves.saturating_mul(4));
    network.time_encoding = Some(TimeEncoding::Sinusoidal {
        width: waves,
        cosine_first: true,
        shift: 0.0,
    });
    network.class = classes.map(ClassInput::table);
    if scale_shift {
        network.conditioning = Conditioning::ScaleShift;
    }
    network
}
