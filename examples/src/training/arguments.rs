//! The arguments of the `train` example.

use clap::{Parser, ValueEnum};
use std::path::PathBuf;

/// Trains a U-Net on images.
#[derive(Debug, Parser)]
pub struct Arguments {
    /// A folder of PNG, JPEG, WebP, TIFF and npy files, whose subfolders are classes, an IDX file,
    /// or an npz file with the arrays `images` and `labels`; by default the bundled digits
    #[arg(long, help_heading = "Data")]
    pub data: Option<PathBuf>,
    /// Learn the classes of the images; the digits have some
    #[arg(long, conflicts_with = "phantoms", help_heading = "Data")]
    pub classes: bool,
    /// Probability with which an image loses its class, so that samples can be guided
    #[arg(long, default_value_t = 0.1, value_name = "P", help_heading = "Data")]
    #[arg(allow_negative_numbers = true)]
    pub drop: f64,
    /// An IDX file with the class of each image of `--data`
    #[arg(long, requires_all = ["data", "classes"], help_heading = "Data")]
    pub labels: Option<PathBuf>,
    /// Train on this many synthetic heads of `--size`×`--size` pixels (by default 64×64)
    #[arg(long, conflicts_with_all = ["data", "channels"], value_parser = at_least_one)]
    #[arg(help_heading = "Data")]
    pub phantoms: Option<usize>,
    /// Crop and scale every image of a folder to this height and width
    #[arg(long, help_heading = "Data")]
    pub size: Option<usize>,
    /// Read a folder as grey (1) or RGB (3, the default)
    #[arg(long, help_heading = "Data")]
    pub channels: Option<usize>,
    /// Decode every file of a folder first, and leave out those that are damaged
    #[arg(long, help_heading = "Data")]
    pub check: bool,
    /// Threads that read the files of a folder
    #[arg(long, default_value_t = 2, value_parser = at_least_one, value_name = "N")]
    #[arg(help_heading = "Data")]
    pub readers: usize,
    /// Mirror every image with a probability of one half
    #[arg(long, help_heading = "Data")]
    pub mirror: bool,
    /// Learn to enlarge images by this factor: the network sees each image's bicubic reduction with
    /// noise of a known standard deviation from 0 to 0.2
    #[arg(
        long,
        conflicts_with = "classes",
        value_name = "FACTOR",
        help_heading = "Data"
    )]
    pub enlarge: Option<usize>,
    /// Do not train on the last N images, or N at random of a folder; measure on them the loss,
    /// bits per dimension, and the energy distance of samples to them
    #[arg(long, default_value_t = 0, value_name = "N", help_heading = "Data")]
    pub held_out: usize,

    /// The noise levels
    #[arg(long, value_enum, default_value = "cosine", help_heading = "Objective")]
    pub schedule: ScheduleName,
    /// What the network predicts; by default the velocity, or what belongs to `edm` and `flow`
    #[arg(long, value_enum, help_heading = "Objective")]
    pub prediction: Option<PredictionName>,
    /// The weight of each noise level
    #[arg(
        long,
        value_enum,
        default_value = "uniform",
        help_heading = "Objective"
    )]
    pub weighting: WeightingName,
    /// The distribution of training times; by default uniform, or what belongs to `edm` and `flow`
    #[arg(long, value_enum, help_heading = "Objective")]
    pub density: Option<DensityName>,
    /// Mean and standard deviation of ln(σ/α) of `--density log-normal`, for images of deviation
    /// 0.5
    #[arg(long, num_args = 2, value_names = ["MEAN", "STD"], help_heading = "Objective")]
    #[arg(default_values_t = [-1.2, 1.2], allow_negative_numbers = true)]
    pub log_normal: Vec<f64>,
    /// The distance between the network's output and its target
    #[arg(
        long,
        value_enum,
        default_value = "squared",
        help_heading = "Objective"
    )]
    pub distance: DistanceName,
    /// Standard deviation of noise that is constant over each channel
    #[arg(long, default_value_t = 0.0, help_heading = "Objective")]
    #[arg(allow_negative_numbers = true)]
    pub offset_noise: f64,

    /// Begin with the network in this folder or file; the arguments below then have no effect
    #[arg(long, value_name = "MODEL", help_heading = "Network")]
    pub from: Option<PathBuf>,
    /// Channels of the network's finest level
    #[arg(long, default_value_t = 32, help_heading = "Network")]
    pub width: usize,
    /// Channels of each level, as multiples of the width
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1,2",
        help_heading = "Network"
    )]
    pub multipliers: Vec<usize>,
    /// Residual blocks on each level
    #[arg(long, default_value_t = 1, help_heading = "Network")]
    pub blocks: usize,
    /// Side of the pixel blocks that are folded into channels
    #[arg(long, default_value_t = 1, help_heading = "Network")]
    pub patch: usize,
    /// Dropout probability
    #[arg(long, default_value_t = 0.0, help_heading = "Network")]
    pub dropout: f64,
    /// Train a network that the layout of diffusers can store, with the index of a chain as its
    /// time input, and write it in that layout as well
    #[arg(long, help_heading = "Network")]
    pub diffusers: bool,

    /// Number of steps
    #[arg(long, default_value_t = 900, help_heading = "Run")]
    pub steps: usize,
    /// Images in each step
    #[arg(long, default_value_t = 32, help_heading = "Run")]
    pub batch: usize,
    /// Split each batch into this many parts, to save memory
    #[arg(long, default_value_t = 1, help_heading = "Run")]
    pub accumulation: usize,
    /// The precision of the forward and backward passes
    #[arg(long, value_enum, default_value = "full", help_heading = "Run")]
    pub precision: PrecisionName,
    /// Largest learning rate
    #[arg(
        long,
        default_value_t = 2e-3,
        allow_negative_numbers = true,
        help_heading = "Run"
    )]
    pub rate: f64,
    /// How the learning rate decays after 100 steps of warm-up
    #[arg(long, value_enum, default_value = "cosine", help_heading = "Run")]
    pub decay: DecayName,
    /// Decay of the running average of the weights
    #[arg(long, default_value_t = 0.995, help_heading = "Run")]
    pub ema: f64,
    /// Seed of all random numbers
    #[arg(long, default_value_t = 0, help_heading = "Run")]
    pub seed: u64,

    /// The output folder
    #[arg(long, default_value = "out/train", help_heading = "Output")]
    pub out: PathBuf,
    /// Continue from the checkpoint in the output folder; steps, batch, rate and decay may change
    #[arg(long, help_heading = "Output")]
    pub resume: bool,
    /// Print configuration, size of the network, speed and memory, and write nothing
    #[arg(long, help_heading = "Output")]
    pub dry_run: bool,
    /// Write a grid of samples every N steps
    #[arg(long, default_value_t = 300, value_parser = at_least_one, value_name = "N")]
    #[arg(help_heading = "Output")]
    pub sample_every: usize,
    /// Write a checkpoint every N steps
    #[arg(long, default_value_t = 300, value_parser = at_least_one, value_name = "N")]
    #[arg(help_heading = "Output")]
    pub save_every: usize,
    /// The guidance scale of the samples of each class
    #[arg(
        long,
        default_value_t = 2.0,
        allow_negative_numbers = true,
        help_heading = "Output"
    )]
    pub guidance: f64,
}

