//! Measures the error of every sampler on one exact prior: `cargo run --example samplers`.
//!
//! The prior is a mixture of Gaussians in the plane. Its denoiser has a closed form, so any error
//! comes from the sampler. Deterministic samplers are compared with the exact flow of each point.
//! Stochastic samplers are judged by their law on a Gaussian, which is computed without sampling.
//! For all of them the sliced Wasserstein distance of the draws is measured.

use clap::Parser;
use indicatif::ProgressBar;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use tweedie::image::{Axis, Curve, Panel, chart};
use tweedie::prelude::*;
use tweedie::samplers::{Adaptive, AdaptiveSde, AnyStep, Tolerance};
use tweedie_catalogue::featured_steps;
use tweedie_examples::finish;
use tweedie_examples::measure::{Bench, path};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the error of every sampler on one exact prior.
#[derive(Parser)]
struct Arguments {
    /// The picture to write
    #[arg(long, default_value = "out/samplers.png")]
    out: PathBuf,
    /// Points drawn by each sampler
    #[arg(long, default_value_t = 10_000)]
    points: usize,
}

/// The budgets, in evaluations of the denoiser.
const BUDGETS: [usize; 5] = [8, 16, 32, 64, 128];

fn main() -> ExitCode {
    finish(samplers(&Arguments::parse()))
}

fn samplers(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    if arguments.points == 0 {
        return Err("--points has to be at least 1".into());
    }
    let bench = Bench::new(arguments.points)?;
    let entries = featured_steps();
    let bar = ProgressBar::new(entries.len() as u64 + 1).with_message("samplers");
    let mut flows = panel("flow of a mixture: median error of a point");
    let mut laws = panel("SDE on a Gaussian: error of mean and std, exactly");
    let mut draws = panel("SDE on a mixture: sliced W1 of the draws");
    let mut lines = Vec::new();
    for entry in &entries {
        let evaluations = entry.evaluations.unwrap_or(1);
        let (mut errors, mut distances, mut w2) = (Vec::new(), Vec::new(), Vec::new());
        for budget in BUDGETS {
            let left = budget.saturating_sub(entry.warm_up);
            let steps = left / evaluations;
            if steps < 2 {
                w2.push("  –  ".to_owned());
                continue;
            }
            errors.push((budget as f64, bench.error(entry, steps)?));
            let on_path = entry.overlaps;
            let last = bench.draw(entry.step.clone(), path(steps - 1)?, on_path)?;
            distances.push((last.evaluations as f64, bench.distance(&last.x, 1.0)));
            w2.push(format!("{:.3}", bench.distance(&last.x, 2.0)));
        }
        let declared = entry
            .criterion
            .map_or("–".into(), |_| entry.order.to_string());
        let measured = bench.order(entry)?;
        let (name, error) = (entry.name, errors[errors.len() - 3].1);
        lines.push(format!(
            "{name:36} {evaluations} {declared:>8} {measured:8.2}   {error:.1e}   {}",
            w2.join(" ")
        ));
        let curve = |points| Curve {
            name: name.to_owned(),
            points,
        };
        if entry.is_noisy {
            laws.curves.push(curve(errors));
            draws.curves.push(curve(distances));
        } else {
            flows.curves.push(curve(errors));
        }
        bar.inc(1);
    }
    lines.extend(adaptive(&bench, &mut flows, &mut draws)?);
    let between = |seed, order| {
        let other = bench.prior.sample(arguments.points, seed, &bench.device);
        bench.distance(&other, order)
    };
    let mut floors = [2, 3, 4, 5, 6].map(|seed| between(seed, 2.0));
    floors.sort_by(f64::total_cmp);
    let (floor, first) = (between(2, 1.0), draws.curves[0].points[0].1);
    for (name, points) in [
        ("other exact draws", [floor, floor]),
        ("falling as steps^(−1/2)", [first, first / 4.0]),
    ] {
        draws.curves.push(Curve {
            name: name.to_owned(),
            points: [8.0, 128.0].into_iter().zip(points).collect(),
        });
    }
    bar.finish_and_clear();
    println!(
        "name, evaluations a move, order declared and measured, error after 32 evaluations (of a"
    );
    println!(
        "flow's points, or of an SDE's mean and std), sliced W₂ of {} draws after",
        bench.points
    );
    println!(
        "8, 16, 32, 64, 128 evaluations; between exact draws {:.3} to {:.3}",
        floors[0], floors[4]
    );
    for line in lines {
        println!("{line}");
    }
    if let Some(folder) = arguments.out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    chart(&arguments.out, &[flows, laws, draws])?;
    println!("picture: {}", arguments.out.display());
    Ok(ExitCode::SUCCESS)
}

fn panel(title: &str) -> Panel {
    Panel {
        title: title.to_owned(),
        x: "evaluations of the denoiser".to_owned(),
        x_axis: Axis::Log,
        y_axis: Axis::Log,
        curves: Vec::new(),
    }
}

/// Measures the solvers with adaptive steps: one point for each tolerance.
fn adaptive(
    bench: &Bench,
    flows: &mut Panel,
    draws: &mut Panel,
) -> Result<Vec<String>, Box<dyn Error>> {
    let mut lines = Vec::new();
    let mut errors = Vec::new();
    for tolerance in [1e-1, 1e-2, 1e-3, 1e-4, 1e-5] {
        let solver = Adaptive::tsitouras().with_tolerance(Tolerance::both(tolerance)?);
        let mut solution = solver.solve(&bench.prior, bench.starts.clone(), &path(1)?)?;
        let ends = solution.states.pop().ok_or("a path has a last level")?;
        let (evaluations, error) = (solution.evaluations, bench.flow_error(ends));
        lines.push(format!(
            "Tsitouras to {tolerance:.0e}: {evaluations} evaluations, error {error:.1e}"
        ));
        errors.push((evaluations as f64, error));
    }
    flows.curves.push(Curve {
        name: "Tsitouras, adaptive".to_owned(),
        points: errors,
    });
    let mut distances = Vec::new();
    for tolerance in [0.4, 0.2, 0.1, 0.05] {
        let step = AdaptiveSde::new(VariancePreserving::default());
        let step = AnyStep::new(step.with_tolerance(Tolerance::both(tolerance)?));
        let last = bench.draw(step, path(1)?, true)?;
        let (evaluations, w2) = (last.evaluations, bench.distance(&last.x, 2.0));
        lines.push(format!(
            "adaptive SDE to {tolerance}: {evaluations} evaluations, sliced W₂ {w2:.3}"
        ));
        distances.push((evaluations as f64, bench.distance(&last.x, 1.0)));
    }
    draws.curves.push(Curve {
        name: "adaptive SDE".to_owned(),
        points: distances,
    });
    Ok(lines)
}
