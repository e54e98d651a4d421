//! Predictor and corrector on a Gaussian, where the law at the end of a chain is exact: how far it
//! is from the data, against the number of evaluations.

use super::{Drawn, Page, curve};
use tweedie::core::oracle::Gaussian;
use tweedie::image::{Axis, Panel, chart};
use tweedie::math::{ReverseDiffusion, VarianceExploding};
use tweedie::prelude::*;
use tweedie::samplers::{Langevin, OverlapNoise, PredictorCorrector, affine_law};

pub(super) fn draw(page: &Page) -> Drawn {
    let data = Gaussian::diagonal(&[1.0, -0.5], &[0.8, 0.1])?;
    let noise = Gaussian::isotropic(&[0.0, 0.0], 0.0)?;
    let mut curves = Vec::new();
    println!("evaluations   corrections   distance");
    for repeats in [0, 1, 2, 4] {
        let mut points = Vec::new();
        for steps in [10, 20, 40, 80, 160, 320] {
            // ANCHOR: corrector
            let path = LevelPath::uniform(VarianceExploding::new(0.01, 10.0)?, Span::FULL, steps)?;
            let last = path.end().sigma();
            // A move of the corrector has ε = 0.15 σ².
            let corrector = Langevin::annealed(0.3 * last * last, last)?;
            let step = PredictorCorrector::new(ReverseDiffusion, corrector).with_repeats(repeats);
            // ANCHOR_END: corrector
            let sampler = Sampler::new(step, path);
            let coupling = OverlapNoise::Independent;
            let law = affine_law(&sampler, &data, [1, 2], &noise, coupling, &page.device)?;
            let far = wasserstein(&law, &data);
            let evaluations = steps * (1 + repeats);
            println!("{evaluations:11}   {repeats:11}   {far:8.5}");
            points.push((evaluations as f64, far));
        }
        curves.push(curve(format!("{repeats} corrections"), points));
    }
    let panel = Panel {
        title: "distance to the data".into(),
        x: "evaluations".into(),
        x_axis: Axis::Log,
        y_axis: Axis::Log,
        curves,
    };
    Ok(chart(page.picture("corrector.png"), &[panel])?)
}

/// The Wasserstein distance of order 2 of Gaussians with independent values.
fn wasserstein(a: &Gaussian, b: &Gaussian) -> f64 {
    let (c, d) = (a.covariance(), b.covariance());
    let squares = (0..a.dim()).map(|i| {
        let shift = a.mean()[i] - b.mean()[i];
        let spread = c[i][i].sqrt() - d[i][i].sqrt();
        shift * shift + spread * spread
    });
    squares.sum::<f64>().sqrt()
}
