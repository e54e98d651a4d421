//! The U-Net of DDPM: residual blocks down to a coarse map and up again, with skip connections.
//!
//! Level `k` has `width · multipliers[k]` channels and `blocks` residual blocks on the way down,
//! `blocks + 1` on the way up, each of these beside one skip; self-attention follows every block of
//! the chosen levels. The middle is block, attention, block.
//!
//! # Reference
//! Ho et al. 2020, appendix B, arXiv:2006.11239. A `patch` above 1 first folds `patch × patch`
//! pixels into channels (Hoogeboom et al. 2023, "simple diffusion", section 3.3,
//! arXiv:2301.11093).

use crate::patch::{fold, unfold};
use crate::resblock::{conv3x3, norm, norm_silu};
use crate::{Downsample, ResBlock, ResBlockConfig, SelfAttention, TimeEmbedding, Upsample};
use burn::config::Config;
use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{GroupNorm, Initializer};
use burn::tensor::{Device, Tensor};
use tweedie_core::Network;

/// Configuration of a [`Unet`].
#[derive(Config, Debug, PartialEq)]
pub struct UnetConfig {
    /// Channels of the image.
    pub channels: usize,
    /// Channels of the finest level.
    #[config(default = 64)]
    pub width: usize,
    /// Channels of each level, as multiples of `width`.
    #[config(default = "vec![1, 2]")]
    pub multipliers: Vec<usize>,
    /// Residual blocks on each level.
    #[config(default = 2)]
    pub blocks: usize,
    /// Levels with self-attention after every block, from 0, the finest.
    #[config(default = "vec![1]")]
    pub attention: Vec<usize>,
    /// Channels of an attention head; `None` for one head.
    pub head: Option<usize>,
    /// Groups of the normalisation, at most; lowered where there are fewer channels.
    #[config(default = 32)]
    pub groups: usize,
    /// Probability of dropout in the residual blocks, while training.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Pixels folded into channels, in each direction.
    #[config(default = 1)]
    pub patch: usize,
    /// Factor of the condition before its sinusoids, which suit numbers up to 1000.
    #[config(default = 1.0)]
    pub time_scale: f64,
}

/// A configuration that no network can have.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UnetError {
    /// A count that has to be at least 1.
    #[error("{name} has to be at least 1")]
    Zero {
        /// Which one.
        name: &'static str,
    },
    /// A count that has to divide another.
    #[error("{name} = {divisor} has to divide the {channels} channels of level {level}")]
    Divides {
        /// Which one.
        name: &'static str,
        /// Its value.
        divisor: usize,
        /// The channels.
        channels: usize,
        /// The level.
        level: usize,
    },
    /// Attention on a level that is not there.
    #[error("attention on level {level} of a network with {levels} levels")]
    NoLevel {
        /// The level asked for.
        level: usize,
        /// How many there are.
        levels: usize,
    },
    /// A dropout probability outside `[0, 1)`.
    #[error("dropout has to be within [0, 1), got {value}")]
    Dropout {
        /// Its value.
        value: f64,
    },
}

/// The U-Net of DDPM: `[b, c, h, w]` and `[b]` to `[b, c, h, w]`, for any height and width that
/// `patch` divides.
#[derive(Module, Debug)]
pub struct Unet {
    time: TimeEmbedding,
    input: Conv2d,
    down: Vec<DownLevel>,
    middle: Middle,
    up: Vec<UpLevel>,
    norm: GroupNorm,
    output: Conv2d,
    patch: usize,
}

#[derive(Module, Debug)]
struct Block {
    residual: ResBlock,
    attention: Option<SelfAttention>,
}

#[derive(Module, Debug)]
struct DownLevel {
    blocks: Vec<Block>,
    downsample: Option<Downsample>,
}

#[derive(Module, Debug)]
struct Middle {
    first: ResBlock,
    attention: SelfAttention,
    second: ResBlock,
}

#[derive(Module, Debug)]
struct UpLevel {
    blocks: Vec<Block>,
    upsample: Option<Upsample>,
}

