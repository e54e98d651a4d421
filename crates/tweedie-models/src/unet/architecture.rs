//! The implementation of `Architecture` for the U-Net.

use super::{Unet, UnetConfig};
use crate::architecture::ddpm;
use crate::expect;
use crate::import::{CheckpointError, Diffusers, unet_json};
use crate::{
    Architecture, ClassInput, Clip, Conditions, Grid, NetworkError, Published, Sampling,
    TimeEncoding,
};
use burn::tensor::{Device, Tensor};
use tweedie_core::{ConditionError, TimeInput};
use tweedie_math::{Prediction, ScheduleError, VarianceExploding};

impl Architecture for UnetConfig {
    type Network = Unet;
    type Condition = Conditions;
    const NAME: Option<&'static str> = Some("unet");

    fn init(&self, device: &Device) -> Result<Unet, NetworkError> {
        Self::init(self, device)
    }

    fn channels(&self) -> [usize; 2] {
        [self.channels, self.outputs()]
    }

    fn patch(&self) -> usize {
        self.patch.saturating_mul(match self.is_even() {
            true => self.shrinkage(),
            false => 1,
        })
    }

    /// The last level has to keep at least one pixel.
    fn min_side(&self) -> usize {
        self.patch.saturating_mul(self.shrinkage())
    }

    fn check_condition(
        &self,
        channels: usize,
        conditions: &Conditions,
    ) -> Result<(), ConditionError> {
        let class = self.class.map(|class| match class {
            ClassInput::Table { .. } | ClassInput::Timestep => None,
            ClassInput::Identity => Some(self.features()),
            ClassInput::Perceptron { features } | ClassInput::Linear { features } => Some(features),
        });
        let optional = self.class.is_some_and(|class| class.null().is_some());
        if conditions.class.is_some() || !optional {
            expect::class(conditions, class)?;
        }
        if let Some(ClassInput::Table { count, .. }) = self.class {
            expect::labels(conditions, Some(count.saturating_sub(1)))?;
        }
        expect::labels(conditions, None)?;
        expect::context(conditions, self.context.map(|context| context.features))?;
        expect::image(conditions, self.channels, channels)
    }

    fn with_defaults(&self, conditions: Conditions, device: &Device) -> Conditions {
        self.with_null(conditions, device)
    }

    /// Checks that a table of steps gets the index of a chain. A network that takes the logarithm
    /// of its time input, or divides by it, needs the noise level, for which both are finite
    /// everywhere.
    fn check_time(&self, time: &TimeInput) -> Result<(), CheckpointError> {
        let refused = |message: String| Err(CheckpointError::Sampling { message });
        let waves = self.time_encoding();
        if let TimeEncoding::Learned { count, .. } = waves {
            return match time {
                TimeInput::Index(chain) if chain.len() <= count => Ok(()),
                TimeInput::Index(chain) => refused(format!(
                    "a table of {count} steps, for a chain of {}",
                    chain.len()
                )),
                _ => refused(format!(
                    "a table of {count} steps takes the index of a chain"
                )),
            };
        }
        let logarithm = matches!(waves, TimeEncoding::Fourier { log: true, .. });
        let positive = matches!(time, TimeInput::NoiseLevel);
        match (logarithm || self.scale_by_sigma) && !positive {
            true => refused(
                "the network takes the logarithm of the level, or divides by it: only of \
                 the noise level is it finite everywhere"
                    .into(),
            ),
            false => Ok(()),
        }
    }

    fn min_tensors(&self) -> usize {
        Self::parts(self)
    }

    /// DDPM's settings, on a chain of 1000 steps or of as many as the table of steps has rows.
    /// NCSN++ predicts the score and takes the noise level.
    fn default_sampling(&self) -> Result<Sampling, ScheduleError> {
        if !self.scale_by_sigma {
            return ddpm(self.table().unwrap_or(1000));
        }
        Ok(Sampling {
            prediction: Prediction::ScaledScore,
            time: TimeInput::NoiseLevel,
            grid: Grid::Exploding {
                schedule: VarianceExploding::new(0.01, 1348.0)?,
                rho: None,
            },
            clip: Clip::None,
            learned_variance: false,
        })
    }

    fn published(&self, size: [usize; 2]) -> Result<Published, CheckpointError> {
        Ok(Published {
            folder: "unet",
            config: unet_json(self, size)?,
            naming: Box::new(Diffusers { convolved: false }),
            pipeline: Some(match self.scale_by_sigma {
                true => "ScoreSdeVePipeline",
                false => "DDPMPipeline",
            }),
            latent: ["LDMPipeline", "vqvae"],
        })
    }
}

impl UnetConfig {
    /// Fills in the label for no class.
    pub(crate) fn with_null(&self, conditions: Conditions, device: &Device) -> Conditions {
        match (&conditions.class, self.class.and_then(ClassInput::null)) {
            (None, Some(null)) => conditions.with_labels(Tensor::from_ints([null as i32], device)),
            _ => conditions,
        }
    }

    /// The number of rows of the table of steps, if there is one.
    pub(crate) fn table(&self) -> Option<usize> {
        match self.time_encoding() {
            TimeEncoding::Learned { count, .. } => Some(count),
            _ => None,
        }
    }
}
