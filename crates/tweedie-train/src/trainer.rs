//! The training loop, one step at a time.

use crate::adamw::AdamW;
use crate::gathered::Whole;
use crate::gradients::sum_over;
use crate::in_place::InPlace;
use crate::mixed_precision::LossScale;
use crate::own_part::Step;
use crate::{
    Alone, Ema, Examples, Group, GroupError, Loss, Objective, Shuffle, TrainError, TrainSettings,
    clip_global_norm,
};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, GradientCheckpointingStrategy, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::time::Duration;
use tweedie_math::stratified;

/// The result of a training step.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The number of steps done, including this one.
    pub step: usize,
    /// The mean of the losses.
    pub loss: f64,
    /// The loss of each example.
    pub losses: Vec<f64>,
    /// The log-SNR of each example; empty for an objective without noise levels.
    pub log_snr: Vec<f64>,
    /// The global norm of the gradients before clipping.
    pub gradient_norm: f64,
    /// The number of examples in the step.
    pub batch: usize,
    /// The learning rate of the step.
    pub learning_rate: f64,
    /// The factor of the loss in the backward pass; 1 except in `f16`.
    pub loss_scale: f64,
    /// The time that this process waited for examples.
    pub waited: Duration,
    /// The indices of the examples, if the step was skipped because its loss or gradient is not
    /// finite. The parameters are then unchanged.
    pub skipped: Option<Vec<usize>>,
}

/// A run: model, running average, optimizer and the number of steps done.
pub struct Trainer<M: Module, O> {
    pub(crate) settings: TrainSettings,
    pub(crate) objective: O,
    pub(crate) model: InPlace<M>,
    pub(crate) averages: InPlace<Vec<Ema<M>>>,
    pub(crate) optimizer: AdamW,
    pub(crate) done: usize,
    /// The number of examples used.
    pub(crate) used: u64,
    /// The number of skipped steps, in all and since the last one that was not.
    pub(crate) skipped: [usize; 2],
    pub(crate) scale: LossScale,
    /// Whether half precision has been compared with full precision.
    pub(crate) is_compared: bool,
    /// The number of examples and their order; set by the first step or the checkpoint.
    pub(crate) order: Option<(usize, Shuffle)>,
    /// Earlier settings, each with the step until which they held.
    pub(crate) earlier: Vec<(usize, TrainSettings)>,
}

impl<M: Module, O> std::fmt::Debug for Trainer<M, O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trainer")
            .field("settings", &self.settings)
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}

impl<M: Module, O: Objective<M>> Trainer<M, O> {
    /// Starts a run from the model's present parameters.
    ///
    /// # Errors
    /// * [`TrainError::Parameter`] if a setting is outside its range.
    /// * [`TrainError::NoHalfPrecision`] if the device lacks the asked half precision.
    /// * Any error of the objective's [`check`](Objective::check).
    pub fn new(model: M, objective: O, settings: TrainSettings) -> Result<Self, TrainError> {
        settings.check()?;
        objective.check(&model)?;
        let device = model.devices().into_iter().next().unwrap_or_default();
        settings.mixed_precision.check(&device)?;
        let model = trained(model, &settings);
        let averages = settings.ema.iter().map(|&decay| Ema::new(&model, decay));
        Ok(Self {
            averages: InPlace::new(averages.collect()),
            optimizer: AdamW::new(settings.adamw),
            scale: LossScale::new(settings.mixed_precision),
            is_compared: false,
            settings,
            objective,
            model: InPlace::new(model),
            done: 0,
            used: 0,
            skipped: [0; 2],
            order: None,
            earlier: Vec::new(),
        })
    }

    /// The training settings.
    #[must_use]
    pub fn settings(&self) -> &TrainSettings {
        &self.settings
    }

    /// Settings that a resumption has replaced, each with the step until which they held.
    #[must_use]
    pub fn earlier_settings(&self) -> &[(usize, TrainSettings)] {
        &self.earlier
    }

