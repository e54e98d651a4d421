//! Networks as denoisers.

use crate::{
    Condition, ConditionError, Conditioned, DenoiseError, Denoiser, InputError, Levels,
    accumulation_dtype, parameter_dtype,
};
use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};
use tweedie_math::{AnySchedule, Chain, Level, Prediction, Schedule};

/// A raw network `F(x, t, c)`.
///
/// The time `t` is one number per sample, `[batch]`, that encodes the level. `c` is the
/// [`Condition`](crate::Condition), `()` for an unconditional network.
pub trait Network<const D: usize, C = ()> {
    /// Returns the output in the shape of `x`; with learned variance it has twice the channels.
    ///
    /// The dtype of `time` is that of `x`, or `f32` if `x` is in half precision: `bf16` cannot
    /// distinguish the times 998 and 999.
    fn forward(&self, x: Tensor<D>, time: Tensor<1>, condition: &C) -> Tensor<D>;

    /// Checks that the network takes `condition` for states of this shape. A trainer calls this
    /// before it evaluates the network.
    ///
    /// # Errors
    /// [`ConditionError`] for a condition that the network does not take, or that is missing.
    fn accepts(&self, shape: [usize; D], condition: &C) -> Result<(), ConditionError> {
        let _ = (shape, condition);
        Ok(())
    }
}

impl<const D: usize, C, T: Network<D, C> + ?Sized> Network<D, C> for &T {
    fn forward(&self, x: Tensor<D>, time: Tensor<1>, condition: &C) -> Tensor<D> {
        (**self).forward(x, time, condition)
    }

    fn accepts(&self, shape: [usize; D], condition: &C) -> Result<(), ConditionError> {
        (**self).accepts(shape, condition)
    }
}

/// How the noise level is encoded as the network's time input.
///
/// The encoding depends only on the log-SNR, so it is the same on every schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TimeInput {
    /// The (fractional) index of a chain, `0 … N − 1`.
    Index(Chain),
    /// The log-SNR, clamped to ±20.
    LogSnr,
    /// `¼ ln(σ/α)`, EDM's noise condition.
    Edm,
    /// `σ/α`, the standard deviation of the noise on unscaled data, as in NCSN++.
    NoiseLevel,
    /// The time of a schedule, `0 … 1`.
    Time(AnySchedule),
}

impl TimeInput {
    /// Returns the time input for `level`.
    #[must_use]
    pub fn of(&self, level: Level) -> f64 {
        let log_snr = level.log_snr().clamp(-20.0, 20.0);
        match self {
            Self::Index(chain) => chain.index(level),
            Self::LogSnr => log_snr,
            Self::Edm => -log_snr / 8.0,
            Self::NoiseLevel => (-log_snr / 2.0).exp(),
            Self::Time(schedule) => schedule.time(level.log_snr()),
        }
    }
}

/// A network with its prediction type and time input: a [`Denoiser`].
///
/// `x̂₀ = skip·x + out·F(scale·x, t)`, with the coefficients from the [`Prediction`] table.
///
/// The network runs in the precision of its parameters, everything else in that of `x`.
///
/// ```
/// use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Tensor}};
/// use tweedie_core::{Denoiser, Network, Preconditioned, TimeInput};
/// use tweedie_math::{Level, Prediction};
///
/// #[derive(Module, Debug)]
/// struct Tiny { linear: Linear }
///
/// impl Network<2> for Tiny {
///     fn forward(&self, x: Tensor<2>, time: Tensor<1>, (): &()) -> Tensor<2> {
///         self.linear.forward(Tensor::cat(vec![x, time.reshape([-1, 1])], 1))
///     }
/// }
///
/// let device = Device::flex();
/// let network = Tiny { linear: LinearConfig::new(3, 2).init(&device) };
/// let model = Preconditioned::new(network, Prediction::Velocity, TimeInput::LogSnr);
/// let clean = model.denoise(Tensor::ones([5, 2], &device), Level::new(0.6, 0.8)?)?;
/// assert_eq!(clean.dims(), [5, 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Module, Debug)]
pub struct Preconditioned<N: Module> {
    network: N,
    #[module(skip)]
    prediction: Prediction,
    #[module(skip)]
    time: TimeInput,
}

