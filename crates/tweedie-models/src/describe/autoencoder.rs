//! The table of an autoencoder.

use super::unet::{resblock, self_attention};
use super::{Description, convolution};
use crate::unet::MidBlock;
use crate::{Autoencoder, BlockAttention};

impl Autoencoder {
    /// Describes the layers for images of height and width `size`, encoder first.
    #[must_use]
    pub fn describe(&self, size: [usize; 2]) -> Description {
        let mut table = Description::new();
        let (encoder, decoder) = self.parts();
        let widths = &self.config().widths;
        let mut here = size;
        let shape = |channels: usize, [h, w]: [usize; 2]| [channels, h, w];
        let flops = convolution(&encoder.conv_in, here);
        table.add(
            "encoder.conv_in",
            "Conv2d",
            &encoder.conv_in,
            &shape(widths[0], here),
            flops,
        );
        for (i, (block, &channels)) in encoder.down_blocks.iter().zip(widths).enumerate() {
            for (j, resnet) in block.resnets.iter().enumerate() {
                let name = format!("encoder.down_blocks.{i}.resnets.{j}");
                let flops = resblock(resnet, here);
                table.add(name, "ResBlock", resnet, &shape(channels, here), flops);
            }
            if let Some(shrink) = &block.shrink {
                here = here.map(|side| side / 2);
                let name = format!("encoder.down_blocks.{i}.shrink");
                let flops = convolution(&shrink.conv, here);
                table.add(name, "Downsample", shrink, &shape(channels, here), flops);
            }
        }
        let coarsest = widths[widths.len() - 1];
        middle(&mut table, "encoder", &encoder.mid_block, coarsest, here);
        let norm = &encoder.conv_norm_out;
        table.add(
            "encoder.conv_norm_out",
            "GroupNorm",
            norm,
            &shape(coarsest, here),
            0.0,
        );
        let moments = 2 * self.config().latent;
        let flops = convolution(&encoder.conv_out, here);
        table.add(
            "encoder.conv_out",
            "Conv2d",
            &encoder.conv_out,
            &shape(moments, here),
            flops,
        );
        let (quant, post_quant) = self.quants();
        if let Some(conv) = quant {
            let flops = convolution(conv, here);
            table.add("quant_conv", "Conv2d", conv, &shape(moments, here), flops);
        }
        if let Some(conv) = post_quant {
            let flops = convolution(conv, here);
            table.add(
                "post_quant_conv",
                "Conv2d",
                conv,
                &shape(moments / 2, here),
                flops,
            );
        }
        let flops = convolution(&decoder.conv_in, here);
        table.add(
            "decoder.conv_in",
            "Conv2d",
            &decoder.conv_in,
            &shape(coarsest, here),
            flops,
        );
        middle(&mut table, "decoder", &decoder.mid_block, coarsest, here);
        for (i, (block, &channels)) in decoder
            .up_blocks
            .iter()
            .zip(widths.iter().rev())
            .enumerate()
        {
            for (j, resnet) in block.resnets.iter().enumerate() {
                let name = format!("decoder.up_blocks.{i}.resnets.{j}");
                let flops = resblock(resnet, here);
                table.add(name, "ResBlock", resnet, &shape(channels, here), flops);
            }
            if let Some(grow) = &block.grow {
                here = here.map(|side| 2 * side);
                let name = format!("decoder.up_blocks.{i}.grow");
                let flops = convolution(&grow.conv, here);
                table.add(name, "Upsample", grow, &shape(channels, here), flops);
            }
        }
        let norm = &decoder.conv_norm_out;
        table.add(
            "decoder.conv_norm_out",
            "GroupNorm",
            norm,
            &shape(widths[0], here),
            0.0,
        );
        let (conv, channels) = (&decoder.conv_out, self.config().channels);
        let flops = convolution(conv, here);
        table.add(
            "decoder.conv_out",
            "Conv2d",
            conv,
            &shape(channels, here),
            flops,
        );
        table
    }
}

fn middle(table: &mut Description, of: &str, block: &MidBlock, channels: usize, size: [usize; 2]) {
    let output = [channels, size[0], size[1]];
    for (i, resnet) in block.resnets.iter().enumerate() {
        if let (1, Some(BlockAttention::Pixels(attention))) = (i, &block.attentions) {
            let (name, flops) = (
                format!("{of}.mid_block.attentions"),
                self_attention(attention, size),
            );
            table.add(name, "SelfAttention", attention, &output, flops);
        }
        let name = format!("{of}.mid_block.resnets.{i}");
        table.add(name, "ResBlock", resnet, &output, resblock(resnet, size));
    }
}
