//! Every posterior method, with an exact prior.

use crate::check::{Seam, numbers};
use tweedie::core::oracle::{Gaussian, OracleError};
use tweedie::inverse::measurement::Measurement;
use tweedie::inverse::noise::GaussianNoise;
use tweedie::inverse::operator::Mask;
use tweedie::prelude::*;
use tweedie_benches::CaseError;

#[allow(
    clippy::expect_used,
    dead_code,
    reason = "the list of a test, which may stop at once"
)]
#[path = "../../../../crates/tweedie-inverse/tests/posterior/registry.rs"]
mod registry;

type Inpainting = Measurement<2, Mask<2>, GaussianNoise>;

/// A path to almost no noise, then to none.
#[allow(clippy::expect_used, reason = "as the list expects it")]
fn path(moves: usize) -> LevelPath {
    let span = Span::new(1.0, 1e-2);
    let path = LevelPath::log_snr(VariancePreserving::default(), span, moves);
    path.expect("a path").then_clean()
}

fn prior() -> Result<registry::Prior, OracleError> {
    let prior = Gaussian::full(&[1.0, -1.0], &[vec![0.5, 0.3], vec![0.3, 0.4]])?;
    // The registry takes a prior with a static lifetime.
    Ok(Box::leak(Box::new(prior)))
}

/// A measurement of the first coordinate.
fn inpainting(device: &Device) -> Result<Inpainting, CaseError> {
    let kept = Tensor::<2>::from_floats([[1.0, 0.0]], device).greater_scalar(0.5);
    let y = Tensor::from_floats([[0.3, 0.0]], device);
    Ok(Measurement::new(
        Mask::new(kept),
        GaussianNoise::new(0.2)?,
        y,
    ))
}

pub(crate) fn seams() -> Vec<Seam> {
    let names = || -> Result<Vec<&'static str>, CaseError> {
        let methods = registry::methods(prior()?, &inpainting(&Device::flex())?, 4);
        Ok(methods.iter().map(|entry| entry.name).collect())
    };
    let names = match names() {
        Ok(names) => names,
        // If the list cannot be built, return a seam that fails.
        Err(error) => {
            let error = error.to_string();
            return vec![Seam::new("posterior", 1e-3, move |_| {
                Err(error.clone().into())
            })];
        }
    };
    let seams = names.into_iter().enumerate().map(|(i, name)| {
        Seam::new(format!("posterior, {name}"), 1e-3, move |device| {
            let entry = registry::methods(prior()?, &inpainting(device)?, 4).swap_remove(i);
            Ok(numbers(entry.run(16, device, &mut HostNoise::seeded(1))))
        })
    });
    seams.collect()
}
