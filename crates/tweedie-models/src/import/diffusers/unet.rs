//! Configurations of `UNet2DModel` and `UNet2DConditionModel`.

use super::blocks::{CROSS_DOWN, CROSS_UP, PLAIN_DOWN, PLAIN_UP, block_types, levels};
use crate::import::CheckpointError;
use crate::import::fields::Fields;
use crate::{
    Activation, Attend, ClassInput, Conditioning, ContextInput, Heads, Resampling, TimeEncoding,
    UnetConfig, UnetLevel,
};
use serde::Deserialize;
use serde_json::json;

/// A published configuration, converted to that of this library.
#[derive(Clone, Debug)]
pub(crate) struct PublishedUnet {
    /// The network.
    pub(crate) network: UnetConfig,
    /// Height and width of the images, if the configuration has them.
    pub(crate) size: Option<[usize; 2]>,
    /// Whether the projections into and out of a transformer are stored as 1×1 convolutions.
    pub(crate) convolved: bool,
}

/// One value for all levels, or one for each.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum PerLevel<T> {
    One(T),
    Each(Vec<T>),
}

impl<T: Clone> PerLevel<T> {
    fn each(self, levels: usize) -> Option<Vec<T>> {
        match self {
            Self::One(value) => Some(vec![value; levels]),
            Self::Each(values) => (values.len() == levels).then_some(values),
        }
    }
}

/// Reads the configuration of a `UNet2DModel`.
pub(crate) fn plain(mut fields: Fields) -> Result<PublishedUnet, CheckpointError> {
    let mut network = base(&mut fields, &[224, 448, 672, 896], 3)?;
    let width = network.levels.first().map_or(1, |level| level.channels);
    let head = match fields.has("attention_head_dim") {
        true => fields.take::<usize>("attention_head_dim")?,
        // A missing field means the default; null means a single head.
        false if fields.contains("attention_head_dim") => {
            fields.ignore(&["attention_head_dim"]);
            None
        }
        false => Some(8),
    };
    let heads = head.map_or(Heads::Count(1), Heads::Width);
    let types = (
        block_types(&mut fields, "down_block_types", &PLAIN_DOWN)?,
        block_types(&mut fields, "up_block_types", &PLAIN_UP)?,
    );
    let passages = [
        resample(&mut fields, "downsample_type")?,
        resample(&mut fields, "upsample_type")?,
    ];
    network.levels = levels(&fields, &network.levels, types, passages, &[])?;
    for level in &mut network.levels {
        *level = level.with_heads(heads);
    }
    network.blocks = fields.or("layers_per_block", 2)?;
    let groups = fields.take("attn_norm_num_groups")?;
    let attention = fields.or("add_attention", true)?;
    network.middle = if attention {
        Attend::Pixels
    } else {
        Attend::Nothing
    };
    network.middle_groups = match (groups, network.conditioning) {
        (Some(groups), _) => Some(groups),
        (None, Conditioning::Shift) => None,
        (None, Conditioning::ScaleShift) => Some(0),
    };
    network.without_middle = !middle(&mut fields, "UNetMidBlock2D")?;
    let cosine_first = fields.or("flip_sin_to_cos", true)?;
    let shift = fields.or("freq_shift", 0.0)?;
    let count = fields.take("num_train_timesteps")?;
    let kind = fields.or("time_embedding_type", "positional".to_owned())?;
    network.time_encoding = Some(match (kind.as_str(), count) {
        ("positional", _) => TimeEncoding::Sinusoidal {
            width,
            cosine_first,
            shift,
        },
        ("fourier", _) => TimeEncoding::Fourier {
            width: width.saturating_mul(2),
            // In this model, sines precede cosines, whatever the configuration says.
            cosine_first: false,
            log: true,
        },
        ("learned", Some(count)) => TimeEncoding::Learned { width, count },
        (other, _) => {
            let message = format!("{other:?} is not positional, fourier, or learned with a count");
            return Err(fields.wrong("time_embedding_type", message));
        }
    });
    network.scale_by_sigma = kind == "fourier";
    network.class = class(&mut fields)?;
    // In this model, `act_fn` applies only to the blocks.
    network.outer_activation = Activation::Silu;
    let size = size(&mut fields)?;
    finish(fields, network, size, true)
}

