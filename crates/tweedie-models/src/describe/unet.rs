//! The table of a U-Net.

use super::{Description, convolution, linear};
use crate::unet::{Grow, Shrink};
use crate::{
    Attention, BlockAttention, BlockResize, Perceptron, ResBlock, SelfAttention,
    SpatialTransformer, Unet,
};

/// The assumed number of context tokens: those of a text in latent diffusion.
const CONTEXT: usize = 77;

impl Unet {
    /// Describes the layers for images of height and width `size`.
    ///
    /// A context counts as 77 tokens.
    #[must_use]
    pub fn describe(&self, size: [usize; 2]) -> Description {
        let mut table = Description::new();
        let time = &self.time_embedding;
        let features = [self.config().features()];
        table.add(
            "time_embedding",
            "TimeEmbedding",
            time,
            &features,
            perceptron(&time.layers),
        );
        if let Some(class) = &self.class_embedding {
            let flops = class.layers.as_ref().map_or(0.0, perceptron)
                + class.linear.as_ref().map_or(0.0, |map| linear(map, 1));
            table.add("class_embedding", "ClassEmbedding", class, &features, flops);
        }
        let levels = &self.config().levels;
        let mut here = size.map(|side| side / self.config().patch);
        let mut sizes = vec![here];
        let shape = |channels: usize, [h, w]: [usize; 2]| [channels, h, w];
        let first = levels[0].channels;
        table.add(
            "conv_in",
            "Conv2d",
            &self.conv_in,
            &shape(first, here),
            convolution(&self.conv_in, here),
        );
        for (i, (block, level)) in self.down_blocks.iter().zip(levels).enumerate() {
            let name = format!("down_blocks.{i}");
            blocks(
                &mut table,
                &name,
                &block.resnets,
                &block.attentions,
                level.channels,
                here,
            );
            let Some(shrink) = &block.shrink else {
                continue;
            };
            let symmetric = self.config().symmetric;
            let (kind, flops);
            match shrink {
                Shrink::Convolution(downsample) => {
                    here = here.map(|side| {
                        if symmetric {
                            side.div_ceil(2)
                        } else {
                            side / 2
                        }
                    });
                    (kind, flops) = ("Downsample", convolution(&downsample.conv, here));
                }
                Shrink::Residual(resnet) => {
                    flops = resblock(resnet, here);
                    here = here.map(|side| side / 2);
                    kind = "ResBlock";
                }
                Shrink::Pyramid(pyramid) => {
                    let resnet = resblock(&pyramid.resnet_down, here);
                    here = here.map(|side| side / 2);
                    flops = resnet + convolution(&pyramid.skip_conv, here);
                    kind = "ResBlock, pyramid";
                }
            }
            sizes.push(here);
            table.add(
                format!("{name}.shrink"),
                kind,
                shrink,
                &shape(level.channels, here),
                flops,
            );
        }
        let coarsest = levels[levels.len() - 1].channels;
        if let Some(middle) = &self.mid_block {
            for (i, resnet) in middle.resnets.iter().enumerate() {
                if let (1, Some(part)) = (i, &middle.attentions) {
                    let (kind, flops) = attention(part, here);
                    table.add(
                        "mid_block.attentions",
                        kind,
                        part,
                        &shape(coarsest, here),
                        flops,
                    );
                }
                let flops = resblock(resnet, here);
                table.add(
                    format!("mid_block.resnets.{i}"),
                    "ResBlock",
                    resnet,
                    &shape(coarsest, here),
                    flops,
                );
            }
        }
        for (i, (block, level)) in self.up_blocks.iter().zip(levels.iter().rev()).enumerate() {
            let name = format!("up_blocks.{i}");
            blocks(
                &mut table,
                &name,
                &block.resnets,
                &block.attentions,
                level.channels,
                here,
            );
            let Some(grow) = &block.grow else { continue };
            sizes.pop();
            let finer = sizes.last().copied().unwrap_or(here);
            let (kind, flops) = match grow {
                Grow::Convolution(upsample) => ("Upsample", convolution(&upsample.conv, finer)),
                Grow::Residual(resnet) => ("ResBlock", resblock(resnet, finer)),
                Grow::Pyramid(pyramid) => (
                    "ResBlock, pyramid",
                    resblock(&pyramid.resnet_up, finer) + convolution(&pyramid.skip_conv, here),
                ),
            };
            here = finer;
            table.add(
                format!("{name}.grow"),
                kind,
                grow,
                &shape(level.channels, here),
                flops,
            );
        }
        table.add(
            "conv_norm_out",
            "GroupNorm",
            &self.conv_norm_out,
            &shape(first, here),
            0.0,
        );
        let outputs = self.config().outputs();
        table.add(
            "conv_out",
            "Conv2d",
            &self.conv_out,
            &shape(outputs, size),
            convolution(&self.conv_out, here),
        );
        table
    }
}

