//! What a trained network sees and says: states `x_t` and estimates `x̂₀` of clothes at rising
//! times, then while it samples.

use super::{Drawn, Page, visible};
use tweedie::image::{Sheet, film_strip};
use tweedie::prelude::*;

pub(super) fn draw(page: &Page) -> Drawn {
    let model = page.clothes()?;
    let truth = Images::fashion_test()?.select(&[0, 1, 2], ValueRange::Signed, &page.device);
    let noise = HostNoise::seeded(1).normal(truth.dims(), &page.device);
    let chain = Chain::linear(1000, 1e-4, 0.02)?;
    let times = [11, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000];
    let mut rows = [Vec::new(), Vec::new(), Vec::new()];
    // ANCHOR: estimate
    for t in times {
        let level = chain.node(t - 1);
        let noisy = truth.clone() * level.alpha() + noise.clone() * level.sigma();
        let estimate = model.denoise(noisy.clone(), level)?;
        let error = (estimate.clone() - truth.clone()).square().mean().sqrt();
        println!(
            "t = {t:4}: root mean square error {:.3}",
            error.into_scalar::<f64>()
        );
        rows[0].push(visible(noisy, level));
        rows[1].push(estimate);
        rows[2].push(truth.clone());
    }
    // ANCHOR_END: estimate
    let mut sheet = Sheet::new()
        .with_scale(2)
        .with_columns(times.map(|t| format!("t = {t}")));
    for image in 0..3 {
        for (label, row) in ["state", "estimate", "clean"].into_iter().zip(&rows) {
            let row = row.iter().map(|x| x.clone().narrow(0, image, 1));
            sheet = sheet.with_row(label, Tensor::cat(row.collect(), 0), ValueRange::Signed)?;
        }
    }
    sheet.save(page.picture("ddpm-estimates.png"))?;

    let path = LevelPath::respaced(&chain, Spacing::Trailing, 200)?;
    let sampler = Sampler::new(Ancestral::default(), path.then_clean());
    let mut noise = HostNoise::seeded(7);
    let start = sampler.start(model.shape(3), &page.device, &mut noise)?;
    let mut strips = [Vec::new(), Vec::new()];
    for (k, state) in sampler.trajectory(&model, start, &mut noise)?.enumerate() {
        let state = state?;
        if k % 20 == 19 || k == 0 {
            let label = format!("t = {}", 1000 - 5 * (k + 1));
            strips[0].push((label.clone(), visible(state.x, state.level)));
            let clean = state.clean.ok_or("an estimate")?;
            strips[1].push((label, clean));
        }
    }
    for (name, strip) in ["ddpm-states.png", "ddpm-means.png"]
        .into_iter()
        .zip(&strips)
    {
        film_strip(strip, ValueRange::Signed, 2)?.save(page.picture(name))?;
    }
    Ok(())
}
