//! Chooses a method for an operator and a noise level, by measuring all of them where the exact
//! posterior is known.
//!
//! A mixture of Gaussians is fitted to draws of the prior. Measurements of it have an exact
//! posterior, with which each method's draws are compared by the energy distance. The mixture is
//! smoother than the prior, and the real image may be neither: the table says which methods are
//! correct for this operator and noise, not how well a network knows the image.

use super::{Run, STRENGTHS, Settings};
use std::error::Error;
use std::time::Instant;
use tweedie::core::oracle::{FactorMixture, Observed};
use tweedie::inverse::measurement::Measurement;
use tweedie::inverse::noise::GaussianNoise;
use tweedie::inverse::operator::Linear;
use tweedie::metrics::energy_squared;
use tweedie::prelude::*;
use tweedie_catalogue::Method;

/// Draws of the prior to which the mixture is fitted.
const SAMPLES: usize = 256;
/// Clusters and factors of the mixture.
const CLUSTERS: usize = 6;
const FACTORS: usize = 24;
/// Measurements, draws of a method for each, and exact draws.
const MEASUREMENTS: usize = 3;
const DRAWS: usize = 12;
const EXACT: usize = 48;
/// The most values of an image; the exact posterior costs its cube.
const MOST: usize = 4096;

/// Factors of a method's strength that are tried.
const FACTORS_OF_STRENGTH: [f64; 3] = [0.33, 1.0, 3.0];

/// A method with a strength, and how far its draws are from the posterior.
struct Tried {
    method: &'static str,
    strength: Option<f64>,
    distance: f64,
    seconds: f64,
}

/// The settings with the best method and strength in place of `auto`.
///
/// # Errors
/// If the model cannot be sampled, or its images are too large.
pub(super) fn choose<A: Linear<4> + Clone>(
    settings: &Settings,
    all: &[Method<4, Measurement<4, A, GaussianNoise>>],
    prior: &dyn Denoiser<4>,
    [channels, height, width]: [usize; 3],
    (operator, sigma): (&A, f64),
    seed: u64,
) -> Result<Settings, Box<dyn Error>> {
    let device = Device::default();
    let images = |count: usize| [count, channels, height, width];
    let values = channels * height * width;
    if values > MOST {
        let text = format!("--method auto takes images of at most {MOST} values, got {values}");
        return Err(text.into());
    }
    println!("fitting a mixture to {SAMPLES} draws of the prior");
    let mut noise = HostNoise::seeded(seed);
    let path = LevelPath::karras(Cosine::default(), Span::new(0.98, 1e-3), 12, 7.0)?;
    let flow = Sampler::new(RungeKutta::heun(), path.then_clean());
    let start = flow.start(images(SAMPLES), &device, &mut noise)?;
    let samples = flow.sample(&prior, start, &mut noise)?;
    let mixture = FactorMixture::fit(&samples, CLUSTERS, FACTORS, seed)?;

    // The operator as a matrix, from the images of all unit vectors.
    let unit = Tensor::<2>::eye(values, &device).reshape(images(values));
    let matrix = operator.apply(unit).flatten::<2>(1, 3).transpose();
    let observed = mixture.observed(&matrix, sigma)?;
    let truth = mixture.sample(images(MEASUREMENTS), seed.wrapping_add(1), &device);
    let sensor = GaussianNoise::new(sigma)?;
    let once = Measurement::simulate(operator.clone(), sensor, truth, &mut noise)?;
    let exact = exact_draws(&observed, &once.y, EXACT, 1)?;
    let floor = distance(&exact_draws(&observed, &once.y, DRAWS, 2)?, &exact);

    let (mut tried, mut left_out) = (Vec::new(), Vec::new());
    for method in all.iter().filter(|method| method.path_factor <= 2) {
        let known = STRENGTHS.iter().find(|(id, _)| *id == method.id);
        let strengths: Vec<Option<f64>> = match (method.has_strength, known) {
            (true, Some((_, strength))) => {
                let around = FACTORS_OF_STRENGTH
                    .iter()
                    .map(|factor| Some(factor * strength));
                around.collect()
            }
            _ => vec![None],
        };
        for strength in strengths {
            let attempt = Settings {
                method: method.id.to_owned(),
                walk: None,
                strength,
                guesses: DRAWS,
                ..settings.clone()
            };
            let run = Run {
                prior: &mixture,
                shape: images(MEASUREMENTS * DRAWS),
                start: None,
                sigma,
                noisiest: f64::INFINITY,
            };
            let began = Instant::now();
            let mut noise = HostNoise::seeded(seed.wrapping_add(3));
            // A method that does not take this operator, or diverges, is named below the table.
            let draws = attempt.draw(all, &once, &run, &mut noise, &mut |_, _| {});
            let draws = match draws {
                Ok(draws) => draws,
                Err(error) => {
                    left_out.push(format!("{}: {error}", method.id));
                    continue;
                }
            };
            let draws: Vec<Tensor<2>> = draws.flatten::<2>(1, 3).chunk(MEASUREMENTS, 0);
            let distance = distance(&draws, &exact);
            if !distance.is_finite() {
                left_out.push(format!("{}: not finite", method.id));
            } else {
                tried.push(Tried {
                    method: method.id,
                    strength,
                    distance,
                    seconds: began.elapsed().as_secs_f64(),
                });
            }
        }
    }
    tried.sort_by(|a, b| a.distance.total_cmp(&b.distance));
    println!("method              strength   distance   seconds");
    println!("exact draws                    {floor:8.3}");
    for it in &tried {
        let strength = it
            .strength
            .map_or_else(String::new, |strength| format!("{strength:.2}"));
        let (method, distance, seconds) = (it.method, it.distance, it.seconds);
        println!("{method:18}  {strength:>8}   {distance:8.3}   {seconds:7.1}");
    }
    for reason in left_out {
        println!("left out: {reason}");
    }
    let best = tried.first().ok_or("no method takes this operator")?;
    println!("--method {}", best.method);
    Ok(Settings {
        method: best.method.to_owned(),
        strength: best.strength,
        walk: None,
        ..settings.clone()
    })
}

/// Draws from the exact posterior of each measurement.
fn exact_draws(
    observed: &Observed<'_>,
    y: &Tensor<4>,
    count: usize,
    seed: u64,
) -> Result<Vec<Tensor<2>>, Box<dyn Error>> {
    let each = y.clone().flatten::<2>(1, 3).chunk(MEASUREMENTS, 0);
    let draws = each.into_iter().enumerate().map(|(i, y)| {
        let values: Vec<f64> = y.to_data().iter::<f64>().collect();
        let seed = seed * 1000 + i as u64;
        Ok(observed.sample(&values, count, seed, &y.device())?)
    });
    draws.collect()
}

/// The mean squared energy distance over the measurements, without bias: 0 for exact draws.
fn distance(draws: &[Tensor<2>], exact: &[Tensor<2>]) -> f64 {
    let each = draws
        .iter()
        .zip(exact)
        .map(|(draws, exact)| energy_squared(draws, exact));
    each.sum::<f64>() / draws.len() as f64
}
