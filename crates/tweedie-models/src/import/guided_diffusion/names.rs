//! Parameter names of guided-diffusion.

use super::GuidedCheckpoint;
use crate::Attend;
use crate::import::place::{Naming, Place, Target, pytorch};
use std::collections::BTreeMap;

/// The names of this layout.
#[derive(Clone, Debug)]
pub(crate) struct GuidedDiffusion {
    /// Block names of guided-diffusion by those of this library.
    blocks: BTreeMap<String, String>,
    /// Number of attention heads by number of channels.
    heads: BTreeMap<usize, usize>,
    new_order: bool,
}

impl GuidedDiffusion {
    /// Creates the names for a network.
    pub(crate) fn new(guided: &GuidedCheckpoint) -> Self {
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

    /// The name of a parameter in a block; `None` for other parameters.
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

    /// The rows of queries (0), keys (1) or values (2) in the joint projection.
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
