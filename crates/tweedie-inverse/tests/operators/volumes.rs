//! Operators on volumes: the laws of every one, cones against chords of a ball, counts.

use approx::assert_abs_diff_eq;
use burn::tensor::{DType, Device, Tensor};
use tweedie_catalogue::volume_operators;
use tweedie_core::{HostNoise, Noise};
use tweedie_inverse::baseline::Mlem;
use tweedie_inverse::noise::{NoiseModel, PoissonNoise};
use tweedie_inverse::operator::adjoint_gap;
use tweedie_inverse::operator::{ConeBeam, Linear, Operator, Spectral, Tomography, VolumeBlur};
use tweedie_inverse::solver::{ConjugateGradient, Lsqr};

fn random(shape: [usize; 5], seed: u64, dtype: DType) -> Tensor<5> {
    HostNoise::seeded(seed).normal_like(&Tensor::zeros(shape, (&Device::flex(), dtype)))
}

fn largest(x: Tensor<5>) -> f64 {
    x.abs().max().into_scalar::<f64>()
}

#[test]
fn adjoints_and_solutions_are_exact() {
    for (name, a, shape) in volume_operators() {
        let x = random(shape, 1, DType::F64);
        let y = random(a.output_shape(shape).expect("a shape"), 2, DType::F64);
        assert_eq!(a.input_shape(y.dims()), Ok(shape), "{name}");
        let gap = adjoint_gap(&*a, x.clone(), y.clone());
        assert!(gap < 1e-12, "{name}: {gap:e}");
        let (fast, slow) = (
            a.solve(x.clone(), 0.1).expect("a solution").x,
            ConjugateGradient::default()
                .solve(&*a, x.clone(), 0.1)
                .expect("a solution")
                .x,
        );
        assert!(largest(fast - slow) < 1e-6, "{name}");
        let back = a.apply(a.pinv(a.apply(x.clone())).expect("a solution").x);
        assert!(largest(back - a.apply(x.clone())) < 1e-3, "{name}");
        let mut wrong = shape;
        wrong[2] += 1;
        assert!(
            a.output_shape(wrong).is_err() || name.contains("slices"),
            "{name}"
        );
        // Single precision, and a batch in parts.
        let single = a.apply(x.clone().cast(DType::F32)).cast(DType::F64);
        assert!(largest(single - a.apply(x)) < 1e-4, "{name}");
    }
}

/// The closed forms of the blur, and its singular value decomposition.
#[test]
fn the_blur_of_a_volume_is_its_spectrum() {
    let kernel: Vec<f64> = (0..60).map(|i| f64::from(i * i % 17) / 60.0).collect();
    let blur = VolumeBlur::new(&kernel, [3, 4, 5]).expect("a blur");
    // The response to a point is the kernel.
    let mut point = vec![0.0; 60];
    point[0] = 1.0;
    let point = Tensor::<1>::from_data(&point[..], (&Device::flex(), DType::F64));
    let response = blur.apply(point.reshape([1, 1, 3, 4, 5]));
    for (found, expected) in response.into_data().iter::<f64>().zip(&kernel) {
        assert_abs_diff_eq!(found, *expected, epsilon = 1e-12);
    }
    let x = random([1, 2, 3, 4, 5], 3, DType::F64);
    let c = blur.signal_to_spectrum(x.clone());
    let s = blur.singular_values(&c);
    let through = blur.spectrum_to_measured(c * s);
    assert!(largest(through - blur.apply(x.clone())) < 1e-12);
    let same = blur.measured_to_spectrum(blur.apply(x.clone()));
    let scaled = blur.signal_to_spectrum(x.clone());
    let scaled = scaled.clone() * blur.singular_values(&scaled);
    assert!(largest(same - scaled) < 1e-12);
}

