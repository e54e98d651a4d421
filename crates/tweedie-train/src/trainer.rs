//! The training loop, one step at a time.

use crate::adamw::AdamW;
use crate::in_place::InPlace;
use crate::{
    Batch, Ema, ExampleError, Examples, Objective, Request, RunError, Shuffle, TrainSettings,
    clip_global_norm,
};
use burn::module::{Module, ModuleDisplay, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, GradientCheckpointingStrategy, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tweedie_core::{
    Condition, HostNoise, InputError, Network, Noise, Preconditioned, lock_generator,
    per_sample_sum,
};
use tweedie_math::{ParameterError, Schedule, stratified};

/// The result of a training step.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// The number of steps done, including this one.
    pub step: usize,
    /// The loss.
    pub loss: f64,
    /// The global norm of the gradients before clipping.
    pub gradient_norm: f64,
    /// The number of examples in the step.
    pub batch: usize,
    /// The indices of the examples, if the step was skipped because its loss or gradient is not
    /// finite. The parameters are then unchanged.
    pub skipped: Option<Vec<usize>>,
}

/// Why a run cannot begin or continue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A setting outside its range.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// No examples.
    #[error("no training examples")]
    NoExamples,
    /// Examples that could not be read.
    #[error("the examples could not be read: {0}")]
    Data(#[source] ExampleError),
    /// The loss or the gradient norm was not finite for too many steps in a row.
    #[error(
        "the loss became {loss} at step {step}: lower the learning rate (now {learning_rate:e})"
    )]
    Diverged {
        /// The step.
        step: usize,
        /// Its loss.
        loss: f64,
        /// Its learning rate.
        learning_rate: f64,
    },
    /// The number of examples has changed since the run began.
    #[error("the run began with {expected} examples, got {found}")]
    Examples {
        /// The number of examples when the run began.
        expected: usize,
        /// The number of examples now.
        found: usize,
    },
    /// An example contains NaN or an infinity.
    #[error("example {index} holds a value that is not finite")]
    Example {
        /// The index of the example, from 0.
        index: usize,
    },
    /// The examples, the noise or the network's output have the wrong shape.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A parameter of the objective or the prediction is outside its range.
    #[error(transparent)]
    Objective(#[from] tweedie_math::ScheduleError),
    /// The prediction does not determine the clean signal at a time that the objective draws.
    #[error(
        "the prediction does not determine x₀ at time {time}, which the objective can draw: \
         narrow the range of times, or predict the velocity"
    )]
    Undetermined {
        /// The time.
        time: f64,
    },
    /// A checkpoint could not be written or read.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// A run: model, running average, optimizer and the number of steps done.
pub struct Trainer<N: Module, S> {
    pub(crate) settings: TrainSettings,
    pub(crate) objective: Objective<S>,
    pub(crate) model: InPlace<Preconditioned<N>>,
    pub(crate) ema: InPlace<Ema<Preconditioned<N>>>,
    pub(crate) optimizer: AdamW,
    pub(crate) done: usize,
    /// The number of skipped steps, in all and since the last one that was not.
    pub(crate) skipped: [usize; 2],
    /// The number of examples and their order; set by the first step or the checkpoint.
    pub(crate) order: Option<(usize, Shuffle)>,
}

impl<N: Module + ModuleDisplay, S> std::fmt::Debug for Trainer<N, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trainer")
            .field("settings", &self.settings)
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}

impl<N: Module + ModuleDisplay, S: Schedule> Trainer<N, S> {
    /// Starts a run from the model's present parameters.
    ///
    /// # Errors
    /// * [`TrainError::Parameter`] if a setting is outside its range.
    /// * [`TrainError::Objective`] if a parameter of the objective or the prediction is outside its
    ///   range.
    /// * [`TrainError::Undetermined`] if the prediction does not determine `x₀` at the noisiest
    ///   time.
    pub fn new(
        model: Preconditioned<N>,
        objective: Objective<S>,
        settings: TrainSettings,
    ) -> Result<Self, TrainError> {
        settings.check()?;
        objective.weighting.check()?;
        objective.density.check()?;
        model.prediction().check()?;
        let time = objective
            .density
            .time(&objective.schedule, 1.0 - f64::EPSILON);
        if !model
            .prediction()
            .determines_clean(objective.schedule.level(time))
        {
            return Err(TrainError::Undetermined { time });
        }
        let model = trained(model, &settings);
        Ok(Self {
            ema: InPlace::new(Ema::new(&model, settings.ema)),
            optimizer: AdamW::new(settings.adamw),
            settings,
            objective,
            model: InPlace::new(model),
            done: 0,
            skipped: [0; 2],
            order: None,
        })
    }

    /// The training settings.
    #[must_use]
    pub fn settings(&self) -> &TrainSettings {
        &self.settings
    }

    /// The number of steps done, including skipped ones.
    #[must_use]
    pub fn done(&self) -> usize {
        self.done
    }

    /// The number of steps that were skipped because their loss or gradient was not finite.
    #[must_use]
    pub fn skipped(&self) -> usize {
        self.skipped[0]
    }

    /// The model with averaged weights, on the device without autodiff.
    #[must_use]
    pub fn average(&self) -> &Preconditioned<N> {
        self.ema.average()
    }

