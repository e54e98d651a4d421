//! Operators and their equations.

use super::*;

pub(super) fn operators(all: &mut Cases) {
    all.error("Mask::missing_box", "a box that leaves the image", || {
        Mask::missing_box([8, 8], [6, 0], [4, 4])
    });
    all.error("Mask::missing_box", "2⁴⁰ pixels", || {
        Mask::missing_box([1 << 20, 1 << 20], [0, 0], [1, 1])
    });
    all.error("Mask::random", "a probability of NaN", || {
        Mask::random([8, 8], f64::NAN, 0)
    });
    all.error("Mask::random", "no pixels", || Mask::random([0, 8], 0.5, 0));
    all.error("Mask::lines", "every 0th line", || Mask::lines([8, 8], 0));
    all.error("Mask::cartesian", "an acceleration of ½", || {
        Mask::cartesian([8, 8], 0.5, 0.0, 0)
    });
    all.panic("Mask::missing_half", "2⁴⁰ pixels", || {
        Mask::missing_half([1 << 20, 1 << 20], Side::Left)
    });
    all.panic("Mask::bayer", "no pixels", || {
        Mask::bayer([0, 8], Bayer::Rggb)
    });
    all.panic("Mask::apply", "an image of another size", || {
        Mask::lines([8, 8], 2).unwrap().apply(zeros([1, 1, 8, 9]))
    });
    all.error("ChannelMix::new", "rows of 2 and 3 weights", || {
        ChannelMix::new(&[vec![1.0; 2], vec![1.0; 3]])
    });
    all.error("ChannelMix::new", "a weight of NaN", || {
        ChannelMix::new(&[vec![f64::NAN]])
    });
    all.error("ChannelMix::mean", "no channels", || ChannelMix::mean(0));
    all.error("Channels::new", "channel 3 of 3", || Channels::new(3, 1, 3));
    all.error("Channels::new", "one of 10¹²", || {
        Channels::new(0, 1, 1_000_000_000_000)
    });
    all.error("AveragePool::new", "a factor of 0", || AveragePool::new(0));
    all.error("AveragePool::new", "a factor of 2⁶³", || {
        AveragePool::new(1 << 63)
    });
    all.error("AveragePool::measured", "a height of 0", || {
        AveragePool::new(2).unwrap().output_shape([1, 1, 0, 8])
    });
    all.error("AveragePool::signal", "2⁴⁰ pixels", || {
        AveragePool::new(1 << 13)
            .unwrap()
            .input_shape([1, 1, 1 << 8, 1 << 8])
    });
    all.error("PointSpread::gaussian", "σ = NaN", || {
        PointSpread::gaussian(f64::NAN)
    });
    all.error("PointSpread::motion", "an intensity of 2", || {
        PointSpread::motion(9, 2.0, 0)
    });
    all.error("PointSpread::motion", "a size of 0", || {
        PointSpread::motion(0, 0.5, 0)
    });
    all.error("PointSpread::new", "NaN", || {
        PointSpread::new(vec![f64::NAN], [1, 1])
    });
    all.error("Taps::kernel", "σ = 9999", || {
        Taps::Gaussian { sigma: 9999.0 }.kernel(2)
    });
    all.error("Taps::weights", "a factor of 2⁴⁰", || {
        Taps::Bicubic.weights(1 << 40)
    });
    all.error("Separable::decimate", "a side of 2⁴⁰", || {
        Separable::decimate(Taps::Bicubic, 2, [1 << 40, 8], Padding::Circular)
    });
    all.error("Separable::enlarge", "a factor of 0", || {
        Separable::enlarge(Taps::Bilinear, 0, [8, 8], Padding::Circular)
    });
    all.error("CircularBlur::new", "a kernel whose sum overflows", || {
        CircularBlur::new(PointSpread::new(vec![1e308; 2], [1, 2])?, [1, 1])
    });
    all.error("CircularBlur::new", "2³¹ pixels", || {
        CircularBlur::new(PointSpread::gaussian(1.0)?, [46_340, 46_340])
    });
    all.error(
        "Blur::measured",
        "an image smaller than a valid kernel",
        || {
            Blur::new(PointSpread::gaussian(2.0).unwrap(), Padding::Valid)
                .output_shape([1, 1, 4, 4])
        },
    );
    all.error("VaryingBlur::tiles", "no kernels", || {
        VaryingBlur::tiles(vec![], [0, 1], [8, 8], Padding::Reflect)
    });
    all.error("VaryingBlur::tiles", "(2⁶⁴ − 1)² tiles", || {
        VaryingBlur::tiles(
            vec![PointSpread::gaussian(1.0)?],
            [usize::MAX; 2],
            [8, 8],
            Padding::Reflect,
        )
    });
    all.error("Transform::new", "Hadamard of 6 pixels", || {
        Transform::new(Basis::Hadamard, [6, 8])
    });
    all.error("Transform::new", "a cosine transform of 16,384", || {
        Transform::new(Basis::Cosine, [16_384, 16_384])
    });
    all.error("Sampled::new", "a mask of another size", || {
        Sampled::new(Basis::Cosine, Mask::lines([4, 4], 2)?, [8, 8])
    });
    all.error("MultiCoil::ring", "no coils", || {
        MultiCoil::ring(0, Mask::lines([8, 8], 2)?, [8, 8])
    });
    all.error("MultiCoil::new", "maps of one dimension", || {
        let kept = Tensor::<3, Bool>::full([1, 1, 8], true, &device());
        MultiCoil::new(Constant::new(vec![1.0; 16], [2, 1, 8]), Mask::new(kept))
    });
    all.error("Espirit::new", "a region of one row", || {
        Espirit::new([1, 8])
    });
    all.error("Espirit::with_kernel", "larger than the region", || {
        Espirit::new([8, 8])?.with_kernel(9)
    });
    all.error("Espirit::with_threshold", "1", || {
        Espirit::new([8, 8])?.with_threshold(1.0)
    });
    all.error("Espirit::with_crop", "NaN", || {
        Espirit::new([8, 8])?.with_crop(f64::NAN)
    });
    all.error("Espirit::maps", "two measurements", || {
        Espirit::new([8, 8])?.maps(&Tensor::ones([2, 4, 16, 16], &device()))
    });
    all.error("Espirit::maps", "nothing measured", || {
        Espirit::new([8, 8])?.maps(&Tensor::zeros([1, 4, 16, 16], &device()))
    });
    all.error("Tomography::new", "no angles", || {
        Tomography::new([8, 8], &[])
    });
    all.error("Tomography::new", "an angle of NaN", || {
        Tomography::new([8, 8], &[f64::NAN])
    });
    all.error("Tomography::with_centre", "∞", || {
        Tomography::new([8, 8], &[0.0])?.with_centre([f64::INFINITY, 0.0])
    });
    all.error("FanBeam::new", "a source within the image", || {
        FanBeam::new([8, 8], 10, 5.0)
    });
    all.error("FanBeam::new", "a radius of NaN", || {
        FanBeam::new([8, 8], 10, f64::NAN)
    });
    all.error("FanBeam::new", "no views", || FanBeam::new([8, 8], 0, 20.0));
    all.error("FanBeam::with_detectors", "one", || {
        FanBeam::new([8, 8], 4, 20.0)?.with_detectors(1)
    });
    all.error("Matrix::new", "a matrix of other columns", || {
        Matrix::new(Constant::new(vec![1.0; 6], [2, 3]), [1, 2, 2])
    });
    all.error(
        "Matrix::new",
        "a signal of more values than a number counts",
        || Matrix::new(Constant::new(vec![1.0; 4], [1, 4]), [1 << 62 | 1, 4, 1]),
    );
    all.error("Matrix::gaussian", "no measurements", || {
        Matrix::gaussian([1, 2, 2], 0, 0)
    });
    all.error("Matrix::gaussian", "2⁴⁰ weights", || {
        Matrix::gaussian([1, 1 << 20, 1], 1 << 20, 0)
    });
    all.error("Stack::new", "no parts", || {
        Stack::<Identity>::new(vec![], [1, 8, 8])
    });
    all.error("Stack::new", "a part for another size", || {
        Stack::new(vec![Mask::lines([8, 8], 2)?], [1, 4, 4])
    });
    all.panic("Stack::split", "a row of too many values", || {
        Stack::new(vec![Identity], [1, 2, 2])
            .unwrap()
            .split(zeros([1, 1, 1, 9]))
    });
    all.panic("Scaled::new", "a factor of 1e-25", || {
        Scaled::new(Identity, 1e-25)
    });
    all.panic("Scaled::new", "a factor of NaN", || {
        Scaled::new(Identity, f64::NAN)
    });
    all.panic("Compose::apply", "operators that do not fit", || {
        let two = AveragePool::new(2)
            .unwrap()
            .then(Mask::lines([8, 8], 2).unwrap());
        two.apply(zeros([1, 1, 8, 8]))
    });
    all.error("FourierPhase::new", "an oversampling of ½", || {
        FourierPhase::new([8, 8], 0.5)
    });
    all.error("RandomPhase::gaussian", "2⁴⁰ weights", || {
        RandomPhase::gaussian(1 << 20, 1 << 20, 0)
    });
    all.error("RandomPhase::gaussian", "no measurements", || {
        RandomPhase::gaussian(4, 0, 0)
    });
    all.error("Saturation::new", "a gain of NaN", || {
        Saturation::new(f64::NAN, ValueRange::Unit)
    });
    all.error("Gamma::new", "an exponent of 0", || {
        Gamma::new(0.0, ValueRange::Unit)
    });
    all.error("Jpeg::new", "a quality of 0", || {
        Jpeg::new(0, ValueRange::Unit)
    });
    all.error("Jpeg::measured", "9 columns", || {
        Jpeg::new(50, ValueRange::Unit)
            .unwrap()
            .output_shape([1, 3, 8, 9])
    });
    all.error("Jpeg::measured", "no columns", || {
        Jpeg::new(50, ValueRange::Unit)
            .unwrap()
            .output_shape([1, 3, 8, 0])
    });
}

