//! The layout of guided-diffusion (ADM): one file of tensors named by their place in a list.
//!
//! The file has no configuration. Everything but the heads of the attention follows from names and
//! shapes; a `config.json` beside it, with the arguments of the published constructor, says the rest.

use super::CheckpointError;
use super::fields::Fields;
use super::place::{Naming, Place, Target, pytorch};
use super::stored::Stored;
use crate::{Attend, ClassInput, Conditioning, Heads, Level, Resampling, UnetConfig, Waves};
use std::collections::BTreeMap;
use std::path::Path;

/// A published network with what its configuration does not hold.
#[derive(Clone, Debug)]
pub(crate) struct Guided {
    /// The network.
    pub(crate) network: UnetConfig,
    /// Side of its images, if it is known.
    pub(crate) size: Option<usize>,
    /// Whether queries, keys and values of all heads stand together, instead of those of one head.
    pub(crate) new_order: bool,
}

/// Whether names are those of this layout.
pub(crate) fn knows(stored: &Stored) -> bool {
    stored.tensors.contains_key(FIRST)
}

/// A tensor that every network of this layout has.
pub(crate) const FIRST: &str = "input_blocks.0.0.weight";

/// Heads of all published networks of this layout that say: 64 channels wide.
const PUBLISHED_HEADS: usize = 64;

/// The configuration that names and shapes imply.
pub(crate) fn infer(stored: &Stored) -> Result<Guided, CheckpointError> {
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
    // A way up ends with a convolution or a residual block, beside attention or not.
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
        let divides = channels.is_multiple_of(PUBLISHED_HEADS);
        levels.push(
            Level::new(channels)
                .with_attention(if attends {
                    Attend::Pixels
                } else {
                    Attend::Nothing
                })
                .with_heads(if divides {
                    Heads::Width(PUBLISHED_HEADS)
                } else {
                    Heads::Count(1)
                })
                .with_resampling(resampling),
        );
    }
    let embedded = side(input(1, "emb_layers.1.weight"), 0)?;
    let scale_shift = embedded != side(input(1, "out_layers.3.weight"), 0)?;
    let classes = side("label_emb.weight".into(), 0).ok();
    let mut network = base([channels, output], waves, scale_shift, classes);
    network.levels = levels;
    network.blocks = blocks;
    match network.check() {
        Ok(()) => Ok(Guided {
            network,
            size: None,
            new_order: false,
        }),
        Err(source) => Err(CheckpointError::Network {
            path: stored.path.clone(),
            source,
        }),
    }
}

/// What all networks of this layout have in common.
fn base(
    [channels, output]: [usize; 2],
    waves: usize,
    scale_shift: bool,
    classes: Option<usize>,
) -> UnetConfig {
    let mut network = UnetConfig::new(channels).with_epsilon(1e-5);
    network.output = Some(output);
    network.features = Some(4 * waves);
    network.waves = Some(Waves::Sinusoids {
        width: waves,
        cosine_first: true,
        shift: 0.0,
    });
    network.class = classes.map(|count| ClassInput::Table { count });
    if scale_shift {
        network.conditioning = Conditioning::ScaleShift;
    }
    network
}

