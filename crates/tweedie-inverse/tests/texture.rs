//! The Gaussian texture of an exemplar, against its covariance matrix and its spectrum.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use approx::assert_relative_eq;
use burn::tensor::{DType, Device, Tensor};
use tweedie_core::oracle::Gaussian;
use tweedie_core::{Denoiser, HostNoise, InputError, Noise};
use tweedie_inverse::prior::{Texture, periodic_component};
use tweedie_math::{Ddim, Level, LevelPath, Span, VariancePreserving};
use tweedie_ops::{CircularFilter, Sign, fft2};
use tweedie_samplers::Sampler;

const SHAPE: [usize; 4] = [1, 2, 4, 5];

fn exemplar(shape: [usize; 4]) -> Tensor<4> {
    let like = Tensor::zeros(shape, (&Device::flex(), DType::F64));
    HostNoise::seeded(2).normal_like(&like) * 0.5 + 0.3
}

fn values<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

fn close<const D: usize>(a: Tensor<D>, b: Tensor<D>, tolerance: f64) {
    assert_eq!(a.dims(), b.dims());
    for (a, b) in values(a).into_iter().zip(values(b)) {
        assert_relative_eq!(a, b, max_relative = tolerance, epsilon = tolerance);
    }
}

/// The value of the exemplar without its mean at pixel `(i, j)` of the torus.
fn at(u: &[f64], channel: usize, i: usize, j: usize) -> f64 {
    let [_, _, h, w] = SHAPE;
    let plane = &u[channel * h * w..][..h * w];
    let mean = plane.iter().sum::<f64>() / (h * w) as f64;
    plane[i % h * w + j % w] - mean
}

/// `Cov[X_a(p), X_b(q)] = 1/(hw) Σ_t (u_a(p − t) − m_a) (u_b(q − t) − m_b)`.
fn covariance() -> Vec<Vec<f64>> {
    let u = values(exemplar(SHAPE));
    let [_, c, h, w] = SHAPE;
    let place = |i: usize| (i / (h * w), i / w % h, i % w);
    let one = |p: usize, q: usize| {
        let ((a, pi, pj), (b, qi, qj)) = (place(p), place(q));
        let shifts = (0..h * w).map(|t| (h - t / w, w - t % w));
        let sum = shifts.map(|(i, j)| at(&u, a, pi + i, pj + j) * at(&u, b, qi + i, qj + j));
        sum.sum::<f64>() / (h * w) as f64
    };
    let size = c * h * w;
    (0..size)
        .map(|p| (0..size).map(|q| one(p, q)).collect())
        .collect()
}

fn dense(texture: &Texture) -> Gaussian {
    let [_, c, h, w] = SHAPE;
    let mean: Vec<f64> = (0..c * h * w)
        .map(|i| texture.mean()[i / (h * w)])
        .collect();
    Gaussian::full(&mean, &covariance()).expect("a covariance")
}

#[test]
fn the_denoiser_is_that_of_the_covariance() -> Result<(), InputError> {
    let texture = Texture::of(&exemplar(SHAPE))?;
    let dense = dense(&texture);
    let x = exemplar([3, 2, 4, 5]);
    for level in [-4.0, 0.0, 5.0].map(Level::variance_preserving) {
        let found = texture.denoise(x.clone(), level).expect("an estimate");
        let expected = dense.posterior_mean(x.clone().flatten(1, 3), level);
        close(found.flatten(1, 3), expected, 1e-9);
    }
    assert!(Denoiser::<4>::accepts(&texture, [3, 2, 4, 4]).is_err());
    Ok(())
}