pub(super) fn equations(all: &mut Cases) {
    all.error("Linear::solve", "a shift of 0", || {
        Identity.solve(zeros([1, 1, 8, 8]), 0.0)
    });
    all.error("Linear::solve", "a shift of 1e-50", || {
        Identity.solve(zeros([1, 1, 8, 8]), 1e-50)
    });
    all.error("Linear::solve", "NaN on the right", || {
        Identity.solve(zeros([1, 1, 8, 8]) * f64::NAN, 1.0)
    });
    all.error("Linear::solve", "more digits than `f32` has", || {
        let blur = Blur::new(PointSpread::gaussian(1.0).unwrap(), Padding::Reflect);
        let b: Tensor<4> = HostNoise::seeded(1).normal([1, 1, 32, 32], &device());
        let solved = blur.solve(b, 1e-4);
        // The residual depends on rounding: leave it out of the message.
        solved.map_err(|_| "conjugate gradients: a relative residual above the one expected")
    });
    all.error("Linear::pinv", "a measurement of another shape", || {
        AveragePool::new(2)
            .unwrap()
            .then(Mask::lines([4, 4], 2).unwrap())
            .pinv(zeros([1, 1, 8, 8]))
    });
    all.error("Linear::proximal", "γ = −1", || {
        Identity.proximal(zeros([1, 1, 8, 8]), zeros([1, 1, 8, 8]), -1.0)
    });
    all.error("Linear::proximal", "y of another shape", || {
        Identity.proximal(zeros([1, 3, 8, 8]), zeros([1, 1, 8, 8]), 1.0)
    });
    all.error("ConjugateGradient::with_tolerance", "∞", || {
        let settings = ConjugateGradient::default().with_tolerance(f64::INFINITY);
        settings.solve(&Identity, Tensor::<4>::ones([1, 1, 8, 8], &device()), 1.0)
    });
    all.panic(
        "Spectral::truncated_pinv",
        "a measurement of another shape",
        || {
            Mask::lines([8, 8], 2)
                .unwrap()
                .truncated_pinv(zeros([1, 1, 4, 4]), 0.1)
        },
    );
    all.error("tikhonov", "a deviation of −1", || {
        tikhonov(&grey(), zeros([1, 1, 8, 8]), -1.0)
    });
    all.error("wiener", "a deviation of 0", || wiener(&grey(), 0.0));
    all.error("TotalVariation::restore", "λ = 0", || {
        TotalVariation::new(0.0).restore(&grey())
    });
    all.error("TotalVariation::restore", "y = NaN", || {
        let mut seen = grey();
        seen.y = seen.y * f64::NAN;
        TotalVariation::new(0.1).restore(&seen)
    });
}