/// Reads the arguments of the constructor, or of the script that calls it.
pub(crate) fn read(mut fields: Fields) -> Result<Guided, CheckpointError> {
    let size: Option<usize> = fields.take("image_size")?;
    let width: usize = match fields.take("model_channels")? {
        Some(width) => width,
        None => fields.or("num_channels", 128)?,
    };
    let learned = fields.or("learn_sigma", false)?;
    let channels = fields.or("in_channels", 3)?;
    let output = fields.or(
        "out_channels",
        if learned { 2 * channels } else { channels },
    )?;
    let multipliers: Vec<f64> = match fields.take::<serde_json::Value>("channel_mult")? {
        Some(serde_json::Value::String(text)) if !text.is_empty() => {
            list(&fields, "channel_mult", &text)?
        }
        Some(serde_json::Value::Array(values)) => values
            .iter()
            .filter_map(serde_json::Value::as_f64)
            .collect(),
        _ => match size {
            Some(512) => vec![0.5, 1.0, 1.0, 2.0, 2.0, 4.0, 4.0],
            Some(256) => vec![1.0, 1.0, 2.0, 2.0, 4.0, 4.0],
            Some(128) => vec![1.0, 1.0, 2.0, 3.0, 4.0],
            _ => vec![1.0, 2.0, 3.0, 4.0],
        },
    };
    // Factors of the downsampling in the constructor; the script takes sides of the feature map.
    let attention: Vec<f64> = match fields.take::<serde_json::Value>("attention_resolutions")? {
        Some(serde_json::Value::String(text)) => {
            let sides = list(&fields, "attention_resolutions", &text)?;
            let size = size.unwrap_or(64) as f64;
            sides.into_iter().map(|side| size / side).collect()
        }
        Some(serde_json::Value::Array(values)) => values
            .iter()
            .filter_map(serde_json::Value::as_f64)
            .collect(),
        _ => Vec::new(),
    };
    let count: i64 = fields.or("num_heads", 1)?;
    let head: i64 = fields.or("num_head_channels", -1)?;
    let up: i64 = fields.or("num_heads_upsample", -1)?;
    if up != -1 && up != count && head == -1 {
        return Err(fields.wrong(
            "num_heads_upsample",
            "the same as num_heads, in this library",
        ));
    }
    let heads = match usize::try_from(head) {
        Ok(head) => Heads::Width(head),
        Err(_) => Heads::Count(usize::try_from(count).unwrap_or(0)),
    };
    let residual = fields.or("resblock_updown", false)?;
    let resampling = if residual {
        Resampling::Residual
    } else {
        Resampling::Convolution
    };
    let classes: Option<usize> = fields.take("num_classes")?;
    let conditional = fields.or("class_cond", false)?;
    let classes = classes.or(conditional.then_some(1000));
    let levels = multipliers.iter().enumerate().map(|(i, multiplier)| {
        let factor = f64::from(1_u32 << i.min(31));
        let attends = attention.iter().any(|other| (other - factor).abs() < 1e-9);
        Level::new((multiplier * width as f64) as usize)
            .with_attention(if attends {
                Attend::Pixels
            } else {
                Attend::Nothing
            })
            .with_heads(heads)
            .with_resampling(resampling)
    });
    let blocks = fields.or("num_res_blocks", 2)?;
    let scale_shift = fields.or("use_scale_shift_norm", false)?;
    let mut network = base([channels, output], width, scale_shift, classes);
    network.levels = levels.collect();
    network.blocks = blocks;
    network.dropout = fields.or("dropout", 0.0)?;
    let new_order = fields.or("use_new_attention_order", false)?;
    fields.only(&[
        ("dims", serde_json::json!(2)),
        ("conv_resample", serde_json::json!(true)),
    ])?;
    // Precision and memory of the original, and its diffusion, which stands elsewhere.
    fields.ignore(&["use_fp16", "use_checkpoint", "model_path"]);
    let path = fields.path().to_owned();
    fields.finish()?;
    network
        .check()
        .map_err(|source| CheckpointError::Network { path, source })?;
    Ok(Guided {
        network,
        size,
        new_order,
    })
}

fn list(fields: &Fields, field: &str, text: &str) -> Result<Vec<f64>, CheckpointError> {
    let numbers = text.split(',').map(|number| number.trim().parse());
    let numbers: Result<_, _> = numbers.collect();
    numbers.map_err(|_| fields.wrong(field, format!("{text:?} is not a list of numbers")))
}

/// The configuration beside a file, if there is one.
pub(crate) fn beside(path: &Path) -> Option<std::path::PathBuf> {
    let config = path.with_file_name("config.json");
    config.is_file().then_some(config)
}

/// The names of this layout.
#[derive(Clone, Debug)]
pub(crate) struct GuidedDiffusion {
    /// Blocks of ours and theirs.
    blocks: BTreeMap<String, String>,
    /// Heads of the attention on so many channels.
    heads: BTreeMap<usize, usize>,
    new_order: bool,
}

