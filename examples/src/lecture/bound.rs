//! The evidence lower bound of a chain is a mean squared error at every time:
//! `L_T + Σ L_{t−1} + L₀`.

use super::{Drawn, Page, curve};
use tweedie::image::{Axis, Panel, chart};
use tweedie::prelude::*;
use tweedie::samplers::likelihood::VariationalBound;

pub(super) fn draw(page: &Page) -> Drawn {
    let model = page.clothes()?;
    let indices: Vec<usize> = (0..16).collect();
    let clothes = Images::fashion_test()?.select(&indices, ValueRange::Signed, &page.device);
    let path = LevelPath::karras(Edm::default(), Span::new(1.0, 2.5e-5), 200, 7.0)?;
    // ANCHOR: bound
    let bound = VariationalBound::of_bytes(path.clone())?;
    let terms = bound
        .terms(&model, clothes, &mut HostNoise::seeded(0))?
        .in_bits(28 * 28);
    // ANCHOR_END: bound
    let mean = |x: &Tensor<1>| x.clone().mean().into_scalar::<f64>();
    let steps: f64 = terms.steps.iter().map(mean).sum();
    let (prior, decoded) = (mean(&terms.prior), mean(&terms.decoder));
    println!("bits per dimension: prior {prior:.4}, steps {steps:.3}, decoder {decoded:.3}");
    println!("in all at most {:.3}", prior + steps + decoded);
    let levels = path.levels().iter().map(|level| level.log_snr());
    let points: Vec<(f64, f64)> = levels.zip(terms.steps.iter().map(mean)).collect();
    let panel = Panel {
        title: "the terms of the bound".into(),
        x: "log-SNR".into(),
        x_axis: Axis::Linear,
        y_axis: Axis::Log,
        curves: vec![curve("bits per dimension of a step", points)],
    };
    Ok(chart(page.picture("bound.png"), &[panel])?)
}
