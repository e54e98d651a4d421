//! The Fokker–Planck equation, forwards and backwards, against closed forms.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use approx::{assert_abs_diff_eq, assert_relative_eq};
use burn::tensor::{DType, Device, Tensor, TensorData};
use tweedie_core::oracle::{Gaussian, GaussianMixture};
use tweedie_math::{Level, Schedule, VariancePreserving};
use tweedie_sde::{CellGrid, Density, FokkerPlanck};

/// Two peaks in one dimension.
fn peaks() -> [(f64, f64, f64); 2] {
    [(0.4, -1.0, 0.3), (0.6, 0.8, 0.4)]
}

/// The density at a level, and its score.
fn exact(x: f64, level: Level) -> (f64, f64) {
    let (mut density, mut slope) = (0.0, 0.0);
    for (weight, mean, std) in peaks() {
        let variance = (level.alpha() * std).powi(2) + level.sigma().powi(2);
        let from_mean = x - level.alpha() * mean;
        let root = (std::f64::consts::TAU * variance).sqrt();
        let part = weight * (-0.5 * from_mean.powi(2) / variance).exp() / root;
        density += part;
        slope -= part * from_mean / variance;
    }
    (density, slope / density.max(1e-300))
}

fn line(cells: usize) -> CellGrid<1> {
    CellGrid::new([-6.0], [6.0], [cells])
}

/// Forwards, the density is that of the level, with an error of second order. Backwards, with the
/// score, it returns to that of the data.
#[test]
fn the_forward_process_and_its_reversal() {
    let schedule = VariancePreserving::new(0.1, 8.0).expect("a schedule");
    let (first, last) = (0.05, 0.9);
    let at = |t: f64, cells| Density::of(line(cells), |[x]| exact(x, schedule.level(t)).0);
    let mut errors = Vec::new();
    for cells in [60, 120, 240] {
        let forward = FokkerPlanck::new(
            |[x]: [f64; 1], t| [schedule.rates(t).f * x],
            |t| schedule.rates(t).g2,
        );
        let start = at(first, cells);
        let end = forward.solve(&start, first, last);
        assert_abs_diff_eq!(end.mass(), start.mass(), epsilon = 1e-12);
        assert!(end.values.iter().all(|&value| value >= 0.0));
        let reverse = FokkerPlanck::new(
            |[x]: [f64; 1], s| {
                let t = last - s;
                let rates = schedule.rates(t);
                [rates.g2 * exact(x, schedule.level(t)).1 - rates.f * x]
            },
            |s| schedule.rates(last - s).g2,
        );
        let back = reverse.solve(&at(last, cells), 0.0, last - first);
        errors.push([end.distance(&at(last, cells)), back.distance(&start)]);
    }
    for way in 0..2 {
        let ratios = errors.windows(2).map(|pair| pair[0][way] / pair[1][way]);
        for ratio in ratios {
            assert!((3.0..5.5).contains(&ratio), "{errors:?}");
        }
        assert!(errors[2][way] < 2e-3, "{errors:?}");
    }
}

/// A stationary density does not move, and others approach it like `e^{−t}`.
#[test]
fn the_ornstein_uhlenbeck_process_forgets_its_start() {
    let grid = line(120);
    let gaussian =
        |mean: f64| Density::of(grid, move |[x]| (-0.5 * (x - mean).powi(2)).exp()).normalised();
    let process = FokkerPlanck::new(|[x]: [f64; 1], _| [-x], |_| 2.0);
    let still = process.solve(&gaussian(0.0), 0.0, 5.0);
    assert!(still.distance(&gaussian(0.0)) < 2e-3);
    let mut before = 1.0;
    for t in [1.0, 2.0] {
        let mean = process.solve(&gaussian(1.0), 0.0, t).integral(|[x]| x);
        assert_relative_eq!(mean / before, (-1.0_f64).exp(), max_relative = 1e-2);
        before = mean;
    }
}

/// Backwards in time without a score, the shortest wave grows by `e^{2 |g²| t/h²}`.
#[test]
fn the_heat_equation_does_not_run_backwards() {
    let grid = CellGrid::new([0.0], [1.0], [50]);
    let wave = |size: f64| {
        Density::of(grid, move |[x]| {
            let cell = (x * 50.0) as i64;
            1.0 + if cell % 2 == 0 { size } else { -size }
        })
    };
    let middle = |density: &Density<1>| density.values[25] - density.values[24];
    let (h, t) = (1.0 / 50.0, 2e-4_f64);
    let backwards = FokkerPlanck::new(|_, _| [0.0], |_| -1.0);
    let start = wave(1e-6);
    let grown = middle(&backwards.solve(&start, 0.0, t)) / middle(&start);
    let rate = (2.0 * t / (h * h)).exp();
    assert!(grown > 0.3 * rate && grown < 1.5 * rate, "{grown} {rate}");
    let forwards = FokkerPlanck::new(|_, _| [0.0], |_| 1.0);
    assert!(middle(&forwards.solve(&start, 0.0, t)).abs() < middle(&start).abs());
}

