//! Configurations of `DiTTransformer2DModel`, formerly `Transformer2DModel`.

use super::write::refuse;
use crate::DitConfig;
use crate::import::CheckpointError;
use crate::import::fields::Fields;
use serde_json::{Value, json};

/// Reads a configuration, with the side of its images.
pub(crate) fn read(mut fields: Fields) -> Result<(DitConfig, usize), CheckpointError> {
    let heads: usize = fields.or("num_attention_heads", 16)?;
    let head: usize = fields.or("attention_head_dim", 72)?;
    let patch = fields.or("patch_size", 2)?;
    let side: usize = fields.or("sample_size", 32)?;
    let config = DitConfig::new(fields.or("in_channels", 4)?)
        .with_output(fields.take("out_channels")?)
        .with_width(heads.saturating_mul(head))
        .with_heads(heads)
        .with_layers(fields.or("num_layers", 28)?)
        .with_patch(patch)
        .with_classes(fields.or("num_embeds_ada_norm", 1000)?)
        .with_grid(side / patch.max(1))
        .with_epsilon(fields.or("norm_eps", 1e-5)?)
        .with_wave_shift(1.0)
        .with_embed_in_blocks(true);
    fields.only(&[
        ("norm_type", json!("ada_norm_zero")),
        ("activation_fn", json!("gelu-approximate")),
        ("attention_bias", json!(true)),
        ("norm_elementwise_affine", json!(false)),
        ("dropout", json!(0.0)),
        ("only_cross_attention", json!(false)),
        ("double_self_attention", json!(false)),
        ("use_linear_projection", json!(false)),
        ("attention_type", json!("default")),
    ])?;
    // Groups of an absent normalisation, and the precision of attention scores.
    fields.ignore(&["norm_num_groups", "upcast_attention"]);
    let path = fields.path().to_owned();
    fields.finish()?;
    config
        .check()
        .map_err(|source| CheckpointError::Network { path, source })?;
    Ok((config, side))
}

/// `config.json` of a transformer for images of `size`.
#[allow(clippy::float_cmp, reason = "1 is exact")]
pub(crate) fn write(config: &DitConfig, size: [usize; 2]) -> Result<Value, CheckpointError> {
    if !config.embed_in_blocks || config.wave_shift != 1.0 {
        return refuse("a transformer whose blocks share one embedding");
    }
    if size != [config.grid * config.patch; 2] {
        return refuse("a transformer for image sizes other than `grid · patch`");
    }
    Ok(json!({
        "_class_name": "DiTTransformer2DModel",
        "num_attention_heads": config.heads,
        "attention_head_dim": config.width / config.heads,
        "in_channels": config.channels,
        "out_channels": config.outputs(),
        "num_layers": config.layers,
        "sample_size": size[0],
        "patch_size": config.patch,
        "num_embeds_ada_norm": config.classes,
        "norm_eps": config.epsilon,
        "norm_type": "ada_norm_zero",
        "norm_elementwise_affine": false,
        "activation_fn": "gelu-approximate",
        "attention_bias": true,
    }))
}
