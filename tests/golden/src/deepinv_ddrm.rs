//! deepinv's DDRM, which runs in `[0, 1]` with α = 1.
//!
//! Its noise has half the variance (every draw is divided by √2). It treats singular values up to
//! σ_y as not measured, and adds 10⁻⁶ to denominators.

use crate::case::Case;
use crate::deepinv_posterior::{Physics, physics, prior, shape};
use crate::error::{Done, GoldenError, refused};
use std::f64::consts::TAU;
use tweedie::burn::tensor::{DType, Device, Tensor, TensorData};
use tweedie::core::Replay;
use tweedie::inverse::measurement::Measurement;
use tweedie::inverse::noise::GaussianNoise;
use tweedie::inverse::operator::{Linear, Operator, OperatorError, Spectral};
use tweedie::inverse::posterior::Ddrm;
use tweedie::math::{Level, LevelPath};
use tweedie::prelude::Sampler;

pub(crate) fn run(case: &Case) -> Done {
    // 10⁻⁶ in denominators makes no difference here.
    case.implied(&["eps"]);
    let sigma_y = case.number("sigma_y")?;
    let name = format!("{}/y", case.text("physics"));
    let y: Tensor<4> = case.tensor(&name)?;
    let operator = Truncated {
        operator: physics(case)?,
        least: sigma_y,
    };
    let noise = GaussianNoise::new(sigma_y)?;
    let measured = Measurement::new(operator, noise, y.clone());
    let step = Ddrm::new(&measured)
        .with_eta(case.number("eta")?)?
        .with_eta_b(case.number("etab")?)?;
    let sigmas = &case.record("sigmas")?.values;
    let level = |sigma: &f64| Level::variance_exploding(*sigma).map_err(refused);
    let levels = sigmas.iter().map(level).collect::<Result<_, _>>()?;
    let path = LevelPath::through(levels)?;
    let mut draws = Replay::new(draws(case)?);
    let sampler = Sampler::new(step, path);
    let x = sampler.start(shape(case)?, &y.device(), &mut draws)?;
    let prior = prior(case, [0.0, 1.0])?;
    case.check("out", sampler.sample(&prior, x, &mut draws)?, 1e-5)
}

/// Returns the draws as images, `V z/√2`.
fn draws(case: &Case) -> Result<Vec<Tensor<4>>, GoldenError> {
    let shape = shape(case)?;
    let [.., h, w] = shape;
    let draws = case.record("noises")?.parts().into_iter();
    let image = |values: Vec<f64>| {
        let values: Vec<f64> = values.iter().map(|z| z / 2_f64.sqrt()).collect();
        let data = TensorData::new(values, shape);
        Tensor::from_data(data, (&Device::flex(), DType::F64))
    };
    let spectral = case.text("physics") == "blurfft";
    Ok(draws
        .map(|z| match spectral {
            true => {
                let planes = z.values.chunks(h * (w / 2 + 1) * 2);
                image(planes.flat_map(|pairs| inverse(pairs, [h, w])).collect())
            }
            false => image(z.values),
        })
        .collect())
}

/// Returns the unitary inverse of a real Fourier transform `[h, w/2 + 1]` of pairs: complex along
/// the rows, then real along the columns. In the second step, the first column has no imaginary
/// part, nor has the last one of an even width.
fn inverse(pairs: &[f64], [h, w]: [usize; 2]) -> Vec<f64> {
    let half = w / 2 + 1;
    let mut image = vec![0.0; h * w];
    for (i, pixel) in image.iter_mut().enumerate() {
        let (row, column) = (i / w, i % w);
        for l in 0..half {
            // The transform along the rows.
            let (mut re, mut im) = (0.0, 0.0);
            for k in 0..h {
                let (a, b) = (pairs[2 * (k * half + l)], pairs[2 * (k * half + l) + 1]);
                let (sin, cos) = (TAU * (k * row) as f64 / h as f64).sin_cos();
                re += a * cos - b * sin;
                im += a * sin + b * cos;
            }
            let (sin, cos) = (TAU * (l * column) as f64 / w as f64).sin_cos();
            *pixel += match l {
                0 => re,
                l if 2 * l == w => re * cos,
                _ => 2.0 * (re * cos - im * sin),
            } / ((h * w) as f64).sqrt();
        }
    }
    image
}

/// An operator that treats singular values up to `least` as 0.
struct Truncated {
    operator: Physics,
    least: f64,
}

impl Operator<4> for Truncated {
    fn output_shape(&self, signal: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        self.operator.output_shape(signal)
    }
    fn apply_unchecked(&self, x: Tensor<4>) -> Tensor<4> {
        self.operator.apply_unchecked(x)
    }
}

impl Linear<4> for Truncated {
    fn input_shape(&self, measured: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        self.operator.input_shape(measured)
    }
    fn adjoint_unchecked(&self, y: Tensor<4>) -> Tensor<4> {
        self.operator.adjoint_unchecked(y)
    }
}

impl Spectral<4> for Truncated {
    fn singular_values(&self, like: &Tensor<4>) -> Tensor<4> {
        let s = self.operator.singular_values(like);
        let none = s.clone().lower_equal_elem(self.least);
        s.mask_fill(none, 0.0)
    }
    fn signal_to_spectrum(&self, x: Tensor<4>) -> Tensor<4> {
        self.operator.signal_to_spectrum(x)
    }
    fn spectrum_to_signal(&self, c: Tensor<4>) -> Tensor<4> {
        self.operator.spectrum_to_signal(c)
    }
    fn measured_to_spectrum(&self, y: Tensor<4>) -> Tensor<4> {
        self.operator.measured_to_spectrum(y)
    }
    fn spectrum_to_measured(&self, c: Tensor<4>) -> Tensor<4> {
        self.operator.spectrum_to_measured(c)
    }
}
