//! The density of the probability flow.
//!
//! Along the flow `dx/dφ = v` on the unit circle, `d log p(x)/dφ = −div v`. Hence
//! `log p(x) = log N(x_T; 0, σ_T² I) + ∫ div v dφ` with `div v = (D cos φ − tr J)/sin φ`, where `J`
//! is the Jacobian of the denoiser. An adaptive solver integrates the state and `log p` as one
//! system.
//!
//! # Reference
//! Song et al. 2021, eq. 39 and appendix D.2, arXiv:2011.13456; Chen et al. 2018 (change of
//! variables), arXiv:1806.07366.

use super::quantised::assert_bin;
use super::trace::{Trace, products};
use crate::adaptive::check;
use crate::integrator::{Tolerance, Vector};
use crate::{Adaptive, AdaptiveError};
use burn::tensor::Tensor;
use std::f64::consts::{LN_2, TAU};
use tweedie_core::{Counting, Denoiser, Noise, per_sample_sum};
use tweedie_math::{Level, ParameterError, gaussian};

/// The largest dimension `D` for an exact trace, which needs `D` vectors of `D` values.
const MOST_DIMENSIONS: f64 = 4096.0;

/// The log-density of the probability flow between two levels.
///
/// ```
/// use burn::tensor::{DType, Device, Tensor};
/// use tweedie_core::{HostNoise, oracle::Gaussian};
/// use tweedie_math::{Schedule, VariancePreserving};
/// use tweedie_samplers::likelihood::FlowLikelihood;
///
/// let prior = Gaussian::isotropic(&[0.3, -0.2], 0.5)?;
/// let vp = VariancePreserving::default();
/// let (clean, noisy) = (vp.level(1e-3), vp.level(1.0));
/// let x = Tensor::<2>::from_data([[0.8, -0.7], [0.1, 0.4]], (&Device::flex(), DType::F64));
/// let mut noise = HostNoise::seeded(0);
/// let found = FlowLikelihood::new().log_density(&prior, x.clone(), clean, noisy, &mut noise)?;
/// let exact = prior.log_density(x, clean);
/// // N(0, σ²) instead of the exact distribution at t = 1 costs a few thousandths.
/// assert!((found.log_density - exact).abs().max().into_scalar::<f64>() < 1e-2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FlowLikelihood {
    trace: Trace,
    solver: Adaptive,
}

/// A log-density with its standard error.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LogDensity<const D: usize> {
    /// `log p(x)` in nats: `[batch]`.
    pub log_density: Tensor<1>,
    /// Its standard error over the random probes: `[batch]`; `None` for an exact trace or one
    /// probe.
    pub standard_error: Option<Tensor<1>>,
    /// The flow's end point: the state at the noisy level.
    pub latent: Tensor<D>,
    /// The number of denoiser evaluations, each with a gradient.
    pub evaluations: usize,
}

impl<const D: usize> LogDensity<D> {
    /// Bits per dimension of data in bins of width `bin`: `[batch]`; see
    /// [`bits_per_dimension`](super::bits_per_dimension).
    ///
    /// # Panics
    /// If the bin is not finite and above 0.
    #[must_use]
    pub fn bits_per_dimension(&self, bin: f64) -> Tensor<1> {
        assert_bin(bin);
        let dimensions: usize = self.latent.dims()[1..].iter().product();
        self.log_density.clone() / -(dimensions as f64 * LN_2) - bin.log2()
    }
}

impl Default for FlowLikelihood {
    fn default() -> Self {
        Self::new()
    }
}

impl FlowLikelihood {
    /// Computes the exact trace, with Tsitouras' pair at a tolerance of 10⁻⁵.
    #[must_use]
    pub fn new() -> Self {
        Self {
            trace: Trace::Exact,
            solver: Adaptive::tsitouras(),
        }
    }

    /// Sets how the trace is computed.
    ///
    /// # Errors
    /// [`ParameterError`] if the number of probes is 0.
    pub fn with_trace(self, trace: Trace) -> Result<Self, ParameterError> {
        if let Trace::Hutchinson { probes, .. } = trace {
            ParameterError::require_count("the number of probes", probes)?;
        }
        Ok(Self { trace, ..self })
    }