impl<N: Module> Preconditioned<N> {
    /// Returns the denoiser of a network that outputs `prediction` and takes `time`.
    pub fn new(network: N, prediction: Prediction, time: TimeInput) -> Self {
        Self {
            network,
            prediction,
            time,
        }
    }

    /// The wrapped network.
    pub fn network(&self) -> &N {
        &self.network
    }

    /// Returns the wrapped network.
    pub fn into_network(self) -> N {
        self.network
    }

    /// The quantity that the network predicts.
    pub fn prediction(&self) -> Prediction {
        self.prediction
    }

    /// The encoding of the noise level.
    pub fn time_input(&self) -> &TimeInput {
        &self.time
    }

    /// Returns the denoiser of this network with a fixed `condition`.
    pub fn with_condition<C>(self, condition: C) -> Conditioned<N, C>
    where
        N: ModuleDisplay,
    {
        Conditioned::new(self, condition)
    }

    /// Returns the network's raw output for a batch with one level per sample.
    ///
    /// The input is scaled and the levels are encoded as in sampling.
    pub fn predict<const D: usize>(&self, x: Tensor<D>, levels: &Levels) -> Tensor<D>
    where
        N: Network<D>,
    {
        self.predict_with(x, levels, &())
    }

    /// Like [`predict`](Self::predict), for a conditional network.
    pub fn predict_with<const D: usize, C: Condition>(
        &self,
        x: Tensor<D>,
        levels: &Levels,
        condition: &C,
    ) -> Tensor<D>
    where
        N: Network<D, C>,
    {
        let asked = x.dtype();
        let dtype = parameter_dtype(&self.network).unwrap_or(asked);
        let time: Vec<f64> = levels.as_slice().iter().map(|&l| self.time.of(l)).collect();
        let time = TensorData::new(time, [levels.as_slice().len()]);
        let time = Tensor::from_data(time, (&x.device(), accumulation_dtype(dtype)));
        let scale = levels.column(&x, |level| self.prediction.input_scale(level));
        let (input, condition) = ((x * scale).cast(dtype), condition.cast(dtype));
        self.network.forward(input, time, &condition).cast(asked)
    }

    /// Computes `x̂₀ = skip·x + out·F` from an output `F` in the shape of `x`, with one level per
    /// sample.
    pub fn clean_at<const D: usize>(
        &self,
        x: Tensor<D>,
        output: Tensor<D>,
        levels: &Levels,
    ) -> Tensor<D> {
        let skip = levels.column(&x, |level| self.prediction.to_clean(level).skip);
        let out = levels.column(&x, |level| self.prediction.to_clean(level).out);
        x * skip + output * out
    }

    /// Checks the parameters of the prediction type.
    pub(crate) fn check(&self) -> Result<(), InputError> {
        let refused = |error: tweedie_math::ScheduleError| InputError::Refused(error.to_string());
        self.prediction.check().map_err(refused)
    }
}

impl<N: Module> Preconditioned<N> {
    /// Computes `x̂₀ = skip·x + out·F` from an output `F` at `level`.
    ///
    /// # Errors
    /// [`DenoiseError::Shape`] if the output and `x` differ in shape. An output with learned
    /// variance needs [`with_learned_variance`](Conditioned::with_learned_variance).
    pub(crate) fn clean<const D: usize>(
        &self,
        x: Tensor<D>,
        output: Tensor<D>,
        level: Level,
    ) -> Result<Tensor<D>, DenoiseError> {
        DenoiseError::unless_shape("the network's output", &output.dims(), &x.dims())?;
        let to_clean = self.prediction.to_clean(level);
        if to_clean.skip == 0.0 {
            return Ok(output * to_clean.out);
        }
        Ok(x * to_clean.skip + output * to_clean.out)
    }
}

impl<const D: usize, N: Module + Network<D>> Denoiser<D> for Preconditioned<N> {
    fn denoise(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        let levels = Levels::new(vec![level; x.dims()[0]]);
        let output = self.predict(x.clone(), &levels);
        self.clean(x, output, level)
    }

    fn supports(&self, level: Level) -> bool {
        self.prediction.determines_clean(level)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        self.network.accepts(shape, &())?;
        self.check()
    }
}