/// Operators of unknown kernels, of volumes and of light; solvers and baselines.
pub(super) fn further(all: &mut Cases) {
    let spread = || PointSpread::gaussian(1.0).unwrap();
    all.error("BlindBlur::new", "0", || BlindBlur::new(0));
    all.error("BlindBlur::signal", "a kernel below 0", || {
        let kernel = PointSpread::new(vec![1.0, -1.0], [1, 2]).unwrap();
        BlindBlur::new(4)
            .unwrap()
            .signal(zeros([1, 3, 8, 8]), &kernel)
    });
    all.error(
        "BlindBlur::signal",
        "a kernel larger than its corner",
        move || {
            BlindBlur::new(4)
                .unwrap()
                .signal(zeros([1, 3, 8, 8]), &spread())
        },
    );
    all.error("PointSpread::zernike", "a wavefront of 20 radians", || {
        PointSpread::zernike(&[20.0], 0.2, 9)
    });
    all.error("PointSpread::zernike", "cutoff 0.7", || {
        PointSpread::zernike(&[], 0.7, 9)
    });
    all.error("blur_in_linear_light", "zeros at the edge", move || {
        blur_in_linear_light(spread(), Padding::Zero, 2.2, ValueRange::Signed)
    });
    all.error("Tomography::with_detector_offset", "NaN", || {
        Tomography::half_turn([8, 8], 3)
            .unwrap()
            .with_detector_offset(f64::NAN)
    });
    all.error(
        "VaryingBlur::with_order",
        "an image that shrinks",
        move || {
            let blur = VaryingBlur::tiles(vec![spread()], [1, 1], [16, 16], Padding::Valid);
            blur.unwrap().with_order(WeightOrder::Last)
        },
    );
    all.error("Ptychography::disc", "step 0", || {
        Ptychography::disc([8, 8], 4, 2.0, 0)
    });
    all.error("Ptychography::disc", "a million places", || {
        Ptychography::disc([1003, 1003], 4, 2.0, 1)
    });
    all.error("Ptychography::new", "a place far outside", || {
        let probe = Constant::new(vec![1.0; 32], [1, 2, 4, 4]);
        Ptychography::new([8, 8], probe, vec![[usize::MAX, 0]], Reading::Amplitude)
    });
    all.error("Slices::each", "no slices", || {
        Slices::each(Vec::<Identity>::new())
    });
    all.error("VolumeBlur::gaussian", "2⁶⁴ − 1 slices", || {
        VolumeBlur::gaussian([1.0; 3], [usize::MAX, 1, 1])
    });
    all.error("VolumeBlur::new", "a kernel of another size", || {
        VolumeBlur::new(&[1.0], [2, 2, 2])
    });
    all.error("ConeBeam::new", "a source within the volume", || {
        ConeBeam::new([4, 8, 8], 3, 2.0)
    });
    all.error("ConeBeam::new", "2⁶⁴ − 1 slices", || {
        ConeBeam::new([usize::MAX, 2, 2], 3, 9.0)
    });
    all.error("Lsqr::with_damping", "−1", || {
        Lsqr::default()
            .with_damping(-1.0)
            .pinv(&Identity, zeros([1, 1, 8, 8]))
    });
    all.error("Minres::with_tolerance", "0", || {
        let solver = Minres::default().with_tolerance(0.0);
        solver.invert(|x| x, Tensor::<4>::ones([1, 1, 2, 2], &device()))
    });
    all.error("BiCgStab::invert", "a rotation", || {
        let b = Tensor::<2>::from_floats([[1.0, 0.5]], &device());
        let turn = Tensor::<2>::from_floats([[0.0, 1.0], [-1.0, 0.0]], &device());
        BiCgStab::default().invert(|x| x.matmul(turn.clone()), b)
    });
    all.error("implicit_gradient", "an equation of another shape", || {
        let x = Tensor::<2>::ones([1, 2], &device());
        let f = |x: Tensor<2>, _: Tensor<1>| x.narrow(1, 0, 1);
        let theta = Tensor::<1>::ones([1], &device());
        implicit_gradient(f, x.clone(), theta, x, BiCgStab::default()).map(|(it, _)| it)
    });
    all.error("Mlem::restore", "a count of −1", || {
        Mlem::new(1).restore(&Identity, Tensor::<4>::ones([1, 1, 8, 8], &device()) * -1.0)
    });
    all.error(
        "Wavelets::restore",
        "levels that do not divide the image",
        || Wavelets::new(0.1).with_levels(5).restore(&grey()),
    );
    all.error("estimate_sigma", "an image of one pixel", || {
        estimate_sigma(zeros([1, 1, 1, 1])).map(|_| ())
    });
    all.error("estimate_camera_noise", "an image of 32×32 pixels", || {
        estimate_camera_noise(zeros([1, 1, 32, 32])).map(|_| ())
    });
}
