//! Every posterior method, with a known prior.

use crate::seam::{Seam, numbers};
use tweedie::core::oracle::Gaussian;
use tweedie::inverse::measurement::Measurement;
use tweedie::inverse::noise::GaussianNoise;
use tweedie::inverse::operator::Mask;
use tweedie::prelude::*;
use tweedie_benches::CaseError;
use tweedie_catalogue::{Method, Setup, posterior_methods};

type Inpainting = Measurement<2, Mask<2>, GaussianNoise>;

const MOVES: usize = 4;
const SIGMA: f64 = 0.2;

/// Down to almost no noise, then to clean data.
fn path() -> Result<LevelPath, CaseError> {
    let span = Span::new(1.0, 1e-2);
    let path = LevelPath::log_snr(VariancePreserving::default(), span, MOVES)?;
    Ok(path.then_clean())
}

/// A measurement of the first coordinate, once for each of so many samples.
fn inpainting(device: &Device, samples: usize) -> Result<Inpainting, CaseError> {
    let kept = Tensor::<2>::from_floats([[1.0, 0.0]], device).greater_scalar(0.5);
    let y = Tensor::<2>::from_floats([[0.3, 0.0]], device).repeat_dim(0, samples);
    Ok(Measurement::new(
        Mask::new(kept),
        GaussianNoise::new(SIGMA)?,
        y,
    ))
}

pub(crate) fn seams() -> Vec<Seam> {
    let seam = |method: Method<2, Inpainting>| {
        Seam::new(format!("posterior, {}", method.name), 1e-3, move |device| {
            draw(&method, device)
        })
    };
    posterior_methods().into_iter().map(seam).collect()
}

/// The samples of 16 chains.
fn draw(method: &Method<2, Inpainting>, device: &Device) -> Result<Vec<f32>, CaseError> {
    let prior = Gaussian::full(&[1.0, -1.0], &[vec![0.5, 0.3], vec![0.3, 0.4]])?;
    let (repeated, once) = (inpainting(device, 16)?, inpainting(device, 1)?);
    let setup = Setup {
        once: &once,
        data_std: 0.7,
        curvature: 25.0,
        inner_steps: Some(20),
        travel: Some([5, 2]),
        particles: 16,
        ..Setup::new(&prior, &repeated, path()?)
    };
    let parts = method.build(&setup)?;
    let path = parts.route.path(setup.path.clone(), MOVES, SIGMA)?;
    let sampler = Sampler::new(parts.step_or_ddpm(), path);
    let mut noise = HostNoise::seeded(1);
    let x = sampler.start([16, 2], device, &mut noise)?;
    Ok(numbers(sampler.sample(&*parts.denoiser, x, &mut noise)?))
}
