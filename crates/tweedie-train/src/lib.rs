//! Training of diffusion models by denoising score matching.
//!
//! At a random time `t` the network sees `x_t = α x₀ + σ ε` and is asked for the affine image of
//! `x₀` that its [`Prediction`](tweedie_math::Prediction) names; the squared error is weighted by a
//! [`Weighting`](tweedie_math::Weighting). The minimiser is Tweedie's conditional mean.
//!
//! | piece | file |
//! |---|---|
//! | [`Objective`]: schedule, weighting and times to a loss | `objective.rs` |
//! | [`Trainer`]: the loop, one step at a time, and its checkpoints | `trainer.rs`, `checkpoint.rs` |
//! | [`Ema`]: the running average of the weights | `ema.rs` |
//! | [`clip_global_norm`] | `clip.rs` |
//! | [`LearningRate`]: warm-up and decay | `learning_rate.rs` |
//! | [`Examples`], [`Shuffle`]: what is seen, in which order | `data.rs`, `order.rs` |
//! | [`ProgressLine`]: loss, pace and time left | `progress.rs` |
//!
//! Every random number of step `k` follows from the seed and `k`: a run that was interrupted and
//! resumed is, bit for bit, the run that was not. (Dropout draws from burn's generator, which is
//! one for the whole process. A step owns it while it draws, so that runs in several threads do not
//! disturb each other; draws of your own from that generator at the same time would.)
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use tweedie_core::{Preconditioned, TimeInput};
//! use tweedie_math::{Prediction, VariancePreserving};
//! use tweedie_models::{MlpConfig, seeded};
//! use tweedie_train::{Objective, Settings, Trainer};
//!
//! let device = Device::flex();
//! let points = Tensor::<2>::from_floats([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]], &device);
//! let network = seeded(0, &device, MlpConfig::new(2).with_width(16).init(&device)?);
//! let model = Preconditioned::new(network, Prediction::Velocity, TimeInput::LogSnr);
//!
//! let settings = Settings::default().with_steps(20).with_batch(8);
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

pub use checkpoint::{RunError, has_checkpoint};
pub use clip::clip_global_norm;
pub use data::Examples;
pub use ema::Ema;
pub use learning_rate::{Decay, LearningRate};
pub use objective::Objective;
pub use progress::ProgressLine;
pub use settings::Settings;
pub use shuffle::Shuffle;
pub use trainer::{Report, TrainError, Trainer};