impl Block {
    fn forward(&self, x: Tensor<4>, time: Tensor<2>) -> Tensor<4> {
        let x = self.residual.forward(x, time);
        match &self.attention {
            Some(attention) => attention.forward(x),
            None => x,
        }
    }
}

impl UnetConfig {
    /// The network of DDPM for CIFAR-10: 35.7 million parameters, 32×32 RGB.
    #[must_use]
    pub fn ddpm_cifar10() -> Self {
        Self::new(3)
            .with_width(128)
            .with_multipliers(vec![1, 2, 2, 2])
            .with_dropout(0.1)
    }

    /// Checks the configuration.
    ///
    /// # Errors
    /// [`UnetError`] names the field that makes no sense.
    pub fn check(&self) -> Result<(), UnetError> {
        let counts = [
            ("channels", self.channels),
            ("width", self.width),
            ("the number of multipliers", self.multipliers.len()),
            ("blocks", self.blocks),
            ("groups", self.groups),
            ("patch", self.patch),
            ("head", self.head.unwrap_or(1)),
            (
                "the least multiplier",
                self.multipliers.iter().copied().min().unwrap_or(0),
            ),
        ];
        if let Some(&(name, _)) = counts.iter().find(|(_, count)| *count == 0) {
            return Err(UnetError::Zero { name });
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(UnetError::Dropout {
                value: self.dropout,
            });
        }
        let levels = self.multipliers.len();
        if let Some(&level) = self.attention.iter().find(|level| **level >= levels) {
            return Err(UnetError::NoLevel { level, levels });
        }
        for (level, channels) in self.level_channels().into_iter().enumerate() {
            let last = level + 1 == levels;
            let head = match self.head {
                Some(head) if last || self.attention.contains(&level) => head,
                _ => 1,
            };
            for (name, divisor) in [("groups", self.groups.min(channels)), ("head", head)] {
                if !channels.is_multiple_of(divisor) {
                    return Err(UnetError::Divides {
                        name,
                        divisor,
                        channels,
                        level,
                    });
                }
            }
        }
        Ok(())
    }

    fn level_channels(&self) -> Vec<usize> {
        self.multipliers.iter().map(|m| m * self.width).collect()
    }

    /// The network on `device`.
    ///
    /// # Errors
    /// [`UnetError`] for a configuration that makes no sense.
    pub fn init(&self, device: &Device) -> Result<Unet, UnetError> {
        self.check()?;
        let channels = self.level_channels();
        let pixels = self.channels * self.patch * self.patch;
        let time = 4 * self.width;
        let residual = |from, to| {
            ResBlockConfig::new(from, to, time)
                .with_groups(gcd_groups(self.groups, from, to))
                .with_dropout(self.dropout)
                .init(device)
        };
        let attention = |channels: usize| {
            let heads = self.head.map_or(1, |head| channels / head);
            SelfAttention::new(channels, self.groups.min(channels), heads, device)
        };
        let block = |level: usize, from, to| Block {
            residual: residual(from, to),
            attention: self.attention.contains(&level).then(|| attention(to)),
        };

        let last = channels.len() - 1;
        let mut here = self.width;
        let mut skips = vec![here];
        let mut down = Vec::new();
        for (level, &to) in channels.iter().enumerate() {
            let mut blocks = Vec::new();
            for _ in 0..self.blocks {
                blocks.push(block(level, here, to));
                here = to;
                skips.push(here);
            }
            let downsample = (level < last).then(|| Downsample::new(here, device));
            skips.extend(downsample.iter().map(|_| here));
            down.push(DownLevel { blocks, downsample });
        }
        let middle = Middle {
            first: residual(here, here),
            attention: attention(here),
            second: residual(here, here),
        };
        let mut up = Vec::new();
        for (level, &to) in channels.iter().enumerate().rev() {
            let mut blocks = Vec::new();
            for _ in 0..=self.blocks {
                let skip = skips.pop().unwrap_or(0);
                blocks.push(block(level, here + skip, to));
                here = to;
            }
            let upsample = (level > 0).then(|| Upsample::new(here, device));
            up.push(UpLevel { blocks, upsample });
        }
        Ok(Unet {
            time: TimeEmbedding::new(self.width, time, self.time_scale, device),
            input: conv3x3(pixels, self.width).init(device),
            down,
            middle,
            up,
            norm: norm(self.groups, here, device),
            output: conv3x3(here, pixels)
                .with_initializer(Initializer::Zeros)
                .init(device),
            patch: self.patch,
        })
    }
}