/// A process that begins at rest: the first step must not be as long as its rates at the start
/// allow.
#[test]
fn a_process_may_begin_at_rest() {
    let start = Density::of(line(120), |[x]| (-2.0 * (x - 1.0) * (x - 1.0)).exp()).normalised();
    let process = FokkerPlanck::new(|[x]: [f64; 1], t| [-10.0 * t * x], |t| 20.0 * t);
    let end = process.solve(&start, 0.0, 1.0);
    assert!(end.values.iter().all(|&value| value >= 0.0));
    assert_abs_diff_eq!(end.integral(|[x]| x), (-5.0_f64).exp(), epsilon = 1e-3);
    assert_abs_diff_eq!(end.integral(|[x]| x * x), 1.0, epsilon = 1e-2);
}

/// In two dimensions, with a drift that turns: the density turns and keeps its moments.
#[test]
fn a_rotation_in_the_plane() {
    let grid = CellGrid::new([-6.0; 2], [6.0; 2], [120, 90]);
    let start = Density::of(grid, |[x, y]| {
        (-0.5 * ((x - 1.0).powi(2) / 0.25 + y * y / 0.5)).exp()
    });
    let start = start.normalised();
    // dx = (−y, x) dt + 0.7 dw, for a quarter of a turn.
    let quarter = std::f64::consts::FRAC_PI_2;
    let turning = FokkerPlanck::new(|[x, y]: [f64; 2], _| [-y, x], |_| 0.49);
    let end = turning.solve(&start, 0.0, quarter);
    assert_abs_diff_eq!(end.mass(), 1.0, epsilon = 1e-12);
    assert_abs_diff_eq!(end.integral(|[x, _]| x), 0.0, epsilon = 5e-3);
    assert_abs_diff_eq!(end.integral(|[_, y]| y), 1.0, epsilon = 5e-3);
    let spread = 0.49 * quarter;
    // The flux adds a diffusion of D z²/12, with z = |f| h/D up to 0.8 where the mass is.
    let added = 0.055 * spread;
    assert_abs_diff_eq!(end.integral(|[x, _]| x * x), 0.5 + spread, epsilon = added);
    assert_abs_diff_eq!(
        end.integral(|[_, y]| (y - 1.0).powi(2)),
        0.25 + spread,
        epsilon = added
    );
}

fn mixture() -> GaussianMixture {
    let full = Gaussian::full(&[1.0, 0.5], &[vec![0.5, 0.3], vec![0.3, 0.4]]);
    let other = Gaussian::diagonal(&[-1.0, 0.0], &[0.3, 0.6]);
    let [full, other] = [full, other].map(|law| law.expect("a law"));
    GaussianMixture::new(vec![(0.4, full), (0.6, other)]).expect("a mixture")
}

/// `∂_t p + div(f p) − ½ g² Δp = 0` for the density of a mixture at the levels of a schedule, and
/// `−Δp = Δp − 2 div(p ∇ log p)`, by which the equation runs backwards with the score.
#[test]
fn the_density_of_a_mixture_solves_the_equation() {
    let schedule = VariancePreserving::default();
    let mixture = mixture();
    let density = |points: &[[f64; 2]], t: f64| -> Vec<f64> {
        let flat = points.concat();
        let points = TensorData::new(flat, [points.len(), 2]);
        let points = Tensor::<2>::from_data(points, (&Device::flex(), DType::F64));
        let log = mixture.log_density(points, schedule.level(t));
        log.exp().into_data().iter::<f64>().collect()
    };
    let h = 1e-3;
    for t in [0.1, 0.3, 0.7] {
        let rates = schedule.rates(t);
        for [x, y] in [[0.3, 0.2], [-0.8, 0.4], [1.0, -0.5]] {
            let points = [[x, y], [x + h, y], [x - h, y], [x, y + h], [x, y - h]];
            let p = density(&points, t);
            let [later, earlier] = [t + 1e-4, t - 1e-4].map(|t| density(&points[..1], t)[0]);
            let change = (later - earlier) / 2e-4;
            let slope = [(p[1] - p[2]) / (2.0 * h), (p[3] - p[4]) / (2.0 * h)];
            let laplacian = (p[1] + p[2] + p[3] + p[4] - 4.0 * p[0]) / (h * h);
            // div(f x p) = f (2 p + x · ∇p) in two dimensions.
            let drift = rates.f * (2.0 * p[0] + x * slope[0] + y * slope[1]);
            let residual = change + drift - 0.5 * rates.g2 * laplacian;
            let size = change.abs() + drift.abs() + (0.5 * rates.g2 * laplacian).abs();
            assert!(residual.abs() < 1e-4 * size, "{residual} of {size} at {t}");

            let points = Tensor::<2>::from_data(
                TensorData::new(points.concat(), [5, 2]),
                (&Device::flex(), DType::F64),
            );
            let score = mixture.score(points, schedule.level(t));
            let score: Vec<f64> = score.into_data().iter::<f64>().collect();
            let field = |i: usize, axis: usize| p[i] * score[2 * i + axis];
            let divergence = (field(1, 0) - field(2, 0) + field(3, 1) - field(4, 1)) / (2.0 * h);
            assert_abs_diff_eq!(
                -laplacian,
                laplacian - 2.0 * divergence,
                epsilon = 1e-4 * size / rates.g2.max(1.0)
            );
        }
    }
}
