//! The measurements of the example `samplers`.

use std::error::Error;
use tweedie::burn::tensor::DType;
use tweedie::core::oracle::{Gaussian, GaussianMixture};
use tweedie::core::{BrownianTree, Replay};
use tweedie::metrics::sliced_wasserstein;
use tweedie::prelude::*;
use tweedie::samplers::{Adaptive, AnyStep, OverlapNoise, Tolerance, affine_law};
use tweedie_catalogue::NamedStep;

use crate::three_clusters;

/// The priors and reference solutions that errors are measured against.
#[derive(Debug)]
pub struct Bench {
    /// The device of all tensors.
    pub device: Device,
    /// The mixture prior.
    pub prior: GaussianMixture,
    gaussian: Gaussian,
    /// The starting points of 500 flow trajectories, `[500, 2]`.
    pub starts: Tensor<2>,
    ends: Tensor<2>,
    exact: Tensor<2>,
    /// The number of draws per sampler.
    pub points: usize,
}

/// Returns a Karras path of `steps` moves from noise to almost clean data.
///
/// # Errors
/// If `steps` is 0.
pub fn path(steps: usize) -> Result<LevelPath, Box<dyn Error>> {
    Ok(LevelPath::karras(
        VariancePreserving::default(),
        Span::default(),
        steps,
        7.0,
    )?)
}

impl Bench {
    /// Draws `points` exact samples and solves the exact flow of the starts.
    ///
    /// # Errors
    /// None for these numbers.
    pub fn new(points: usize) -> Result<Self, Box<dyn Error>> {
        let device = Device::default();
        let prior = three_clusters()?;
        let starts =
            HostNoise::seeded(1).normal_like(&Tensor::zeros([500, 2], (&device, DType::F64)));
        let solver = Adaptive::dormand_prince().with_tolerance(Tolerance::both(1e-10)?);
        let mut states = solver.solve(&prior, starts.clone(), &path(1)?)?.states;
        Ok(Self {
            gaussian: Gaussian::diagonal(&[2.0, -1.0], &[0.3, 0.7])?,
            ends: states.pop().ok_or("a path has a last level")?,
            exact: prior.sample(points, 1, &device),
            device,
            prior,
            starts,
            points,
        })
    }

    /// The sliced Wasserstein distance of the given order to exact draws.
    #[must_use]
    pub fn distance(&self, x: &Tensor<2>, order: f64) -> f64 {
        sliced_wasserstein(x, &self.exact, order, 50, 0)
    }

    /// The median distance of `ends` to the ends of the exact flow of the mixture.
    pub fn flow_error(&self, ends: Tensor<2>) -> f64 {
        let gaps = (ends - self.ends.clone()).square().sum_dim(1).sqrt();
        let mut gaps: Vec<f64> = gaps.into_data().iter::<f64>().collect();
        gaps.sort_by(f64::total_cmp);
        gaps[gaps.len() / 2]
    }

    /// The error of the mean and standard deviation of a chain on a Gaussian, without sampling.
    fn law_error(&self, step: &AnyStep<2>, path: LevelPath) -> Result<f64, Box<dyn Error>> {
        let (end, prior) = (path.end(), &self.gaussian);
        let sampler = Sampler::new(step.clone(), path);
        let law = affine_law(
            &sampler,
            prior,
            [1, 2],
            prior,
            OverlapNoise::BrownianPath,
            &self.device,
        )?;
        let error = |k: usize| {
            let std = (end.alpha() * prior.covariance()[k][k].sqrt()).hypot(end.sigma());
            let mean = law.mean()[k] - end.alpha() * prior.mean()[k];
            mean.powi(2) + (law.covariance()[k][k].sqrt() - std).powi(2)
        };
        Ok((error(0) + error(1)).sqrt())
    }

    /// The error after `steps` moves: of the mixture's flow, or, with noise, of the law on a
    /// Gaussian.
    ///
    /// # Errors
    /// If the run fails.
    pub fn error(&self, entry: &NamedStep<2>, steps: usize) -> Result<f64, Box<dyn Error>> {
        if entry.is_noisy {
            return self.law_error(&entry.step, path(steps)?);
        }
        let sampler = Sampler::new(entry.step.clone(), path(steps)?);
        let mut nothing = Replay::new(Vec::new());
        let ends = sampler.sample(&self.prior, self.starts.clone(), &mut nothing)?;
        Ok(self.flow_error(ends))
    }

    /// The measured order: the slope of the error on a Gaussian between 64 and 256 moves.
    ///
    /// # Errors
    /// If the run fails.
    pub fn order(&self, entry: &NamedStep<2>) -> Result<f64, Box<dyn Error>> {
        let error = |steps: usize| -> Result<f64, Box<dyn Error>> {
            let span = Span::new(1.0, 0.1);
            let path = LevelPath::log_snr(VariancePreserving::default(), span, steps)?;
            if entry.is_noisy {
                return self.law_error(&entry.step, path);
            }
            let exact = self
                .gaussian
                .flow(self.starts.clone(), path.start(), path.end());
            let sampler = Sampler::new(entry.step.clone(), path);
            let mut nothing = Replay::new(Vec::new());
            let x = sampler.sample(&self.gaussian, self.starts.clone(), &mut nothing)?;
            Ok((x - exact).square().sum().sqrt().into_scalar::<f64>())
        };
        Ok((error(64)? / error(256)?).log2() / 2.0)
    }

    /// Draws from the mixture; with `on_path` the noise comes from one Brownian path.
    ///
    /// # Errors
    /// If the run fails.
    pub fn draw(
        &self,
        step: AnyStep<2>,
        path: LevelPath,
        on_path: bool,
    ) -> Result<State<2>, Box<dyn Error>> {
        // A Brownian path costs more to draw than independent noise.
        let mut noise: Box<dyn Noise<2>> = match on_path {
            true => Box::new(BrownianTree::seeded(0)),
            false => Box::new(HostNoise::seeded(0)),
        };
        let sampler = Sampler::new(step, path.then_clean());
        let x = sampler.start([self.points, 2], &self.device, &mut *noise)?;
        let last = sampler.trajectory(&self.prior, x, &mut *noise)?.last();
        Ok(last.ok_or("a path has a last level")??)
    }
}
