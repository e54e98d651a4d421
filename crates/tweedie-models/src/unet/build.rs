//! Building a network from its configuration.

use super::config::{quarter, up_groups};
use super::down::{Shrink, ShrinkPyramid};
use super::up::{Grow, GrowPyramid};
use super::{
    Attend, BlockAttention, DownBlock, MidBlock, Resampling, Unet, UnetConfig, UnetLevel, UpBlock,
};
use crate::convolution::{Conv2d, Conv2dConfig};
use crate::norm::group_norm;
use crate::resblock::conv3x3;
use crate::{
    BlockResize, ClassEmbedding, Downsample, Filter, NetworkError, ResBlock, ResBlockConfig,
    SelfAttention, SpatialTransformer, TimeEmbedding, Upsample,
};
use burn::nn::Initializer;
use burn::tensor::Device;
use std::f64::consts::SQRT_2;

impl UnetConfig {
    /// Initialises the network on `device`.
    ///
    /// # Errors
    /// [`NetworkError`] for an invalid configuration.
    pub fn init(&self, device: &Device) -> Result<Unet, NetworkError> {
        self.check()?;
        Ok(build(self, device))
    }
}

/// Builds the network of a checked configuration.
fn build(config: &UnetConfig, device: &Device) -> Unet {
    let build = Builder { config, device };
    let levels = &config.levels;
    let last = levels.len() - 1;
    let pixels = |channels: usize| channels * config.patch * config.patch;
    let (features, waves) = (config.features(), config.time_encoding());
    let outer = config.outer_activation;
    let mut here = levels[0].channels;
    let mut skips = vec![here];
    let mut down_blocks = Vec::new();
    for (index, level) in levels.iter().enumerate() {
        down_blocks.push(build.down(level, index == last, here, &mut skips));
        here = level.channels;
    }
    let mid_block = (!config.without_middle).then(|| build.middle(&levels[last]));
    let mut up_blocks = Vec::new();
    for (index, level) in levels.iter().enumerate().rev() {
        up_blocks.push(build.up(level, index == 0, here, &mut skips));
        here = level.channels;
    }
    let [first_side, last_side] = config.kernels;
    Unet {
        time_embedding: TimeEmbedding::new(waves, features, config.time_scale, outer, device),
        class_embedding: config
            .class
            .map(|class| ClassEmbedding::new(class, waves.width(), features, outer, device)),
        conv_in: convolution(pixels(config.channels), here, first_side).init(device),
        down_blocks,
        mid_block,
        up_blocks,
        conv_norm_out: group_norm(config.groups_on(here), here, config.epsilon, device),
        conv_out: convolution(here, pixels(config.outputs()), last_side)
            .with_initializer(Initializer::Zeros)
            .init(device),
        config: config.clone(),
    }
}

fn convolution(input: usize, output: usize, side: usize) -> Conv2dConfig {
    let padding = side / 2;
    Conv2dConfig::new([input, output], [side, side]).with_padding([(padding, padding); 2])
}

struct Builder<'a> {
    config: &'a UnetConfig,
    device: &'a Device,
}