impl GuidedDiffusion {
    /// The names for a network.
    pub(crate) fn new(guided: &Guided) -> Self {
        let network = &guided.network;
        let mut blocks = BTreeMap::new();
        let mut place = |ours: String, theirs: String| blocks.insert(ours, theirs);
        let last = network.levels.len() - 1;
        let mut index = 1;
        for level in 0..=last {
            for block in 0..network.blocks {
                place(
                    format!("down_blocks.{level}.resnets.{block}"),
                    format!("input_blocks.{index}.0"),
                );
                place(
                    format!("down_blocks.{level}.attentions.{block}"),
                    format!("input_blocks.{index}.1"),
                );
                index += 1;
            }
            if level < last {
                place(
                    format!("down_blocks.{level}.shrink"),
                    format!("input_blocks.{index}.0"),
                );
                index += 1;
            }
        }
        place("mid_block.resnets.0".into(), "middle_block.0".into());
        place("mid_block.attentions".into(), "middle_block.1".into());
        place("mid_block.resnets.1".into(), "middle_block.2".into());
        let mut index = 0;
        for level in 0..=last {
            let attends = network.levels[last - level].up != Attend::Nothing;
            for block in 0..=network.blocks {
                place(
                    format!("up_blocks.{level}.resnets.{block}"),
                    format!("output_blocks.{index}.0"),
                );
                place(
                    format!("up_blocks.{level}.attentions.{block}"),
                    format!("output_blocks.{index}.1"),
                );
                if block == network.blocks && level < last {
                    let part = if attends { 2 } else { 1 };
                    place(
                        format!("up_blocks.{level}.grow"),
                        format!("output_blocks.{index}.{part}"),
                    );
                }
                index += 1;
            }
        }
        let heads = network.levels.iter();
        let heads =
            heads.filter_map(|level| Some((level.channels, level.heads.on(level.channels)?)));
        Self {
            blocks,
            heads: heads.collect(),
            new_order: guided.new_order,
        }
    }

    /// The name of a block's part.
    fn part(&self, path: &str) -> Option<String> {
        let ends = path.match_indices('.').map(|(end, _)| end);
        let (end, block) = ends
            .rev()
            .find_map(|end| Some((end, self.blocks.get(&path[..end])?)))?;
        let rest = path[end + 1..]
            .replace("norm1.", "in_layers.0.")
            .replace("conv1.", "in_layers.2.")
            .replace("time_emb_proj.", "emb_layers.1.")
            .replace("norm2.", "out_layers.0.")
            .replace("conv2.", "out_layers.3.")
            .replace("conv_shortcut.", "skip_connection.")
            .replace("group_norm.", "norm.")
            .replace("attention.to_out.", "proj_out.");
        let shrinks = path[..end].ends_with("shrink");
        let rest = if shrinks && rest.starts_with("conv.") {
            rest.replace("conv.", "op.")
        } else {
            rest
        };
        Some(format!("{block}.{rest}"))
    }

    /// The rows of queries (0), keys (1) or values (2) in the map to all three.
    fn third(&self, which: usize, channels: usize) -> Vec<std::ops::Range<usize>> {
        let heads = self.heads.get(&channels).copied().unwrap_or(1);
        let width = channels / heads;
        if self.new_order {
            return std::iter::once(which * channels..(which + 1) * channels).collect();
        }
        let head = |head: usize| (3 * head + which) * width..(3 * head + which + 1) * width;
        (0..heads).map(head).collect()
    }
}

impl Naming for GuidedDiffusion {
    fn place(&self, target: &Target) -> Place {
        let path = target.path.as_str();
        for (which, name) in ["to_q", "to_k", "to_v"].into_iter().enumerate() {
            let Some((block, parameter)) = path.split_once(&format!(".attention.{name}.")) else {
                continue;
            };
            let channels = target.shape.last().copied().unwrap_or(0);
            let block = self.blocks.get(block).map_or(block, String::as_str);
            let mut shape = target.shape.clone();
            if target.linear {
                shape.reverse();
                shape.push(1);
            }
            shape[0] *= 3;
            return Place {
                name: format!("{block}.qkv.{parameter}"),
                shape,
                rows: self.third(which, channels),
            };
        }
        let name = self.part(path).unwrap_or_else(|| {
            path.replace("time_embedding.layers.linear_1", "time_embed.0")
                .replace("time_embedding.layers.linear_2", "time_embed.2")
                .replace("class_embedding.table", "label_emb")
                .replace("conv_in.", "input_blocks.0.0.")
                .replace("conv_norm_out.", "out.0.")
                .replace("conv_out.", "out.2.")
        });
        let mut place = pytorch(target, &name);
        if name.contains(".proj_out.") && target.linear {
            place.shape.push(1);
        }
        place
    }
}
