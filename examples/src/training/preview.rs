//! Samples that show how far a run is.

use super::{Arguments, Data, classes, of_classes};
use std::error::Error;
use tweedie::core::StaticClip;
use tweedie::math::ParameterError;
use tweedie::prelude::*;
use tweedie::train::{Batch, Examples, Request};

/// Draws 64 samples, or 8 of each class, by 50 steps of DDIM with estimates clamped to `[−1, 1]`.
///
/// A network that enlarges images gets eight of `data`. The rows are then the images, their
/// low-resolution versions and three samples.
///
/// # Errors
/// If the network or the data refuse.
pub(super) fn samples(
    arguments: &Arguments,
    model: &Model,
    data: &Data,
    device: &Device,
) -> Result<Tensor<4>, Box<dyn Error>> {
    let sampler = Sampler::new(
        Ddim::deterministic(),
        arguments.path(model.config().prediction)?,
    );
    let mut noise = HostNoise::seeded(0);
    if arguments.enlarge.is_some() {
        let indices: Vec<usize> = (0..8.min(data.len())).collect();
        let batch = data.batch(&Request::new(&indices, device, 0));
        let Batch { clean, condition } = batch.map_err(|error| error.to_string())?;
        let seen = condition
            .image
            .clone()
            .map(|image| image.narrow(1, 0, clean.dims()[1]));
        let mut rows: Vec<Tensor<4>> = [Some(clean), seen].into_iter().flatten().collect();
        let model = model.with_condition(condition)?;
        for _ in 0..3 {
            let x = sampler.start(model.shape(indices.len()), device, &mut noise)?;
            rows.push(sampler.sample(&clip(&model)?, x, &mut noise)?);
        }
        return Ok(Tensor::cat(rows, 0));
    }
    let Some(count) = classes(model.config()) else {
        let x = sampler.start(model.shape(64), device, &mut noise)?;
        return Ok(sampler.sample(&clip(model)?, x, &mut noise)?);
    };
    let rows: Vec<usize> = (0..8 * count).map(|place| place / 8).collect();
    let [of_rows, null] = [&rows[..], &[count]].map(|classes| of_classes(classes, device));
    let guided = model.guided(of_rows, null, arguments.guidance)?;
    let x = sampler.start(model.shape(rows.len()), device, &mut noise)?;
    Ok(sampler.sample(&clip(guided)?, x, &mut noise)?)
}

/// The estimate of a network that predicts noise is far off where there is almost only noise.
fn clip<M: Denoiser<4>>(model: M) -> Result<StaticClip<M>, ParameterError> {
    StaticClip::new(model, -1.0, 1.0)
}
