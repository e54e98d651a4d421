//! DPS on the way from noise to a restoration, with a box of pixels missing: truth, measurement,
//! estimates and states.

use super::{Drawn, Page, visible};
use tweedie::image::Sheet;
use tweedie::inverse::operator::Mask;
use tweedie::inverse::posterior::DpsStep;
use tweedie::metrics::psnr;
use tweedie::prelude::*;

pub(super) fn draw(page: &Page) -> Drawn {
    let model = page.clothes()?;
    let truth = Images::fashion_test()?.select(&[3, 6], ValueRange::Signed, &page.device);
    let mut noise = HostNoise::seeded(2);
    // ANCHOR: dps
    let mask = Mask::missing_box([28, 28], [8, 4], [12, 20])?;
    let measured =
        Measurement::simulate(mask, GaussianNoise::new(0.05)?, truth.clone(), &mut noise)?;
    let path = LevelPath::uniform(Cosine::default(), Span::new(0.999, 0.0), 300)?;
    let step = DpsStep::new(Ancestral::default(), &measured).with_zeta(1.0)?;
    // ANCHOR_END: dps
    let sampler = Sampler::new(step, path);
    let (sheet, restored) = film(&sampler, &model, [&truth, &measured.y], &mut noise)?;
    for value in psnr(restored, truth, ValueRange::Signed.length()) {
        println!("{value:.1} dB");
    }
    Ok(sheet.save(page.picture("guided.png"))?)
}

/// Runs a chain, and lays out truth, measurement and ten of its states and estimates for each
/// image.
pub(super) fn film(
    sampler: &Sampler<impl Step<4>>,
    model: &Model,
    [truth, seen]: [&Tensor<4>; 2],
    noise: &mut HostNoise,
) -> Result<(Sheet, Tensor<4>), Box<dyn std::error::Error>> {
    let count = truth.dims()[0];
    let every = sampler.path().len() / 10;
    let start = sampler.start(model.shape(count), &truth.device(), noise)?;
    let mut columns = vec!["truth".to_owned(), "seen".to_owned()];
    let [mut states, mut estimates] = [(); 2].map(|()| vec![truth.clone(), seen.clone()]);
    let mut last = None;
    for (k, state) in sampler.trajectory(model, start, noise)?.enumerate() {
        let state = state?;
        if (k + 1).is_multiple_of(every) {
            columns.push(format!("{}", k + 1));
            states.push(visible(state.x.clone(), state.level));
            estimates.push(state.clean.clone().ok_or("an estimate")?);
        }
        last = Some(state.x);
    }
    let mut sheet = Sheet::new().with_scale(2).with_columns(columns);
    for image in 0..count {
        for (label, row) in [("state", &states), ("estimate", &estimates)] {
            let row = row.iter().map(|x| x.clone().narrow(0, image, 1));
            sheet = sheet.with_row(label, Tensor::cat(row.collect(), 0), ValueRange::Signed)?;
        }
    }
    Ok((sheet, last.ok_or("a result")?))
}
