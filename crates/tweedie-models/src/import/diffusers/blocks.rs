//! Parsing the levels of a U-Net from the types of their blocks.

use crate::import::CheckpointError;
use crate::import::fields::Fields;
use crate::{Attend, Resampling, UnetLevel};

/// Reads the block types of the down or up path.
pub(super) fn block_types(
    fields: &mut Fields,
    field: &str,
    default: &[&str],
) -> Result<Vec<String>, CheckpointError> {
    fields.or(field, default.iter().map(|&name| name.to_owned()).collect())
}

/// Creates the levels from the types of their blocks.
pub(super) fn levels(
    fields: &Fields,
    widths: &[UnetLevel],
    (down, up): (Vec<String>, Vec<String>),
    [shrink, grow]: [Resampling; 2],
    layers: &[usize],
) -> Result<Vec<UnetLevel>, CheckpointError> {
    let count = widths.len();
    for (field, types) in [("down_block_types", &down), ("up_block_types", &up)] {
        if types.len() != count || count == 0 {
            let message = format!("{} types for {count} block_out_channels", types.len());
            return Err(fields.wrong(field, message));
        }
    }
    let mut levels = Vec::new();
    for (i, level) in widths.iter().enumerate() {
        let context = Attend::Context {
            layers: layers.get(i).copied().unwrap_or(1),
        };
        let (down, up) = (&down[i], &up[count - 1 - i]);
        let (from, shrink) = block(fields, "down_block_types", down, "Down", context, shrink)?;
        let (to, grow) = block(fields, "up_block_types", up, "Up", context, grow)?;
        levels.push(UnetLevel {
            down: from,
            up: to,
            shrink,
            grow,
            ..*level
        });
    }
    Ok(levels)
}

/// Parses a block type. `way` is `Down` or `Up`; `passage` is the resampling of blocks with
/// attention.
fn block(
    fields: &Fields,
    field: &str,
    name: &str,
    way: &str,
    context: Attend,
    passage: Resampling,
) -> Result<(Attend, Resampling), CheckpointError> {
    let name = name.strip_prefix("UNetRes").unwrap_or(name);
    let resampled = format!("Resnet{way}sampleBlock2D");
    let kind = name
        .strip_suffix("Block2D")
        .and_then(|name| name.strip_suffix(way));
    Ok(match kind {
        Some("") => (Attend::Nothing, Resampling::Convolution),
        Some("Attn") => (Attend::Pixels, passage),
        Some("CrossAttn") => (context, Resampling::Convolution),
        Some("Skip") => (Attend::Nothing, Resampling::Pyramid),
        Some("AttnSkip") => (Attend::Pixels, Resampling::Pyramid),
        _ if name == resampled => (Attend::Nothing, Resampling::Residual),
        _ => {
            let known = ["", "Attn", "CrossAttn", "Skip", "AttnSkip"];
            let known = known.map(|kind| format!("{kind}{way}Block2D")).join(", ");
            let message = format!("{name:?} is not one of {known}, {resampled}");
            return Err(fields.wrong(field, message));
        }
    })
}

pub(super) const PLAIN_DOWN: [&str; 4] = [
    "DownBlock2D",
    "AttnDownBlock2D",
    "AttnDownBlock2D",
    "AttnDownBlock2D",
];
pub(super) const PLAIN_UP: [&str; 4] = [
    "AttnUpBlock2D",
    "AttnUpBlock2D",
    "AttnUpBlock2D",
    "UpBlock2D",
];
pub(super) const CROSS_DOWN: [&str; 4] = [
    "CrossAttnDownBlock2D",
    "CrossAttnDownBlock2D",
    "CrossAttnDownBlock2D",
    "DownBlock2D",
];
pub(super) const CROSS_UP: [&str; 4] = [
    "UpBlock2D",
    "CrossAttnUpBlock2D",
    "CrossAttnUpBlock2D",
    "CrossAttnUpBlock2D",
];
