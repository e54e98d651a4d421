//! Paths, integrals, and the orders of the solvers.

use approx::{assert_abs_diff_eq, assert_relative_eq};
use burn::tensor::{DType, Device, Tensor};
use tweedie_core::oracle::{Gaussian, GaussianMixture};
use tweedie_math::{Brownian, Schedule, VariancePreserving};
use tweedie_sde::{
    BrownianPath, Sde, euler_maruyama, ito_integral, milstein, stratonovich_integral,
};

fn like(count: usize) -> Tensor<1> {
    Tensor::zeros([count], (&Device::flex(), DType::F64))
}

fn mean<const D: usize>(x: Tensor<D>) -> f64 {
    x.mean().into_scalar::<f64>()
}

fn variance<const D: usize>(x: Tensor<D>) -> f64 {
    let centre = mean(x.clone());
    mean((x - centre).square())
}

/// The slope of `ln error` over `ln step`.
fn order(steps: &[f64], errors: &[f64]) -> f64 {
    let logs = |values: &[f64]| values.iter().map(|v| v.ln()).collect::<Vec<f64>>();
    let (x, y) = (logs(steps), logs(errors));
    let of = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (cx, cy) = (of(&x), of(&y));
    let both: f64 = x.iter().zip(&y).map(|(x, y)| (x - cx) * (y - cy)).sum();
    both / x.iter().map(|x| (x - cx).powi(2)).sum::<f64>()
}

#[test]
fn paths_have_independent_increments_at_every_refinement() {
    let count = 20_000;
    let mut path = BrownianPath::new(&like(count), 2.0, 2, 3);
    for _ in 0..3 {
        let h = path.step();
        for i in 0..path.steps() {
            assert_relative_eq!(variance(path.increment(i)), h, max_relative = 0.05);
        }
        let both = path.increment(0) * path.increment(1);
        assert_abs_diff_eq!(mean(both), 0.0, epsilon = 0.04 * h);
        // Cov[w_s, w_t] = min(s, t)
        let (s, t) = (path.value(1).clone(), path.value(path.steps()).clone());
        assert_abs_diff_eq!(mean(s * t), h, epsilon = 0.05);
        let coarse = path.clone();
        path = path.refined();
        for i in 0..=coarse.steps() {
            let gap = path.value(2 * i).clone() - coarse.value(i).clone();
            assert_abs_diff_eq!(gap.abs().max().into_scalar::<f64>(), 0.0);
        }
    }
}

#[test]
fn the_integral_of_a_function_of_time_is_gaussian() {
    let path = BrownianPath::new(&like(20_000), 1.0, 256, 5);
    let integral = ito_integral(&path, |t, w| w.ones_like() * t);
    assert_abs_diff_eq!(mean(integral.clone()), 0.0, epsilon = 0.02);
    assert_relative_eq!(variance(integral.clone()), 1.0 / 3.0, max_relative = 0.05);
    let fourth = mean(integral.powi_scalar(4)) * 9.0;
    assert_relative_eq!(fourth, 3.0, max_relative = 0.1);
}

/// `E[(∫ g dw)²] = ∫ E[g²] dt` for `g = w²`, whose integral is `∫ 3t² = 1`, and the rules of both
/// integrals.
#[test]
fn itos_rule() {
    let mut path = BrownianPath::new(&like(20_000), 1.0, 64, 7);
    let isometry = mean(ito_integral(&path, |_, w| w.square()).square());
    assert_relative_eq!(isometry, 1.0, max_relative = 0.15);
    let (mut steps, mut errors) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        let end = path.value(path.steps()).clone();
        let exact = (end.clone().square() - 1.0) * 0.5;
        let error = ito_integral(&path, |_, w| w) - exact;
        steps.push(path.step());
        // E[(Σ (Δw² − h)/2)²] = h/2
        errors.push(mean(error.square()).sqrt());
        assert_relative_eq!(
            errors[errors.len() - 1],
            (path.step() / 2.0).sqrt(),
            max_relative = 0.05
        );
        let other = stratonovich_integral(&path, |_, w| w);
        assert_abs_diff_eq!(
            mean((other - end.square() * 0.5).abs()),
            0.0,
            epsilon = 1e-12
        );
        path = path.refined();
    }
    assert_abs_diff_eq!(order(&steps, &errors), 0.5, epsilon = 0.05);
}

