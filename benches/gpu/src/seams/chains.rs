//! Every sampler, and likelihoods, with an exact prior.

use super::normal;
use crate::seam::{Seam, numbers};
use tweedie::prelude::*;
use tweedie::samplers::{Tolerance, likelihood::FlowLikelihood};
use tweedie_catalogue::featured_steps;
use tweedie_examples::measure::path;
use tweedie_examples::three_clusters;

pub(crate) fn seams() -> Vec<Seam> {
    let mut seams: Vec<Seam> = featured_steps()
        .into_iter()
        .map(|entry| {
            Seam::new(format!("sampler, {}", entry.name), 1e-3, move |device| {
                let sampler = Sampler::new(entry.step.clone(), path(8)?);
                let start = normal(0, [64, 2], device);
                let x = sampler.sample(&three_clusters()?, start, &mut HostNoise::seeded(1))?;
                Ok(numbers(x))
            })
        })
        .collect();
    seams.push(Seam::new("likelihood of the flow", 1e-2, |device| {
        let x = normal(0, [8, 2], device);
        let process = VariancePreserving::default();
        let [clean, noisy] = [0.01, 1.0].map(|t| process.level(t));
        let mut noise = HostNoise::seeded(1);
        let flow = FlowLikelihood::new().with_tolerance(Tolerance::both(1e-3)?);
        let density = flow.log_density(&three_clusters()?, x, clean, noisy, &mut noise)?;
        Ok(numbers(density.log_density))
    }));
    seams
}
