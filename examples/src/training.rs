//! The command line of the `train` example, and what it stands for.

mod arguments;
mod conditions;
mod preview;
mod quality;
mod report;
mod run;
mod source;

use std::error::Error;
use tweedie::core::Preconditioned;
use tweedie::math::{AnySchedule, Edm, RectifiedFlow, TimeDensity, VariancePreserving, Weighting};
use tweedie::models::{AnyArchitecture, AnyNetwork, ClassInput, seeded};
use tweedie::prelude::*;
use tweedie::train::{Decay, Distance, LearningRate, MixedPrecision};

pub use arguments::{
    Arguments, DecayName, DensityName, DistanceName, PrecisionName, PredictionName, ScheduleName,
    WeightingName,
};
pub use conditions::{LowResolution, classes, examples, of_classes};
pub use run::train;
pub use source::{Data, Source};

/// The number of nodes of a chain.
const NODES: usize = 1000;

impl Arguments {
    /// The settings of the run.
    #[must_use]
    pub fn settings(&self) -> TrainSettings {
        let decay = match self.decay {
            DecayName::Constant => Decay::Constant,
            DecayName::Linear => Decay::Linear,
            DecayName::Cosine => Decay::Cosine,
            DecayName::InverseRoot => Decay::InverseRoot,
        };
        let precision = match self.precision {
            PrecisionName::Full => MixedPrecision::Off,
            PrecisionName::Bf16 => MixedPrecision::Bf16,
            PrecisionName::F16 => MixedPrecision::F16,
        };
        TrainSettings::default()
            .with_mixed_precision(precision)
            .with_steps(self.steps)
            .with_batch(self.batch)
            .with_accumulation(self.accumulation)
            .with_learning_rate(
                LearningRate::new(self.rate)
                    .with_warmup(100)
                    .with_decay(decay),
            )
            .with_ema(self.ema)
            .with_seed(self.seed)
    }

    /// The noise levels: those of DDPM's chain if the run draws its nodes.
    ///
    /// # Errors
    /// For the nodes of a schedule that has none.
    pub fn schedule(&self) -> Result<AnySchedule, Box<dyn Error>> {
        let chain = self.density == Some(DensityName::Nodes);
        Ok(match self.schedule {
            ScheduleName::Cosine if chain => Chain::squared_cosine(NODES, 0.999)?.into(),
            ScheduleName::Linear if chain => Chain::linear(NODES, 1e-4, 0.02)?.into(),
            _ if chain => return Err("--density nodes is for cosine and linear schedules".into()),
            ScheduleName::Cosine => Cosine::default().into(),
            ScheduleName::Linear => VariancePreserving::default().into(),
            ScheduleName::Edm => Edm::default().into(),
            ScheduleName::Flow => RectifiedFlow.into(),
        })
    }

    /// What the run minimises, for images of this standard deviation.
    ///
    /// # Errors
    /// As [`schedule`](Self::schedule).
    pub fn objective(&self, deviation: f64) -> Result<ScoreMatching<AnySchedule>, Box<dyn Error>> {
        let own = match self.schedule {
            ScheduleName::Cosine | ScheduleName::Linear => DensityName::Uniform,
            ScheduleName::Edm => DensityName::LogNormal,
            ScheduleName::Flow => DensityName::LogitNormal,
        };
        let density = match self.density.unwrap_or(own) {
            DensityName::Uniform => TimeDensity::default(),
            DensityName::Nodes => TimeDensity::Nodes { count: NODES },
            // EDM's distribution suits images of deviation 0.5.
            DensityName::LogNormal => TimeDensity::LogNormal {
                mean: self.log_normal[0] + (deviation / 0.5).ln(),
                std: self.log_normal[1],
            },
            DensityName::LogitNormal => TimeDensity::LogitNormal {
                mean: 0.0,
                std: 1.0,
            },
            DensityName::LogSnr => TimeDensity::UniformLogSnr {
                min: 1e-3,
                max: 1.0,
            },
        };
        let weighting = match self.weighting {
            WeightingName::Uniform => Weighting::Uniform,
            WeightingName::Snr => Weighting::Snr,
            WeightingName::MinSnr => Weighting::MinSnr { gamma: 5.0 },
            WeightingName::SoftMinSnr => Weighting::SoftMinSnr { gamma: 5.0 },
        };
        let distance = match self.distance {
            DistanceName::Squared => Distance::Squared,
            DistanceName::Absolute => Distance::Absolute,
            DistanceName::Huber => Distance::Huber { delta: 1.0 },
        };
        Ok(ScoreMatching::new(self.schedule()?)
            .with_density(density)
            .with_weighting(weighting)
            .with_distance(distance)
            .with_offset_noise(self.offset_noise))
    }

