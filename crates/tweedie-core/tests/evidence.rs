//! The evidence lower bound of linear decoders, in closed form.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use approx::assert_abs_diff_eq;
use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor};
use tweedie_core::oracle::{Gaussian, GaussianMixture};
use tweedie_core::{Encoding, Evidence, InputError, LadderEvidence, LatentGaussian, Rung};
use tweedie_math::Level;

/// A linear decoder, `W z + b`, and an encoder that returns the same Gaussian for all samples.
#[derive(Module, Debug)]
struct Linear {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<2>>,
    mean: Param<Tensor<2>>,
    log_variance: Param<Tensor<2>>,
}

impl Encoding<2> for Linear {
    fn encode(&self, x: Tensor<2>) -> LatentGaussian<2> {
        let rows = |values: &Param<Tensor<2>>| values.val().repeat_dim(0, x.dims()[0]);
        LatentGaussian {
            mean: rows(&self.mean),
            log_variance: rows(&self.log_variance),
        }
    }

    fn decode(&self, latents: Tensor<2>) -> Tensor<2> {
        latents.matmul(self.weight.val()) + self.bias.val()
    }

    fn decoded_shape(&self, [batch, values]: [usize; 2]) -> Option<[usize; 2]> {
        (values == 2).then_some([batch, 3])
    }
}

const WEIGHT: [[f64; 3]; 2] = [[1.0, 0.5, -0.3], [0.2, -0.8, 0.6]];
const BIAS: [f64; 3] = [0.1, -0.4, 0.3];
const STD: f64 = 0.7;

fn matrix<const R: usize, const C: usize>(rows: [[f64; C]; R]) -> Tensor<2> {
    Tensor::from_data(rows, (&Device::flex(), DType::F64))
}

/// `KL(q ‖ p)` by the eigenvectors of both.
fn divergence(q: &Gaussian, p: &Gaussian) -> f64 {
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let shift: Vec<f64> = p.mean().iter().zip(q.mean()).map(|(p, q)| p - q).collect();
    let log_det = q.eigenvalues().iter().map(|v| v.ln()).sum::<f64>();
    let mut sum = -(q.dim() as f64) - log_det;
    for (variance, axis) in p.eigenvalues().iter().zip(p.eigenvectors()) {
        let spread = q.eigenvalues().into_iter().zip(q.eigenvectors());
        let spread: f64 = spread.map(|(v, own)| v * dot(&own, &axis).powi(2)).sum();
        sum += (spread + dot(&shift, &axis).powi(2)) / variance + variance.ln();
    }
    0.5 * sum
}

/// `log p(x) = ELBO + KL(q(z|x) ‖ p(z|x))`, for any `q`. The expectation of the reconstruction over
/// `q` is a mean over four points, which is exact for a quadratic function.
#[test]
fn the_evidence_is_the_bound_and_the_divergence_from_the_posterior() {
    let x = [0.9, -0.2, 1.1];
    // W Wᵀ + s² I of the marginal, and the posterior of z ~ N(0, I) given x − b = W z + s n.
    let covariance: Vec<Vec<f64>> = (0..3)
        .map(|i| {
            let row = (0..3).map(|j| {
                let own = if i == j { STD * STD } else { 0.0 };
                own + WEIGHT[0][i] * WEIGHT[0][j] + WEIGHT[1][i] * WEIGHT[1][j]
            });
            row.collect()
        })
        .collect();
    let marginal = Gaussian::full(&BIAS, &covariance).expect("a law");
    let exact = marginal
        .log_density(matrix([x]), Level::CLEAN)
        .into_scalar::<f64>();
    let rows: Vec<Vec<f64>> = (0..3).map(|i| vec![WEIGHT[0][i], WEIGHT[1][i]]).collect();
    let centred: Vec<f64> = (0..3).map(|i| x[i] - BIAS[i]).collect();
    let prior = Gaussian::isotropic(&[0.0, 0.0], 1.0).expect("a law");
    let posterior = prior.posterior(&rows, &centred, STD).expect("a posterior");

    for (m, v) in [([0.3, -0.2], [0.4, 0.9]), ([0.0, 1.5], [0.05, 2.0])] {
        let model = Linear {
            weight: Param::from_tensor(matrix(WEIGHT)),
            bias: Param::from_tensor(matrix([BIAS])),
            mean: Param::from_tensor(matrix([m])),
            log_variance: Param::from_tensor(matrix([v.map(f64::ln)])),
        };
        let root = 2.0_f64.sqrt();
        let points = matrix([[root, 0.0], [-root, 0.0], [0.0, root], [0.0, -root]]);
        let samples = matrix([x; 4]);
        let terms = Evidence::of(&model, &samples, STD, |_| points.clone()).expect("terms");
        let bound = terms.bound().mean().into_scalar::<f64>();
        let encoder = Gaussian::diagonal(&m, &v.map(f64::sqrt)).expect("a law");
        let gap = divergence(&encoder, &posterior);
        assert!(gap > 0.01);
        assert_abs_diff_eq!(exact, bound + gap, epsilon = 1e-9);
    }
}

/// A rung with linear means and fixed variances: `below · E + e`, and `above · W + w`.
struct LinearRung {
    encoder: (Tensor<2>, Tensor<2>, f64),
    decoder: (Tensor<2>, Tensor<2>, f64),
}

