//! Photon counts: DPS with the weighted residual `‖y − A x̂₀‖_Λ`, `Λ = 1/(2y)`, at three light
//! levels.

use super::{Drawn, Page};
use tweedie::image::Sheet;
use tweedie::inverse::noise::{InRange, PoissonNoise};
use tweedie::inverse::operator::Identity;
use tweedie::inverse::posterior::DpsStep;
use tweedie::metrics::psnr;
use tweedie::prelude::*;

pub(super) fn draw(page: &Page) -> Drawn {
    let model = page.clothes()?;
    let truth = Images::fashion_test()?.select(&[0, 3, 6, 9], ValueRange::Signed, &page.device);
    let mut noise = HostNoise::seeded(2);
    let mut sheet = Sheet::new().with_scale(2);
    sheet = sheet.with_row("truth", truth.clone(), ValueRange::Signed)?;
    for photons in [1.0, 10.0, 100.0_f64] {
        // ANCHOR: counts
        let counts = PoissonNoise::new(1.0 / photons)?;
        let counts = counts.gaussian_approximation();
        let counts = InRange::new(counts, ValueRange::Unit, ValueRange::Signed);
        let measured = Measurement::simulate(Identity, counts, truth.clone(), &mut noise)?;
        let step = DpsStep::new(Ancestral::default(), &measured).with_zeta(0.4 / photons.sqrt())?;
        // ANCHOR_END: counts
        let path = LevelPath::uniform(Cosine::default(), Span::new(0.999, 0.0), 250)?;
        let sampler = Sampler::new(step, path);
        let start = sampler.start(model.shape(4), &page.device, &mut noise)?;
        let x = sampler.sample(&model, start, &mut noise)?;
        let mean = |x: &Tensor<4>| {
            let all = psnr(x.clone(), truth.clone(), ValueRange::Signed.length());
            all.iter().sum::<f64>() / all.len() as f64
        };
        let seen = mean(&measured.y.clone().clamp(-1.0, 1.0));
        println!(
            "{photons:3} photons in white: {seen:.1} dB, restored {:.1} dB",
            mean(&x)
        );
        sheet = sheet
            .with_row(
                format!("{photons} photons"),
                measured.y.clone(),
                ValueRange::Signed,
            )?
            .with_row("restored", x, ValueRange::Signed)?;
    }
    Ok(sheet.save(page.picture("photons.png"))?)
}
