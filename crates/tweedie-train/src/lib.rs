//! Training of diffusion models by denoising score matching.
//!
//! At a random time `t` the network gets `x_t = α x₀ + σ ε` and predicts the affine image of `x₀`
//! that its [`Prediction`](tweedie_math::Prediction) defines. A
//! [`Weighting`](tweedie_math::Weighting) weights the squared error. The minimiser is Tweedie's
//! conditional mean.
//!
//! | piece | file |
//! |---|---|
//! | [`Objective`]: the loss for a schedule, a weighting and a time distribution | `objective.rs` |
//! | [`Trainer`]: the training loop and its checkpoints | `trainer.rs`, `checkpoint.rs` |
//! | [`AdamW`]: the optimizer | `adamw.rs` |
//! | [`Ema`]: the running average of the weights | `ema.rs` |
//! | [`clip_global_norm`] | `clip.rs` |
//! | [`LearningRate`]: warm-up and decay | `learning_rate.rs` |
//! | [`Examples`], [`Paired`], [`DropCondition`], [`Shuffle`]: the data, their conditions and their order | `data.rs`, `shuffle.rs` |
//! | [`ProgressLine`]: loss, examples per second and time left | `progress.rs` |
//!
//! All random numbers of step `k` are a function of the seed and `k`. An interrupted and resumed
//! run is therefore bit for bit equal to an uninterrupted one.
//!
//! Dropout draws from burn's generator, which is global to the process. A step locks it while
//! drawing, so runs in several threads do not disturb each other. Drawing from that generator
//! elsewhere at the same time does disturb a run.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use tweedie_core::{Preconditioned, TimeInput};
//! use tweedie_math::{Prediction, VariancePreserving};
//! use tweedie_models::{MlpConfig, seeded};
//! use tweedie_train::{Objective, TrainSettings, Trainer};
//!
//! let device = Device::flex();
//! let points = Tensor::<2>::from_floats([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]], &device);
//! let network = seeded(0, &device, MlpConfig::new(2).with_width(16).init(&device)?);
//! let model = Preconditioned::new(network, Prediction::Velocity, TimeInput::LogSnr);
//!
//! let settings = TrainSettings::default().with_steps(20).with_batch(8);
//! let mut trainer = Trainer::new(model, Objective::new(VariancePreserving::default()), settings)?;
//! while let Some(report) = trainer.step(&points)? {
//!     assert!(report.loss.is_finite());
//! }
//! let denoiser = trainer.average(); // the EMA weights, ready to sample with
//! # let _ = denoiser;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod adamw;
mod checkpoint;
mod clip;
mod data;
mod ema;
mod in_place;
mod learning_rate;
mod objective;
mod progress;
mod settings;
mod shuffle;
mod trainer;

pub use adamw::{AdamW, AdamWSettings};
pub use checkpoint::{RunError, has_checkpoint};
pub use clip::clip_global_norm;
pub use data::{Batch, DropCondition, ExampleError, Examples, Paired, Request};
pub use ema::{Ema, EmaDecay, EmaWarmup};
pub use learning_rate::{Decay, LearningRate};
pub use objective::Objective;
pub use progress::ProgressLine;
pub use settings::TrainSettings;
pub use shuffle::Shuffle;
pub use trainer::{Report, TrainError, Trainer};
