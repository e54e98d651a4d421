//! Langevin dynamics on `e^{−f}`: `x ← x − ε ∇f + √(2ε) z`, with and without Metropolis' test, and
//! the time to leave a well.

use super::{Drawn, Page, curve, histogram, panel, values};
use std::f64::consts::TAU;
use tweedie::core::Potential;
use tweedie::image::{Axis, Panel, chart};
use tweedie::prelude::*;
use tweedie::samplers::{Langevin, Mala};

/// A double well with minima at ±1 and a barrier of height 1.
fn well(x: Tensor<2>) -> Tensor<1> {
    (x.square() - 1.0).square().squeeze_dim(1)
}

pub(super) fn draw(page: &Page) -> Drawn {
    let potential = Potential::new(well);
    let temperature = 0.5_f64;
    let level = Level::variance_exploding(temperature.sqrt())?;
    let mut noise = HostNoise::seeded(1);
    // ANCHOR: ula
    let chain = LevelPath::staying(level, 400)?;
    let start = Tensor::<2>::full([20_000, 1], -1.0, &page.device);
    let ula = Sampler::new(Langevin::fixed(0.08 * temperature)?, chain.clone());
    let biased = ula.sample(&potential, start.clone(), &mut noise)?;
    // ANCHOR_END: ula
    let mala = Mala::new(0.08 * temperature, |x, level| {
        potential.log_density(x, level)
    })?;
    let exact = Sampler::new(mala, chain).sample(&potential, start, &mut noise)?;
    let place = |i: i32| -2.0 + 0.02 * f64::from(i);
    let weight = |x: f64| (-(x * x - 1.0).powi(2) / temperature).exp();
    let sum: f64 = (0..200).map(|i| weight(place(i)) * 0.02).sum();
    let law = (0..200).map(|i| (place(i), weight(place(i)) / sum));
    let densities = vec![
        curve("e^{−f/0.5}", law),
        curve("ULA, step 0.08", histogram(&values(biased), -2.0, 2.0, 40)),
        curve("MALA, step 0.08", histogram(&values(exact), -2.0, 2.0, 40)),
    ];

    // One chain that jumps between the wells.
    let cold = 0.25_f64;
    let path = LevelPath::staying(Level::variance_exploding(cold.sqrt())?, 20_000)?;
    let step = Sampler::new(Langevin::fixed(0.02 * cold)?, path);
    let start = Tensor::<2>::full([1, 1], -1.0, &page.device);
    let mut visited = Vec::new();
    for (i, state) in step.trajectory(&potential, start, &mut noise)?.enumerate() {
        if i.is_multiple_of(20) {
            visited.push((0.02 * i as f64, values(state?.x)[0]));
        }
    }

    // Arrhenius: the time to leave grows like e^{ΔV/ε}.
    println!("temperature   time to leave   Kramers");
    let mut times = [Vec::new(), Vec::new()];
    for temperature in [0.15, 0.18, 0.22, 0.28, 0.36_f64] {
        let (h, end) = (0.02, 60.0);
        let level = Level::variance_exploding(temperature.sqrt())?;
        let path = LevelPath::staying(level, (end / h) as usize)?;
        let sampler = Sampler::new(Langevin::fixed(h * temperature)?, path);
        let start = Tensor::<2>::full([1000, 1], -1.0, &page.device);
        let mut farthest = start.clone();
        for state in sampler.trajectory(&potential, start, &mut noise)? {
            farthest = farthest.max_pair(state?.x);
        }
        let left = farthest
            .greater_elem(1.0)
            .float()
            .mean()
            .into_scalar::<f64>();
        let time = end / -(1.0 - left).ln();
        let kramers = TAU / 32.0_f64.sqrt() * (1.0 / temperature).exp();
        println!("{temperature:11}   {time:13.1}   {kramers:7.1}");
        times[0].push((1.0 / temperature, time));
        times[1].push((1.0 / temperature, kramers));
    }
    let [found, kramers] = times;
    let panels = [
        panel("the law of a double well", "x", densities),
        panel(
            "one chain at temperature 0.25",
            "time",
            vec![curve("x", visited)],
        ),
        Panel {
            y_axis: Axis::Log,
            ..panel(
                "time to leave a well",
                "1/temperature",
                vec![curve("measured", found), curve("Kramers", kramers)],
            )
        },
    ];
    Ok(chart(page.picture("langevin.png"), &panels)?)
}