/// A schedule of noise levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ScheduleName {
    /// Cosine
    Cosine,
    /// Variance preserving, β linear in time
    Linear,
    /// EDM's, of standard deviations up to 80
    Edm,
    /// Rectified flow
    Flow,
}

/// A prediction type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PredictionName {
    /// The clean image
    Clean,
    /// The noise
    Noise,
    /// The velocity of a variance-preserving path
    Velocity,
    /// The velocity of rectified flow
    Flow,
    /// EDM's preconditioned output, for the standard deviation of the images
    Edm,
}

/// A weighting of noise levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WeightingName {
    /// Every level has the same weight
    Uniform,
    /// The signal-to-noise ratio: the loss of the noise
    Snr,
    /// The signal-to-noise ratio, at most 5
    MinSnr,
    /// The same with a smooth limit
    SoftMinSnr,
}

/// A distribution of training times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DensityName {
    /// Uniform
    Uniform,
    /// The 1000 nodes of a chain, as DDPM
    Nodes,
    /// ln(σ/α) is normal, see `--log-normal`
    LogNormal,
    /// The logit of the time is normal
    LogitNormal,
    /// The log-SNR is uniform
    LogSnr,
}

/// A distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DistanceName {
    /// The square
    Squared,
    /// The absolute value
    Absolute,
    /// The square up to 1, then linear
    Huber,
}

/// A precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PrecisionName {
    /// f32
    Full,
    /// bf16, with parameters in f32
    Bf16,
    /// f16 and a scaled loss, with parameters in f32
    F16,
}

/// A decay of the learning rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DecayName {
    /// None
    Constant,
    /// To 0, linear
    Linear,
    /// To 0, half a cosine
    Cosine,
    /// With the inverse square root of the step
    InverseRoot,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("has to be a number, at least 1".into()),
    }
}
