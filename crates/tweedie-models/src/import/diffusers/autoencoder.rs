//! Configurations of `AutoencoderKL`.

use super::unet::{activation, size};
use super::unet_write::written;
use crate::AutoencoderConfig;
use crate::import::CheckpointError;
use crate::import::fields::Fields;
use serde_json::{Value, json};

/// Reads a configuration, with the height and width of its images.
pub(crate) fn read(
    mut fields: Fields,
) -> Result<(AutoencoderConfig, Option<[usize; 2]>), CheckpointError> {
    let widths: Vec<usize> = fields.or("block_out_channels", vec![64])?;
    for (field, kind) in [
        ("down_block_types", "DownEncoderBlock2D"),
        ("up_block_types", "UpDecoderBlock2D"),
    ] {
        let types: Vec<String> = fields.or(field, vec![kind.to_owned()])?;
        if let Some(other) = types.iter().find(|name| *name != kind) {
            return Err(fields.wrong(field, format!("{other:?} is not {kind}")));
        }
        if types.len() != widths.len() {
            let message = format!("{} types for {} widths", types.len(), widths.len());
            return Err(fields.wrong(field, message));
        }
    }
    let config = AutoencoderConfig::new()
        .with_channels(fields.or("in_channels", 3)?)
        .with_latent(fields.or("latent_channels", 4)?)
        .with_blocks(fields.or("layers_per_block", 1)?)
        .with_groups(fields.or("norm_num_groups", 32)?)
        .with_activation(activation(&mut fields)?)
        .with_attention(fields.or("mid_block_add_attention", true)?)
        .with_quant(fields.or("use_quant_conv", true)?)
        .with_post_quant(fields.or("use_post_quant_conv", true)?)
        .with_shift(fields.or("shift_factor", 0.0)?)
        .with_scale(fields.or("scaling_factor", 0.18215)?)
        .with_widths(widths);
    fields.only(&[("out_channels", json!(config.channels))])?;
    // This field only sets the precision in which diffusers computes.
    fields.ignore(&["force_upcast"]);
    let size = size(&mut fields)?;
    let path = fields.path().to_owned();
    fields.finish()?;
    config
        .check()
        .map_err(|source| CheckpointError::Network { path, source })?;
    Ok((config, size))
}

/// `config.json` of an autoencoder for images of `size`.
pub(crate) fn write(
    config: &AutoencoderConfig,
    size: [usize; 2],
) -> Result<Value, CheckpointError> {
    let levels = config.widths.len();
    Ok(json!({
        "_class_name": "AutoencoderKL",
        "in_channels": config.channels,
        "out_channels": config.channels,
        "latent_channels": config.latent,
        "block_out_channels": config.widths,
        "down_block_types": vec!["DownEncoderBlock2D"; levels],
        "up_block_types": vec!["UpDecoderBlock2D"; levels],
        "layers_per_block": config.blocks,
        "norm_num_groups": config.groups,
        "act_fn": written(config.activation)?,
        "mid_block_add_attention": config.attention,
        "use_quant_conv": config.quant,
        "use_post_quant_conv": config.post_quant,
        "shift_factor": config.shift,
        "scaling_factor": config.scale,
        "sample_size": size[0].max(size[1]),
    }))
}