/// The largest number of groups, at most `groups`, that divides both channel counts.
fn gcd_groups(groups: usize, from: usize, to: usize) -> usize {
    let divides = |g: &usize| from.is_multiple_of(*g) && to.is_multiple_of(*g);
    (1..=groups.min(from).min(to))
        .rev()
        .find(divides)
        .unwrap_or(1)
}

impl Network<4> for Unet {
    /// # Panics
    /// If `patch` does not divide height and width.
    fn forward(&self, x: Tensor<4>, condition: Tensor<1>) -> Tensor<4> {
        let time = self.time.forward(condition);
        let mut x = self.input.forward(fold(x, self.patch));
        let mut skips = vec![x.clone()];
        for level in &self.down {
            for block in &level.blocks {
                x = block.forward(x, time.clone());
                skips.push(x.clone());
            }
            if let Some(downsample) = &level.downsample {
                x = downsample.forward(x);
                skips.push(x.clone());
            }
        }
        x = self.middle.first.forward(x, time.clone());
        x = self.middle.attention.forward(x);
        x = self.middle.second.forward(x, time.clone());
        for level in &self.up {
            for block in &level.blocks {
                let skip = skips.pop().into_iter();
                x = Tensor::cat(std::iter::once(x).chain(skip).collect(), 1);
                x = block.forward(x, time.clone());
            }
            if let (Some(upsample), Some(skip)) = (&level.upsample, skips.last()) {
                let [_, _, h, w] = skip.dims();
                x = upsample.forward(x, [h, w]);
            }
        }
        unfold(self.output.forward(norm_silu(&self.norm, x)), self.patch)
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact by construction")]
mod tests {
    use super::*;

    #[test]
    fn ddpm_cifar10_has_its_published_size() {
        let network = UnetConfig::ddpm_cifar10()
            .init(&Device::flex())
            .expect("a network");
        // Ho et al. 2020, appendix B: 35.7 million.
        assert_eq!(network.num_params(), 35_746_307);
    }

    #[test]
    fn any_size_comes_back() {
        let device = Device::flex();
        let config = UnetConfig::new(3)
            .with_width(8)
            .with_multipliers(vec![1, 2, 2]);
        for (patch, size) in [(1, [7, 13]), (2, [10, 6]), (1, [1, 1])] {
            let network = config
                .clone()
                .with_patch(patch)
                .init(&device)
                .expect("a network");
            let x = Tensor::<4>::ones([1, 3, size[0], size[1]], &device);
            let y = network.forward(x, Tensor::ones([1], &device));
            assert_eq!(y.dims(), [1, 3, size[0], size[1]]);
            // The last convolution starts at zero.
            assert_eq!(y.abs().max().into_scalar::<f32>(), 0.0);
        }
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let config = UnetConfig::new(1).with_width(48);
        let check = |config: UnetConfig| config.check().map_err(|error| error.to_string());
        assert_eq!(check(config.clone().with_groups(16)), Ok(()));
        assert_eq!(
            check(config.clone().with_blocks(0)),
            Err("blocks has to be at least 1".into())
        );
        assert_eq!(
            check(config.clone()),
            Err("groups = 32 has to divide the 48 channels of level 0".into())
        );
        assert_eq!(
            check(config.clone().with_groups(16).with_attention(vec![2])),
            Err("attention on level 2 of a network with 2 levels".into())
        );
        assert!(check(config.with_multipliers(vec![])).is_err());
    }
}
