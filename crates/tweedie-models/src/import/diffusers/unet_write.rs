//! Writing U-Nets as `UNet2DModel` or `UNet2DConditionModel`, if those can represent them.

use super::write::{extend, refuse};
use crate::import::CheckpointError;
use crate::{
    Activation, Attend, ClassInput, Conditioning, Heads, Resampling, TimeEncoding, UnetConfig,
    UnetLevel,
};
use serde_json::{Map, Value, json};

/// `config.json` of a U-Net for images of `size`.
pub(crate) fn write(config: &UnetConfig, size: [usize; 2]) -> Result<Value, CheckpointError> {
    if config.context.is_some() {
        return conditional(config, size);
    }
    plain(config, size)
}

fn plain(config: &UnetConfig, size: [usize; 2]) -> Result<Value, CheckpointError> {
    let mut fields = common(config, size)?;
    if config.outer_activation != Activation::Silu {
        return refuse("an output nonlinearity other than SiLU");
    }
    if config.kernels != [3, 3] {
        return refuse("a first or last convolution other than 3×3");
    }
    let levels = &config.levels;
    let attending = |level: &&UnetLevel| [level.down, level.up].contains(&Attend::Pixels);
    let middle = (config.middle == Attend::Pixels).then(|| &levels[levels.len() - 1]);
    let mut heads = levels
        .iter()
        .filter(attending)
        .chain(middle)
        .map(|level| level.heads);
    let first = heads.next().unwrap_or(Heads::Count(1));
    if heads.any(|heads| heads != first) {
        return refuse("attention in heads of different widths");
    }
    let head = match first {
        Heads::Width(width) => json!(width),
        Heads::Count(1) => Value::Null,
        Heads::Count(_) => return refuse("a number of heads instead of their width"),
    };
    let last = levels.len() - 1;
    let passage = |way: fn(&UnetLevel) -> (Attend, Resampling), skipped: usize| {
        let levels = levels.iter().enumerate().filter(|(i, _)| *i != skipped);
        let mut ways = levels.map(|(_, level)| way(level));
        let first = ways.find(|(attend, resampling)| {
            *attend == Attend::Pixels && *resampling != Resampling::Pyramid
        });
        match first.map(|(_, resampling)| resampling) {
            Some(Resampling::Residual) => "resnet",
            _ => "conv",
        }
    };
    let shrink = passage(|level| (level.down, level.shrink), last);
    let grow = passage(|level| (level.up, level.grow), 0);
    let kind = |attend, resampling, way: &str, passage: &str, ends: bool| {
        Ok(match (attend, resampling) {
            (_, Resampling::Rescaled) => return refuse("the blocks of DDPM++"),
            (Attend::Nothing, Resampling::Convolution) => format!("{way}Block2D"),
            (Attend::Nothing, Resampling::Residual) => format!("Resnet{way}sampleBlock2D"),
            (Attend::Nothing, Resampling::Pyramid) => format!("Skip{way}Block2D"),
            (Attend::Pixels, Resampling::Pyramid) => format!("AttnSkip{way}Block2D"),
            (Attend::Pixels, resampling) => {
                let residual = resampling == Resampling::Residual;
                if !ends && residual != (passage == "resnet") {
                    return refuse("levels with attention that pass on in different ways");
                }
                format!("Attn{way}Block2D")
            }
            (Attend::Context { .. }, _) => return refuse("cross-attention without a context"),
        })
    };
    let down: Result<Vec<String>, _> = levels
        .iter()
        .enumerate()
        .map(|(i, level)| kind(level.down, level.shrink, "Down", shrink, i == last))
        .collect();
    let up: Result<Vec<String>, _> = levels
        .iter()
        .enumerate()
        .rev()
        .map(|(i, level)| kind(level.up, level.grow, "Up", grow, i == 0))
        .collect();
    let width = levels[0].channels;
    let (kind, cosine_first, shift, count) = match config.time_encoding() {
        TimeEncoding::Sinusoidal {
            width: waves,
            cosine_first,
            shift,
        } if waves == width => ("positional", json!(cosine_first), json!(shift), Value::Null),
        TimeEncoding::Fourier {
            width: waves,
            cosine_first: false,
            log: true,
        } if waves == 2 * width => ("fourier", json!(true), Value::Null, Value::Null),
        TimeEncoding::Learned {
            width: waves,
            count,
        } if waves == width => ("learned", json!(true), json!(0), json!(count)),
        _ => return refuse("waves of another kind or number"),
    };
    if config.scale_by_sigma != (kind == "fourier") {
        return refuse("an output divided by a condition that is not random frequencies'");
    }
    let groups = match (config.middle_groups, config.conditioning) {
        (None, Conditioning::Shift) | (Some(0), Conditioning::ScaleShift) => Value::Null,
        (Some(0), Conditioning::Shift) => return refuse("a middle without normalisation"),
        (Some(groups), _) => json!(groups),
        (None, Conditioning::ScaleShift) => {
            json!(config.groups_on(levels[last].channels))
        }
    };
    let own = json!({
        "_class_name": "UNet2DModel",
        "add_attention": config.middle == Attend::Pixels,
        "attention_head_dim": head,
        "attn_norm_num_groups": groups,
        "down_block_types": down?,
        "up_block_types": up?,
        "downsample_type": shrink,
        "upsample_type": grow,
        "layers_per_block": config.blocks,
        "mid_block_type": if config.without_middle { Value::Null } else { json!("UNetMidBlock2D") },
        "time_embedding_type": kind,
        "flip_sin_to_cos": cosine_first,
        "freq_shift": shift,
        "num_train_timesteps": count,
    });
    extend(&mut fields, own);
    match config.class {
        Some(ClassInput::Perceptron { .. } | ClassInput::Linear { .. }) => {
            return refuse("classes that are projected vectors, without cross-attention");
        }
        class => extend(&mut fields, class_fields(class)),
    }
    Ok(Value::Object(fields))
}