/// Wiener's filter is the posterior mean of the Gaussian with this covariance.
#[test]
fn the_posterior_of_a_blurred_texture_is_wieners_filter() -> Result<(), InputError> {
    let texture = Texture::of(&exemplar(SHAPE))?;
    let [_, c, h, w] = SHAPE;
    let mut kernel = vec![0.0; h * w];
    (kernel[0], kernel[1], kernel[w], kernel[3 * w + 2]) = (0.5, 0.25, 0.15, 0.1);
    let blur = CircularFilter::of_kernel(&kernel, [1, 1], [h, w]);
    let sigma = 0.2;
    let size = c * h * w;
    // y_i = Σ_j k_{i−j} x_j in each channel.
    let rows: Vec<Vec<f64>> = (0..size)
        .map(|p| {
            let value = |q: usize| {
                let same = p / (h * w) == q / (h * w);
                let row = (p / w % h + h - q / w % h) % h;
                let column = (p % w + w - q % w) % w;
                if same { kernel[row * w + column] } else { 0.0 }
            };
            (0..size).map(value).collect()
        })
        .collect();
    let y = exemplar(SHAPE) * 1.3;
    let found = texture.posterior_mean(y.clone(), &blur, sigma);
    let posterior = dense(&texture)
        .posterior(&rows, &values(y), sigma)
        .expect("a posterior");
    for (a, b) in values(found).into_iter().zip(posterior.mean()) {
        assert_relative_eq!(a, b, max_relative = 1e-8, epsilon = 1e-8);
    }
    Ok(())
}

/// Real and imaginary parts `[n·c, h, w]` of the unitary transform.
fn spectrum(x: Tensor<4>) -> [Tensor<4>; 2] {
    let [n, c, h, w] = x.dims();
    let z = x.reshape([n * c, 1, h, w]);
    let z = fft2(
        Tensor::cat(vec![z.clone(), z.zeros_like()], 1),
        Sign::Forward,
    );
    [0, 1].map(|part| z.clone().narrow(1, part, 1).reshape([n, c, h, w]))
}

/// `E[X̂_a X̂_b*] = ĥ_a ĥ_b*` at every frequency, and the covariance between pixels.
#[test]
fn samples_have_the_spectra_of_the_exemplar() -> Result<(), InputError> {
    let texture = Texture::of(&exemplar(SHAPE))?;
    let count = 20_000;
    let x = texture.sample(count, 1, &Device::flex()).cast(DType::F64);
    let fitted = Gaussian::fit(&x).expect("samples");
    let expected = covariance();
    for (found, expected) in fitted.covariance().iter().zip(&expected) {
        for (found, expected) in found.iter().zip(expected) {
            // Five standard errors; the variances are about 0.25.
            assert_relative_eq!(*found, *expected, epsilon = 5.0 * 0.25 * 1.5 / 140.0);
        }
    }
    let mean = Tensor::<1>::from_data(texture.mean(), (&Device::flex(), DType::F64));
    let [re, im] = spectrum(x - mean.reshape([1, 2, 1, 1]));
    let centred = exemplar(SHAPE);
    let centred = centred.clone() - centred.mean_dims(&[2, 3]);
    let [spot_re, spot_im] = spectrum(centred);
    let channel = |x: &Tensor<4>, c: usize| x.clone().narrow(1, c, 1);
    for (a, b) in [(0, 0), (0, 1), (1, 1)] {
        // Re X̂_a X̂_b* and Im X̂_a X̂_b*.
        let product = |re: &Tensor<4>, im: &Tensor<4>| {
            let real = channel(re, a) * channel(re, b) + channel(im, a) * channel(im, b);
            let imaginary = channel(im, a) * channel(re, b) - channel(re, a) * channel(im, b);
            [real.mean_dim(0), imaginary.mean_dim(0)]
        };
        let (found, exact) = (product(&re, &im), product(&spot_re, &spot_im));
        for (found, exact) in found.into_iter().zip(exact) {
            for (found, exact) in values(found).into_iter().zip(values(exact)) {
                assert_relative_eq!(found, exact, epsilon = 0.05);
            }
        }
    }
    Ok(())
}

/// Random phases keep the modulus, and the phase differences between the channels.
#[test]
fn random_phases_keep_the_modulus() -> Result<(), InputError> {
    let u = exemplar(SHAPE).cast(DType::F32);
    let texture = Texture::of(&u)?;
    let drawn = texture.random_phase(3, 4, &Device::flex());
    let modulus = |x: Tensor<4>| {
        let [re, im] = spectrum(x);
        (re.square() + im.square()).sqrt()
    };
    close(
        modulus(drawn.clone()),
        modulus(u.clone()).repeat_dim(0, 3),
        1e-4,
    );
    let product = |x: Tensor<4>| {
        let [re, im] = spectrum(x);
        let channel = |x: &Tensor<4>, c| x.clone().narrow(1, c, 1);
        channel(&re, 0) * channel(&re, 1) + channel(&im, 0) * channel(&im, 1)
    };
    close(product(drawn.clone()), product(u).repeat_dim(0, 3), 1e-4);
    let [first, second] = [0, 1].map(|i| drawn.clone().narrow(0, i, 1));
    assert!((first - second).abs().max().into_scalar::<f32>() > 0.1);
    Ok(())
}