/// Reads the configuration of a `UNet2DConditionModel`.
pub(crate) fn conditional(mut fields: Fields) -> Result<PublishedUnet, CheckpointError> {
    let mut network = base(&mut fields, &[320, 640, 1280, 1280], 4)?;
    let count = network.levels.len();
    let width = network.levels.first().map_or(1, |level| level.channels);
    let each = |fields: &mut Fields, field: &str, default: usize| {
        let values = fields.or(field, PerLevel::One(default))?;
        let wrong = || fields.wrong(field, format!("one number, or {count} of them"));
        values.each(count).ok_or_else(wrong)
    };
    let layers = each(&mut fields, "transformer_layers_per_block", 1)?;
    let heads = each(&mut fields, "attention_head_dim", 8)?;
    let features = each(&mut fields, "cross_attention_dim", 1280)?;
    let blocks = each(&mut fields, "layers_per_block", 2)?;
    for (field, values) in [
        ("cross_attention_dim", &features),
        ("layers_per_block", &blocks),
    ] {
        if values.iter().any(|value| Some(value) != values.first()) {
            return Err(fields.wrong(field, "the same for every level, in this library"));
        }
    }
    network.blocks = blocks.first().copied().unwrap_or(0);
    network.context = Some(ContextInput {
        features: features.first().copied().unwrap_or(0),
    });
    let types = (
        block_types(&mut fields, "down_block_types", &CROSS_DOWN)?,
        block_types(&mut fields, "up_block_types", &CROSS_UP)?,
    );
    let convolutions = [Resampling::Convolution; 2];
    network.levels = levels(&fields, &network.levels, types, convolutions, &layers)?;
    let pixels = |level: &UnetLevel| [level.down, level.up].contains(&Attend::Pixels);
    if network.levels.iter().any(pixels) {
        let message = "attention between pixels alone cannot be combined with cross-attention";
        return Err(fields.wrong("down_block_types", message));
    }
    for (level, heads) in network.levels.iter_mut().zip(heads) {
        // Despite its name, the field is the number of heads.
        *level = level.with_heads(Heads::Count(heads));
    }
    network.without_middle = !middle(&mut fields, "UNetMidBlock2DCrossAttn")?;
    network.middle = Attend::Context {
        layers: layers.last().copied().unwrap_or(1),
    };
    let cosine_first = fields.or("flip_sin_to_cos", true)?;
    let shift = fields.or("freq_shift", 0.0)?;
    let kind = fields.or("time_embedding_type", "positional".to_owned())?;
    network.time_encoding = Some(match kind.as_str() {
        "positional" => TimeEncoding::Sinusoidal {
            width,
            cosine_first,
            shift,
        },
        "fourier" => {
            network.features = network.features.or(Some(width.saturating_mul(2)));
            TimeEncoding::Fourier {
                width: network.features(),
                cosine_first,
                log: false,
            }
        }
        other => {
            let message = format!("{other:?} is not positional or fourier");
            return Err(fields.wrong("time_embedding_type", message));
        }
    });
    network.class = class(&mut fields)?;
    network.outer_activation = network.activation;
    network.kernels = [
        fields.or("conv_in_kernel", 3)?,
        fields.or("conv_out_kernel", 3)?,
    ];
    let convolved = !fields.or("use_linear_projection", false)?;
    fields.only(&[
        ("only_cross_attention", json!(false)),
        ("mid_block_only_cross_attention", json!(false)),
        ("dual_cross_attention", json!(false)),
        ("resnet_skip_time_act", json!(false)),
        ("resnet_out_scale_factor", json!(1.0)),
        ("attention_type", json!("default")),
        ("class_embeddings_concat", json!(false)),
    ])?;
    // The precision of attention scores, and a size of an absent embedding.
    fields.ignore(&["upcast_attention", "addition_embed_type_num_heads"]);
    let size = size(&mut fields)?;
    finish(fields, network, size, convolved)
}

fn finish(
    fields: Fields,
    network: UnetConfig,
    size: Option<[usize; 2]>,
    convolved: bool,
) -> Result<PublishedUnet, CheckpointError> {
    let path = fields.path().to_owned();
    fields.finish()?;
    match network.check() {
        Ok(()) => Ok(PublishedUnet {
            network,
            size,
            convolved,
        }),
        Err(source) => Err(CheckpointError::Network { path, source }),
    }
}

