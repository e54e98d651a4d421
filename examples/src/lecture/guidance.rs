//! Classifier-free guidance, `x̂₀ = u + s (c − u)`, on a mixture of two classes: the law that it is
//! said to draw from, `p(x|c)^s p(x)^{1−s}`, beside the laws that it draws from.
//!
//! # Reference
//! Bradley & Nakkiran 2024, "Classifier-free guidance is a predictor-corrector", arXiv:2408.09000.

use super::{Drawn, Page, curve, histogram, panel, values};
use tweedie::core::ClassifierFree;
use tweedie::core::oracle::{Gaussian, GaussianMixture};
use tweedie::image::chart;
use tweedie::prelude::*;

pub(super) fn draw(page: &Page) -> Drawn {
    let classes = [(0.5, -0.7, 0.5), (0.5, 0.7, 0.5)];
    let of = |mean, std| Gaussian::isotropic(&[mean], std);
    let all = classes.map(|(weight, mean, std)| Ok((weight, of(mean, std)?)));
    let all = all
        .into_iter()
        .collect::<Result<Vec<_>, Box<dyn std::error::Error>>>()?;
    let (class, all) = (of(0.7, 0.5)?, GaussianMixture::new(all)?);
    let mut panels = Vec::new();
    println!("scale   law                mean    deviation");
    for scale in [1.0, 2.0, 4.0] {
        let bump = |x: f64, (weight, mean, std): (f64, f64, f64)| {
            weight * (-0.5 * ((x - mean) / std).powi(2)).exp()
        };
        let place = |i: i32| -1.0 + 0.01 * f64::from(i);
        let said = |x: f64| {
            let both = bump(x, classes[0]) + bump(x, classes[1]);
            bump(x, classes[1]).powf(scale) * both.powf(1.0 - scale)
        };
        let sum: f64 = (0..400).map(|i| said(place(i)) * 0.01).sum();
        let said: Vec<_> = (0..400).map(|i| (place(i), said(place(i)) / sum)).collect();
        let mean: f64 = said.iter().map(|(x, p)| 0.01 * x * p).sum();
        let square: f64 = said
            .iter()
            .map(|(x, p)| 0.01 * (x - mean).powi(2) * p)
            .sum();
        println!(
            "{scale:5}   said           {mean:8.3}    {:9.3}",
            square.sqrt()
        );
        let mut curves = vec![curve("said", said)];

        // ANCHOR: guided
        let guided = ClassifierFree::new(&class, &all, scale)?;
        let path = LevelPath::uniform(VariancePreserving::default(), Span::new(1.0, 1e-4), 400)?;
        // ANCHOR_END: guided
        let mut noise = HostNoise::seeded(5);
        let flow = Sampler::new(RungeKutta::heun(), path.clone());
        let start = flow.start([20_000, 1], &page.device, &mut noise)?;
        let flow = flow.sample(&guided, start.clone(), &mut noise)?;
        let reverse = Sampler::new(Ancestral::default(), path);
        let reverse = reverse.sample(&guided, start, &mut noise)?;
        for (name, x) in [("flow", flow), ("reverse process", reverse)] {
            let x = values(x);
            let mean = x.iter().sum::<f64>() / x.len() as f64;
            let square = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64;
            println!("{scale:5}   {name:15}{mean:8.3}    {:9.3}", square.sqrt());
            curves.push(curve(name, histogram(&x, -1.0, 3.0, 80)));
        }
        panels.push(panel(&format!("guidance {scale}"), "x", curves));
    }
    Ok(chart(page.picture("guidance.png"), &panels)?)
}