    /// Makes one training step. Returns `None` when all steps are done.
    ///
    /// A step whose loss or gradient is not finite leaves the parameters unchanged; its report
    /// names the examples. [`TrainSettings::patience`] such steps in a row are an error.
    ///
    /// # Errors
    /// * [`TrainError::NoExamples`] if `examples` is empty.
    /// * [`TrainError::Data`] if the examples of a batch cannot be read.
    /// * [`TrainError::Examples`] if the number of examples has changed.
    /// * [`TrainError::Input`] if a batch or the network's output has the wrong shape, or if the
    ///   network does not take the conditions of the examples.
    /// * [`TrainError::Example`] if too many steps in a row were skipped, the last one for an
    ///   example that is not finite.
    /// * [`TrainError::Diverged`] if they were skipped for another reason.
    ///
    /// The parameters stay unchanged in all cases.
    ///
    /// # Panics
    /// If an earlier step panicked while updating the parameters, which loses the run.
    /// [`Self::average`] and `save` then panic too.
    pub fn step<const D: usize, E: Examples<D>>(
        &mut self,
        examples: &E,
    ) -> Result<Option<Report>, TrainError>
    where
        N: Network<D, E::Condition>,
    {
        if self.done >= self.settings.steps {
            return Ok(None);
        }
        if examples.is_empty() {
            return Err(TrainError::NoExamples);
        }
        let (step, batch) = (self.done, self.settings.batch);
        let device = self.plain_device();
        let found = examples.len();
        let (expected, order) = self
            .order
            .get_or_insert_with(|| (found, Shuffle::new(found, self.settings.seed)));
        if *expected != found {
            let expected = *expected;
            return Err(TrainError::Examples { expected, found });
        }
        let indices = order.batch(step, batch);
        // All random numbers of this step: times, noise, dropout, choices of the examples.
        let mut rng = ChaCha8Rng::seed_from_u64(self.settings.seed);
        rng.set_stream(u64::MAX - step as u64);
        let shift = (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        let [of_noise, of_dropout, of_data] = [(); 3].map(|()| rng.next_u64());
        let request = Request {
            indices: &indices,
            device: &device,
            seed: of_data,
        };
        let Batch { clean, condition } = examples.batch(&request).map_err(TrainError::Data)?;
        if clean.dims()[0] != batch {
            let name = "a batch of examples";
            let (found, expected) = (clean.dims().to_vec(), format!("[{batch}, …]"));
            return Err(InputError::Shape {
                name,
                found,
                expected,
            }
            .into());
        }
        let shape = clean.dims();
        condition.check(&shape).map_err(InputError::from)?;
        let fits = self.model.network().accepts(shape, &condition);
        fits.map_err(InputError::from)?;
        let condition = condition.for_batch(batch);
        let times: Vec<f64> = stratified(shift, batch)
            .into_iter()
            .map(|u| self.objective.density.time(&self.objective.schedule, u))
            .collect();
        let noise = HostNoise::seeded(of_noise).normal_like(&clean);
        // Dropout draws from burn's process-wide generator, even as late as in the backward pass.
        let turn = lock_generator();
        device.seed(of_dropout);
        let loss =
            self.objective
                .loss_with(&self.model, clean.clone(), &times, noise, &condition)?;
        let gradients = GradientsParams::from_grads(loss.backward(), &*self.model);
        drop(turn);
        let clip = self.settings.clip.unwrap_or(f64::INFINITY);
        let (gradients, norm) = clip_global_norm(&*self.model, gradients, clip);
        let report = Report {
            step: step + 1,
            loss: f64::from(loss.into_scalar::<f32>()),
            gradient_norm: norm.unwrap_or(0.0),
            batch,
            skipped: None,
        };
        let learning_rate = self.settings.learning_rate.at(step, self.settings.steps);
        if !(report.loss.is_finite() && report.gradient_norm.is_finite()) {
            self.done += 1;
            self.skipped = self.skipped.map(|count| count + 1);
            if self.skipped[1] < self.settings.patience {
                let skipped = Some(indices);
                return Ok(Some(Report { skipped, ..report }));
            }
            if let Some(place) = not_finite(&clean) {
                let index = indices[place];
                return Err(TrainError::Example { index });
            }
            return Err(TrainError::Diverged {
                step: step + 1,
                loss: report.loss,
                learning_rate,
            });
        }
        self.skipped[1] = 0;
        let (optimizer, number) = (&mut self.optimizer, step + 1 - self.skipped[0]);
        self.model
            .replace(|model| optimizer.step(learning_rate, number, model, gradients));
        self.ema.replace(|ema| ema.update(&self.model, step));
        self.done += 1;
        Ok(Some(report))
    }

    /// The device without autodiff, on which the average lives.
    pub(crate) fn plain_device(&self) -> Device {
        let devices = self.ema.average().devices();
        devices.into_iter().next().unwrap_or_default()
    }
}

/// The index of the first sample with a value that is not finite.
fn not_finite<const D: usize>(x: &Tensor<D>) -> Option<usize> {
    let zeros = per_sample_sum(x.clone() * 0.0).into_data();
    let mut zeros = zeros.iter::<f64>();
    zeros.position(|zero| zero != 0.0)
}

/// The model with autodiff, and with gradient checkpointing if the settings ask for it.
pub(crate) fn trained<M: Module>(model: M, settings: &TrainSettings) -> M {
    match settings.recompute {
        true => model.train().map(&mut Recomputed),
        false => model.train(),
    }
}

/// Lets the backward pass recompute the outputs of cheap operations instead of storing them.
struct Recomputed;

impl ModuleMapper for Recomputed {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let tracked = param.is_require_grad();
        let balanced = GradientCheckpointingStrategy::Balanced;
        let param = param.map(|value| {
            let leaf = value.without_autodiff().autodiff();
            leaf.with_gradient_checkpointing_strategy(balanced)
        });
        param.set_require_grad(tracked)
    }
}
