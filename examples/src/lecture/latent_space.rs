//! Latent diffusion without training: principal components are a linear autoencoder, and on its
//! latents a mixture of one Gaussian for each class has an exact denoiser.

use super::{Drawn, Page};
use tweedie::core::oracle::{Gaussian, GaussianMixture, PrincipalComponents};
use tweedie::image::Sheet;
use tweedie::math::VarianceExploding;
use tweedie::metrics::psnr;
use tweedie::prelude::*;

pub(super) fn draw(page: &Page) -> Drawn {
    let images = Images::fashion_train()?;
    let labels = images.labels().ok_or("no classes")?;
    let clothes = images.tensor(ValueRange::Signed, &page.device);
    let truth = Images::fashion_test()?;
    let eight: Vec<usize> = (0..8).collect();
    let truth = truth.select(&eight, ValueRange::Signed, &page.device);
    let mut sheet =
        Sheet::new()
            .with_scale(3)
            .with_row("clothes", truth.clone(), ValueRange::Signed)?;
    let components = PrincipalComponents::fit(&clothes, 100)?;
    let mean = Tensor::<1>::from_floats(components.mean(), &page.device).reshape([1, 784]);
    let mut samples = None;
    for count in [4, 24, 100] {
        // ANCHOR: linear
        let axes = components.axes()[..count].concat();
        let axes = Tensor::<1>::from_floats(&axes[..], &page.device).reshape([count, 784]);
        let encode =
            |x: Tensor<4>| (x.flatten(1, 3) - mean.clone()).matmul(axes.clone().transpose());
        let decode =
            |z: Tensor<2>| (z.matmul(axes.clone()) + mean.clone()).reshape([-1, 1, 28, 28]);
        // ANCHOR_END: linear
        let decoded = decode(encode(truth.clone()));
        let all = psnr(decoded.clone(), truth.clone(), ValueRange::Signed.length());
        let quality = all.iter().sum::<f64>() / all.len() as f64;
        println!("{count:3} of 784 values: {quality:.1} dB");
        sheet = sheet.with_row(format!("{count} latents"), decoded, ValueRange::Signed)?;
        if count != 24 {
            continue;
        }
        // ANCHOR: classes
        let latents = encode(clothes.clone());
        let class = |class: u8| {
            let own = labels
                .iter()
                .enumerate()
                .filter(|(_, label)| **label == class);
            let own: Vec<i32> = own.map(|(i, _)| i as i32).collect();
            let weight = own.len() as f64 / labels.len() as f64;
            let own = Tensor::from_data(&own[..], &page.device);
            Ok((weight, Gaussian::fit(&latents.clone().select(0, own))?))
        };
        let classes: Result<Vec<_>, Box<dyn std::error::Error>> = (0..10).map(class).collect();
        let prior = GaussianMixture::new(classes?)?;
        // ANCHOR_END: classes
        let path = LevelPath::karras(VarianceExploding::default(), Span::FULL, 40, 7.0)?;
        let sampler = Sampler::new(RungeKutta::heun(), path);
        let mut noise = HostNoise::seeded(6);
        let start = sampler.start([8, count], &page.device, &mut noise)?;
        let drawn = decode(sampler.sample(&prior, start, &mut noise)?);
        samples = Some(drawn);
    }
    let samples = samples.ok_or("samples")?;
    let sheet = sheet.with_row("drawn", samples, ValueRange::Signed)?;
    Ok(sheet.save(page.picture("latent_space.png"))?)
}
