//! The configuration of a U-Net.

use super::{Attend, ContextInput, Resampling, UnetLevel};
use crate::{Activation, ClassInput, Conditioning, Heads, NetworkError, TimeEncoding};
use burn::config::Config;
use tweedie_math::ParameterError;

/// Configuration of a [`Unet`](super::Unet).
#[derive(Config, Debug, PartialEq)]
#[non_exhaustive]
pub struct UnetConfig {
    /// Channels of the image, including those of a conditioning image.
    pub channels: usize,
    /// Channels of the output; `None` for as many as the image has.
    pub output: Option<usize>,
    /// The resolutions, finest first.
    #[config(
        default = "vec![UnetLevel::new(64), UnetLevel::new(128).with_attention(Attend::Pixels)]"
    )]
    pub levels: Vec<UnetLevel>,
    /// Residual blocks on each level.
    #[config(default = 2)]
    pub blocks: usize,
    /// The attention between the two blocks of the middle.
    #[config(default = "Attend::Pixels")]
    pub middle: Attend,
    /// Groups of the middle's attention: `None` for those of the blocks, 0 for no normalisation.
    pub middle_groups: Option<usize>,
    /// Divisor of the residual sums in the middle.
    #[config(default = 1.0)]
    pub middle_scale: f64,
    /// Whether the network has no middle.
    #[config(default = false)]
    pub without_middle: bool,
    /// Groups of the normalisations; `None` for a quarter of the channels, at most 32.
    #[config(default = "Some(32)")]
    pub groups: Option<usize>,
    /// `ε` of the normalisations, added to the variance.
    #[config(default = 1e-6)]
    pub epsilon: f64,
    /// The nonlinearity of the blocks.
    #[config(default = "Activation::Silu")]
    pub activation: Activation,
    /// The nonlinearity in the embedding layers and before the output convolution.
    #[config(default = "Activation::Silu")]
    pub outer_activation: Activation,
    /// How the embedding of level and class is injected into a block.
    #[config(default = "Conditioning::Shift")]
    pub conditioning: Conditioning,
    /// How the level is encoded; `None` for as many sinusoids as the finest level has channels.
    pub time_encoding: Option<TimeEncoding>,
    /// Features of the embedding; `None` for four times the channels of the finest level.
    pub features: Option<usize>,
    /// Factor of the time input before its encoding; sinusoids suit values up to 1000.
    #[config(default = 1.0)]
    pub time_scale: f64,
    /// Whether the output is divided by the time input.
    #[config(default = false)]
    pub scale_by_sigma: bool,
    /// How the class is embedded, if there is one.
    pub class: Option<ClassInput>,
    /// The context of the cross-attention, if there is one.
    pub context: Option<ContextInput>,
    /// Whether convolutions of stride 2 pad all sides, not only the right and the bottom.
    #[config(default = true)]
    pub symmetric: bool,
    /// Whether images are mapped from `[0, 1]` to `[−1, 1]` first.
    #[config(default = false)]
    pub center: bool,
    /// Kernel sides of the first and the last convolution, odd.
    #[config(default = "[3, 3]")]
    pub kernels: [usize; 2],
    /// Dropout probability of the residual blocks during training.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Side of the blocks of pixels that are folded into channels.
    #[config(default = 1)]
    pub patch: usize,
}

impl UnetConfig {
    /// The network of DDPM for CIFAR-10: 35.7 million parameters, 32×32 RGB.
    #[must_use]
    pub fn ddpm_cifar10() -> Self {
        let [coarse, attending] = [
            UnetLevel::new(256),
            UnetLevel::new(256).with_attention(Attend::Pixels),
        ];
        Self::new(3)
            .with_levels(vec![UnetLevel::new(128), attending, coarse, coarse])
            .with_dropout(0.1)
    }

    /// Sets levels of these widths, the last with attention between pixels.
    #[must_use]
    pub fn with_widths(self, widths: impl IntoIterator<Item = usize>) -> Self {
        let mut levels: Vec<UnetLevel> = widths.into_iter().map(UnetLevel::new).collect();
        if let Some(last) = levels.last_mut() {
            *last = last.with_attention(Attend::Pixels);
        }
        self.with_levels(levels)
    }

