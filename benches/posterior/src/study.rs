//! Runs on a problem: noise levels, starting points and the code that all methods share.

use crate::problem::{AsImages, Problem, exact_draws, rows};
use crate::{Failure, Walk};
use tweedie::core::oracle::GaussianMixture;
use tweedie::core::{Counting, DenoiseError};
use tweedie::inverse::baseline::tikhonov;
use tweedie::inverse::measurement::Measurement;
use tweedie::inverse::noise::GaussianNoise;
use tweedie::inverse::operator::{Identity, Linear, Matrix};
use tweedie::prelude::*;

pub(crate) struct Study<'a> {
    pub(crate) problem: &'a Problem,
    pub(crate) measured: Measurement<4, Matrix, GaussianNoise>,
    pub(crate) prior: Counting<AsImages<GaussianMixture>>,
    pub(crate) moves: usize,
}

impl Study<'_> {
    pub(crate) fn shape(&self) -> [usize; 4] {
        let [c, h, w] = self.problem.prior.signal();
        [self.measured.y.dims()[0], c, h, w]
    }

    /// A path to almost no noise, then to none.
    pub(crate) fn path(&self, moves: usize) -> Result<LevelPath, Failure> {
        let span = Span::new(1.0, 1e-3);
        let path = LevelPath::log_snr(VariancePreserving::default(), span, moves - 1)?;
        Ok(path.then_clean())
    }

    pub(crate) fn along<S: Step<4>>(
        &self,
        denoiser: &dyn Denoiser<4>,
        step: S,
        path: LevelPath,
    ) -> Result<Tensor<4>, Failure> {
        let mut noise = HostNoise::seeded(7);
        let sampler = Sampler::new(step, path);
        let x = sampler.start(self.shape(), &Device::flex(), &mut noise)?;
        Ok(sampler.sample(denoiser, x, &mut noise)?)
    }

    /// Runs a method that is a denoiser.
    pub(crate) fn wrapped(
        &self,
        guided: &dyn Denoiser<4>,
        walk: Walk,
    ) -> Result<Tensor<4>, Failure> {
        match walk {
            // Heun's method takes two evaluations a move.
            Walk::Flow => {
                let path = self.path(self.moves / 2)?;
                self.along(guided, RungeKutta::heun(), path)
            }
            _ => self.along(guided, Ancestral::small(), self.path(self.moves)?),
        }
    }

    /// Runs the same sampler with the exact posterior's denoiser: only the error of the steps is
    /// left.
    pub(crate) fn exact(&self, walk: Walk) -> Result<Tensor<4>, Failure> {
        self.wrapped(&Each(&self.problem.posteriors, &self.prior), walk)
    }

    /// Returns `A⁺ y`.
    pub(crate) fn backward(&self) -> Result<Tensor<4>, Failure> {
        Ok(self.measured.operator.pinv(self.measured.y.clone())?.x)
    }

    /// Denoises from the noise level of the measurement.
    pub(crate) fn reverse(&self) -> Result<Tensor<4>, Failure> {
        let measured = Measurement::new(
            Identity,
            self.measured.noise,
            self.measured.y.clone().reshape(self.shape()),
        );
        let schedule = tweedie::math::VarianceExploding::default();
        let (path, x) = measured.reverse(schedule, 0.0, self.moves)?;
        let mut noise = HostNoise::seeded(7);
        Ok(Sampler::new(Ancestral::default(), path).sample(&self.prior, x, &mut noise)?)
    }

    /// Tikhonov regularisation around the prior's mean.
    pub(crate) fn tikhonov(&self) -> Result<Tensor<4>, Failure> {
        let law = &self.problem.law;
        let [c, h, w] = self.problem.prior.signal();
        let mean = rows(law.mean(), law.dim()).reshape([1, c, h, w]);
        let mean = mean.expand(self.shape());
        Ok(tikhonov(&self.measured, mean, self.problem.data_std())?)
    }
}

/// One denoiser for each part of the batch. The second field is called once more, only to count the
/// evaluations.
struct Each<'a>(
    &'a [GaussianMixture],
    &'a Counting<AsImages<GaussianMixture>>,
);

impl Denoiser<4> for Each<'_> {
    fn denoise(&self, x: Tensor<4>, level: Level) -> Result<Tensor<4>, DenoiseError> {
        self.1.denoise(x.clone().narrow(0, 0, 1), level)?;
        let parts = x.chunk(self.0.len(), 0).into_iter().zip(self.0);
        let parts = parts.map(|(x, law)| AsImages(law.clone()).denoise(x, level));
        Ok(Tensor::cat(parts.collect::<Result<_, _>>()?, 0))
    }
}

/// Draws from the exact posterior: their scores show the error of the finite number of draws.
#[must_use]
pub fn floor(problem: &Problem, count: usize) -> Tensor<2> {
    exact_draws(problem, count, 9000)
}