/// Geometric Brownian motion, `dx = μ x dt + s x dw`, with its solution `e^{(μ − s²/2) t + s w}`.
const MU: f64 = 0.5;
const S: f64 = 0.7;

#[test]
fn the_orders_of_the_solvers() {
    let count = 20_000;
    let sde = Sde::new(|x: Tensor<1>, _| x * MU, |x: Tensor<1>, _| x * S);
    let mut path = BrownianPath::new(&like(count), 1.0, 8, 1);
    let (mut steps, mut errors) = (Vec::new(), [const { Vec::new() }; 4]);
    for _ in 0..5 {
        let end = path.value(path.steps()).clone();
        let exact = (end * S + (MU - 0.5 * S * S)).exp();
        let start = like(count).ones_like();
        let solved = [
            euler_maruyama(&sde, start.clone(), &path),
            milstein(&sde, start, &path),
        ];
        steps.push(path.step());
        for (i, x) in solved.into_iter().enumerate() {
            let error = x - exact.clone();
            errors[2 * i].push(mean(error.clone().square()).sqrt());
            // The error of the mean, on the same paths.
            errors[2 * i + 1].push(mean(error).abs());
        }
        path = path.refined();
    }
    let orders = errors.map(|errors| order(&steps, &errors));
    let expected = [0.5, 1.0, 1.0, 1.0];
    for (found, expected) in orders.into_iter().zip(expected) {
        assert_abs_diff_eq!(found, expected, epsilon = 0.1);
    }
}

/// With a diffusion that does not depend on the state, both methods are one, of strong order 1.
#[test]
fn additive_noise() {
    let count = 5000;
    let sde = Sde::additive(|x: Tensor<1>, _| -x, |_| 1.0);
    let mut path = BrownianPath::new(&like(count), 1.0, 8, 2);
    let mut solved = Vec::new();
    for _ in 0..6 {
        let x = euler_maruyama(&sde, like(count), &path);
        let other = milstein(&sde, like(count), &path);
        let gap = (x.clone() - other).abs().max().into_scalar::<f64>();
        assert_abs_diff_eq!(gap, 0.0, epsilon = 1e-12);
        solved.push((path.step(), x));
        path = path.refined();
    }
    // Neighbours differ by (1 − 2⁻ᵖ) of the error.
    let gap =
        |pair: &[(f64, Tensor<1>)]| mean((pair[0].1.clone() - pair[1].1.clone()).square()).sqrt();
    let errors: Vec<f64> = solved.windows(2).map(gap).collect();
    let steps: Vec<f64> = solved.iter().take(5).map(|(step, _)| *step).collect();
    assert_abs_diff_eq!(order(&steps, &errors), 1.0, epsilon = 0.1);
}

/// The forward process ends at the law of its level, and the reverse process at the data.
#[test]
fn forward_and_reverse_process() {
    let schedule = VariancePreserving::default();
    let data = Gaussian::diagonal(&[2.0], &[0.3]).expect("a law");
    let start = data.sample(20_000, 3, &Device::flex()).cast(DType::F64);
    let path = BrownianPath::new(&start, 1.0, 500, 4);
    let forward = euler_maruyama(&Sde::forward(&schedule), start, &path);
    let level = schedule.level(1.0);
    assert_abs_diff_eq!(mean(forward.clone()), 2.0 * level.alpha(), epsilon = 0.03);
    assert_relative_eq!(variance(forward.clone()), 1.0, max_relative = 0.05);

    let end = 0.999;
    let path = BrownianPath::new(&forward, end, 1000, 5);
    let reverse = Sde::reverse(&schedule, &data, 1.0);
    let back = euler_maruyama(&reverse, forward, &path);
    assert_abs_diff_eq!(mean(back.clone()), 2.0, epsilon = 0.03);
    assert_relative_eq!(variance(back), 0.09, max_relative = 0.1);
}

