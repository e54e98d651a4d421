//! Score matching under any corruption: a network learns the score of uniform data with Laplace
//! noise.

use super::{Drawn, Page, curve, panel, values};
use tweedie::core::Network;
use tweedie::image::chart;
use tweedie::models::{MlpConfig, seeded};
use tweedie::prelude::*;
use tweedie::train::{CorruptionMatching, Decay, LaplaceCorruption, LearningRate};

pub(super) fn draw(page: &Page) -> Drawn {
    let b = 0.4;
    // Uniform on [−1, 1], evenly spaced.
    let points: Vec<f64> = (0..10_000)
        .map(|i| (f64::from(i) + 0.5) / 5000.0 - 1.0)
        .collect();
    let points = Tensor::<1>::from_floats(points.as_slice(), &page.device).reshape([10_000, 1]);
    // ANCHOR: train
    let network = MlpConfig::new(1).with_width(64).init(&page.device)?;
    let objective = CorruptionMatching(LaplaceCorruption::new(b)?);
    // ANCHOR_END: train
    let settings = TrainSettings::default()
        .with_steps(1500)
        .with_batch(256)
        .with_learning_rate(LearningRate::new(5e-3).with_decay(Decay::Cosine))
        .with_ema(0.99);
    let mut run = Trainer::new(seeded(1, &page.device, network), objective, settings)?;
    while run.step(&points)?.is_some() {}
    let grid: Vec<f64> = (0..=120).map(|i| -2.4 + 0.04 * f64::from(i)).collect();
    let at = Tensor::<1>::from_floats(grid.as_slice(), &page.device).reshape([121, 1]);
    let time = Tensor::zeros([121], &page.device);
    let learned = values(run.average().forward(at, time, &()));
    // P_Z(z) = ½ ∫ e^{−|z−x|/b}/(2b) dx over [−1, 1], by the midpoint rule.
    let exact = |z: f64| {
        let (mut density, mut slope) = (0.0, 0.0);
        for i in 0..2000 {
            let x = -1.0 + (f64::from(i) + 0.5) * 1e-3;
            let part = (-(z - x).abs() / b).exp();
            density += part;
            slope -= (z - x).signum() / b * part;
        }
        (density * 1e-3 / (4.0 * b), slope / density)
    };
    let (mut error, mut size) = (0.0, 0.0);
    for (&z, found) in grid.iter().zip(&learned) {
        let (density, score) = exact(z);
        error += density * (found - score).powi(2);
        size += density * score * score;
    }
    println!(
        "mean square error of the learned score: {:.2} % of its square",
        100.0 * error / size
    );
    let scores = vec![
        curve("learned", grid.iter().copied().zip(learned)),
        curve("by quadrature", grid.iter().map(|&z| (z, exact(z).1))),
    ];
    let densities = vec![curve("P_Z", grid.iter().map(|&z| (z, exact(z).0)))];
    let panels = [
        panel("uniform data with Laplace noise", "z", densities),
        panel("its score", "z", scores),
    ];
    Ok(chart(page.picture("score_matching.png"), &panels)?)
}
