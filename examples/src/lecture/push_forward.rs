//! A generative model is a map `G` that pushes noise forward to data: `x = G(z)` with
//! `z ~ N(0, I)`.
//!
//! Here `G` is the probability flow, solved from noise to data. It is a bijection, so latents can
//! be interpolated.

use super::{Drawn, Page};
use crate::three_clusters;
use tweedie::image::{Cloud, grid, scatter};
use tweedie::prelude::*;
use tweedie::samplers::slerp;

pub(super) fn draw(page: &Page) -> Drawn {
    let data = three_clusters()?;
    let mut noise = HostNoise::seeded(1);
    // ANCHOR: push
    let path = LevelPath::uniform(VariancePreserving::default(), Span::FULL, 60)?;
    let flow = Sampler::new(RungeKutta::heun(), path);
    let z = flow.start([3000, 2], &page.device, &mut noise)?;
    let x = flow.sample(&data, z.clone(), &mut noise)?;
    // ANCHOR_END: push
    let titles = ["noise z", "G(z)", "data"];
    let exact = data.sample(3000, 2, &page.device);
    let clouds = titles.into_iter().zip([z, x, exact.clone()]);
    let clouds: Vec<Cloud> = clouds
        .map(|(title, points)| Cloud {
            title: title.into(),
            points,
        })
        .collect();
    scatter(page.picture("push_forward.png"), &clouds, &exact, 3.5, 3)?;

    let model = page.clothes()?;
    let path = LevelPath::karras(Cosine::default(), Span::new(0.98, 1e-3), 20, 7.0)?;
    let flow = Sampler::new(RungeKutta::heun(), path.then_clean());
    let ends = flow.start(model.shape(6), &page.device, &mut noise)?;
    let [first, second] = [0, 3].map(|from| ends.clone().narrow(0, from, 3));
    let between = |k: usize| slerp(first.clone(), second.clone(), k as f64 / 7.0);
    let latents = Tensor::cat((0..8).map(between).collect(), 0);
    let images = flow.sample(&model, latents, &mut noise)?;
    // By rows: the three pairs.
    let rows = (0..3).flat_map(|row| (0..8).map(move |k| 3 * k + row));
    let rows: Vec<Tensor<4>> = rows.map(|i| images.clone().narrow(0, i, 1)).collect();
    let sheet = grid(Tensor::cat(rows, 0), ValueRange::Signed, 8)?.with_scale(3);
    Ok(sheet.save(page.picture("interpolation.png"))?)
}
