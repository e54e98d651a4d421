//! Langevin dynamics on a potential `f`: the law `e^{−f}`, its escape times, annealing.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use approx::assert_abs_diff_eq;
use burn::tensor::{DType, Device, Tensor};
use tweedie_core::{HostNoise, Potential};
use tweedie_math::{Level, LevelPath, Move};
use tweedie_samplers::{AnnealedLangevin, Langevin, Mala, Sampler, Step};

/// Two wells at ±1, of unequal depth.
fn wells(x: Tensor<2>) -> Tensor<1> {
    let shape = (x.clone().square() - 1.0).square() * 0.5 - x * 0.3;
    shape.sum_dim(1).squeeze_dim(1)
}

/// `E[x]` and `E[x²]` of `e^{−f}`, by the midpoint rule.
fn exact() -> [f64; 2] {
    let mut sums = [0.0; 3];
    for i in 0..8000 {
        let x = -4.0 + (f64::from(i) + 0.5) * 1e-3;
        let weight = (-(0.5 * (x * x - 1.0).powi(2) - 0.3 * x)).exp();
        for (sum, value) in sums.iter_mut().zip([1.0, x, x * x]) {
            *sum += weight * value;
        }
    }
    [sums[1] / sums[0], sums[2] / sums[0]]
}

fn unit() -> Level {
    Level::variance_exploding(1.0).expect("a level")
}

/// `E[x]` and `E[x²]` over many chains and moves, after as many moves without counting.
fn averages<S: Step<2>>(step: S, moves: usize) -> [f64; 2] {
    let path = LevelPath::staying(unit(), 2 * moves).expect("a path");
    let like = Tensor::<2>::zeros([4000, 1], (&Device::flex(), DType::F64));
    let mut noise = HostNoise::seeded(3);
    let start = like;
    let potential = Potential::new(wells);
    let mut sums = [0.0; 2];
    let sampler = Sampler::new(step, path);
    for (i, state) in sampler
        .trajectory(&potential, start, &mut noise)
        .expect("a run")
        .enumerate()
    {
        if i >= moves {
            let x = state.expect("a state").x;
            let both = [x.clone(), x.square()].map(|x| x.mean().into_scalar::<f64>());
            sums = [sums[0] + both[0], sums[1] + both[1]];
        }
    }
    sums.map(|sum| sum / moves as f64)
}

/// `E[x²]` of the stationary law of ULA, by the powers of its transition matrix on a grid.
fn stationary(epsilon: f64) -> f64 {
    let (count, h) = (600, 0.012);
    let place = |i: usize| (i as f64 - 299.5) * h;
    let row = |i: usize| -> Vec<f64> {
        let x = place(i);
        let mean = x - epsilon * (2.0 * x * (x * x - 1.0) - 0.3);
        let weight = |j: usize| (-(place(j) - mean).powi(2) / (4.0 * epsilon)).exp();
        let row: Vec<f64> = (0..count).map(weight).collect();
        let sum: f64 = row.iter().sum();
        row.into_iter().map(|value| value / sum).collect()
    };
    let matrix: Vec<Vec<f64>> = (0..count).map(row).collect();
    let mut law = vec![1.0 / count as f64; count];
    for _ in 0..(40.0 / epsilon) as usize {
        let mut next = vec![0.0; count];
        for (share, row) in law.iter().zip(&matrix) {
            for (sum, value) in next.iter_mut().zip(row) {
                *sum += share * value;
            }
        }
        law = next;
    }
    law.iter()
        .enumerate()
        .map(|(i, share)| share * place(i).powi(2))
        .sum()
}