/// `Y = A X + σ_y Z` is the process `dx = σ_y dw` from `A X`. Reversed from `y` with the law of
/// `A X`, it ends at the law of `A X` given `y`, for any `A`.
#[test]
fn a_measurement_is_a_process_that_can_be_reversed() {
    let (mean, a) = ([0.5, -1.0, 0.3], [[1.0, 0.5, 0.0], [-0.3, 0.2, 0.8]]);
    let covariance = [[1.0, 0.3, 0.1], [0.3, 0.5, -0.2], [0.1, -0.2, 0.7]];
    let product = |row: &[f64; 3], column: &[f64; 3]| -> f64 {
        (0..3)
            .flat_map(|i| (0..3).map(move |j| row[i] * covariance[i][j] * column[j]))
            .sum()
    };
    let image_mean = a.map(|row| row.iter().zip(mean).map(|(a, m)| a * m).sum());
    let image: Vec<Vec<f64>> = a
        .iter()
        .map(|row| a.iter().map(|column| product(row, column)).collect())
        .collect();
    let law = Gaussian::full(&image_mean, &image).expect("a law");
    let (y, sigma) = ([1.2, 0.1], 0.6);
    let unit = [vec![1.0, 0.0], vec![0.0, 1.0]];
    let posterior = law.posterior(&unit, &y, sigma).expect("a posterior");

    let schedule = Brownian::new(sigma * sigma).expect("a schedule");
    let start = Tensor::<2>::from_data([y], (&Device::flex(), DType::F64)).repeat_dim(0, 20_000);
    let path = BrownianPath::new(&start, 1.0, 400, 8);
    let end = euler_maruyama(&Sde::reverse(&schedule, &law, 1.0), start, &path);
    let fitted = Gaussian::fit(&end).expect("samples");
    for i in 0..2 {
        assert_abs_diff_eq!(fitted.mean()[i], posterior.mean()[i], epsilon = 0.015);
        for j in 0..2 {
            let (found, exact) = (fitted.covariance()[i][j], posterior.covariance()[i][j]);
            assert_abs_diff_eq!(found, exact, epsilon = 0.01);
        }
    }
}

/// The same for `A x = x²` on a finite set with points of both signs: the reversal ends on the
/// squares, each with its exact posterior weight.
#[test]
fn a_measurement_by_a_nonlinear_operator_reversed_is_its_posterior() {
    let (y, sigma) = (1.3, 0.5);
    let points = [
        (0.3, -1.4),
        (0.2, -0.5),
        (0.1, 0.2),
        (0.25, 1.1),
        (0.15, 1.9),
    ];
    let squares = points.map(|(weight, x): (f64, f64)| {
        let point = Gaussian::isotropic(&[x * x], 0.01).expect("a law");
        (weight, point)
    });
    let law = GaussianMixture::new(squares.to_vec()).expect("a law");
    let likelihood =
        |(weight, x): (f64, f64)| weight * (-0.5 * ((y - x * x) / sigma).powi(2)).exp();
    let sum: f64 = points.into_iter().map(likelihood).sum();

    let schedule = Brownian::new(sigma * sigma).expect("a schedule");
    let start = Tensor::<2>::from_data([[y]], (&Device::flex(), DType::F64)).repeat_dim(0, 20_000);
    let path = BrownianPath::new(&start, 0.999, 600, 9);
    let end = euler_maruyama(&Sde::reverse(&schedule, &law, 1.0), start, &path);
    let end: Vec<f64> = end.into_data().iter::<f64>().collect();
    for (weight, x) in points {
        let near = end.iter().filter(|&&z| (z - x * x).abs() < 0.1).count();
        let found = near as f64 / end.len() as f64;
        // Three standard errors of a frequency, and the error of the steps.
        assert_abs_diff_eq!(found, likelihood((weight, x)) / sum, epsilon = 0.02);
    }
}
