//! The evidence lower bound of linear decoders, in closed form.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use approx::assert_abs_diff_eq;
use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor};
use tweedie_core::oracle::Gaussian;
use tweedie_core::{Encoding, Evidence, LatentGaussian};
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
}

const WEIGHT: [[f64; 3]; 2] = [[1.0, 0.5, -0.3], [0.2, -0.8, 0.6]];
const BIAS: [f64; 3] = [0.1, -0.4, 0.3];
const STD: f64 = 0.7;

fn matrix<const R: usize, const C: usize>(rows: [[f64; C]; R]) -> Tensor<2> {
    Tensor::from_data(rows, (&Device::flex(), DType::F64))
}

/// `KL(N(m, diag v) ‖ N(μ, C))` by the eigenvectors of `C`.
fn divergence(m: [f64; 2], v: [f64; 2], posterior: &Gaussian) -> f64 {
    let shift = [0, 1].map(|i| posterior.mean()[i] - m[i]);
    let mut sum = -2.0 - v[0].ln() - v[1].ln();
    for (variance, axis) in posterior.eigenvalues().iter().zip(posterior.eigenvectors()) {
        let along = shift[0] * axis[0] + shift[1] * axis[1];
        let spread = v[0] * axis[0] * axis[0] + v[1] * axis[1] * axis[1];
        sum += (spread + along * along) / variance + variance.ln();
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
        let gap = divergence(m, v, &posterior);
        assert!(gap > 0.01);
        assert_abs_diff_eq!(exact, bound + gap, epsilon = 1e-9);
    }
}
