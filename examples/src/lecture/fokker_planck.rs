//! The Fokker–Planck equation `∂_t p + div(f p) − ½ g² Δp = 0`, forwards from data to noise, and
//! backwards with the score as a drift. Without the score it is a heat equation that runs
//! backwards, which blows up.

use super::{Drawn, Page, curve, panel};
use tweedie::image::chart;
use tweedie::prelude::*;
use tweedie::sde::{CellGrid, Density, FokkerPlanck};

/// Density and score of two peaks at a level.
fn peaks(x: f64, level: Level) -> (f64, f64) {
    let (mut density, mut slope) = (0.0, 0.0);
    for (weight, mean, std) in [(0.4, -1.2, 0.25), (0.6, 0.9, 0.35)] {
        let variance = (level.alpha() * std).powi(2) + level.sigma().powi(2);
        let from_mean = x - level.alpha() * mean;
        let root = (std::f64::consts::TAU * variance).sqrt();
        let part = weight * (-0.5 * from_mean.powi(2) / variance).exp() / root;
        density += part;
        slope -= part * from_mean / variance;
    }
    (density, slope / density.max(1e-300))
}

pub(super) fn draw(page: &Page) -> Drawn {
    let schedule = VariancePreserving::new(0.1, 8.0)?;
    let grid = CellGrid::new([-4.5], [4.5], [300]);
    let exact = |t: f64| Density::of(grid, |[x]| peaks(x, schedule.level(t)).0);
    let line = |name: String, density: &Density<1>| {
        let points = density.values.iter().enumerate();
        curve(name, points.map(|(i, &p)| (grid.centre(i)[0], p)))
    };
    let (first, last) = (0.02, 1.0);
    // ANCHOR: forward
    let forward = FokkerPlanck::new(
        |[x]: [f64; 1], t| [schedule.rates(t).f * x],
        |t| schedule.rates(t).g2,
    );
    // ANCHOR_END: forward
    let mut density = exact(first);
    let mut down = vec![line("t = 0.02".into(), &density)];
    let mut t = first;
    for next in [0.15, 0.35, 0.6, last] {
        density = forward.solve(&density, t, next);
        t = next;
        let gap = density.distance(&exact(t));
        println!(
            "forwards to t = {t}: ∫|p − exact| = {gap:.4}, mass {:.6}",
            density.mass()
        );
        down.push(line(format!("t = {t}"), &density));
    }
    // ANCHOR: reverse
    let reverse = FokkerPlanck::new(
        |[x]: [f64; 1], s| {
            let rates = schedule.rates(last - s);
            let (_, score) = peaks(x, schedule.level(last - s));
            [rates.g2 * score - rates.f * x]
        },
        |s| schedule.rates(last - s).g2,
    );
    // ANCHOR_END: reverse
    let mut up = vec![line("t = 1".into(), &density)];
    let mut t = last;
    for next in [0.6, 0.35, 0.15, first] {
        density = reverse.solve(&density, last - t, last - next);
        t = next;
        println!(
            "backwards to t = {t}: ∫|p − exact| = {:.4}",
            density.distance(&exact(t))
        );
        up.push(line(format!("t = {t}"), &density));
    }
    // The heat equation from t = 0.1 back to 0, from a density that is known to 1e-6.
    let coarse = CellGrid::new([-4.5], [4.5], [90]);
    let level = |t: f64| Level::new(1.0, t.sqrt());
    let start = level(0.1)?;
    let blurred = Density::of(coarse, |[x]| {
        let last_digit = ((x * 1e4).sin() * 1e6).round() * 1e-12;
        peaks(x, start).0 + last_digit
    });
    let backwards = FokkerPlanck::new(|_, _| [0.0], |_| -1.0);
    let mut heat = Vec::new();
    for time in [0.0, 0.05, 0.08, 0.088] {
        let density = backwards.solve(&blurred, 0.0, time);
        let points = density.values.iter().enumerate();
        let points = points.map(|(i, &p)| (coarse.centre(i)[0], p));
        heat.push(curve(format!("{time} back"), points));
    }
    let panels = [
        panel("forwards: from data to noise", "x", down),
        panel("backwards, with the score", "x", up),
        panel("the heat equation backwards, without it", "x", heat),
    ];
    Ok(chart(page.picture("fokker_planck.png"), &panels)?)
}