/// ULA samples the law of its chain, whose bias is proportional to the step; MALA has none, with a
/// step three times as long.
#[test]
fn ula_has_a_bias_of_the_order_of_its_step_and_mala_none() {
    let [_, square] = exact();
    let found = averages(Langevin::fixed(0.1).expect("a step"), 600)[1];
    let coarse = stationary(0.1);
    assert_abs_diff_eq!(found, coarse, epsilon = 0.01);
    assert!((coarse - square).abs() > 0.04, "{coarse} {square}");
    let biases = [0.04, 0.02, 0.01].map(|epsilon| stationary(epsilon) - square);
    for pair in biases.windows(2) {
        assert_abs_diff_eq!(pair[0] / pair[1], 2.0, epsilon = 0.2);
    }
    let potential = Potential::new(wells);
    let mala = Mala::new(0.3, |x, level| potential.log_density(x, level)).expect("a step");
    let found = averages(mala, 300);
    for (found, exact) in found.into_iter().zip(exact()) {
        assert_abs_diff_eq!(found, exact, epsilon = 0.015);
    }
}

/// The time to leave a well of depth ΔV at temperature ε grows like `e^{ΔV/ε}` (Arrhenius), with
/// Kramers' factor `2π/√(f″(−1) |f″(0)|)`.
#[test]
fn the_escape_time_of_a_double_well_grows_exponentially() {
    let symmetric = |x: Tensor<2>| (x.square() - 1.0).square().squeeze_dim(1);
    let potential = Potential::new(symmetric);
    let (count, h, end) = (2000, 0.02, 60.0);
    let times = [0.15, 0.2, 0.25].map(|temperature: f64| {
        let level = Level::variance_exploding(temperature.sqrt()).expect("a level");
        let path = LevelPath::staying(level, (end / h) as usize).expect("a path");
        let step = Langevin::fixed(h * temperature).expect("a step");
        let mut noise = HostNoise::seeded(1);
        let start = Tensor::<2>::full([count, 1], -1.0, &Device::flex());
        let mut farthest = start.clone();
        for state in Sampler::new(step, path)
            .trajectory(&potential, start, &mut noise)
            .expect("a run")
        {
            farthest = farthest.max_pair(state.expect("a state").x);
        }
        let left = farthest
            .greater_elem(1.0)
            .float()
            .mean()
            .into_scalar::<f64>();
        // A constant rate of escape.
        (1.0 / temperature, end / -(1.0 - left).ln())
    });
    let slope = (times[0].1 / times[2].1).ln() / (times[0].0 - times[2].0);
    assert_abs_diff_eq!(slope, 1.0, epsilon = 0.1);
    let kramers = std::f64::consts::TAU / 32.0_f64.sqrt();
    for (inverse, time) in times {
        let ratio = time / (kramers * inverse.exp());
        assert!((0.85..1.35).contains(&ratio), "{times:?}");
    }
}

/// At falling temperatures all chains end in the deeper well.
#[test]
fn annealing_finds_the_minimum() {
    let potential = Potential::new(wells);
    let sigmas = (0..130).map(|i| 1.5 * 0.97_f64.powi(i));
    let levels = sigmas.map(|sigma| Level::variance_exploding(sigma).expect("a level"));
    let path = LevelPath::through(levels.collect()).expect("a path");
    let last = path.end();
    let step = AnnealedLangevin::new(60, 2.0 * 0.08 * last.sigma().powi(2), last);
    let mut noise = HostNoise::seeded(2);
    let start = Tensor::<2>::full([500, 1], -1.0, &Device::flex());
    let sampler = Sampler::new(step.expect("a step"), path);
    let end = sampler
        .sample(&potential, start, &mut noise)
        .expect("states");
    let share = end
        .clone()
        .greater_elem(0.0)
        .float()
        .mean()
        .into_scalar::<f64>();
    assert!(share > 0.8, "{share}");
    // f′ = 2 x (x² − 1) − 0.3 vanishes at 1.0679.
    let right = end.clone().mask_fill(end.lower_elem(0.0), 1.0679);
    let gap = (right - 1.0679).abs().max().into_scalar::<f32>();
    assert!(gap < 0.1, "{gap}");
    let up = Move {
        from: unit(),
        to: Level::CLEAN,
    };
    assert!(Step::<2>::check(&Langevin::fixed(0.1).expect("a step"), up).is_err());
}