    /// The number of steps done, including skipped ones.
    #[must_use]
    pub fn done(&self) -> usize {
        self.done
    }

    /// The number of examples used so far, each counted as often as it was used.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used
    }

    /// The number of steps that were skipped because their loss or gradient was not finite.
    #[must_use]
    pub fn skipped(&self) -> usize {
        self.skipped[0]
    }

    /// The model with its present weights, on the device with autodiff.
    #[must_use]
    pub fn model(&self) -> &M {
        &self.model
    }

    /// The model with averaged weights, on the device without autodiff: the first of
    /// [`averages`](Self::averages).
    #[must_use]
    pub fn average(&self) -> &M {
        self.averages[0].average()
    }

    /// The averages of the run, one for each decay of [`TrainSettings::ema`].
    #[must_use]
    pub fn averages(&self) -> &[Ema<M>] {
        &self.averages
    }

    /// Makes one training step. Returns `None` when all steps are done.
    ///
    /// A step whose loss or gradient is not finite leaves the parameters unchanged; its report
    /// names the examples. [`TrainSettings::patience`] such steps in a row are an error, and so is
    /// a run without any other step.
    ///
    /// # Errors
    /// * [`TrainError::NoExamples`] if `examples` is empty.
    /// * [`TrainError::Data`] if the examples of a batch cannot be read.
    /// * [`TrainError::Examples`] if the number of examples has changed.
    /// * [`TrainError::Input`] if a batch or the network's output has the wrong shape, or if the
    ///   network does not take the conditions of the examples.
    /// * [`TrainError::HalfPrecision`] if the first step in half precision differs from that in
    ///   full precision.
    /// * [`TrainError::Example`] if too many steps in a row were skipped, the last one for an
    ///   example that is not finite.
    /// * [`TrainError::Diverged`] if they were skipped for another reason.
    ///
    /// The parameters stay unchanged in all cases. The last two errors count as a step, and the
    /// next call goes on after it; after the others, the next call makes the same step.
    ///
    /// # Panics
    /// If an earlier step panicked while updating the parameters, which loses the run.
    /// [`Self::average`] and `save` then panic too.
    pub fn step<const D: usize, E: Examples<D>>(
        &mut self,
        examples: &E,
    ) -> Result<Option<Report>, TrainError>
    where
        O: Loss<M, D, E::Condition>,
    {
        self.step_in(&Alone, examples)
    }

    /// Makes one training step together with the other processes of a group. Each has to call this
    /// function, with the same settings and examples.
    ///
    /// Every process computes [`TrainSettings::accumulation`] parts of the batch. The parts are
    /// summed in pairs, so that the number of processes changes no bit of the run, if it and the
    /// accumulation are powers of two with the same product, if the group sums in pairs too, and if
    /// the parameters are `f32`. Gradients of other precisions are exchanged as `f32`.
    ///
    /// # Errors
    /// As [`step`](Self::step), and [`TrainError::Group`] if another process cannot be reached or
    /// has failed.
    ///
    /// # Panics
    /// As [`step`](Self::step).
    pub fn step_in<const D: usize, E: Examples<D>, G: Group>(
        &mut self,
        group: &G,
        examples: &E,
    ) -> Result<Option<Report>, TrainError>
    where
        O: Loss<M, D, E::Condition>,
    {
        if self.done >= self.settings.steps {
            return Ok(None);
        }
        let (step, batch) = (self.done, self.settings.batch);
        let indices = self.next_indices(examples.len())?;
        // All random numbers of this step: times, noise, dropout, choices of the examples.
        let mut rng = ChaCha8Rng::seed_from_u64(self.settings.seed);
        rng.set_stream(u64::MAX - step as u64);
        let shift = (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        let [of_noise, of_dropout, of_data] = [(); 3].map(|()| rng.next_u64());
        let uniform = stratified(shift, batch);

        let own = self.settings.accumulation;
        let size = batch.div_ceil(own * group.size());
        // The places of this process in a batch.
        let places = |batch: usize| {
            let place = |rank: usize| (rank * own * size).min(batch);
            place(group.rank())..place(group.rank() + 1)
        };
        if step + 1 < self.settings.steps
            && let Some((_, order)) = &mut self.order
        {
            let next = order.batch(self.used + batch as u64, batch);
            examples.prepare(&next[places(batch)]);
        }
        let own = self.own_part(
            &Step {
                examples,
                indices: &indices,
                uniform: &uniform,
                seeds: [of_noise, of_dropout, of_data],
            },
            (places(batch), size),
        );
        // The others would wait for this process for ever.
        if group.any(own.is_err())? {
            own?;
            return Err(GroupError("it could not make its part of the step".into()).into());
        }
        let (gradients, all, waited) = own?;
        let gradients = sum_over(group, &*self.model, gradients)?;
        let Whole {
            losses,
            log_snr,
            broken,
        } = all.over(group)?;
        let learning_rate = self.settings.learning_rate.at(step, self.settings.steps);
        let clip = self.settings.clip.unwrap_or(f64::INFINITY);
        let (gradients, norm) = clip_global_norm(&*self.model, gradients, clip);
        let report = Report {
            step: step + 1,
            loss: losses.iter().sum::<f64>() / batch as f64,
            losses,
            log_snr,
            gradient_norm: norm.unwrap_or(0.0),
            batch,
            learning_rate,
            loss_scale: self.scale.factor,
            waited,
            skipped: None,
        };
        self.done += 1;
        self.used += batch as u64;
        if !(report.loss.is_finite() && report.gradient_norm.is_finite()) {
            let broken = broken.map(|place| indices[place]);
            return self.skip(report, indices, broken).map(Some);
        }
        self.skipped[1] = 0;
        self.is_compared = true;
        self.scale.count(self.settings.mixed_precision);
        self.objective.observe(&uniform, &report.losses);
        // Skipped steps are no updates.
        let (optimizer, updates) = (&mut self.optimizer, step - self.skipped[0]);
        self.model
            .replace(|model| optimizer.step(learning_rate, updates + 1, model, gradients));
        let update = |average: Ema<M>| average.update(&self.model, updates);
        self.averages
            .replace(|averages| averages.into_iter().map(update).collect());
        Ok(Some(report))
    }

    /// The indices of the next batch.
    fn next_indices(&mut self, found: usize) -> Result<Vec<usize>, TrainError> {
        if found == 0 {
            return Err(TrainError::NoExamples);
        }
        let (expected, order) = self
            .order
            .get_or_insert_with(|| (found, Shuffle::new(found, self.settings.seed)));
        if *expected != found {
            let expected = *expected;
            return Err(TrainError::Examples { expected, found });
        }
        Ok(order.batch(self.used, self.settings.batch))
    }

    /// Counts a step that is not finite, in which example `broken` is not finite.
    fn skip(
        &mut self,
        report: Report,
        indices: Vec<usize>,
        broken: Option<usize>,
    ) -> Result<Report, TrainError> {
        self.skipped[0] += 1;
        // A loss scale that was too large is no reason to stop.
        let is_halved = report.loss.is_finite() && self.scale.halve();
        self.skipped[1] += usize::from(!is_halved);
        let only = self.skipped[0] == self.settings.steps;
        if self.skipped[1] < self.settings.patience && !only {
            let skipped = Some(indices);
            return Ok(Report { skipped, ..report });
        }
        Err(match broken {
            Some(index) => TrainError::Example { index },
            None => TrainError::Diverged {
                step: report.step,
                loss: report.loss,
                gradient_norm: report.gradient_norm,
                learning_rate: report.learning_rate,
            },
        })
    }

    /// The device without autodiff, on which the average lives.
    pub(crate) fn plain_device(&self) -> Device {
        let devices = self.average().devices();
        devices.into_iter().next().unwrap_or_default()
    }
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
