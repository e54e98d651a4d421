//! How good a network is in the middle of its run, on held-out images.

use super::Data;
use std::error::Error;
use tweedie::math::{Edm, Span};
use tweedie::metrics::energy_distance;
use tweedie::prelude::*;
use tweedie::samplers::likelihood::VariationalBound;
use tweedie::train::{Batch, Examples, Request};

/// The number of images, and of levels, of the bound.
const IMAGES: usize = 16;
const LEVELS: usize = 100;

fn first(
    held_out: &Data,
    count: usize,
    device: &Device,
) -> Result<Batch<4, Conditions>, Box<dyn Error>> {
    let places: Vec<usize> = (0..count.min(held_out.len())).collect();
    let batch = held_out.batch(&Request::new(&places, device, 0));
    Ok(batch.map_err(|error| error.to_string())?)
}

/// The energy distance of samples to as many held-out images.
pub(super) fn energy(
    samples: Tensor<4>,
    held_out: &Data,
    device: &Device,
) -> Result<f64, Box<dyn Error>> {
    let images = first(held_out, samples.dims()[0], device)?.clean;
    Ok(energy_distance(
        &samples.flatten(1, 3),
        &images.flatten(1, 3),
    ))
}

/// The variational bound of a few held-out images of 8 bits, in bits per dimension.
pub(super) fn bits(model: &Model, held_out: &Data, device: &Device) -> Result<f64, Box<dyn Error>> {
    let Batch { clean, condition } = first(held_out, IMAGES, device)?;
    let path = LevelPath::karras(Edm::default(), Span::new(1.0, 2.5e-5), LEVELS, 7.0)?;
    let bound = VariationalBound::of_bytes(path)?;
    let dimensions: usize = clean.dims()[1..].iter().product();
    let model = model.with_condition(condition)?;
    let terms = bound.terms(&model, clean, &mut HostNoise::seeded(0))?;
    let total = terms.in_bits(dimensions).total();
    Ok(total.mean().into_scalar::<f64>())
}
