//! Denoising score matching: `E_t E_ε [w(t) d(F(x_t), F*)]`, `x_t = α x₀ + σ ε`.
//!
//! The target `F*` inverts the row of the [`Prediction`](tweedie_math::Prediction) table that turns
//! the network's output into `x̂₀`. It is computed from `x₀` and `ε`, not from `x_t`.
//!
//! # Reference
//! Vincent 2011, "A Connection Between Score Matching and Denoising Autoencoders"; Ho et al. 2020,
//! eq. 14 and algorithm 1, arXiv:2006.11239; Song et al. 2021, eq. 7, arXiv:2011.13456.

use crate::{Batch, Draws, Loss, Losses, Objective, TrainError};
use burn::module::Module;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use tweedie_core::{
    Condition, InputError, Levels, Network, Preconditioned, accumulation_dtype, per_sample_sum,
};
use tweedie_math::{LossWeight, ParameterError, Schedule, TimeDensity, Weighting};

/// The distance `d` between the network's output and its target, for each value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Distance {
    /// `e²`. Only its minimiser is the conditional mean.
    #[default]
    Squared,
    /// `|e|`.
    Absolute,
    /// `e²` up to `|e| = delta`, then `2 delta |e| − delta²`.
    Huber {
        /// Where the distance becomes linear, above 0.
        delta: f64,
    },
}

/// Denoising score matching: a schedule, a weighting, a distribution of times and a distance.
///
/// The default is DDPM's simple loss at continuous times. DDPM as printed draws the nodes of a
/// chain:
///
/// ```
/// use tweedie_math::{Chain, TimeDensity};
/// use tweedie_train::ScoreMatching;
///
/// let chain = Chain::linear(1000, 1e-4, 0.02)?;
/// let ddpm = ScoreMatching::new(chain).with_density(TimeDensity::Nodes { count: 1000 });
/// // A weight of your own, as a function of the time.
/// let own = ddpm.with_weighting(|t: f64| 1.0 / (t + 0.1));
/// # let _ = own;
/// # Ok::<(), tweedie_math::ScheduleError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ScoreMatching<S, W = Weighting> {
    /// The forward process.
    pub schedule: S,
    /// The weight of each noise level.
    pub weighting: W,
    /// The distribution of training times.
    pub density: TimeDensity,
    /// The distance between output and target.
    #[serde(default)]
    pub distance: Distance,
    /// Standard deviation of a further noise that is constant over each channel, at least 0.
    #[serde(default)]
    pub offset_noise: f64,
}

impl<S: Schedule> ScoreMatching<S> {
    /// Uniform weighting at uniform times, and the squared distance: DDPM's simple loss.
    pub fn new(schedule: S) -> Self {
        Self {
            schedule,
            weighting: Weighting::default(),
            density: TimeDensity::default(),
            distance: Distance::default(),
            offset_noise: 0.0,
        }
    }
}

impl<S: Schedule, W> ScoreMatching<S, W> {
    /// Sets the weighting: a [`Weighting`], or a function of the time.
    #[must_use]
    pub fn with_weighting<V>(self, weighting: V) -> ScoreMatching<S, V> {
        ScoreMatching {
            schedule: self.schedule,
            weighting,
            density: self.density,
            distance: self.distance,
            offset_noise: self.offset_noise,
        }
    }

    /// Sets the distribution of training times.
    #[must_use]
    pub fn with_density(self, density: TimeDensity) -> Self {
        Self { density, ..self }
    }

    /// Sets the distance between output and target.
    #[must_use]
    pub fn with_distance(self, distance: Distance) -> Self {
        Self { distance, ..self }
    }

    /// Adds noise with this standard deviation that is constant over each channel, so that a
    /// network learns to change the mean brightness of an image. It is usually 0.1.
    ///
    /// # Reference
    /// Guttenberg 2023, "Diffusion with offset noise", crosslabs.org.
    #[must_use]
    pub fn with_offset_noise(self, offset_noise: f64) -> Self {
        Self {
            offset_noise,
            ..self
        }
    }

    /// Computes the loss, averaged over the batch and all values: `[1]`.
    ///
    /// `times` holds one time per sample; `noise` is `ε`, in the shape of `clean`.
    ///
    /// # Errors
    /// [`InputError::Shape`] if the noise or the network's output differs in shape from `clean`. A
    /// network with learned variance has twice the channels and needs another objective.
    ///
    /// # Panics
    /// If the number of times differs from the number of samples.
    pub fn loss<const D: usize, N: Module + Network<D>>(
        &self,
        model: &Preconditioned<N>,
        clean: Tensor<D>,
        times: &[f64],
        noise: Tensor<D>,
    ) -> Result<Tensor<1>, InputError>
    where
        W: LossWeight,
    {
        let condition = ();
        let losses = self.each(model, Batch { clean, condition }, times, noise)?;
        Ok(losses.mean())
    }

    /// The loss of each sample, `[batch]`, averaged over its values.
    pub(crate) fn each<const D: usize, C: Condition, N: Module + Network<D, C>>(
        &self,
        model: &Preconditioned<N>,
        Batch { clean, condition }: Batch<D, C>,
        times: &[f64],
        noise: Tensor<D>,
    ) -> Result<Tensor<1>, InputError>
    where
        W: LossWeight,
    {
        let shape = clean.dims();
        of_clean("the noise", shape, noise.dims())?;
        let levels = Levels::new(times.iter().map(|&t| self.schedule.level(t)).collect());
        let noisy = levels.corrupt(clean.clone(), noise.clone());
        let output = model.predict_with(noisy, &levels, &condition);
        self.weighted(model, &clean, times, noise, output)
    }