    /// Channels of the output.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.output.unwrap_or(self.channels)
    }

    /// The number of groups for `channels`: the configured one, or the next smaller divisor of
    /// `channels`.
    #[must_use]
    pub fn groups_on(&self, channels: usize) -> usize {
        let most = self.groups.unwrap_or_else(|| quarter(channels));
        let divides = |g: &usize| channels.is_multiple_of(*g);
        (1..=most.min(channels)).rev().find(divides).unwrap_or(1)
    }

    /// How the level is encoded.
    #[must_use]
    pub fn time_encoding(&self) -> TimeEncoding {
        let width = self.levels.first().map_or(2, |level| level.channels);
        self.time_encoding.unwrap_or(TimeEncoding::Sinusoidal {
            width: 2 * (width / 2).max(1),
            cosine_first: false,
            shift: 1.0,
        })
    }

    /// Features of the embedding.
    #[must_use]
    pub fn features(&self) -> usize {
        let width = self.levels.first().map_or(1, |level| level.channels);
        self.features.unwrap_or(width.saturating_mul(4))
    }

    /// The ratio of the sides of the first and the last level.
    pub(crate) fn shrinkage(&self) -> usize {
        let halvings = self.levels.len().saturating_sub(1) as u32;
        1_usize.checked_shl(halvings).unwrap_or(usize::MAX)
    }

    /// Whether every level has to be exactly twice the next, as the FIR filters of a pyramid
    /// require.
    pub(crate) fn is_even(&self) -> bool {
        let fir = |level: &UnetLevel| [level.shrink, level.grow].contains(&Resampling::Pyramid);
        self.levels.iter().any(fir)
    }

    /// The number of blocks and transformer layers, each of which has at least one parameter.
    pub(crate) fn parts(&self) -> usize {
        let layers = |attend: Attend| match attend {
            Attend::Context { layers } => layers.saturating_add(1),
            Attend::Nothing | Attend::Pixels => 1,
        };
        let each = |level: &UnetLevel| layers(level.down).saturating_add(layers(level.up));
        let levels = self.levels.iter().map(each);
        let all = levels.fold(0, usize::saturating_add);
        self.blocks
            .saturating_mul(all)
            .saturating_add(layers(self.middle))
    }

    /// Checks the configuration.
    ///
    /// # Errors
    /// [`NetworkError`] names the invalid field.
    pub fn check(&self) -> Result<(), NetworkError> {
        let least = |counts: &mut dyn Iterator<Item = usize>| counts.min().unwrap_or(0);
        let counts = [
            ("channels", self.channels),
            ("output", self.outputs()),
            ("the number of levels", self.levels.len()),
            (
                "channels of a level",
                least(&mut self.levels.iter().map(|level| level.channels)),
            ),
            ("blocks", self.blocks),
            ("groups", self.groups.unwrap_or(1)),
            ("patch", self.patch),
            ("features", self.features()),
            ("time_encoding", self.time_encoding().width()),
        ];
        counted(&counts)?;
        if let Some(ClassInput::Table {
            count,
            null: Some(null),
        }) = self.class
        {
            let (name, expected) = ("the row for no class", "below the number of rows");
            ParameterError::require(null < count, name, expected, null as f64)?;
        }
        let widths = self.levels.iter().map(|level| level.channels);
        let table = match self.time_encoding() {
            TimeEncoding::Learned { count, .. } => count,
            _ => 1,
        };
        let classes = match self.class {
            Some(ClassInput::Table { count, .. }) => count.div_ceil(256),
            Some(ClassInput::Perceptron { features } | ClassInput::Linear { features }) => features,
            _ => 1,
        };
        counted(&[
            ("channels of a level", widths.max().unwrap_or(1)),
            ("kernels", self.kernels[0].max(self.kernels[1]).max(1)),
            ("classes", classes),
            ("blocks of all levels", self.parts()),
            ("the table of steps", table),
            (
                "context",
                self.context.map_or(1, |context| context.features),
            ),
        ])?;
        let range = |name, range, value, fits: bool| {
            let error = NetworkError::from(ParameterError {
                name,
                expected: range,
                value,
            });
            if fits { Ok(()) } else { Err(error) }
        };
        let within = (0.0..1.0).contains(&self.dropout);
        range("dropout", "within [0, 1)", self.dropout, within)?;
        if let TimeEncoding::Fourier { width, .. } = self.time_encoding() {
            range(
                "time_encoding",
                "even",
                width as f64,
                width.is_multiple_of(2),
            )?;
        }
        range("epsilon", "above 0", self.epsilon, self.epsilon > 0.0)?;
        let scale = self.time_scale;
        range("time_scale", "finite", scale, scale.is_finite())?;
        let scale = self.middle_scale;
        range("middle_scale", "above 0", scale, scale > 0.0)?;
        for side in self.kernels {
            range("kernels", "odd", side as f64, !side.is_multiple_of(2))?;
        }
        self.check_levels()
    }

    fn check_levels(&self) -> Result<(), NetworkError> {
        let last = self.levels.len() - 1;
        self.check_rescaled()?;
        for (index, level) in self.levels.iter().enumerate() {
            let channels = level.channels;
            let divides = |name, divisor, fits: bool| {
                let error = NetworkError::Divides {
                    name,
                    divisor,
                    channels,
                    level: index,
                };
                if fits { Ok(()) } else { Err(error) }
            };
            let fits = |groups: usize| channels.is_multiple_of(groups.max(1));
            if let Some(groups) = self.groups {
                let groups = groups.min(channels);
                divides("groups", groups, fits(groups))?;
            }
            let middle = index == last && !self.without_middle;
            let mut attends = vec![level.down, level.up];
            if middle {
                attends.push(self.middle);
                let groups = self.middle_groups.unwrap_or(1);
                divides("middle_groups", groups, fits(groups))?;
            }
            if attends.iter().any(|attend| *attend != Attend::Nothing) {
                let (Heads::Count(heads) | Heads::Width(heads)) = level.heads;
                divides("heads", heads, level.heads.on(channels).is_some())?;
            }
            let context = |attend: &Attend| matches!(attend, Attend::Context { .. });
            if attends.iter().any(context) && self.context.is_none() {
                return Err(NetworkError::NoContext { level: index });
            }
            let pyramid = |level: &UnetLevel| {
                [level.shrink, level.grow].map(|way| way == Resampling::Pyramid)
            };
            if pyramid(level) != pyramid(&self.levels[0]) || pyramid(level)[0] != pyramid(level)[1]
            {
                return Err(NetworkError::Pyramid { level: index });
            }
        }
        Ok(())
    }

    /// Checks that the fixed groups of NCSN++ and DDPM++ divide the channels.
    fn check_rescaled(&self) -> Result<(), NetworkError> {
        if !self
            .levels
            .iter()
            .any(|level| level.shrink.rescales() || level.grow.rescales())
        {
            return Ok(());
        }
        let pyramid = self.levels[0].shrink == Resampling::Pyramid;
        let range = |name, range, value: usize| {
            let value = value as f64;
            Err(ParameterError {
                name,
                expected: range,
                value,
            }
            .into())
        };
        if pyramid && self.outputs() != self.channels {
            return range(
                "output",
                "the image's channels for a pyramid",
                self.outputs(),
            );
        }
        if pyramid && self.patch != 1 {
            return range("patch", "1 for a pyramid", self.patch);
        }
        let check = |level: usize, groups: usize, channels: usize| {
            let error = NetworkError::Divides {
                name: "groups of a rescaled block",
                divisor: groups,
                channels,
                level,
            };
            if channels.is_multiple_of(groups) {
                Ok(())
            } else {
                Err(error)
            }
        };
        let mut here = self.levels[0].channels;
        let mut skips = vec![here];
        let last = self.levels.len() - 1;
        for (index, level) in self.levels.iter().enumerate() {
            let channels = level.channels;
            if level.shrink.rescales() {
                check(index, quarter(here), here)?;
            }
            check(index, quarter(channels), channels)?;
            if [level.down, level.up].contains(&Attend::Pixels) {
                check(index, 32.min(channels), channels)?;
            }
            here = channels;
            // The blocks of a level differ only in their first and last skip.
            let passage = usize::from(index < last);
            skips.extend(vec![here; self.blocks.min(2) + passage]);
        }
        for (index, level) in self.levels.iter().enumerate().rev() {
            for _ in 0..=self.blocks.min(2) {
                let skip = skips.pop().unwrap_or(0);
                if level.grow.rescales() {
                    check(index, up_groups(level, here, skip), here + skip)?;
                }
                here = level.channels;
            }
        }
        Ok(())
    }
}

/// Checks that counts are within 1 and 65,536, so that a broken or malicious configuration cannot
/// exhaust memory.
pub(crate) fn counted(counts: &[(&'static str, usize)]) -> Result<(), NetworkError> {
    const MOST: usize = 1 << 16;
    for &(name, count) in counts {
        if count == 0 {
            return Err(NetworkError::Zero { name });
        }
        if count > MOST {
            let (range, value) = ("at most 65536", count as f64);
            return Err(ParameterError {
                name,
                expected: range,
                value,
            }
            .into());
        }
    }
    Ok(())
}

/// Groups of a rescaled block on the up path: a quarter of all channels, at most 32. A pyramid with
/// attention uses `min(here + skip/4, 32)`, as published.
pub(super) fn up_groups(level: &UnetLevel, here: usize, skip: usize) -> usize {
    let attends = level.up != Attend::Nothing && level.grow == Resampling::Pyramid;
    if attends {
        (here + skip / 4).clamp(1, 32)
    } else {
        quarter(here + skip)
    }
}

/// A quarter of the channels, at least 1 and at most 32.
pub(super) fn quarter(channels: usize) -> usize {
    (channels / 4).clamp(1, 32)
}
