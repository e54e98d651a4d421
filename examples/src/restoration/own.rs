//! Restores an image of one's own, from a file to a folder.

use super::auto::choose;
use super::damage::{Damage, Damaging};
use super::output::{ARRAYS, Film, report, write};
use super::prior::Prior;
use super::record::checksum;
use super::sensor::{AnySensor, Sensor};
use super::{AUTO, Experiment, Run, Settings, repeated};
use clap::Args;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tweedie::core::Counting;
use tweedie::image::{Npz, load, load_npy};
use tweedie::inverse::baseline::wiener;
use tweedie::inverse::measurement::Measurement;
use tweedie::inverse::noise::{GaussianNoise, NoiseModel};
use tweedie::inverse::operator::{Linear, Mask, Operator};
use tweedie::metrics::Lpips;
use tweedie::prelude::*;
use tweedie_catalogue::{Method, linear_methods, methods_of_any_operator, posterior_methods};

/// Which image, how it was damaged, and what to write.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "An image of your own")]
pub struct Own {
    /// Restore this file (PNG, JPEG, WebP, TIFF, or npy with what was measured of an image on
    /// [0, 1]) instead of the test images; --out is then a folder. --model may be
    /// `examples/photos`, or, with --method dpir, `ffdnet` or a file of FFDNet or DRUNet
    #[arg(long)]
    pub image: Option<PathBuf>,
    /// The image is clean: damage it first, and measure how far restorations are from it
    #[arg(long, requires = "image")]
    pub simulate: bool,
    /// How it was damaged: identity, blur:DEVIATION, motion:LENGTH, reduce:FACTOR, missing:PERCENT,
    /// mosaic, kernel:FILE (of a blur, npy or an image), matrix:FILE (npy, a column for each value
    /// of the image) or json:FILE (any linear operator of this library)
    #[arg(long, requires = "image", default_value = "identity")]
    pub operator: Damage,
    /// An image of the same size that is black where pixels are missing, instead of --operator
    #[arg(long, requires = "image", conflicts_with = "operator")]
    pub mask: Option<PathBuf>,
    /// The noise, on [0, 1]: gaussian:DEVIATION, laplace:SCALE, or poisson:PHOTONS in white, whose
    /// stabilised counts the methods for Gaussian noise take
    #[arg(long, requires = "image", default_value = "gaussian:0.02")]
    pub noise: Sensor,
    /// The number of restorations
    #[arg(long, requires = "image", default_value_t = 4)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=256))]
    pub draws: u64,
    /// Denoise in tiles of this side; by default the size of the model's images, or 256 for ffdnet
    #[arg(long, requires = "image")]
    pub tile: Option<usize>,
    /// Write states and estimates on the way, as a strip and an animation
    #[arg(long, requires = "image")]
    pub film: bool,
    /// AlexNet's weights, to measure LPIPS as well (alexnet.safetensors)
    #[arg(long, requires = "simulate")]
    pub lpips: Option<PathBuf>,
    /// Repeat the restoration in this folder, and compare
    #[arg(long, conflicts_with = "image")]
    pub replay: Option<PathBuf>,
}

/// Reads an image as `[1, channels, height, width]` on `[−1, 1]`.
fn read(path: &Path, device: &Device) -> Result<Tensor<4>, Box<dyn Error>> {
    if path.extension().is_some_and(|extension| extension == "npy") {
        let image = load_npy::<3>(path, device)?;
        return Ok(ValueRange::Unit.convert(ValueRange::Signed, image.unsqueeze::<4>()));
    }
    Ok(load(path, ValueRange::Signed, device)?)
}

/// Restores the image, or repeats a restoration, and writes into the folder `out`.
///
/// # Errors
/// One line that says what does not fit, before any work.
pub fn restore_own(
    own: &Own,
    model: &Path,
    settings: &Settings,
    seed: u64,
    out: &Path,
) -> Result<(), Box<dyn Error>> {
    let Some(before) = &own.replay else {
        let experiment = Experiment {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            image: recorded(own.image.as_deref().ok_or("no --image")?)?,
            simulate: own.simulate,
            operator: own.operator.text.clone(),
            operator_file: own.operator.file().map(recorded).transpose()?,
            mask: own.mask.as_deref().map(recorded).transpose()?,
            noise: own.noise.text.clone(),
            model: recorded(model)?,
            tile: own.tile,
            settings: settings.clone(),
            seed,
        };
        return in_folder(own, &experiment, out).map(|_| ());
    };
    let experiment = Experiment::open(before)?;
    if fs::canonicalize(before).ok() == fs::canonicalize(out).ok() {
        return Err("--replay and --out have to be two folders".into());
    }
    let stored = Npz::open(before.join(ARRAYS))?.tensor::<4>("draws", &Device::default())?;
    if experiment.settings.guesses == 0 {
        return Err(format!("{}: no draws", before.display()).into());
    }
    if experiment.version != env!("CARGO_PKG_VERSION") {
        println!("it was made by version {}", experiment.version);
    }
    let again = Own {
        simulate: experiment.simulate,
        operator: experiment.operator.parse()?,
        mask: experiment.mask.as_ref().map(|(path, _)| path.clone()),
        noise: experiment.noise.parse()?,
        draws: experiment.settings.guesses as u64,
        tile: experiment.tile,
        ..own.clone()
    };
    let draws = in_folder(&again, &experiment, out)?;
    if draws.dims() != stored.dims() {
        return Err(format!("{}: other draws than its experiment has", before.display()).into());
    }
    let gap = (draws - stored).abs().max().into_scalar::<f64>();
    println!("largest difference to {}: {gap:.1e}", before.display());
    Ok(())
}