fn conditional(config: &UnetConfig, size: [usize; 2]) -> Result<Value, CheckpointError> {
    let mut fields = common(config, size)?;
    if config.outer_activation != config.activation {
        return refuse("an output nonlinearity other than the blocks'");
    }
    if config.scale_by_sigma {
        return refuse("an output divided by σ/α together with cross-attention");
    }
    if !config.without_middle && !matches!(config.middle, Attend::Context { .. }) {
        return refuse("a middle without cross-attention and levels with it");
    }
    let levels = &config.levels;
    let mut layers = Vec::new();
    let mut heads = Vec::new();
    for level in levels {
        let last = layers.len() + 1 == levels.len() && !config.without_middle;
        let middle = if last { config.middle } else { Attend::Nothing };
        let kinds = [level.down, level.up, middle];
        let mut own = kinds.iter().filter_map(|attend| match attend {
            Attend::Context { layers } => Some(*layers),
            _ => None,
        });
        let first = own.next().unwrap_or(1);
        if own.any(|other| other != first) {
            return refuse("transformers of different depths on one level");
        }
        layers.push(first);
        let Some(count) = level.heads.on(level.channels) else {
            return refuse("heads that do not divide their channels");
        };
        heads.push(count);
        let plain =
            level.shrink == Resampling::Convolution && level.grow == Resampling::Convolution;
        if kinds.contains(&Attend::Pixels) || !plain {
            return refuse(
                "attention between pixels alone, or residual resampling, together with cross-attention",
            );
        }
    }
    let kind = |attend, way: &str| match attend {
        Attend::Context { .. } => format!("CrossAttn{way}Block2D"),
        _ => format!("{way}Block2D"),
    };
    let down: Vec<String> = levels
        .iter()
        .map(|level| kind(level.down, "Down"))
        .collect();
    let up: Vec<String> = levels
        .iter()
        .rev()
        .map(|level| kind(level.up, "Up"))
        .collect();
    let width = levels[0].channels;
    let (time, cosine_first, shift) = match config.time_encoding() {
        TimeEncoding::Sinusoidal {
            width: waves,
            cosine_first,
            shift,
        } if waves == width => ("positional", cosine_first, shift),
        TimeEncoding::Fourier {
            width: waves,
            cosine_first,
            log: false,
        } if waves == config.features() => ("fourier", cosine_first, 0.0),
        _ => return refuse("waves of another kind or number"),
    };
    let own = json!({
        "_class_name": "UNet2DConditionModel",
        "attention_head_dim": heads,
        "transformer_layers_per_block": layers,
        "cross_attention_dim": config.context.map_or(0, |context| context.features),
        "use_linear_projection": true,
        "down_block_types": down,
        "up_block_types": up,
        "layers_per_block": config.blocks,
        "mid_block_type": if config.without_middle { Value::Null } else { json!("UNetMidBlock2DCrossAttn") },
        "time_embedding_type": time,
        "flip_sin_to_cos": cosine_first,
        "freq_shift": shift,
        "conv_in_kernel": config.kernels[0],
        "conv_out_kernel": config.kernels[1],
    });
    extend(&mut fields, own);
    extend(&mut fields, class_fields(config.class));
    Ok(Value::Object(fields))
}