impl Builder<'_> {
    fn resnet(&self, input: usize, output: usize) -> ResBlockConfig {
        let config = self.config;
        ResBlockConfig::new(input, output)
            .with_time(Some(config.features()))
            .with_groups([config.groups_on(input), config.groups_on(output)])
            .with_epsilon(config.epsilon)
            .with_activation(config.activation)
            .with_conditioning(config.conditioning)
            .with_dropout(config.dropout)
    }

    /// A block of NCSN++ or DDPM++, with rescaling and its own numbers of groups.
    fn rescaled(&self, input: usize, output: usize, groups: usize) -> ResBlockConfig {
        self.resnet(input, output)
            .with_groups([groups, quarter(output)])
            .with_scale(SQRT_2)
    }

    /// A residual block that resizes.
    fn resampling(&self, channels: usize, resize: BlockResize, rescaled: bool) -> ResBlock {
        let block = if rescaled {
            self.rescaled(channels, channels, quarter(channels))
                .with_shortcut(true)
        } else {
            self.resnet(channels, channels)
        };
        block.with_resize(resize).init(self.device)
    }

    fn conv1x1(&self, input: usize, output: usize) -> Conv2d {
        Conv2dConfig::new([input, output], [1, 1]).init(self.device)
    }

    /// The attention that follows a block, if any.
    fn attention(&self, level: &UnetLevel, attend: Attend) -> Option<BlockAttention> {
        let (channels, config) = (level.channels, self.config);
        let heads = level.heads.on(channels).unwrap_or(1);
        let groups = config.groups_on(channels);
        Some(match attend {
            Attend::Nothing => return None,
            Attend::Context { layers } => {
                let features = config.context.map_or(1, |context| context.features);
                BlockAttention::Context(SpatialTransformer::new(
                    channels,
                    groups,
                    heads,
                    features,
                    layers,
                    self.device,
                ))
            }
            Attend::Pixels if level.shrink.rescales() => {
                let (groups, epsilon) = (32.min(channels), config.epsilon);
                let attention =
                    SelfAttention::new(channels, Some(groups), epsilon, heads, self.device);
                BlockAttention::Pixels(attention.with_scale(SQRT_2))
            }
            Attend::Pixels => {
                let epsilon = config.epsilon;
                BlockAttention::Pixels(SelfAttention::new(
                    channels,
                    Some(groups),
                    epsilon,
                    heads,
                    self.device,
                ))
            }
        })
    }

    fn down(
        &self,
        level: &UnetLevel,
        last: bool,
        mut here: usize,
        skips: &mut Vec<usize>,
    ) -> DownBlock {
        let channels = level.channels;
        let rescaled = level.shrink.rescales();
        let mut resnets = Vec::new();
        for _ in 0..self.config.blocks {
            let resnet = if rescaled {
                self.rescaled(here, channels, quarter(here))
            } else {
                self.resnet(here, channels)
            };
            resnets.push(resnet.init(self.device));
            here = channels;
            skips.push(here);
        }
        let attentions = (0..self.config.blocks).filter_map(|_| self.attention(level, level.down));
        let shrink = (!last).then(|| match level.shrink {
            Resampling::Convolution => Shrink::Convolution(Downsample::new(
                channels,
                self.config.symmetric,
                self.device,
            )),
            Resampling::Residual | Resampling::Rescaled => {
                let halve = BlockResize::Halve(Filter::Box);
                Shrink::Residual(self.resampling(channels, halve, rescaled))
            }
            Resampling::Pyramid => Shrink::Pyramid(ShrinkPyramid {
                resnet_down: self.resampling(channels, BlockResize::Halve(Filter::Fir), rescaled),
                skip_conv: self.conv1x1(self.config.channels, channels),
            }),
        });
        skips.extend(shrink.iter().map(|_| channels));
        DownBlock {
            resnets,
            attentions: attentions.collect(),
            shrink,
        }
    }

    fn middle(&self, level: &UnetLevel) -> MidBlock {
        let (channels, config) = (level.channels, self.config);
        let resnet = || {
            self.resnet(channels, channels)
                .with_scale(config.middle_scale)
                .init(self.device)
        };
        let groups = config.middle_groups.unwrap_or(config.groups_on(channels));
        let attentions = match config.middle {
            Attend::Pixels => {
                let heads = level.heads.on(channels).unwrap_or(1);
                let groups = (groups > 0).then_some(groups);
                let attention =
                    SelfAttention::new(channels, groups, config.epsilon, heads, self.device);
                let attention = attention.with_scale(config.middle_scale);
                Some(BlockAttention::Pixels(attention))
            }
            other => self.attention(level, other),
        };
        MidBlock {
            resnets: [resnet(), resnet()],
            attentions,
        }
    }

    fn up(
        &self,
        level: &UnetLevel,
        last: bool,
        mut here: usize,
        skips: &mut Vec<usize>,
    ) -> UpBlock {
        let channels = level.channels;
        let rescaled = level.grow.rescales();
        let mut resnets = Vec::new();
        for _ in 0..=self.config.blocks {
            let skip = skips.pop().unwrap_or(0);
            let resnet = if rescaled {
                let groups = up_groups(level, here, skip);
                self.rescaled(here + skip, channels, groups)
            } else {
                self.resnet(here + skip, channels)
            };
            resnets.push(resnet.init(self.device));
            here = channels;
        }
        let attentions = if rescaled { 1 } else { resnets.len() };
        let attentions = (0..attentions).filter_map(|_| self.attention(level, level.up));
        let grow = (!last).then(|| match level.grow {
            Resampling::Convolution => Grow::Convolution(Upsample::new(channels, self.device)),
            Resampling::Residual | Resampling::Rescaled => {
                let enlarge = BlockResize::Enlarge(Filter::Box);
                Grow::Residual(self.resampling(channels, enlarge, rescaled))
            }
            Resampling::Pyramid => Grow::Pyramid(GrowPyramid {
                resnet_up: self.resampling(channels, BlockResize::Enlarge(Filter::Fir), rescaled),
                skip_norm: group_norm(
                    quarter(channels),
                    channels,
                    self.config.epsilon,
                    self.device,
                ),
                skip_conv: conv3x3(channels, self.config.channels).init(self.device),
            }),
        });
        UpBlock {
            attentions: attentions.collect(),
            resnets,
            grow,
            pyramid: level.grow == Resampling::Pyramid,
        }
    }
}
