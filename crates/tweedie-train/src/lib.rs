//! Training of diffusion models by denoising score matching.
//!
//! At a random time `t` the network gets `x_t = α x₀ + σ ε` and predicts the affine image of `x₀`
//! that its [`Prediction`](tweedie_math::Prediction) defines. A
//! [`Weighting`](tweedie_math::Weighting) weights the squared error. The minimiser is Tweedie's
//! conditional mean.
//!
//! | piece | file |
//! |---|---|
//! | [`Objective`], [`Loss`]: what a run minimises | `objective.rs` |
//! | [`ScoreMatching`]: the loss of a denoiser | `score_matching.rs` |
//! | [`SelfConditioning`]: the loss of a denoiser that sees its last estimate | `self_conditioning.rs` |
//! | [`Hybrid`]: the loss of a denoiser with learned variance | `hybrid.rs` |
//! | [`LossAware`]: noise levels drawn by their loss | `loss_aware.rs` |
//! | [`LearnedWeight`]: noise levels with learned weights | `learned_weight.rs` |
//! | [`CorruptionMatching`]: the score of data under any corruption | `corruption.rs` |
//! | [`Sure`], [`Recorrupted`], [`Noise2Noise`]: the loss of a denoiser that sees noisy data only | `sure.rs`, `recorrupted.rs`, `noise2noise.rs` |
//! | [`Splitting`], [`Equivariant`]: that of a reconstruction that sees incomplete data only | `splitting.rs`, `equivariant.rs` |
//! | [`Elbo`]: the loss of a variational autoencoder | `elbo.rs` |
//! | [`Trainer`]: the training loop | `trainer.rs` |
//! | [`Group`]: several processes that train together | `group.rs` |
//! | its checkpoints, their folder, and the best of them | `checkpoint.rs`, `run_folder.rs`, `score.rs` |
//! | a process's part of a step | `own_part.rs` |
//! | [`AdamW`]: the optimizer | `adamw.rs` |
//! | [`Ema`]: the running average of the weights | `ema.rs` |
//! | [`post_hoc_average`]: an average of any length, after the run | `post_hoc.rs` |
//! | [`MixedPrecision`]: half precision in the network | `mixed_precision.rs` |
//! | [`clip_global_norm`] | `clip.rs` |
//! | [`LearningRate`]: warm-up and decay | `learning_rate.rs` |
//! | [`Examples`], [`FnExamples`], [`Paired`], [`DropCondition`]: the data and their conditions | `data.rs` |
//! | [`DeriveCondition`]: conditions computed from the examples, as in super-resolution | `derive_condition.rs` |
//! | [`ReadAhead`]: examples that threads read ahead of the device | `read_ahead.rs` |
//! | [`Mirrored`], [`Cropped`]: random changes of the images | `augment.rs` |
//! | [`Shuffle`]: the order of the examples | `shuffle.rs` |
//! | [`HeldOut`]: losses on other examples | `held_out.rs` |
//! | [`RunLog`]: a line of JSON for each step | `run_log.rs` |
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
//! use tweedie_train::{ScoreMatching, TrainSettings, Trainer};
//!
//! let device = Device::flex();
//! let points = Tensor::<2>::from_floats([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]], &device);
//! let network = seeded(0, &device, MlpConfig::new(2).with_width(16).init(&device)?);
//! let model = Preconditioned::new(network, Prediction::Velocity, TimeInput::LogSnr);
//!
//! let settings = TrainSettings::default().with_steps(20).with_batch(8);
//! let objective = ScoreMatching::new(VariancePreserving::default());
//! let mut trainer = Trainer::new(model, objective, settings)?;
//! while let Some(report) = trainer.step(&points)? {
//!     assert!(report.loss.is_finite());
//! }
//! let denoiser = trainer.average(); // the EMA weights, ready to sample with
//! # let _ = denoiser;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod adamw;
mod augment;
mod checkpoint;
mod clip;
mod corruption;
mod data;
mod derive_condition;
mod elbo;
mod ema;
mod equivariant;
mod gathered;
mod gradients;
mod group;
mod held_out;
mod hybrid;
mod in_place;
mod learned_weight;
mod learning_rate;
mod loss_aware;
mod mixed_precision;
mod noise2noise;
mod objective;
mod own_part;
mod post_hoc;
mod progress;
mod read_ahead;
mod recorrupted;
mod run_folder;
mod run_log;
mod score;
mod score_matching;
mod self_conditioning;
mod settings;
mod shuffle;
mod splitting;
mod sure;
mod train_error;
mod trainer;

pub use adamw::{AdamW, AdamWSettings};
pub use augment::{Cropped, Mirrored};
pub use clip::clip_global_norm;
pub use corruption::{CorrelatedCorruption, Corruption, CorruptionMatching, LaplaceCorruption};
pub use data::{Batch, DropCondition, ExampleError, Examples, FnExamples, Paired, Request};
pub use derive_condition::DeriveCondition;
pub use elbo::Elbo;
pub use ema::{Ema, EmaDecay, EmaWarmup};
pub use equivariant::Equivariant;
pub use group::{Alone, Group, GroupError};
pub use held_out::HeldOut;
pub use hybrid::Hybrid;
pub use learned_weight::{LearnedWeight, Weighted};
pub use learning_rate::{Decay, LearningRate};
pub use loss_aware::LossAware;
pub use mixed_precision::MixedPrecision;
pub use noise2noise::Noise2Noise;
pub use objective::{Draws, Loss, Losses, Objective};
pub use post_hoc::{Profile, post_hoc_average, post_hoc_weights};
pub use progress::ProgressLine;
pub use read_ahead::ReadAhead;
pub use recorrupted::Recorrupted;
pub use run_folder::{RunError, check_run_folder, has_checkpoint, write_checksums};
pub use run_log::RunLog;
pub use score::{best_checkpoint, record_score};
pub use score_matching::{Distance, ScoreMatching};
pub use self_conditioning::SelfConditioning;
pub use settings::TrainSettings;
pub use shuffle::Shuffle;
pub use splitting::Splitting;
pub use sure::Sure;
pub use train_error::TrainError;
pub use trainer::{Report, Trainer};
