//! The tables of a transformer and of FFDNet.

use super::unet::scores;
use super::{Description, convolution, linear};
use crate::{Dit, Ffdnet};

impl Dit {
    /// Describes the layers for images of height and width `size`.
    #[must_use]
    pub fn describe(&self, size: [usize; 2]) -> Description {
        let mut table = Description::new();
        let config = self.config();
        let grid = size.map(|side| side / config.patch);
        let tokens = grid[0] * grid[1];
        for (i, embedding) in self.embeddings.iter().enumerate() {
            let layers = &embedding.level;
            let flops = linear(&layers.linear_1, 1) + linear(&layers.linear_2, 1);
            table.add(
                format!("embeddings.{i}"),
                "LevelAndClass",
                embedding,
                &[config.width],
                flops,
            );
        }
        let output = [tokens, config.width];
        let flops = convolution(&self.proj_in, grid);
        table.add("proj_in", "Conv2d", &self.proj_in, &output, flops);
        for (i, block) in self.blocks.iter().enumerate() {
            let flops = linear(&block.modulation, 1)
                + scores(&block.attention, tokens, tokens)
                + linear(&block.hidden, tokens)
                + linear(&block.back, tokens);
            table.add(format!("blocks.{i}"), "DitBlock", block, &output, flops);
        }
        let flops = linear(&self.modulation, 1);
        table.add(
            "modulation",
            "Linear",
            &self.modulation,
            &[2 * config.width],
            flops,
        );
        let output = [config.outputs(), size[0], size[1]];
        table.add(
            "proj_out",
            "Linear",
            &self.proj_out,
            &output,
            linear(&self.proj_out, tokens),
        );
        table
    }
}

impl Ffdnet {
    /// Describes the layers for images of height and width `size`.
    #[must_use]
    pub fn describe(&self, size: [usize; 2]) -> Description {
        let mut table = Description::new();
        let half = size.map(|side| side.div_ceil(2));
        for (i, layer) in self.layers.iter().enumerate() {
            let output = [layer.weight.lazy_shape()[0], half[0], half[1]];
            table.add(
                format!("layers.{i}"),
                "Conv2d",
                layer,
                &output,
                convolution(layer, half),
            );
        }
        table
    }
}
