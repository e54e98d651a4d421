//! Denoising as the reverse process itself: a noisy image is a state of the chain.
//!
//! `y = x₀ + σ_y n` equals `x_t/α_t` at the level with `σ_t/α_t = σ_y`. The reverse process from
//! that level therefore draws from `p(x₀ | y)`, up to the errors of the sampler and the prior. With
//! `α ≡ 1` this is the reverse VE process started from the measurement.

use crate::measurement::Measurement;
use crate::noise::GaussianNoise;
use crate::operator::Identity;
use burn::tensor::Tensor;
use tweedie_math::{LevelPath, ParameterError, PathError, Schedule, Span};

impl<const D: usize> Measurement<D, Identity, GaussianNoise> {
    /// Returns the path from the level of `y` to clean data, and the initial state `α y`.
    ///
    /// The path has `steps` moves, evenly spaced in log-SNR, from the level of `y` to time `end` of
    /// `schedule`, and ends at clean data. A step that adds the noise of the reverse process draws
    /// from the posterior along this path; a deterministic step does not.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use tweedie_core::{HostNoise, oracle::Gaussian};
    /// use tweedie_inverse::measurement::Measurement;
    /// use tweedie_inverse::noise::GaussianNoise;
    /// use tweedie_inverse::operator::Identity;
    /// use tweedie_math::{Ddim, VariancePreserving};
    /// use tweedie_samplers::Sampler;
    ///
    /// let prior = Gaussian::isotropic(&[1.0], 0.5)?;
    /// let y = Tensor::<2>::full([4000, 1], 0.2, &Device::flex());
    /// let measured = Measurement::new(Identity, GaussianNoise::new(0.5)?, y);
    /// let (path, x) = measured.reverse(VariancePreserving::default(), 1e-3, 50)?;
    /// let mut noise = HostNoise::seeded(7);
    /// let x = Sampler::new(Ddim::ancestral(), path).sample(&prior, x, &mut noise)?;
    /// // p(x₀ | y) = N(0.6, 0.125)
    /// let (variance, mean) = x.var_mean(0);
    /// assert!((mean.into_scalar::<f32>() - 0.6).abs() < 0.03);
    /// assert!((variance.into_scalar::<f32>() - 0.125).abs() < 0.02);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`PathError`] if `steps` is 0, if no level of the schedule has the noise of `y`, or if that
    /// level is not above time `end`.
    pub fn reverse(
        &self,
        schedule: impl Schedule,
        end: f64,
        steps: usize,
    ) -> Result<(LevelPath, Tensor<D>), PathError> {
        let start = schedule.time(-2.0 * self.noise.sigma().ln());
        let reached = schedule.level(start).noise_to_signal();
        if (reached / self.noise.sigma() - 1.0).abs() > 1e-6 {
            return Err(ParameterError {
                name: "noise of the measurement",
                expected: "a level of the schedule",
                value: self.noise.sigma(),
            }
            .into());
        }
        let path = LevelPath::log_snr(schedule, Span::new(start, end), steps)?.then_clean();
        let x = self.y.clone() * path.start().alpha();
        Ok((path, x))
    }
}