fn linear(x: Tensor<2>, (weight, bias, std): &(Tensor<2>, Tensor<2>, f64)) -> LatentGaussian<2> {
    let mean = x.matmul(weight.clone()) + bias.clone();
    let log_variance = mean.full_like(2.0 * std.ln());
    LatentGaussian { mean, log_variance }
}

impl Rung<2> for LinearRung {
    fn encode(&self, below: Tensor<2>) -> LatentGaussian<2> {
        linear(below, &self.encoder)
    }

    fn decode(&self, above: Tensor<2>) -> LatentGaussian<2> {
        linear(above, &self.decoder)
    }
}

/// `log p(x) = bound + KL(q(z_1, z_2|x) ‖ p(z_1, z_2|x))` for two rungs with two latents and one,
/// and any encoders. The mean over six points is exact for quadratic functions of three draws.
#[test]
fn the_evidence_is_the_bound_of_a_ladder_and_the_divergence_of_all_latents() {
    let (x, encoded) = ([0.9, -0.2, 1.1], [0.35, -0.15]);
    let ([s1, s2], [d1, d2]) = ([0.7, 0.6], [0.5, 0.8]);
    let (up, shift, down, offset) = ([0.7, -0.4], 0.2, [0.9, -0.5], [0.3, 0.1]);
    let lower = LinearRung {
        // The encoder ignores x: any q will do.
        encoder: (matrix([[0.0, 0.0]; 3]), matrix([encoded]), d1),
        decoder: (matrix(WEIGHT), matrix([BIAS]), s1),
    };
    let upper = LinearRung {
        encoder: (matrix(up.map(|u| [u])), matrix([[shift]]), d2),
        decoder: (matrix([down]), matrix([offset]), s2),
    };

    // p(z_1, z_2): z_2 ~ N(0, 1), z_1 = W z_2 + w + s n. Then x − b = V z_1 + s n.
    let square = |s: f64| s * s;
    let one = |i: usize, j: usize, v: f64| if i == j { v } else { 0.0 };
    let all = [down[0], down[1], 1.0];
    let noise = [square(s2), square(s2), 0.0];
    let joint: Vec<Vec<f64>> = (0..3)
        .map(|i| {
            (0..3)
                .map(|j| all[i] * all[j] + one(i, j, noise[i]))
                .collect()
        })
        .collect();
    let joint = Gaussian::full(&[offset[0], offset[1], 0.0], &joint).expect("a law");
    let rows: Vec<Vec<f64>> = (0..3)
        .map(|i| vec![WEIGHT[0][i], WEIGHT[1][i], 0.0])
        .collect();
    let centred: Vec<f64> = (0..3).map(|i| x[i] - BIAS[i]).collect();
    let posterior = joint.posterior(&rows, &centred, s1).expect("a posterior");
    let exact = GaussianMixture::new(vec![(1.0, joint)]).expect("a law");
    let exact = exact.log_evidence(&rows, &centred, s1).expect("evidence");

    // q(z_1, z_2): z_1 = m + d n, z_2 = z_1 · E + e + d n.
    let top = shift + up[0] * encoded[0] + up[1] * encoded[1];
    let map = [[d1, 0.0, 0.0], [0.0, d1, 0.0], [up[0] * d1, up[1] * d1, d2]];
    let product = |i: usize, j: usize| (0..3).map(|k| map[i][k] * map[j][k]).sum();
    let covariance: Vec<Vec<f64>> = (0..3)
        .map(|i| (0..3).map(|j| product(i, j)).collect())
        .collect();
    let encoder = Gaussian::full(&[encoded[0], encoded[1], top], &covariance).expect("a law");

    let mut points = [[0.0; 3]; 6];
    for (i, point) in points.iter_mut().enumerate() {
        point[i / 2] = 3.0_f64.sqrt() * if i % 2 == 0 { 1.0 } else { -1.0 };
    }
    let points = matrix(points);
    let rungs: [&dyn Rung<2>; 2] = [&lower, &upper];
    let terms = LadderEvidence::of(&rungs, &matrix([x; 6]), |k, mean| {
        points.clone().narrow(1, 2 * k, mean.dims()[1])
    });
    let terms = terms.expect("terms");
    assert_eq!(terms.divergences.len(), 2);
    let bound = terms.bound().mean().into_scalar::<f64>();
    let gap = divergence(&encoder, &posterior);
    assert!(gap > 0.01);
    assert_abs_diff_eq!(exact, bound + gap, epsilon = 1e-9);

    let wide = LinearRung {
        encoder: (matrix(up.map(|u| [u])), matrix([[shift]]), d2),
        decoder: (matrix([[1.0; 3]]), matrix([[0.0; 3]]), s2),
    };
    let wide: [&dyn Rung<2>; 1] = [&wide];
    let refused = LadderEvidence::of(&wide, &matrix([encoded]), |_, mean| mean.zeros_like());
    assert!(matches!(refused, Err(InputError::Shape { .. })));
    let none = LadderEvidence::of(&[], &matrix([encoded]), |_, mean: &Tensor<2>| mean.clone());
    assert!(matches!(none, Err(InputError::Refused(_))));
}
