//! The forward process: `x_t = √ᾱ x₀ + √(1−ᾱ) ε`.

use super::{Drawn, Page};
use tweedie::image::Sheet;
use tweedie::prelude::*;

pub(super) fn draw(page: &Page) -> Drawn {
    let photo = Images::photos()?.select(&[1], ValueRange::Signed, &page.device);
    let photo = photo.narrow(2, 32, 160).narrow(3, 48, 160);
    let noise = HostNoise::seeded(1).normal(photo.dims(), &page.device);
    let mut images = vec![photo.clone()];
    let mut labels = vec!["clean".to_owned()];
    // ANCHOR: noising
    for variance in [0.05, 0.2, 0.45, 0.7, 0.95_f64] {
        let level = Level::new((1.0 - variance).sqrt(), variance.sqrt())?;
        images.push(photo.clone() * level.alpha() + noise.clone() * level.sigma());
        labels.push(format!("variance {variance}"));
    }
    // ANCHOR_END: noising
    Sheet::new()
        .with_columns(labels)
        .with_row("", Tensor::cat(images, 0), ValueRange::Signed)?
        .save(page.picture("noising.png"))?;
    Ok(())
}
