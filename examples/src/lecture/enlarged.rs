//! DPS enlarges images of 7×7 pixels four times: the way there, and that draws differ.

use super::guided::film;
use super::{Drawn, Page};
use tweedie::image::Sheet;
use tweedie::inverse::operator::{Operator as _, Separable};
use tweedie::inverse::posterior::DpsStep;
use tweedie::metrics::{Ssim, psnr};
use tweedie::prelude::*;

pub(super) fn draw(page: &Page) -> Drawn {
    let model = page.clothes()?;
    let truth = Images::fashion_test()?.select(&[0, 18], ValueRange::Signed, &page.device);
    let mut noise = HostNoise::seeded(3);
    // ANCHOR: enlarge
    let reduce = Separable::imresize([28, 28], [7, 7])?;
    let measured =
        Measurement::simulate(reduce, GaussianNoise::new(0.05)?, truth.clone(), &mut noise)?;
    let path = LevelPath::uniform(Cosine::default(), Span::new(0.999, 0.0), 200)?;
    let step = DpsStep::new(Ancestral::default(), &measured).with_zeta(1.0)?;
    let sampler = Sampler::new(step, path.clone());
    // ANCHOR_END: enlarge
    // Each measured pixel as large as the four by four that it covers.
    let seen = measured.y.clone().reshape([2, 7, 1, 7, 1]);
    let seen = seen.expand([2, 7, 4, 7, 4]).reshape([2, 1, 28, 28]);
    let (sheet, _) = film(&sampler, &model, [&truth, &seen], &mut noise)?;
    sheet.save(page.picture("enlarged.png"))?;

    println!("image   PSNR      SSIM    |y − A x|, expected 0.05");
    let mut sheet = Sheet::new().with_scale(3);
    for image in 0..2 {
        let own = |x: &Tensor<4>| x.clone().narrow(0, image, 1).repeat_dim(0, 8);
        let (truth, y) = (own(&truth), own(&measured.y));
        let measured = Measurement::new(measured.operator.clone(), measured.noise, y.clone());
        let step = DpsStep::new(Ancestral::default(), &measured).with_zeta(1.0)?;
        let sampler = Sampler::new(step, path.clone());
        let start = sampler.start(model.shape(8), &page.device, &mut noise)?;
        let draws = sampler.sample(&model, start, &mut noise)?;
        let gaps = measured.operator.apply(draws.clone()) - y;
        let gaps = gaps.square().flatten::<2>(1, 3).mean_dim(1).sqrt();
        let gaps: Vec<f64> = gaps.into_data().iter::<f64>().collect();
        let length = ValueRange::Signed.length();
        let closeness = psnr(draws.clone(), truth.clone(), length);
        let structure = Ssim::new(length).of(draws.clone(), truth.clone());
        for ((psnr, ssim), gap) in closeness.iter().zip(structure).zip(gaps) {
            println!("{image:5}   {psnr:4.1} dB   {ssim:.3}   {gap:.3}");
        }
        sheet = sheet
            .with_row("truth", truth.narrow(0, 0, 1), ValueRange::Signed)?
            .with_row("draws", draws, ValueRange::Signed)?;
    }
    Ok(sheet.save(page.picture("enlarged-draws.png"))?)
}
