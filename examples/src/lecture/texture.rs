//! The stationary Gaussian texture of an exemplar: the same spectrum, random phases.
//!
//! Its denoiser is exact, so a reverse process samples it too, and a blurred texture has an exact
//! posterior mean: Wiener's filter.

use super::{Drawn, Page};
use tweedie::image::Sheet;
use tweedie::inverse::prior::{Texture, periodic_component};
use tweedie::ops::CircularFilter;
use tweedie::prelude::*;

pub(super) fn draw(page: &Page) -> Drawn {
    // The coat of a cat and a table are textures; stars are not, and lose their shape.
    let exemplars = [
        ("fur", 1, [150, 60]),
        ("wood", 2, [192, 192]),
        ("stars", 4, [96, 96]),
    ];
    for (name, photo, [row, column]) in exemplars {
        let photo = Images::photos()?.select(&[photo], ValueRange::Unit, &page.device);
        let exemplar = photo.narrow(2, row, 64).narrow(3, column, 64);
        // ANCHOR: texture
        let texture = Texture::of(&periodic_component(exemplar.clone()))?;
        let samples = texture.sample(2, 1, &page.device);
        let phases = texture.random_phase(1, 2, &page.device);
        // ANCHOR_END: texture
        let path = LevelPath::uniform(VariancePreserving::default(), Span::FULL, 100)?;
        let sampler = Sampler::new(Ddim::ancestral(), path);
        let mut noise = HostNoise::seeded(3);
        let start = sampler.start(texture.shape(1), &page.device, &mut noise)?;
        let reverse = sampler.sample(&texture, start, &mut noise)?;
        let blur = box_blur(7);
        let blurred = blur.forward(samples.clone().narrow(0, 0, 1));
        let seen = blurred.clone() + noise.normal_like(&blurred) * 0.02;
        let restored = texture.posterior_mean(seen.clone(), &blur, 0.02);
        let error = restored.clone() - samples.clone().narrow(0, 0, 1);
        println!(
            "{name}: root mean square error {:.3} of Wiener's filter, {:.3} of the blurred texture",
            error.square().mean().sqrt().into_scalar::<f64>(),
            (seen.clone() - samples.clone().narrow(0, 0, 1))
                .square()
                .mean()
                .sqrt()
                .into_scalar::<f64>(),
        );
        let columns = [
            "exemplar", "sample", "sample", "phases", "reversed", "blurred", "restored",
        ];
        let all = vec![exemplar, samples, phases, reverse, seen, restored];
        Sheet::new()
            .with_scale(2)
            .with_columns(columns)
            .with_row("", Tensor::cat(all, 0), ValueRange::Unit)?
            .save(page.picture(&format!("texture-{name}.png")))?;
        let large = texture.enlarged([128, 192])?.sample(1, 5, &page.device);
        Sheet::new()
            .with_scale(2)
            .with_row("", large, ValueRange::Unit)?
            .save(page.picture(&format!("texture-{name}-large.png")))?;
    }
    Ok(())
}

fn box_blur(side: usize) -> CircularFilter {
    let mut kernel = vec![0.0; 64 * 64];
    for i in 0..side * side {
        kernel[i / side * 64 + i % side] = 1.0 / (side * side) as f64;
    }
    CircularFilter::of_kernel(&kernel, [1, 1], [64, 64])
}