fn recorded(path: &Path) -> std::io::Result<(PathBuf, String)> {
    Ok((path.to_owned(), checksum(path)?))
}

/// The number of pixels above which memory comes first.
const LARGE: usize = 1 << 20;

/// Creates the folder first, so that no work is lost, and removes it again if nothing was written.
fn in_folder(own: &Own, experiment: &Experiment, out: &Path) -> Result<Tensor<4>, Box<dyn Error>> {
    fs::create_dir_all(out).map_err(|error| format!("{}: {error}", out.display()))?;
    let draws = run(own, experiment, out);
    if draws.is_err() {
        // This fails if there are files in it, which stay.
        let _ = fs::remove_dir(out);
    }
    draws
}

fn run(own: &Own, experiment: &Experiment, out: &Path) -> Result<Tensor<4>, Box<dyn Error>> {
    let device = Device::default();
    let image = read(&experiment.image.0, &device)?;
    let mask = own.mask.as_deref().map(|path| read(path, &device));
    let lpips = own.lpips.as_ref().map(|path| Lpips::open(path, &device));
    let (mask, lpips) = (mask.transpose()?, lpips.transpose()?);
    let prior = Prior::open(&experiment.model.0, &device)?;
    let of_prior = prior.image();
    let damaging = own
        .operator
        .operator(image.dims(), own.simulate, of_prior)?;
    let (operator, shape) = match (mask, damaging) {
        (None, damaging) => damaging,
        (Some(mask), (_, shape)) if mask.dims()[2..] == shape[2..] => {
            // Any channel that is not black.
            let kept = mask.max_dim(1).greater_elem(-1.0 + 1.0 / 255.0);
            (Damaging::Spectral(Arc::new(Mask::new(kept))), shape)
        }
        (Some(mask), (_, shape)) => {
            let found = &mask.dims()[2..];
            return Err(
                format!("the mask has {found:?} pixels, the image {:?}", &shape[2..]).into(),
            );
        }
    };
    let job = Job {
        own,
        experiment,
        shape,
        prior,
        image,
        lpips,
    };
    match operator {
        Damaging::Spectral(operator) => job.restored(&operator, &posterior_methods(), out),
        Damaging::Linear(operator) => {
            let mut all = methods_of_any_operator();
            all.extend(linear_methods());
            job.restored(&*operator, &all, out)
        }
    }
}

/// What a restoration needs besides the operator.
struct Job<'a> {
    own: &'a Own,
    experiment: &'a Experiment,
    /// The shape of the clean image.
    shape: [usize; 4],
    prior: Prior,
    image: Tensor<4>,
    lpips: Option<Lpips>,
}