fn blocks(
    table: &mut Description,
    name: &str,
    resnets: &[ResBlock],
    attentions: &[BlockAttention],
    channels: usize,
    size: [usize; 2],
) {
    let output = [channels, size[0], size[1]];
    let first = resnets.len() - attentions.len();
    for (i, resnet) in resnets.iter().enumerate() {
        let flops = resblock(resnet, size);
        table.add(
            format!("{name}.resnets.{i}"),
            "ResBlock",
            resnet,
            &output,
            flops,
        );
        let beside = i
            .checked_sub(first)
            .and_then(|j| Some((j, attentions.get(j)?)));
        if let Some((j, part)) = beside {
            let (kind, flops) = attention(part, size);
            table.add(format!("{name}.attentions.{j}"), kind, part, &output, flops);
        }
    }
}

/// Operations of a residual block. `size` is the input's if the block halves, the output's if the
/// block doubles.
pub(super) fn resblock(block: &ResBlock, size: [usize; 2]) -> f64 {
    let size = match block.resize {
        BlockResize::Halve(_) => size.map(|side| side / 2),
        BlockResize::Keep | BlockResize::Enlarge(_) => size,
    };
    let convolutions = [
        Some(&block.conv1),
        Some(&block.conv2),
        block.conv_shortcut.as_ref(),
    ];
    let convolutions = convolutions.into_iter().flatten();
    let convolutions: f64 = convolutions.map(|conv| convolution(conv, size)).sum();
    convolutions
        + block
            .time_emb_proj
            .as_ref()
            .map_or(0.0, |map| linear(map, 1))
}

fn perceptron(layers: &Perceptron) -> f64 {
    linear(&layers.linear_1, 1) + linear(&layers.linear_2, 1)
}

fn attention(part: &BlockAttention, size: [usize; 2]) -> (&'static str, f64) {
    match part {
        BlockAttention::Pixels(attention) => ("SelfAttention", self_attention(attention, size)),
        BlockAttention::Context(transformer) => ("SpatialTransformer", spatial(transformer, size)),
    }
}

pub(super) fn self_attention(attention: &SelfAttention, [h, w]: [usize; 2]) -> f64 {
    scores(&attention.attention, h * w, h * w)
}

/// Operations of attention from `tokens` tokens to `context` tokens.
pub(super) fn scores(attention: &Attention, tokens: usize, context: usize) -> f64 {
    let features = attention.to_q.weight.lazy_shape()[1];
    let maps = linear(&attention.to_q, tokens)
        + linear(&attention.to_k, context)
        + linear(&attention.to_v, context)
        + linear(&attention.to_out, tokens);
    maps + 4.0 * tokens as f64 * context as f64 * features as f64
}

fn spatial(transformer: &SpatialTransformer, [h, w]: [usize; 2]) -> f64 {
    let tokens = h * w;
    let blocks = transformer.transformer_blocks.iter().map(|block| {
        scores(&block.attn1, tokens, tokens)
            + scores(&block.attn2, tokens, CONTEXT)
            + linear(&block.ff.proj, tokens)
            + linear(&block.ff.out, tokens)
    });
    linear(&transformer.proj_in, tokens)
        + blocks.sum::<f64>()
        + linear(&transformer.proj_out, tokens)
}
