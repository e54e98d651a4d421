use super::*;
use crate::draw;
use burn::tensor::DType;
use std::f64::consts::TAU;

const SIZES: [[usize; 2]; 6] = [[6, 7], [1, 1], [8, 8], [13, 4], [1, 9], [31, 34]];

fn random(shape: [usize; 4], dtype: DType) -> Tensor<4> {
    draw::normal(shape, 0.0, 1.0, dtype)
}

fn far<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> f64 {
    (a - b).abs().max().into_scalar::<f64>()
}

fn host<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

/// The transform by its definition, term by term.
fn by_definition(z: &[f64], [h, w]: [usize; 2]) -> Vec<f64> {
    let at = |k: usize, l: usize| {
        let mut sum = Complex::new(0.0, 0.0);
        for m in 0..h {
            for n in 0..w {
                let angle = -TAU * ((k * m) as f64 / h as f64 + (l * n) as f64 / w as f64);
                sum += Complex::new(z[m * w + n], z[h * w + m * w + n]) * Complex::cis(angle);
            }
        }
        sum / ((h * w) as f64).sqrt()
    };
    let all: Vec<_> = (0..h * w).map(|i| at(i / w, i % w)).collect();
    let (re, im) = (all.iter().map(|z| z.re), all.iter().map(|z| z.im));
    re.chain(im).collect()
}

#[test]
fn transforms_of_any_size_are_the_sum_that_defines_them() {
    for size in SIZES {
        let z = random([1, 2, size[0], size[1]], DType::F64);
        let expected = by_definition(&host(z.clone()), size);
        for found in [fft2(z.clone(), Sign::Forward), fft2_by_matrices(z, false)] {
            for (a, b) in host(found).iter().zip(&expected) {
                assert!((a - b).abs() < 1e-12, "{size:?}: {a} instead of {b}");
            }
        }
    }
}

#[test]
fn the_host_and_every_other_device_agree() {
    for size in SIZES {
        for (dtype, tolerance) in [(DType::F32, 3e-6), (DType::F64, 1e-13)] {
            let z = random([3, 2, size[0], size[1]], dtype);
            for (sign, inverse) in [(Sign::Forward, false), (Sign::Inverse, true)] {
                let gap = far(fft2(z.clone(), sign), fft2_by_matrices(z.clone(), inverse));
                assert!(gap < tolerance, "{size:?}: {gap}");
            }
            let back = fft2(fft2(z.clone(), Sign::Forward), Sign::Inverse);
            assert!(far(back, z.clone()) < tolerance);
            let [h, w] = size;
            let roll = |z: Tensor<4>, by: [usize; 2]| z.roll(&by.map(|n| n as i64), &[2, 3]);
            let inner = fft2_by_matrices(roll(z.clone(), [h - h / 2, w - w / 2]), true);
            let centred = fft2_centred(z.clone(), Sign::Inverse);
            assert!(far(centred.clone(), roll(inner, [h / 2, w / 2])) < tolerance);
            assert!(far(fft2_centred(centred, Sign::Forward), z) < tolerance);
            let kernel = host(random([2, 3, size[0], size[1]], DType::F64));
            let kernel: Vec<f64> = kernel
                .iter()
                .map(|k| k / (size[0] * size[1]) as f64)
                .collect();
            let filter = CircularFilter::of_kernel(&kernel, [2, 3], size);
            let x = random([2, 3, size[0], size[1]], dtype);
            for transposed in [false, true] {
                let gap = far(
                    filter.run(x.clone(), transposed),
                    filter.by_matrices(x.clone(), transposed),
                );
                assert!(gap < tolerance, "filter {size:?}: {gap}");
            }
        }
    }
}

#[test]
fn a_filter_is_a_circular_convolution_and_its_gradient_the_adjoint() {
    for size @ [h, w] in SIZES {
        let kernel = host(random([1, 1, h, w], DType::F64));
        let filter = CircularFilter::of_kernel(&kernel, [1, 1], size);
        let x = random([1, 1, h, w], DType::F64);
        let values = host(x.clone());
        let expected = (0..h * w).map(|i| {
            let term = |j: usize| {
                let back = (i / w + h - j / w) % h * w + (i % w + w - j % w) % w;
                kernel[j] * values[back]
            };
            (0..h * w).map(term).sum::<f64>()
        });
        for (a, b) in host(filter.forward(x.clone())).iter().zip(expected) {
            assert!((a - b).abs() < 1e-10, "{size:?}: {a} instead of {b}");
        }
        let tracked = x.clone().autodiff().require_grad();
        let v = random([1, 1, h, w], DType::F64);
        let dot = (filter.forward(tracked.clone()) * v.clone().autodiff()).sum();
        let gradient = tracked.grad(&dot.backward()).expect("a gradient");
        assert!(far(gradient, filter.adjoint(v)) < 1e-12, "{size:?}");
    }
}

#[test]
fn long_transforms_split_or_chirp() {
    // Direct; a product; a power of two; a prime; twice a prime.
    for n in [1023, 1025, 2048, 1031, 2062] {
        let [x, y] = [0, 1].map(|_| draw::normal([1, n], 0.0, 1.0, DType::F64));
        let (re, im) = matrix::transform((x.clone(), y.clone()), false);
        let z = Tensor::cat(vec![x, y], 0).reshape([1, 2, 1, n]);
        let expected = fft2(z, Sign::Forward) * (n as f64).sqrt();
        let found = Tensor::cat(vec![re, im], 0).reshape([1, 2, 1, n]);
        assert!(far(found, expected) < 1e-9, "{n}");
    }
}
