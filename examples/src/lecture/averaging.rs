//! Running averages of the weights, `θ̄ ← (1 − m) θ̄ + m θ`: the network of each step jumps about,
//! its average does not.

use super::{Drawn, Page, curve};
use crate::three_clusters;
use tweedie::image::{Axis, Panel, chart};
use tweedie::models::{MlpConfig, seeded};
use tweedie::prelude::*;
use tweedie::train::{EmaDecay, EmaWarmup, LearningRate};

pub(super) fn draw(page: &Page) -> Drawn {
    let data = three_clusters()?;
    let points = data.sample(20_000, 1, &page.device);
    let network = MlpConfig::new(2).with_width(64).init(&page.device)?;
    let network = seeded(1, &page.device, network);
    let model = Preconditioned::new(network, Prediction::Velocity, TimeInput::LogSnr);
    // ANCHOR: averages
    let averages = [1.0, 1e-2, 1e-3].map(|m| EmaDecay::new(1.0 - m).with_warmup(EmaWarmup::None));
    let settings = TrainSettings::default()
        .with_steps(3000)
        .with_batch(64)
        .with_learning_rate(LearningRate::new(5e-3))
        .with_emas(averages);
    // ANCHOR_END: averages
    let mut run = Trainer::new(model, ScoreMatching::new(Cosine::default()), settings)?;
    // The error to the exact estimate, at one level.
    let level = Level::variance_preserving(0.5);
    let z = HostNoise::seeded(2).normal([4000, 2], &page.device);
    let noisy = data.sample(4000, 3, &page.device) * level.alpha() + z * level.sigma();
    let exact = data.denoise(noisy.clone(), level)?;
    let mut errors = [Vec::new(), Vec::new(), Vec::new()];
    while let Some(report) = run.step(&points)? {
        if !report.step.is_multiple_of(25) {
            continue;
        }
        for (errors, average) in errors.iter_mut().zip(run.averages()) {
            let found = average.average().denoise(noisy.clone(), level)?;
            let error = (found - exact.clone()).square().mean().into_scalar::<f64>();
            errors.push((report.step as f64, error));
        }
    }
    let names = ["the weights (m = 1)", "m = 10⁻²", "m = 10⁻³"];
    for (name, errors) in names.iter().zip(&errors) {
        let late = &errors[errors.len() / 2..];
        let mean = late.iter().map(|(_, e)| e).sum::<f64>() / late.len() as f64;
        println!("{name}: mean error of the second half {mean:.5}");
    }
    let curves = names.into_iter().zip(errors);
    let panel = Panel {
        title: "distance to the exact estimate".into(),
        x: "step".into(),
        x_axis: Axis::Linear,
        y_axis: Axis::Log,
        curves: curves.map(|(name, points)| curve(name, points)).collect(),
    };
    Ok(chart(page.picture("averaging.png"), &[panel])?)
}
