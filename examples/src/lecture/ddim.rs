//! DDIM from one noise, with few steps and with many: without fresh noise (η = 0) the picture
//! belongs to the noise at the start, with DDPM's (η = 1) it changes with the steps.

use super::{Drawn, Page};
use tweedie::image::Sheet;
use tweedie::prelude::*;

pub(super) fn draw(page: &Page) -> Drawn {
    let model = page.clothes()?;
    let counts = [10, 20, 50, 100, 200];
    let mut sheet = Sheet::new()
        .with_scale(3)
        .with_columns(counts.map(|steps| format!("{steps} steps")));
    println!("root mean square distance to the end of 200 steps");
    for eta in [0.0, 0.5, 1.0] {
        let mut ends = Vec::new();
        for steps in counts {
            // ANCHOR: eta
            let path = LevelPath::uniform(Cosine::default(), Span::new(0.98, 0.0), steps)?;
            let sampler = Sampler::new(Ddim::new(eta)?, path);
            let mut noise = HostNoise::seeded(3);
            let start = sampler.start(model.shape(8), &page.device, &mut noise)?;
            let x = sampler.sample(&model, start, &mut noise)?;
            // ANCHOR_END: eta
            ends.push(x);
        }
        let last = ends[counts.len() - 1].clone();
        let far = ends.iter().map(|x| {
            let square = (x.clone() - last.clone()).square().mean();
            format!("{:6.3}", square.sqrt().into_scalar::<f64>())
        });
        println!("η = {eta}: {}", far.collect::<Vec<_>>().join(" "));
        for image in 1..3 {
            let row = ends.iter().map(|x| x.clone().narrow(0, image, 1));
            let row = Tensor::cat(row.collect(), 0);
            sheet = sheet.with_row(format!("eta = {eta}"), row, ValueRange::Signed)?;
        }
    }
    Ok(sheet.save(page.picture("ddim.png"))?)
}
