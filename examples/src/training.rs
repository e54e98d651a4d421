//! The command line of the `train` example, and what it stands for.

mod arguments;

use std::error::Error;
use tweedie::burn::tensor::{Int, TensorData};
use tweedie::math::{AnySchedule, Edm, RectifiedFlow, TimeDensity, VariancePreserving, Weighting};
use tweedie::models::{ClassInput, Conditions};
use tweedie::prelude::*;
use tweedie::train::{Batch, Decay, Distance, ExampleError, Examples, LearningRate, Request};

pub use arguments::{
    Arguments, DecayName, DensityName, DistanceName, PredictionName, ScheduleName, WeightingName,
};

/// The number of nodes of a chain.
const NODES: usize = 1000;

/// The probability with which an image loses its class in training.
const DROPPED: f64 = 0.1;

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
        TrainSettings::default()
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

    /// The images.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn images(&self) -> Result<Images, Box<dyn Error>> {
        if let Some(count) = self.phantoms {
            return Ok(Images::phantoms(count, self.size.unwrap_or(64), self.seed)?);
        }
        let size = self.size.map(|size| [size, size]);
        let folder = self.data.as_ref().filter(|path| path.is_dir());
        if folder.is_none() && (self.size.is_some() || self.channels.is_some()) {
            return Err("--size and --channels are for a folder of images".into());
        }
        let images = match (&self.data, folder) {
            (_, Some(path)) => Images::folder(path, self.channels.unwrap_or(3), size)?,
            (Some(path), None) => Images::idx(path)?,
            (None, None) => Images::digits()?,
        };
        let images = match &self.labels {
            None => images,
            Some(labels) => images.with_idx_labels(labels)?,
        };
        if self.held_out >= images.count() {
            let count = images.count();
            return Err(
                format!("--held-out {} leaves none of {count} images", self.held_out).into(),
            );
        }
        Ok(images)
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
                mean: -1.2 + (deviation / 0.5).ln(),
                std: 1.2,
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

    /// The network, for images of this standard deviation.
    ///
    /// # Errors
    /// If the images do not fit it.
    pub fn model(
        &self,
        images: &Images,
        deviation: f64,
    ) -> Result<ModelConfig<UnetConfig>, Box<dyn Error>> {
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
        let mut network = UnetConfig::new(images.channels())
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
            let labels = images.labels();
            let labels = labels.ok_or("--classes needs --labels for these images")?;
            let classes = usize::from(labels.iter().copied().max().unwrap_or(0)) + 1;
            network.class = Some(ClassInput::table_with_null(classes));
        }
        network.check()?;
        let [height, width] = images.size();
        if height % self.patch != 0 || width % self.patch != 0 {
            let patch = self.patch;
            return Err(format!("--patch {patch} has to divide {height}×{width} pixels").into());
        }
        Ok(ModelConfig::new(network, prediction, time, images.size()))
    }

    /// The levels of the samples.
    ///
    /// # Errors
    /// As [`schedule`](Self::schedule).
    pub fn path(&self) -> Result<LevelPath, Box<dyn Error>> {
        Ok(match self.schedule {
            ScheduleName::Edm => {
                // From σ = 80 to 0.002.
                let span = Span::new(1.0, 2.5e-5);
                LevelPath::karras(self.schedule()?, span, 49, 7.0)?.then_clean()
            }
            _ => {
                // At the last level of some schedules, the noise does not determine x̂₀.
                let start = match self.prediction {
                    Some(PredictionName::Noise) => 0.999,
                    _ => 1.0,
                };
                LevelPath::uniform(self.schedule()?, Span::new(start, 0.0), 50)?.then_clean()
            }
        })
    }
}

/// The standard deviation of the images' values in `[−1, 1]`, about their mean, to three digits.
///
/// It is part of the network, so every process has to find the same.
#[must_use]
pub fn deviation(images: &Images, device: &Device) -> f64 {
    let some: Vec<usize> = (0..images.count().min(2000)).collect();
    let values = images.select(&some, ValueRange::Signed, device).into_data();
    let (count, sum, squares) = values.iter::<f64>().fold((0.0, 0.0, 0.0), |all, value| {
        (all.0 + 1.0, all.1 + value, all.2 + value * value)
    });
    let mean: f64 = sum / count;
    let deviation = (squares / count - mean * mean).max(0.0).sqrt();
    // A set of equal images has none.
    ((deviation * 1e3).round() / 1e3).max(0.001)
}

/// The number of classes of a network, which is also the label for no class.
#[must_use]
pub fn classes(config: &ModelConfig<UnetConfig>) -> Option<usize> {
    config.network.class.and_then(ClassInput::null)
}

/// The condition of the given classes; none if there are none.
#[must_use]
pub fn of_classes(classes: &[usize], device: &Device) -> Conditions {
    if classes.is_empty() {
        return Conditions::none();
    }
    let labels: Vec<i32> = classes.iter().map(|&class| class as i32).collect();
    let labels = TensorData::new(labels, [classes.len()]);
    Conditions::none().with_labels(Tensor::<1, Int>::from_data(labels, device))
}

/// The images of a range of indices, with their classes if the network takes classes. They stay
/// bytes until a step asks for them.
#[derive(Clone, Debug)]
pub struct Labelled<'a> {
    images: &'a Images,
    range: std::ops::Range<usize>,
    classes: bool,
}

impl Examples<4> for Labelled<'_> {
    type Condition = Conditions;

    fn len(&self) -> usize {
        self.range.len()
    }

    fn batch(&self, request: &Request<'_>) -> Result<Batch<4, Conditions>, ExampleError> {
        let of_run = request.indices.iter();
        let indices: Vec<usize> = of_run.map(|index| self.range.start + index).collect();
        let labels = self.images.labels().filter(|_| self.classes);
        let class = |labels: &[u8]| indices.iter().map(|&i| labels[i].into()).collect();
        let classes: Vec<usize> = labels.map_or_else(Vec::new, class);
        Ok(Batch {
            clean: self
                .images
                .select(&indices, ValueRange::Signed, request.device),
            condition: of_classes(&classes, request.device),
        })
    }
}

/// The images to train on, one in ten without its class, and the held-out images.
///
/// # Errors
/// None for this probability.
pub fn examples<'a>(
    arguments: &Arguments,
    images: &'a Images,
    config: &ModelConfig<UnetConfig>,
    device: &Device,
) -> Result<(DropCondition<Labelled<'a>, Conditions>, Labelled<'a>), Box<dyn Error>> {
    let count = classes(config);
    let split = images.count() - arguments.held_out;
    let of = |range| Labelled {
        images,
        range,
        classes: count.is_some(),
    };
    let null = of_classes(&Vec::from_iter(count), device);
    let probability = if count.is_some() { DROPPED } else { 0.0 };
    let train = DropCondition::new(of(0..split), null, probability)?;
    Ok((train, of(split..images.count())))
}