/// On a larger torus, pixels further apart than the exemplar is high are independent, the variance
/// is that of the faded exemplar, and a reverse process ends at this law.
#[test]
fn a_larger_texture_is_sampled_by_a_reverse_process() {
    let device = Device::flex();
    let u = exemplar([1, 1, 12, 16]);
    let texture = Texture::of(&u).expect("a texture");
    let large = texture.enlarged([24, 32]).expect("a larger one");
    assert!(texture.enlarged([11, 32]).is_err());
    // The mean square of the exemplar, weighted by the square of its window.
    let window = |i: usize, n: usize| {
        let from_edge = (i.min(n - 1 - i) as f64 + 0.5) / (0.1 * n as f64);
        0.5 - 0.5 * (std::f64::consts::PI * from_edge.min(1.0)).cos()
    };
    let (mut sum, mut weights) = (0.0, 0.0);
    for (i, u) in values(u).into_iter().enumerate() {
        let weight = (window(i / 16, 12) * window(i % 16, 16)).powi(2);
        sum += weight * (u - texture.mean()[0]).powi(2);
        weights += weight;
    }
    let centred = large.sample(256, 6, &device) - texture.mean()[0];
    let covariance = |x: &Tensor<4>, lag: i64| {
        let product = x.clone() * x.clone().roll(&[lag], &[2]);
        product.mean().into_scalar::<f64>()
    };
    let variance = covariance(&centred, 0);
    assert_relative_eq!(variance, sum / weights, max_relative = 0.03);
    assert!(covariance(&centred, 12).abs() < 0.03 * variance);

    // The chain loses some variance in every step, in proportion to its length.
    let loss = |steps| {
        let path = LevelPath::uniform(VariancePreserving::default(), Span::FULL, steps);
        let sampler = Sampler::new(Ddim::ancestral(), path.expect("a path"));
        let mut noise = HostNoise::seeded(5);
        let start = sampler
            .start(large.shape(256), &device, &mut noise)
            .expect("a start");
        let drawn = sampler.sample(&large, start, &mut noise).expect("samples");
        1.0 - covariance(&(drawn - texture.mean()[0]), 0) / (sum / weights)
    };
    let (coarse, fine) = (loss(100), loss(400));
    assert!(coarse > 0.08 && fine < 0.4 * coarse, "{coarse} {fine}");
}

/// The Laplacian of the periodic component on the torus is that of the image within it, and an
/// image that is periodic already differs by nothing but its edges.
#[test]
fn the_periodic_component_has_the_inner_laplacian() {
    let u = exemplar([1, 2, 7, 6]);
    let p = periodic_component(u.clone());
    let torus = |x: &Tensor<4>| {
        let shifted = |by: i64, axis: i64| x.clone().roll(&[by], &[axis]);
        shifted(1, 2) + shifted(-1, 2) + shifted(1, 3) + shifted(-1, 3) - x.clone() * 4.0
    };
    let inner = |axis: usize| {
        let n = u.dims()[axis];
        let step = u.clone().narrow(axis, 1, n - 1) - u.clone().narrow(axis, 0, n - 1);
        let mut edge = u.dims();
        edge[axis] = 1;
        let none = Tensor::<4>::zeros(edge, (&u.device(), DType::F64));
        let forth = Tensor::cat(vec![step.clone(), none.clone()], axis);
        let back = Tensor::cat(vec![none, step], axis);
        forth - back
    };
    close(torus(&p), inner(2) + inner(3), 1e-9);
    close(p.mean_dims(&[2, 3]), u.mean_dims(&[2, 3]), 1e-9);
}
