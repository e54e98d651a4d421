//! Methods in latents, with a linear autoencoder whose posterior is known.

use crate::{correlated, device, path};
use approx::{abs_diff_eq, assert_abs_diff_eq};
use burn::tensor::{DType, Tensor};
use tweedie_core::{Encoding, HostNoise, LatentGaussian};
use tweedie_inverse::measurement::{Likelihood, Measurement};
use tweedie_inverse::noise::GaussianNoise;
use tweedie_inverse::operator::{Compose, Mask, Operator};
use tweedie_inverse::posterior::{
    Daps, Decode, DpsStep, LangevinLikelihoodStep, PnpDm, Psld, Resample, Sitcom,
};
use tweedie_math::Ddim;
use tweedie_samplers::{Sampler, Step};

/// Two principal components of three values: images `x = W z` with orthonormal columns `W`.
#[derive(Clone, Debug)]
struct Components;

const W: [[f64; 3]; 2] = [[0.8, 0.6, 0.0], [-0.36, 0.48, 0.8]];

fn columns() -> Tensor<2> {
    Tensor::from_data(W, (&device(), DType::F64))
}

impl Encoding<2> for Components {
    fn encode(&self, x: Tensor<2>) -> LatentGaussian<2> {
        let mean = x.matmul(columns().transpose());
        LatentGaussian {
            log_variance: mean.full_like(-30.0),
            mean,
        }
    }

    fn decode(&self, latents: Tensor<2>) -> Tensor<2> {
        latents.matmul(columns())
    }

    fn decoded_shape(&self, [batch, values]: [usize; 2]) -> Option<[usize; 2]> {
        (values == 2).then_some([batch, 3])
    }
}

const Y: [f64; 2] = [0.9, -0.4];
const SIGMA: f64 = 0.2;

/// The first and the last value of an image are measured.
fn measured() -> Measurement<2, Mask<2>, GaussianNoise> {
    let kept = Tensor::<2>::from_floats([[1.0, 0.0, 1.0]], &device()).greater_scalar(0.5);
    let y = Tensor::from_data([[Y[0], 0.0, Y[1]]], (&device(), DType::F64));
    Measurement::new(
        Mask::new(kept),
        GaussianNoise::new(SIGMA).expect("a noise"),
        y,
    )
}

/// The same as a measurement of latents.
fn in_latents() -> Measurement<2, Compose<Decode<Components>, Mask<2>>, GaussianNoise> {
    let Measurement { operator, noise, y } = measured();
    Measurement::new(Decode::new(Components).then(operator), noise, y)
}

fn draws(step: impl Step<2>, count: usize, moves: usize) -> Tensor<2> {
    let sampler = Sampler::new(step, path(moves));
    let mut noise = HostNoise::seeded(9);
    let x = sampler.start([count, 2], &device(), &mut noise);
    let x = x.expect("a start").cast(DType::F64);
    let x = sampler.sample(&correlated(), x, &mut noise);
    x.expect("a run")
}

/// Split Gibbs draws latents from their posterior; DAPS has its mean.
#[test]
fn methods_of_any_operator_sample_latents() {
    let rows = [vec![W[0][0], W[1][0]], vec![W[0][2], W[1][2]]];
    let exact = correlated()
        .posterior(&rows, &Y, SIGMA)
        .expect("a posterior");
    let coupling = || {
        let langevin = LangevinLikelihoodStep::new(in_latents(), SIGMA.powi(-2));
        langevin.expect("a curvature")
    };
    let runs = [
        ("PnP-DM", draws(PnpDm::new(coupling()), 2000, 60), 0.15),
        ("DAPS", draws(Daps::new(coupling()), 2000, 60), 0.8),
    ];
    for (name, x, room) in runs {
        let (variance, mean) = x.var_mean(0);
        let [mean, variance] =
            [mean, variance].map(|x| -> Vec<f64> { x.into_data().iter::<f64>().collect() });
        println!("{name}: {mean:.3?} {variance:.4?}, {:.3?}", exact.mean());
        for i in 0..2 {
            let (m, v) = (exact.mean()[i], exact.covariance()[i][i]);
            assert!(
                abs_diff_eq!(mean[i], m, epsilon = 0.06),
                "{name}: {mean:?} {m}"
            );
            let ratio = variance[i] / v;
            assert!(
                abs_diff_eq!(ratio, 1.0, epsilon = room),
                "{name}: {variance:?} {v}"
            );
        }
    }
}

/// Without the gluing term, PSLD is DPS in latents. With it, the estimate is nearer to the latent
/// of the image that it glues together.
#[test]
fn gluing_brings_the_latent_to_its_image() {
    let dps = DpsStep::new(Ddim::ancestral(), in_latents()).with_zeta(0.3);
    let dps = draws(dps.expect("a size"), 100, 30);
    let psld = |eta, gamma| {
        let step = Psld::new(Ddim::ancestral(), Components, measured());
        let step = step.with_eta(eta).expect("a size").with_gamma(gamma);
        draws(step.expect("a size"), 100, 30)
    };
    let off = (psld(0.3, 0.0) - dps).abs().max().into_scalar::<f64>();
    assert_abs_diff_eq!(off, 0.0, epsilon = 1e-12);
    let gap = |z: Tensor<2>| {
        let image = Components.decode(z.clone());
        let m = measured();
        let glued = image.clone() + m.operator.apply(m.y.clone() - m.operator.apply(image));
        let off = z - Components.encode(glued).mean;
        off.square().sum_dim(1).sqrt().mean().into_scalar::<f64>()
    };
    let [without, with] = [gap(psld(0.0, 0.0)), gap(psld(0.0, 0.1))];
    println!("{without:.4} {with:.4}");
    assert!(with < 0.4 * without, "{with} {without}");
}

/// Hard data consistency: the residual ends at the noise of the measurement.
#[test]
fn fitted_latents_reproduce_the_measurement() {
    let m = in_latents();
    let rms = |z: Tensor<2>| {
        let squares = (m.operator.apply(z) - m.y.clone()).square().sum_dim(1);
        (squares / 2.0).sqrt().max().into_scalar::<f64>()
    };
    let resample = Resample::new(Ddim::ancestral(), in_latents());
    let resample = resample.with_tolerance(0.05).expect("a tolerance");
    let sitcom = Sitcom::new(in_latents())
        .with_tolerance(0.05)
        .expect("a tolerance");
    let sitcom = sitcom
        .with_rate(0.05)
        .expect("a rate")
        .with_steps(200)
        .expect("steps");
    for (name, z) in [
        ("ReSample", draws(resample, 50, 40)),
        ("SITCOM", draws(sitcom, 50, 40)),
    ] {
        let found = rms(z);
        println!("{name}: {found:.4}");
        assert!(found < 0.052 && found > 0.01, "{name}: {found}");
    }
    // A state of another shape is no latent.
    let wrong = in_latents()
        .accepts([1, 3])
        .expect_err("an error")
        .to_string();
    assert!(wrong.contains("decoder"), "{wrong}");
}