impl Job<'_> {
    /// Restores by one of the methods for Gaussian noise, or, for other noise, by one of those of
    /// any measurement.
    fn restored<A: Linear<4> + Clone + Send + Sync + 'static>(
        self,
        operator: &A,
        gaussian: &[Method<4, Measurement<4, A, GaussianNoise>>],
        out: &Path,
    ) -> Result<Tensor<4>, Box<dyn Error>> {
        let (own, experiment, shape) = (self.own, self.experiment, self.shape);
        let device = Device::default();
        let settings = &experiment.settings;
        let noisiest = self.prior.noisiest;
        let denoiser = Counting::new(self.prior.tiled([shape[2], shape[3]], own.tile)?);
        let sensor = own.noise.gaussian()?;
        let sigma = sensor.sigma();
        let run = Run {
            prior: &denoiser,
            shape: [settings.guesses, shape[1], shape[2], shape[3]],
            start: None,
            sigma,
            noisiest,
        };
        denoiser.accepts(run.shape)?;
        let (found, expected) = (self.image.dims(), operator.output_shape(shape)?);
        if !own.simulate && found != expected {
            return Err(
                format!("a measurement of shape {found:?}, the operator has {expected:?}").into(),
            );
        }

        let ones = operator.apply(Tensor::ones(shape, &device));
        if own.noise.stabilised()?.is_some() {
            // Counts are of an image on [0, 1], the state is on [−1, 1].
            let gap = operator.observed(ones.clone() - 1.0).abs().max();
            if gap.into_scalar::<f32>() > 1e-3 {
                let why = "--noise poisson needs an operator that leaves a white image white";
                return Err(why.into());
            }
        }

        let mut noise = HostNoise::seeded(experiment.seed);
        let mut film = Film::new(own.film, settings.steps);
        let mut see = |k: usize, state: &State<4>| film.add(k, state);
        let truth = own.simulate.then(|| self.image.clone());
        let image = match own.simulate {
            true => self.image,
            // Measured of `x` on [0, 1]: `A (2 x − 1) = 2 A x − A 1`.
            false => self.image + 1.0 - ones,
        };
        let (y, draws, expected) = match own.noise.other()? {
            None => {
                let m = measured(operator, sensor, image, own.simulate, &mut noise)?;
                let start = match shape[2] * shape[3] > LARGE {
                    // Closed form for most operators, in less memory.
                    true => {
                        operator
                            .solve(operator.adjoint(m.y.clone()), sigma.powi(2))?
                            .x
                    }
                    false => wiener(&m, 1.0)?,
                };
                let run = Run {
                    start: Some(start),
                    ..run
                };
                let settings = match settings.method == AUTO {
                    false => settings.clone(),
                    true if noisiest.is_finite() => {
                        let why = "--method auto draws from the prior, which this one cannot";
                        return Err(why.into());
                    }
                    true => {
                        let image = [shape[1], shape[2], shape[3]];
                        let physics = (operator, sigma);
                        choose(
                            settings,
                            gaussian,
                            run.prior,
                            image,
                            physics,
                            experiment.seed,
                        )?
                    }
                };
                let draws = settings.draw(gaussian, &m, &run, &mut noise, &mut see)?;
                let expected = expectation(&m, &draws, &mut noise);
                (m.y, draws, expected)
            }
            Some(sensor) => {
                let m = measured(operator, sensor, image, own.simulate, &mut noise)?;
                let all: Vec<Method<4, Measurement<4, A, AnySensor>>> = methods_of_any_operator();
                let known = all.iter().any(|method| method.id == settings.method);
                let is_plain = own.mask.is_none() && own.operator.text == "identity";
                let stabilised = own.noise.stabilised()?.filter(|_| is_plain && !known);
                let draws = match stabilised {
                    Some(photons) => {
                        let highest = photons.highest(1.0);
                        let y = photons.stabilise((m.y.clone() + 1.0) * 0.5);
                        let y = y * (2.0 / highest) - 1.0;
                        let sensor = GaussianNoise::new(2.0 / highest)?;
                        let run = Run {
                            start: Some(y.clone()),
                            sigma: sensor.sigma(),
                            ..run
                        };
                        let m = Measurement::new(operator.clone(), sensor, y);
                        let draws = settings.draw(gaussian, &m, &run, &mut noise, &mut see)?;
                        photons.recover((draws + 1.0) * (0.5 * highest)) * 2.0 - 1.0
                    }
                    None => {
                        let start = noise.normal(run.shape, &device);
                        let run = Run {
                            start: Some(start),
                            ..run
                        };
                        settings.draw(&all, &m, &run, &mut noise, &mut see)?
                    }
                };
                let expected = expectation(&m, &draws, &mut noise);
                (m.y, draws, expected)
            }
        };
        film.save(out)?;
        report(&draws, truth.as_ref(), self.lpips.as_ref());
        println!(
            "the draws are off what was measured by {:.4}, the noise says {expected:.4} \
             (on [−1, 1])",
            root(operator.apply(draws.clone()) - repeated(&y, settings.guesses)),
        );
        write(out, operator, &y, &draws, truth, sigma)?;
        experiment.save(out)?;
        println!(
            "{} evaluations; folder: {}",
            denoiser.evaluations(),
            out.display()
        );
        Ok(draws)
    }
}

fn measured<A: Operator<4> + Clone, N: NoiseModel<4>>(
    operator: &A,
    sensor: N,
    image: Tensor<4>,
    simulate: bool,
    noise: &mut HostNoise,
) -> Result<Measurement<4, A, N>, Box<dyn Error>> {
    Ok(match simulate {
        true => Measurement::simulate(operator.clone(), sensor, image, noise)?,
        false => Measurement::new(operator.clone(), sensor, image),
    })
}

/// The root mean square of `y − A x` that the noise model has for these restorations.
fn expectation<A: Operator<4>, N: NoiseModel<4>>(
    m: &Measurement<4, A, N>,
    draws: &Tensor<4>,
    noise: &mut HostNoise,
) -> f64 {
    let mean = m.operator.apply(draws.clone());
    root(m.operator.observed(m.noise.corrupt(mean.clone(), noise)) - mean)
}

fn root(x: Tensor<4>) -> f64 {
    x.square().mean().into_scalar::<f64>().sqrt()
}