    /// The network to train, for images of this standard deviation: a new one, or that of `--from`.
    ///
    /// # Errors
    /// If the images do not fit it, or a file cannot be read.
    pub fn network(
        &self,
        images: &Source,
        deviation: f64,
        device: &Device,
    ) -> Result<(ModelConfig, Preconditioned<AnyNetwork>), Box<dyn Error>> {
        let Some(path) = &self.from else {
            let config = self.new_network(images, deviation)?;
            let network = seeded(self.seed, device, config.init(device)?);
            return Ok((config, network));
        };
        let model = Model::open(path, device)?;
        let (config, path) = (model.config().clone(), path.display());
        if (config.channels, config.size) != (images.channels(), images.size()) {
            let (c, [h, w]) = (config.channels, config.size);
            let [height, width] = images.size();
            let text = format!(
                "{path} makes images of {c}×{h}×{w}, the data have {}×{height}×{width}",
                images.channels()
            );
            return Err(text.into());
        }
        let found = classes(&config);
        if found.is_some() != self.classes || found < images.classes().filter(|_| self.classes) {
            let found =
                found.map_or_else(|| "no classes".into(), |count| format!("{count} classes"));
            return Err(format!("{path} has {found}: --classes and --labels have to fit").into());
        }
        let extra = config.network.channels()[0] - config.channels;
        let expected = self.enlarge.map_or(0, |_| images.channels() + 1);
        if extra != expected {
            let text = format!(
                "{path} takes {extra} channels of a conditioning image, the run has {expected}"
            );
            return Err(text.into());
        }
        Ok((config, model.preconditioned().clone()))
    }

    fn new_network(&self, images: &Source, deviation: f64) -> Result<ModelConfig, Box<dyn Error>> {
        let own = match self.schedule {
            ScheduleName::Cosine | ScheduleName::Linear => PredictionName::Velocity,
            ScheduleName::Edm => PredictionName::Edm,
            ScheduleName::Flow => PredictionName::Flow,
        };
        let prediction = match self.prediction.unwrap_or(own) {
            PredictionName::Clean => Prediction::Clean,
            PredictionName::Noise => Prediction::Noise,
            PredictionName::Velocity => Prediction::Velocity,
            PredictionName::Flow => Prediction::Flow,
            PredictionName::Edm => Prediction::Edm {
                sigma_data: deviation,
            },
        };
        let fits = matches!(
            prediction,
            Prediction::Clean | Prediction::Noise | Prediction::Velocity
        );
        let preserving = matches!(self.schedule, ScheduleName::Cosine | ScheduleName::Linear);
        if self.diffusers && !(fits && preserving) {
            return Err("--diffusers needs a cosine or linear schedule and its predictions".into());
        }
        // Sinusoids suit values of some hundreds. EDM's noise condition is between −1.6 and 1.1.
        let (time, scale) = match self.schedule {
            _ if self.diffusers => (TimeInput::Index(Chain::squared_cosine(NODES, 0.999)?), 1.0),
            ScheduleName::Edm => (TimeInput::Edm, 250.0),
            _ => (TimeInput::Time(self.schedule()?), 1000.0),
        };
        // The low-resolution image and its noise level are concatenated to the noisy image.
        let channels = images.channels();
        let extra = self.enlarge.map_or(0, |_| channels + 1);
        let mut network = UnetConfig::new(channels + extra)
            .with_output(Some(channels))
            .with_widths(self.multipliers.iter().map(|factor| factor * self.width))
            .with_blocks(self.blocks)
            .with_groups(Some(8))
            .with_patch(self.patch)
            .with_dropout(self.dropout)
            .with_time_scale(scale);
        if self.diffusers && self.patch > 1 {
            return Err("--diffusers cannot represent --patch".into());
        }
        if self.classes {
            let count = images.classes();
            let count = count.ok_or("--classes needs --labels or subfolders for these images")?;
            network.class = Some(ClassInput::table_with_null(count));
        }
        network.check()?;
        let [height, width] = images.size();
        if height % self.patch != 0 || width % self.patch != 0 {
            let patch = self.patch;
            return Err(format!("--patch {patch} has to divide {height}×{width} pixels").into());
        }
        let network = AnyArchitecture::from(network);
        let config = ModelConfig::new(network, prediction, time, images.size());
        Ok(config.with_channels(channels))
    }

    /// The levels of the samples of a network with this prediction.
    ///
    /// # Errors
    /// As [`schedule`](Self::schedule).
    pub fn path(&self, prediction: Prediction) -> Result<LevelPath, Box<dyn Error>> {
        Ok(match self.schedule {
            ScheduleName::Edm => {
                // From σ = 80 to 0.002.
                let span = Span::new(1.0, 2.5e-5);
                LevelPath::karras(self.schedule()?, span, 49, 7.0)?.then_clean()
            }
            _ => {
                // At the last level of some schedules, the noise does not determine x̂₀.
                let start = match prediction {
                    Prediction::Noise => 0.999,
                    _ => 1.0,
                };
                LevelPath::uniform(self.schedule()?, Span::new(start, 0.0), 50)?.then_clean()
            }
        })
    }
}