/// The sums through a ball are the lengths of its chords.
#[test]
fn a_cone_sees_the_chords_of_a_ball() {
    let (n, radius) = (33, 12.0);
    let middle = (n as f64 - 1.0) / 2.0;
    let ball: Vec<f64> = (0..n * n * n)
        .map(|i| {
            let at = [i / (n * n), i / n % n, i % n].map(|k| k as f64 - middle);
            let r = at.iter().map(|k| k * k).sum::<f64>().sqrt();
            (radius + 0.5 - r).clamp(0.0, 1.0)
        })
        .collect();
    let ball = Tensor::<1>::from_data(&ball[..], (&Device::flex(), DType::F64));
    let ball = ball.reshape([1, 1, n, n, n]);
    let source = 60.0;
    let scan = ConeBeam::new([n, n, n], 7, source).expect("a scan");
    let scan = scan.with_detector([n, n]).expect("a detector");
    let found: Vec<f64> = scan.apply(ball).into_data().iter::<f64>().collect();
    for view in 0..7 {
        for (v, u) in [
            (0.0, 0.0),
            (4.0, 0.0),
            (0.0, -7.0),
            (-6.0, 6.0),
            (11.0, 3.0),
        ] {
            let place = (v + middle) as usize * n + (u + middle) as usize;
            // The distance of the ray from the middle.
            let off: f64 = v * v + u * u;
            let distance = source * (off / (source * source + off)).sqrt();
            let chord = 2.0 * (radius * radius - distance * distance).max(0.0).sqrt();
            let sum = found[view * n * n + place];
            assert_abs_diff_eq!(sum, chord, epsilon = 0.35);
        }
    }
}

/// Few projections of a small volume, solved: better than the back-projection, by either solver.
#[test]
fn a_volume_is_restored_from_cones() {
    let scan = ConeBeam::new([5, 10, 9], 24, 30.0).expect("a scan");
    let scan = scan.with_detector([9, 16]).expect("a detector");
    let x = random([1, 1, 5, 10, 9], 4, DType::F64).abs();
    let y = scan.apply(x.clone());
    let solver = Lsqr::default().with_iterations(300).with_early_stop(true);
    let found = solver.pinv(&scan, y.clone()).expect("a solution");
    let error = (found.x - x.clone())
        .square()
        .mean()
        .sqrt()
        .into_scalar::<f64>();
    let scale = x.square().mean().sqrt().into_scalar::<f64>();
    println!("{:.3} after {} iterations", error / scale, found.iterations);
    assert!(error < 0.1 * scale, "{error} of {scale}");
}

/// Every iteration raises the likelihood of the counts; subsets raise it sooner.
#[test]
fn expectation_maximisation_raises_the_likelihood() {
    let like = Tensor::<4>::zeros([1, 1, 16, 16], (&Device::flex(), DType::F64));
    let x = HostNoise::seeded(8).normal_like(&like).abs() * 4.0;
    let degrees: Vec<f64> = (0..24).map(|i| f64::from(i) * 7.5).collect();
    let scan = Tomography::new([16, 16], &degrees).expect("a scan");
    let noise = PoissonNoise::new(1.0).expect("a gain");
    let y = noise.corrupt(scan.apply(x.clone()), &mut HostNoise::seeded(9));
    let log = |x: Tensor<4>| {
        let mean = scan.apply(x).clamp_min(1e-9);
        noise.log_likelihood(y.clone(), mean).into_scalar::<f64>()
    };
    let mut last = f64::NEG_INFINITY;
    for iterations in [1, 2, 4, 8, 16] {
        let found = Mlem::new(iterations).restore(&scan, y.clone());
        let next = log(found.expect("an image"));
        assert!(next > last, "{iterations}: {next} after {last}");
        last = next;
    }
    // Every sixth angle is a part.
    let parts: Vec<(Tomography, Tensor<4>)> = (0..6)
        .map(|first| {
            let own: Vec<f64> = degrees.iter().copied().skip(first).step_by(6).collect();
            let columns = (first..24).step_by(6).map(|i| y.clone().narrow(3, i, 1));
            let part = Tomography::new([16, 16], &own).expect("a scan");
            (part, Tensor::cat(columns.collect(), 3))
        })
        .collect();
    let parts: Vec<_> = parts.iter().map(|(a, y)| (a, y.clone())).collect();
    let subsets = Mlem::new(2).restore_parts(&parts).expect("an image");
    let plain = Mlem::new(2).restore(&scan, y.clone()).expect("an image");
    assert!(log(subsets) > log(plain), "subsets are no faster");
    let refused = Mlem::new(2).restore(&scan, y.clone() * -1.0);
    assert!(refused.is_err(), "negative counts");
}