    /// The loss of each sample for the network's output, `[batch]`.
    pub(crate) fn weighted<const D: usize, N: Module>(
        &self,
        model: &Preconditioned<N>,
        clean: &Tensor<D>,
        times: &[f64],
        noise: Tensor<D>,
        output: Tensor<D>,
    ) -> Result<Tensor<1>, InputError>
    where
        W: LossWeight,
    {
        let (shape, prediction) = (clean.dims(), model.prediction());
        of_clean("the network's output", shape, output.dims())?;
        let levels = Levels::new(times.iter().map(|&t| self.schedule.level(t)).collect());
        // Half precision is too coarse for a mean over many values.
        let [clean, noise, output] = [clean.clone(), noise, output].map(wide);
        let from_clean = levels.column(&clean, |level| prediction.target(level).clean);
        let from_noise = levels.column(&clean, |level| prediction.target(level).noise);
        let target = clean * from_clean + noise * from_noise;
        let distance = per_sample_sum(self.distance.of(output - target));
        let values = shape[1..].iter().product::<usize>() as f64;
        let weights: Vec<f64> = times
            .iter()
            .map(|&t| self.weighting.weight(&self.schedule, prediction, t) / values)
            .collect();
        let weights = tweedie_core::column(&weights, &distance);
        Ok(distance * weights)
    }

    /// The times of a batch.
    pub(crate) fn times(&self, draws: &Draws) -> Vec<f64> {
        let time = |&u| self.density.time(&self.schedule, u);
        draws.uniform().iter().map(time).collect()
    }
}

/// Casts half precision to f32.
pub(crate) fn wide<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let dtype = accumulation_dtype(x.dtype());
    x.cast(dtype)
}

/// Checks that something has the shape of the examples.
pub(crate) fn of_clean<const D: usize>(
    name: &'static str,
    expected: [usize; D],
    found: [usize; D],
) -> Result<(), InputError> {
    match found == expected {
        true => Ok(()),
        false => Err(InputError::Shape {
            name,
            found: found.to_vec(),
            expected: format!("that of the examples, {expected:?}"),
        }),
    }
}

impl Distance {
    fn of<const D: usize>(self, error: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Squared => error.square(),
            Self::Absolute => error.abs(),
            Self::Huber { delta } => {
                // The part within delta, squared; beyond it the slope stays.
                let size = error.abs();
                let inner = size.clone().clamp_max(delta);
                inner.clone() * (size * 2.0 - inner)
            }
        }
    }
}

impl<N: Module, S: Schedule, W: LossWeight> Objective<Preconditioned<N>> for ScoreMatching<S, W> {
    /// # Errors
    /// [`TrainError::Parameter`] or [`TrainError::Objective`] if a parameter of the objective or
    /// the prediction is outside its range, and [`TrainError::Undetermined`] if the prediction does
    /// not determine `x₀` at the noisiest time.
    fn check(&self, model: &Preconditioned<N>) -> Result<(), TrainError> {
        self.weighting.check()?;
        self.density.check()?;
        if let Distance::Huber { delta } = self.distance {
            ParameterError::require_positive("δ of the Huber distance", delta)?;
        }
        ParameterError::require_non_negative("the offset noise", self.offset_noise)?;
        model.prediction().check()?;
        let time = self.density.time(&self.schedule, 1.0 - f64::EPSILON);
        match model
            .prediction()
            .determines_clean(self.schedule.level(time))
        {
            true => Ok(()),
            false => Err(TrainError::Undetermined { time }),
        }
    }
}

impl<const D: usize, C: Condition, N, S, W> Loss<Preconditioned<N>, D, C> for ScoreMatching<S, W>
where
    N: Module + Network<D, C>,
    S: Schedule,
    W: LossWeight,
{
    fn losses(
        &self,
        model: &Preconditioned<N>,
        batch: Batch<D, C>,
        draws: &mut Draws,
    ) -> Result<Losses, InputError> {
        let shape = batch.clean.dims();
        let fits = model.network().accepts(shape, &batch.condition);
        fits.map_err(InputError::from)?;
        let times = self.times(draws);
        let noise = self.noise(&batch.clean, draws);
        let log_snr = times.iter().map(|&t| self.schedule.level(t).log_snr());
        let log_snr = log_snr.collect();
        let values = self.each(model, batch, &times, noise)?;
        Ok(Losses::new(values).with_log_snr(log_snr))
    }
}

impl<S: Schedule, W> ScoreMatching<S, W> {
    /// The noise of a batch, with the offset of its channels.
    pub(crate) fn noise<const D: usize>(&self, clean: &Tensor<D>, draws: &mut Draws) -> Tensor<D> {
        let noise = draws.normal_like(clean);
        if self.offset_noise == 0.0 {
            return noise;
        }
        let mut shape = clean.dims();
        shape.iter_mut().skip(2).for_each(|side| *side = 1);
        let each = Tensor::zeros(shape, (&clean.device(), clean.dtype()));
        noise + draws.normal_like(&each) * self.offset_noise
    }
}
