//! The probability flow `dx = [f x − ½ g² s] dt` and the reverse process
//! `dx = [f x − g² s] dt + g dw` have the same law at every time. One is smooth, the other is not.

use super::{Drawn, Page, curve, histogram, panel, values};
use tweedie::core::oracle::{Gaussian, GaussianMixture};
use tweedie::image::{Curve, chart};
use tweedie::prelude::*;

pub(super) fn draw(page: &Page) -> Drawn {
    let peaks = [(0.4, -1.5, 0.2), (0.6, 1.0, 0.3)];
    let peaks = peaks.map(|(weight, mean, std)| Ok((weight, Gaussian::isotropic(&[mean], std)?)));
    let peaks: Result<Vec<_>, Box<dyn std::error::Error>> = peaks.into_iter().collect();
    let data = GaussianMixture::new(peaks?)?;
    let schedule = VariancePreserving::default();
    // ANCHOR: both
    let path = LevelPath::uniform(schedule, Span::new(1.0, 1e-3), 400)?;
    let flow = Sampler::new(RungeKutta::heun(), path.clone());
    let reverse = Sampler::new(Ancestral::default(), path);
    // ANCHOR_END: both
    let mut noise = HostNoise::seeded(4);
    let start = flow.start([8000, 1], &page.device, &mut noise)?;
    let mut ends = Vec::new();
    let mut panels = Vec::new();
    let first = (schedule.time(flow.path().start().log_snr()), start.clone());
    for (title, run) in [("probability flow", 0), ("reverse process", 1)] {
        let mut moments = vec![first.clone()];
        let mut keep = |level: Level, x: Tensor<2>| {
            moments.push((schedule.time(level.log_snr()), x));
        };
        let mut noise = HostNoise::seeded(5);
        if run == 0 {
            for state in flow.trajectory(&data, start.clone(), &mut noise)? {
                let state = state?;
                keep(state.level, state.x);
            }
        } else {
            for state in reverse.trajectory(&data, start.clone(), &mut noise)? {
                let state = state?;
                keep(state.level, state.x);
            }
        }
        let shown: Vec<Vec<f64>> = moments
            .iter()
            .map(|(_, x)| values(x.clone().narrow(0, 0, 10)))
            .collect();
        let line = |k: usize| -> Curve {
            let points = moments.iter().zip(&shown).map(|((t, _), x)| (*t, x[k]));
            curve(format!("path {k}"), points)
        };
        panels.push(panel(title, "t", (0..10).map(line).collect()));
        ends.push((title, moments.pop().ok_or("a path")?.1));
    }
    let exact = values(data.sample(8000, 7, &page.device));
    let mut curves = vec![curve("data", histogram(&exact, -3.0, 3.0, 60))];
    for (title, x) in ends {
        let x = values(x);
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        println!("{title}: mean {mean:.3}, exact 0");
        curves.push(curve(title, histogram(&x, -3.0, 3.0, 60)));
    }
    panels.push(panel("both end at the data", "x", curves));
    Ok(chart(page.picture("flow.png"), &panels)?)
}
