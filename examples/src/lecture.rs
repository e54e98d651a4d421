//! The figures and numbers of a course on diffusion models, one file each.

mod adversarial;
mod averaging;
mod bound;
mod brownian;
mod convergence;
mod corrector;
mod ddim;
mod ddpm;
mod edges;
mod enlarged;
mod flow;
mod fokker_planck;
mod gaussian_images;
mod guidance;
mod guided;
mod langevin;
mod latent_space;
mod layers;
mod measurement;
mod noising;
mod photons;
mod push_forward;
mod repaint;
mod score_matching;
mod texture;
mod tiny_denoiser;
mod tweedie_table;

use std::error::Error;
use std::path::PathBuf;
use tweedie::image::{Axis, Curve, Panel};
use tweedie::prelude::*;

/// What a figure returns.
pub type Drawn = Result<(), Box<dyn Error>>;

/// A figure of the course.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// The name, which is that of its file.
    pub name: &'static str,
    /// What it shows.
    pub about: &'static str,
    /// Computes it and writes its pictures.
    pub draw: fn(&Page) -> Drawn,
}

/// All figures, in the order of the course.
pub const FIGURES: &[Figure] = &[
    Figure {
        name: "push_forward",
        about: "Gaussian noise pushed forward to points and to clothes",
        draw: push_forward::draw,
    },
    Figure {
        name: "gaussian_images",
        about: "the Gaussian model of clothes: mean, principal components, samples",
        draw: gaussian_images::draw,
    },
    Figure {
        name: "texture",
        about: "the stationary Gaussian texture of an exemplar",
        draw: texture::draw,
    },
    Figure {
        name: "brownian",
        about: "Brownian paths, their refinement, and Itô's integral",
        draw: brownian::draw,
    },
    Figure {
        name: "noising",
        about: "a photograph at rising noise levels",
        draw: noising::draw,
    },
    Figure {
        name: "fokker_planck",
        about: "a density forwards and backwards, and the heat equation run backwards",
        draw: fokker_planck::draw,
    },
    Figure {
        name: "score_matching",
        about: "the score of data under Laplace noise, learned and by quadrature",
        draw: score_matching::draw,
    },
    Figure {
        name: "tiny_denoiser",
        about: "three convolutions that learn to remove noise from one photograph",
        draw: tiny_denoiser::draw,
    },
    Figure {
        name: "averaging",
        about: "the error of a network during training, and of its running averages",
        draw: averaging::draw,
    },
    Figure {
        name: "langevin",
        about: "Langevin dynamics on a double well, and the time to leave it",
        draw: langevin::draw,
    },
    Figure {
        name: "corrector",
        about: "predictor and corrector: the exact distance to the data by evaluations",
        draw: corrector::draw,
    },
    Figure {
        name: "flow",
        about: "paths of the probability flow and of the reverse process",
        draw: flow::draw,
    },
    Figure {
        name: "tweedie_table",
        about: "Tweedie's formula and a step of a posterior, in numbers",
        draw: tweedie_table::draw,
    },
    Figure {
        name: "ddpm",
        about: "noisy states and estimates of a network, from t = 11 to 1000, and while it samples",
        draw: ddpm::draw,
    },
    Figure {
        name: "bound",
        about: "the terms of the variational bound over time",
        draw: bound::draw,
    },
    Figure {
        name: "ddim",
        about: "one noise with few steps and many, with and without fresh noise",
        draw: ddim::draw,
    },
    Figure {
        name: "adversarial",
        about: "digits by an adversarial network and by a diffusion model, and which are drawn",
        draw: adversarial::draw,
    },
    Figure {
        name: "edges",
        about: "edges to clothes by an image-to-image network with a patch discriminator",
        draw: edges::draw,
    },
    Figure {
        name: "convergence",
        about: "the distance of a chain to the data, by horizon, step, score and manifold",
        draw: convergence::draw,
    },
    Figure {
        name: "measurement",
        about: "a measurement as a process that is reversed",
        draw: measurement::draw,
    },
    Figure {
        name: "guided",
        about: "DPS on the way: the truth, the measurement, estimates and states",
        draw: guided::draw,
    },
    Figure {
        name: "enlarged",
        about: "DPS enlarges four times: the way, and eight draws",
        draw: enlarged::draw,
    },
    Figure {
        name: "photons",
        about: "DPS on photon counts at three light levels",
        draw: photons::draw,
    },
    Figure {
        name: "repaint",
        about: "RePaint: the law of the unknown part by the number of walks, and clothes",
        draw: repaint::draw,
    },
    Figure {
        name: "guidance",
        about: "classifier-free guidance: the law that is said, and those that are drawn",
        draw: guidance::draw,
    },
    Figure {
        name: "latent_space",
        about: "latent diffusion on principal components, with an exact denoiser",
        draw: latent_space::draw,
    },
];

/// Where figures go, and the device on which they are computed.
#[derive(Clone, Debug)]
pub struct Page {
    /// The folder of the pictures.
    pub out: PathBuf,
    /// The device.
    pub device: Device,
}

impl Page {
    /// The path of a picture, which is printed.
    fn picture(&self, name: &str) -> PathBuf {
        let path = self.out.join(name);
        println!("{}", path.display());
        path
    }

    /// The network of clothes that comes with the examples.
    fn clothes(&self) -> Result<Model, Box<dyn Error>> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fashion-mnist");
        Ok(Model::open(folder, &self.device)?)
    }
}

/// A panel of curves on linear axes.
fn panel(title: &str, x: &str, curves: Vec<Curve>) -> Panel {
    Panel {
        title: title.into(),
        x: x.into(),
        x_axis: Axis::Linear,
        y_axis: Axis::Linear,
        curves,
    }
}

fn curve(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Curve {
    Curve {
        name: name.into(),
        points: points.into_iter().collect(),
    }
}

/// The values of a tensor.
fn values<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

/// Divides a state by `√(α² + σ²)`, so that its noise is not clipped in a picture.
fn visible(x: Tensor<4>, level: Level) -> Tensor<4> {
    x / level.rms()
}

/// A density on a line as a histogram of samples.
fn histogram(samples: &[f64], low: f64, high: f64, bins: usize) -> Vec<(f64, f64)> {
    let width = (high - low) / bins as f64;
    let mut counts = vec![0_u32; bins];
    for &x in samples {
        if x >= low && x < high {
            counts[((x - low) / width) as usize] += 1;
        }
    }
    let scale = 1.0 / (samples.len() as f64 * width);
    let place = |i: usize| low + (i as f64 + 0.5) * width;
    let pairs = counts.into_iter().enumerate();
    pairs
        .map(|(i, count)| (place(i), f64::from(count) * scale))
        .collect()
}
