//! The terms of De Bortoli's bound in W₁, each alone: the horizon, the step, the error of the
//! score, and data on a manifold.
//!
//! The data are Gaussian, so each chain is affine: its mean and variance are known without
//! sampling, and so is `W₁ = E|m₁ − m₂ + (s₁ − s₂) Z|`. For a Gaussian on a line in the plane, `W₁`
//! is at least that of the distance to the line, and at most the sum of both coordinates.
//!
//! # Reference
//! De Bortoli 2022, "Convergence of denoising diffusion models under the manifold hypothesis",
//! theorem 1, arXiv:2208.05314.

use super::{Drawn, Page, curve};
use std::f64::consts::{PI, SQRT_2};
use tweedie::image::{Axis, Panel, chart};
use tweedie::math::{EulerMaruyama, OrnsteinUhlenbeck};
use tweedie::prelude::*;

/// `N(mean, std²)`.
#[derive(Clone, Copy)]
struct Law {
    mean: f64,
    std: f64,
}

impl Law {
    /// The law of `α x₀ + σ ε`.
    fn at(self, level: Level) -> Self {
        Self {
            mean: level.alpha() * self.mean,
            std: level.sigma().hypot(level.alpha() * self.std),
        }
    }
}

/// `E|m + s Z|` for the differences of the means and of the standard deviations.
fn wasserstein(a: Law, b: Law) -> f64 {
    let (m, s) = ((a.mean - b.mean).abs(), (a.std - b.std).abs());
    if s == 0.0 {
        return m;
    }
    let z = m / s;
    let density = (-0.5 * z * z).exp() / (2.0 * PI).sqrt();
    let inside = erf(z / SQRT_2);
    2.0 * s * density + m * inside
}

/// The error function, by Simpson's rule.
fn erf(x: f64) -> f64 {
    let (n, end) = (2000, x.min(8.0));
    let h = end / f64::from(n);
    let f = |i: i32| (-(f64::from(i) * h).powi(2)).exp();
    let inner: f64 = (1..n)
        .map(|i| if i % 2 == 1 { 4.0 * f(i) } else { 2.0 * f(i) })
        .sum();
    2.0 / PI.sqrt() * h / 3.0 * (f(0) + inner + f(n))
}

/// A chain of Euler and Maruyama: the horizon, where it stops, its number of steps, and a bias of
/// the score.
#[derive(Clone, Copy)]
struct Chain {
    horizon: f64,
    stop: f64,
    steps: usize,
    bias: f64,
}

impl Chain {
    /// The law at the end, from `N(0, 1)`, for data of a Gaussian law.
    fn end(self, data: Law) -> Result<Law, Box<dyn std::error::Error>> {
        let schedule = OrnsteinUhlenbeck::new(self.horizon)?;
        let stop = self.stop / self.horizon;
        let path = LevelPath::uniform(schedule, Span::new(1.0, stop), self.steps)?;
        let kernel = EulerMaruyama::new(schedule);
        let mut law = Law {
            mean: 0.0,
            std: 1.0,
        };
        for mv in path.moves() {
            let step = kernel.transition(mv.from, mv.to)?;
            // x̂₀ = a x + b, with the score −(x − m)/v + bias.
            let noisy = data.at(mv.from);
            let variance = noisy.std * noisy.std;
            let (alpha, sigma2) = (mv.from.alpha(), mv.from.sigma().powi(2));
            let a = (1.0 - sigma2 / variance) / alpha;
            let b = sigma2 * (noisy.mean / variance + self.bias) / alpha;
            let factor = step.state + step.clean * a;
            law = Law {
                mean: factor * law.mean + step.clean * b,
                std: (factor * law.std).hypot(step.noise),
            };
        }
        Ok(law)
    }
}

/// The slope of `ln y` over `x`, or over `ln x`.
fn slope(points: &[(f64, f64)], axis: Axis) -> f64 {
    let place = |x: f64| if axis == Axis::Log { x.ln() } else { x };
    let [first, last] = [points[0], points[points.len() - 1]];
    (last.1 / first.1).ln() / (place(last.0) - place(first.0))
}

pub(super) fn draw(page: &Page) -> Drawn {
    let data = Law {
        mean: 1.0,
        std: 0.5,
    };
    let exact = Chain {
        horizon: 8.0,
        stop: 0.0,
        steps: 200_000,
        bias: 0.0,
    };
    let error = |chain: Chain| -> Result<f64, Box<dyn std::error::Error>> {
        Ok(wasserstein(chain.end(data)?, data))
    };
    let mut horizon = Vec::new();
    for end in [2.0, 2.5, 3.0, 3.5, 4.0] {
        let chain = Chain {
            horizon: end,
            ..exact
        };
        horizon.push((end, error(chain)?));
    }
    let mut step = Vec::new();
    for steps in [100, 200, 400, 800, 1600] {
        step.push((8.0 / steps as f64, error(Chain { steps, ..exact })?));
    }
    let mut bias = Vec::new();
    for size in [0.05, 0.1, 0.2, 0.4, 0.8] {
        bias.push((
            size,
            error(Chain {
                bias: size,
                ..exact
            })?,
        ));
    }
    let point = Law {
        mean: 1.0,
        std: 0.0,
    };
    // Data on the first axis of the plane: the chain acts on each coordinate alone.
    let (mut stop, mut line) = (Vec::new(), Vec::new());
    for time in [5e-4, 1e-3, 3e-3, 1e-2, 2e-2] {
        let chain = Chain {
            stop: time,
            ..exact
        };
        let across = wasserstein(chain.end(point)?, point);
        stop.push((time, across));
        line.push((time, across + error(chain)?));
    }
    let mut panels = Vec::new();
    for (title, x, axis, points, predicted, tolerance) in [
        ("horizon", "T", Axis::Linear, vec![horizon], -2.0, 0.1),
        ("step", "h", Axis::Log, vec![step], 1.0, 0.1),
        ("bias of the score", "M", Axis::Log, vec![bias], 1.0, 0.05),
        (
            "data on a point and on a line",
            "time at which the chain stops",
            Axis::Log,
            vec![stop, line],
            0.5,
            0.05,
        ),
    ] {
        let mut curves = Vec::new();
        let names = ["Wasserstein distance", "bound on a line"];
        for (name, points) in names.into_iter().zip(points) {
            let found = slope(&points, axis);
            println!("{title}: slope {found:.3}, predicted {predicted}");
            if (found - predicted).abs() > tolerance {
                return Err(format!("{title}: slope {found}, predicted {predicted}").into());
            }
            curves.push(curve(name, points));
        }
        panels.push(Panel {
            title: title.into(),
            x: x.into(),
            x_axis: axis,
            y_axis: Axis::Log,
            curves,
        });
    }
    Ok(chart(page.picture("convergence.png"), &panels)?)
}
