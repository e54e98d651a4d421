//! `RePaint`: the known part of each state is replaced by its noisy truth, and the chain goes back
//! and forth so that the parts agree. In the plane the posterior is exact; then clothes.

use super::{Drawn, Page, curve, histogram, panel, values};
use crate::three_clusters;
use tweedie::burn::tensor::Bool;
use tweedie::image::{Sheet, chart};
use tweedie::inverse::operator::{Mask, Side};
use tweedie::inverse::posterior::RePaint;
use tweedie::metrics::{psnr, wasserstein_1d};
use tweedie::prelude::*;

pub(super) fn draw(page: &Page) -> Drawn {
    // The first coordinate is known. The second follows from the exact posterior.
    let prior = three_clusters()?;
    let known = 1.2;
    let exact = prior
        .posterior(&[vec![1.0, 0.0]], &[known], 1e-3)?
        .sample(4000, 1, &page.device);
    let exact = values(exact.narrow(1, 1, 1));
    let kept = Tensor::<2, Bool>::from_data([[true, false]], &page.device);
    let y = Tensor::<2>::from_floats([[known, 0.0]], &page.device).repeat_dim(0, 4000);
    let measured = Measurement::new(Mask::new(kept), GaussianNoise::new(1e-3)?, y);
    let mut curves = vec![curve("exact", histogram(&exact, -2.5, 2.0, 45))];
    for repeats in [1, 2, 5, 20] {
        // ANCHOR: travel
        let path = LevelPath::uniform(VariancePreserving::default(), Span::new(1.0, 1e-4), 100)?;
        let path = path.with_time_travel(10, repeats).then_clean();
        let sampler = Sampler::new(RePaint::new(Ancestral::default(), &measured), path);
        // ANCHOR_END: travel
        let mut noise = HostNoise::seeded(2);
        let start = sampler.start([4000, 2], &page.device, &mut noise)?;
        let x = sampler.sample(&prior, start, &mut noise)?;
        let x = values(x.narrow(1, 1, 1));
        let far = wasserstein_1d(&x, &exact, 1.0);
        println!("walks of each stretch: {repeats:2}, distance {far:.3}");
        curves.push(curve(
            format!("walks: {repeats}"),
            histogram(&x, -2.5, 2.0, 45),
        ));
    }
    let panel = panel("the unknown coordinate", "x", curves);
    chart(page.picture("repaint-exact.png"), &[panel])?;

    let model = page.clothes()?;
    let truth =
        Images::fashion_test()?.select(&[0, 2, 3, 6, 13, 18], ValueRange::Signed, &page.device);
    let mask = Mask::missing_half([28, 28], Side::Right);
    let mut noise = HostNoise::seeded(4);
    let measured =
        Measurement::simulate(mask, GaussianNoise::new(1e-3)?, truth.clone(), &mut noise)?;
    let mut sheet = Sheet::new()
        .with_scale(3)
        .with_row("truth", truth.clone(), ValueRange::Signed)?
        .with_row("seen", measured.y.clone(), ValueRange::Signed)?;
    for repeats in [1, 5] {
        let path = LevelPath::uniform(Cosine::default(), Span::new(0.98, 0.0), 60)?;
        let path = path.with_time_travel(6, repeats);
        let sampler = Sampler::new(RePaint::new(Ancestral::default(), &measured), path);
        let start = sampler.start(model.shape(6), &page.device, &mut noise)?;
        let x = sampler.sample(&model, start, &mut noise)?;
        let all = psnr(x.clone(), truth.clone(), ValueRange::Signed.length());
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        println!("clothes, walks: {repeats}: {mean:.1} dB");
        sheet = sheet.with_row(format!("walks: {repeats}"), x, ValueRange::Signed)?;
    }
    Ok(sheet.save(page.picture("repaint.png"))?)
}