    /// Sets the solver's tolerance.
    #[must_use]
    pub fn with_tolerance(self, tolerance: Tolerance) -> Self {
        Self {
            solver: self.solver.with_tolerance(tolerance),
            ..self
        }
    }

    /// Sets the solver.
    #[must_use]
    pub fn with_solver(self, solver: Adaptive) -> Self {
        Self { solver, ..self }
    }

    /// Computes `log p(x)` of data `x` at the level `clean`, by the flow up to the level `noisy`.
    /// The distribution at `noisy` is assumed to be `N(0, σ² I)`. `noise` draws the probes.
    ///
    /// # Errors
    /// [`AdaptiveError`] if the flow cannot be integrated. `clean` needs some noise, 10⁻³ for
    /// instance.
    pub fn log_density<const D: usize>(
        &self,
        denoiser: &dyn Denoiser<D>,
        x: Tensor<D>,
        clean: Level,
        noisy: Level,
        noise: &mut dyn Noise<D>,
    ) -> Result<LogDensity<D>, AdaptiveError> {
        let angles = check(denoiser, x.dims(), &[clean, noisy])?;
        if !noisy.is_noisier_than(clean) {
            return Err(AdaptiveError::Swapped);
        }
        let batch = x.dims()[0].max(1);
        let dimensions = (x.shape().num_elements() / batch) as f64;
        if self.trace == Trace::Exact {
            let (name, legal) = ("the number of dimensions", dimensions <= MOST_DIMENSIONS);
            let expected = "at most 4,096 for an exact trace (Hutchinson's estimate has no bound)";
            ParameterError::require(legal, name, expected, dimensions)?;
        }
        let denoiser = Counting::new(denoiser);
        let vectors = self.trace.vectors(&x, noise);
        let field = |angle: f64, at: &Augmented<D>| {
            let level = Level::at_angle(angle);
            let (estimate, products) = products(&denoiser, &at.x, level, &vectors)?;
            let trace = self.trace.estimates(products);
            Ok::<_, AdaptiveError>(Augmented {
                x: (at.x.clone() * level.alpha() - estimate) / level.sigma(),
                log: (trace * -1.0 + dimensions * level.alpha()) / level.sigma(),
            })
        };
        let y = x / clean.rms();
        let columns = match self.trace {
            Trace::Exact => 1,
            Trace::Hutchinson { .. } => vectors.len(),
        };
        let start = Augmented {
            log: Tensor::zeros([batch, columns], (&y.device(), y.dtype())),
            x: y,
        };
        let slope = field(angles[0], &start)?;
        let integrator = self.solver.integrator();
        let solved = integrator.solve(field, start.clone(), slope, &angles, None)?;
        let end = solved.outputs.into_iter().last().unwrap_or(start);
        let std = gaussian::prior_std(Level::at_angle(angles[1]));
        let latent = per_sample_sum(end.x.clone().square()) / (-2.0 * std * std);
        // log p(x) sums log p_y at the latent, the integral, and the Jacobian of x = rms·y.
        let constant = -dimensions * (0.5 * TAU.ln() + std.ln() + clean.rms().ln());
        let mean = end.log.clone().mean_dim(1).reshape([batch]);
        let standard_error = (columns > 1).then(|| {
            let variance = end.log.var(1).reshape([batch]);
            (variance / columns as f64).sqrt()
        });
        Ok(LogDensity {
            log_density: latent + mean + constant,
            standard_error,
            latent: end.x * noisy.rms(),
            evaluations: denoiser.evaluations(),
        })
    }
}

/// A state and the integral of its divergence.
#[derive(Clone, Debug)]
struct Augmented<const D: usize> {
    x: Tensor<D>,
    log: Tensor<2>,
}

impl<const D: usize> Vector for Augmented<D> {
    fn plus(self, scale: f64, other: &Self) -> Self {
        Self {
            x: self.x.plus(scale, &other.x),
            log: self.log.plus(scale, &other.log),
        }
    }
    fn times(self, scale: f64) -> Self {
        Self {
            x: self.x.times(scale),
            log: self.log.times(scale),
        }
    }
    fn ratio(self, before: &Self, after: &Self, tolerance: Tolerance) -> f64 {
        let x = tolerance.ratio(self.x, &before.x, &after.x);
        x.max(tolerance.ratio(self.log, &before.log, &after.log))
    }
}