/// Reads the fields that both models share. The levels only get their channels.
fn base(
    fields: &mut Fields,
    widths: &[usize],
    channels: usize,
) -> Result<UnetConfig, CheckpointError> {
    let widths: Vec<usize> = fields.or("block_out_channels", widths.to_vec())?;
    let levels = widths.into_iter().map(UnetLevel::new).collect();
    let mut network = UnetConfig::new(fields.or("in_channels", channels)?).with_levels(levels);
    network.output = Some(fields.or("out_channels", channels)?);
    network.center = fields.or("center_input_sample", false)?;
    network.middle_scale = fields.or("mid_block_scale_factor", 1.0)?;
    network.symmetric = match fields.or("downsample_padding", 1)? {
        0 => false,
        1 => true,
        other => return Err(fields.wrong("downsample_padding", format!("{other} is not 0 or 1"))),
    };
    network.dropout = fields.or("dropout", 0.0)?;
    network.activation = activation(fields)?;
    network.groups = if fields.contains("norm_num_groups") {
        fields.take("norm_num_groups")?
    } else {
        Some(32)
    };
    network.epsilon = fields.or("norm_eps", 1e-5)?;
    network.features = fields.take("time_embedding_dim")?;
    let conditioning = fields.or("resnet_time_scale_shift", "default".to_owned())?;
    network.conditioning = match conditioning.as_str() {
        "default" => Conditioning::Shift,
        "scale_shift" => Conditioning::ScaleShift,
        other => {
            let message = format!("{other:?} is not default or scale_shift");
            return Err(fields.wrong("resnet_time_scale_shift", message));
        }
    };
    Ok(network)
}

/// Reads the nonlinearity of the blocks.
pub(super) fn activation(fields: &mut Fields) -> Result<Activation, CheckpointError> {
    let name = fields.or("act_fn", "silu".to_owned())?;
    Ok(match name.as_str() {
        "silu" | "swish" => Activation::Silu,
        "gelu" => Activation::Gelu,
        "mish" => Activation::Mish,
        "relu" => Activation::Relu,
        other => {
            let message = format!("{other:?} is not silu, swish, gelu, mish or relu");
            return Err(fields.wrong("act_fn", message));
        }
    })
}

/// Reads height and width, which may be given as one number.
pub(super) fn size(fields: &mut Fields) -> Result<Option<[usize; 2]>, CheckpointError> {
    let size: Option<PerLevel<usize>> = fields.take("sample_size")?;
    match size.map(|size| size.each(2)) {
        None => Ok(None),
        Some(Some(size)) => Ok(Some([size[0], size[1]])),
        Some(None) => Err(fields.wrong("sample_size", "one number or two")),
    }
}

fn class(fields: &mut Fields) -> Result<Option<ClassInput>, CheckpointError> {
    let count: Option<usize> = fields.take("num_class_embeds")?;
    let features: Option<usize> = fields.take("projection_class_embeddings_input_dim")?;
    let kind: Option<String> = fields.take("class_embed_type")?;
    Ok(match (kind.as_deref(), count, features) {
        (None, count, _) => count.map(ClassInput::table),
        (Some("timestep"), ..) => Some(ClassInput::Timestep),
        (Some("identity"), ..) => Some(ClassInput::Identity),
        (Some("projection"), _, Some(features)) => Some(ClassInput::Perceptron { features }),
        (Some("simple_projection"), _, Some(features)) => Some(ClassInput::Linear { features }),
        (Some(other), ..) => {
            let known = "timestep, identity, projection or simple_projection with its dimension";
            let message = format!("{other:?} is not {known}");
            return Err(fields.wrong("class_embed_type", message));
        }
    })
}

fn resample(fields: &mut Fields, field: &str) -> Result<Resampling, CheckpointError> {
    match fields.or(field, "conv".to_owned())?.as_str() {
        "conv" => Ok(Resampling::Convolution),
        "resnet" => Ok(Resampling::Residual),
        other => Err(fields.wrong(field, format!("{other:?} is not conv or resnet"))),
    }
}

/// Reads whether the network has a middle.
fn middle(fields: &mut Fields, default: &str) -> Result<bool, CheckpointError> {
    let field = "mid_block_type";
    if fields.contains(field) && !fields.has(field) {
        fields.ignore(&[field]);
        return Ok(false);
    }
    let kind = fields.or(field, default.to_owned())?;
    if kind == default {
        return Ok(true);
    }
    Err(fields.wrong(field, format!("{kind:?} is not {default}")))
}
