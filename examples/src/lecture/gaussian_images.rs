//! The Gaussian model of images, `N(μ, Σ̂)`: exact to sample and to denoise, and not realistic.

use super::{Drawn, Page};
use tweedie::core::oracle::PrincipalComponents;
use tweedie::image::Sheet;
use tweedie::prelude::*;

pub(super) fn draw(page: &Page) -> Drawn {
    let images = Images::fashion_train()?;
    let indices: Vec<usize> = (0..600).collect();
    let clothes = images.select(&indices, ValueRange::Signed, &page.device);
    // ANCHOR: fit
    let components = PrincipalComponents::fit(&clothes, 100)?;
    let model = components.gaussian();
    let samples = model.sample([8, 1, 28, 28], 0, &page.device);
    // ANCHOR_END: fit
    let total = components.variances().iter().sum::<f64>() + components.rest() * 684.0;
    for count in [1, 8, 100] {
        let part: f64 = components.variances()[..count].iter().sum();
        println!(
            "{count:4} components: {:.1} % of the variance",
            100.0 * part / total
        );
    }
    let image = |values: &[f64]| {
        let x = Tensor::<1>::from_floats(values, &page.device);
        x.reshape([1, 1, 28, 28])
    };
    let axes = components.axes().iter().take(7);
    let axes = axes.map(|axis| image(axis) * 8.0);
    let mean_and_axes = std::iter::once(image(components.mean())).chain(axes);
    let level = Level::variance_exploding(0.5)?;
    let others: Vec<usize> = (0..8).collect();
    let truth = Images::fashion_test()?.select(&others, ValueRange::Signed, &page.device);
    let noisy = truth.clone() + HostNoise::seeded(1).normal([8, 1, 28, 28], &page.device) * 0.5;
    let clean = model.denoise(noisy.clone(), level)?;
    Sheet::new()
        .with_scale(3)
        .with_row(
            "mean, axes",
            Tensor::cat(mean_and_axes.collect(), 0),
            ValueRange::Signed,
        )?
        .with_row("samples", samples, ValueRange::Signed)?
        .with_row("clothes", truth, ValueRange::Signed)?
        .with_row("noisy", noisy, ValueRange::Signed)?
        .with_row("estimate", clean, ValueRange::Signed)?
        .save(page.picture("gaussian_images.png"))?;
    Ok(())
}