/// The fields that both models share.
fn common(config: &UnetConfig, size: [usize; 2]) -> Result<Map<String, Value>, CheckpointError> {
    if config.patch != 1 {
        return refuse("pixels folded into channels");
    }
    #[allow(clippy::float_cmp, reason = "1 is exact")]
    if config.time_scale != 1.0 {
        return refuse("a factor of the condition");
    }
    let pyramid = config
        .levels
        .iter()
        .all(|level| level.shrink == Resampling::Pyramid);
    let exact = |groups: usize| {
        let divides = |level: &UnetLevel| level.channels.is_multiple_of(groups);
        config.levels.iter().all(divides)
    };
    if !config.groups.map_or(pyramid, exact) {
        return refuse("groups that do not divide the channels of every level");
    }
    let activation = written(config.activation)?;
    let conditioning = match config.conditioning {
        Conditioning::Shift => "default",
        Conditioning::ScaleShift => "scale_shift",
    };
    let mut fields = Map::new();
    let widths: Vec<usize> = config.levels.iter().map(|level| level.channels).collect();
    let own = json!({
        "sample_size": size,
        "in_channels": config.channels,
        "out_channels": config.outputs(),
        "center_input_sample": config.center,
        "block_out_channels": widths,
        "mid_block_scale_factor": config.middle_scale,
        "downsample_padding": usize::from(config.symmetric),
        "dropout": config.dropout,
        "act_fn": activation,
        "norm_num_groups": config.groups,
        "norm_eps": config.epsilon,
        "resnet_time_scale_shift": conditioning,
        "time_embedding_dim": config.features(),
    });
    extend(&mut fields, own);
    Ok(fields)
}

pub(super) fn written(activation: Activation) -> Result<&'static str, CheckpointError> {
    Ok(match activation {
        Activation::Silu => "silu",
        Activation::Gelu => "gelu",
        Activation::Mish => "mish",
        Activation::Relu => "relu",
        Activation::GeluTanh => return refuse("GELU by a hyperbolic tangent"),
    })
}

fn class_fields(class: Option<ClassInput>) -> Value {
    let (kind, count, features) = match class {
        None => (None, None, None),
        Some(ClassInput::Table { count, .. }) => (None, Some(count), None),
        Some(ClassInput::Timestep) => (Some("timestep"), None, None),
        Some(ClassInput::Identity) => (Some("identity"), None, None),
        Some(ClassInput::Perceptron { features }) => (Some("projection"), None, Some(features)),
        Some(ClassInput::Linear { features }) => (Some("simple_projection"), None, Some(features)),
    };
    let mut fields = json!({ "class_embed_type": kind, "num_class_embeds": count });
    if let (Some(features), Value::Object(fields)) = (features, &mut fields) {
        fields.insert(
            "projection_class_embeddings_input_dim".into(),
            json!(features),
        );
    }
    fields
}
