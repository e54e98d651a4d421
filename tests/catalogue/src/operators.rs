//! Operators: at sizes that are odd, even, not square, or one pixel; and on a photograph.

use crate::ok;
use tweedie_core::{Interpolation, Resize, ValueRange};
use tweedie_inverse::operator::{
    AnyLinear, AnyOperator, AveragePool, Basis, Bayer, BlindBlur, Blur, ChannelMix, Channels,
    CircularBlur, Compose, FanBeam, FourierPhase, Gamma, Identity, Jpeg, Mask, Matrix, MultiCoil,
    Operator, OperatorError, Padding, PointSpread, Ptychography, RandomPhase, Reading, Sampled,
    Saturation, Scaled, Separable, Side, Spectral, Stack, Taps, Tomography, Transform, VaryingBlur,
    WeightOrder, blur_in_linear_light, pansharpen,
};

/// A linear operator with the shape of its signals.
#[derive(Clone, Debug)]
pub struct LinearCase {
    /// The name of the case.
    pub name: String,
    /// The operator.
    pub operator: AnyLinear,
    /// The shape of a signal.
    pub shape: [usize; 4],
}

/// A spectral operator with the shape of its signals.
pub type SpectralCase = (String, Box<dyn Spectral<4>>, [usize; 4]);

/// A nonlinear operator with the shape of its signals, in `[−1, 1]`.
pub type NonlinearCase = (&'static str, AnyOperator, [usize; 4]);

/// Builds the lists of operators; those under `spectral` know their singular values.
macro_rules! list {
    (spectral: $($name:literal: $operator:expr, $shape:expr;)*
        others: $($other:literal: $build:expr, $signal:expr;)*) => {
        /// Every linear operator.
        #[must_use]
        pub fn linear_operators() -> Vec<LinearCase> {
            vec![
                $(LinearCase { name: $name.into(), operator: $operator.into(), shape: $shape },)*
                $(LinearCase { name: $other.into(), operator: $build.into(), shape: $signal },)*
            ]
        }

        /// Every operator that knows its singular values.
        #[must_use]
        pub fn spectral_operators() -> Vec<SpectralCase> {
            vec![$(($name.into(), Box::new($operator), $shape),)*]
        }
    };
}

fn gaussian(sigma: f64) -> PointSpread {
    ok(PointSpread::gaussian(sigma))
}

/// A kernel without symmetry, with an even height.
fn lopsided() -> PointSpread {
    let values = (1..=12).map(|i| f64::from(i * i % 13) / 40.0).collect();
    ok(PointSpread::new(values, [4, 3]))
}

fn blur(kernel: PointSpread, padding: Padding) -> Blur {
    Blur::new(kernel, padding)
}

fn resize(
    interpolation: Interpolation,
    antialias: bool,
    from: [usize; 2],
    to: [usize; 2],
) -> Separable {
    let resize = Resize::new(interpolation).with_antialias(antialias);
    ok(Separable::resize(resize, from, to))
}

fn decimate(taps: Taps, factor: usize, size: [usize; 2], padding: Padding) -> Separable {
    ok(Separable::decimate(taps, factor, size, padding))
}

fn cartesian(size: [usize; 2]) -> Mask<4> {
    ok(Mask::cartesian(size, 2.0, 0.2, 3))
}

list! {
    spectral:
    "identity": Identity, [2, 3, 4, 5];
    "box": ok(Mask::missing_box([8, 8], [2, 2], [4, 4])), [2, 3, 8, 8];
    "box, odd": ok(Mask::missing_box([5, 7], [0, 3], [5, 2])), [2, 1, 5, 7];
    "box, one pixel": ok(Mask::missing_box([1, 1], [0, 0], [1, 1])), [1, 1, 1, 1];
    "random pixels": ok(Mask::random([7, 6], 0.4, 1)), [2, 3, 7, 6];
    "half": Mask::missing_half([5, 6], Side::Left), [2, 1, 5, 6];
    "lines": ok(Mask::lines([7, 4], 3)), [2, 1, 7, 4];
    "mosaic": Mask::bayer([5, 6], Bayer::Grbg), [2, 3, 5, 6];
    "grey": ChannelMix::grey(), [2, 3, 5, 4];
    "mean of 1": ok(ChannelMix::mean(1)), [1, 1, 1, 1];
    "mix up": ok(ChannelMix::new(&[vec![1.0, 0.5], vec![-0.3, 2.0], vec![0.1, 0.2]])), [2, 2, 3, 4];
    "channels": ok(Channels::new(1, 2, 4)), [2, 4, 3, 5];
    "circular blur": ok(CircularBlur::new(gaussian(1.0), [9, 8])), [2, 3, 9, 8];
    "circular blur, lopsided": ok(CircularBlur::new(lopsided(), [7, 10])), [2, 1, 7, 10];
    "circular blur, zeros": ok(CircularBlur::new(ok(PointSpread::uniform([2, 4])), [8, 8])),
        [1, 1, 8, 8];
    "circular blur, one pixel": ok(CircularBlur::new(gaussian(1.0), [1, 1])), [1, 1, 1, 1];
    "bicubic, antialiased": resize(Interpolation::Bicubic, true, [12, 9], [5, 4]), [2, 3, 12, 9];
    "bilinear up": resize(Interpolation::Bilinear, false, [4, 3], [9, 11]), [2, 1, 4, 3];
    "area": resize(Interpolation::Area, false, [7, 8], [3, 3]), [1, 2, 7, 8];
    "MATLAB's bicubic": ok(Separable::imresize([13, 8], [4, 4])), [2, 1, 13, 8];
    "MATLAB's bicubic up": ok(Separable::imresize([4, 5], [7, 10])), [1, 1, 4, 5];
    "sinc, any factor": ok(Separable::resample(Taps::Sinc, [11, 8], [4, 5], Padding::Reflect)),
        [1, 2, 11, 8];
    "Gaussian, any factor up": ok(Separable::resample(Taps::Gaussian { sigma: 0.6 }, [4, 5],
        [9, 7], Padding::Zero)), [1, 1, 4, 5];
    "nearest": ok(Separable::resample(Taps::None, [7, 5], [3, 8], Padding::Circular)), [1, 1, 7, 5];
    "decimate bicubic": decimate(Taps::Bicubic, 4, [16, 13], Padding::Circular), [2, 3, 16, 13];
    "decimate bilinear": decimate(Taps::Bilinear, 3, [10, 9], Padding::Reflect), [1, 1, 10, 9];
    "decimate sinc": decimate(Taps::Sinc, 2, [9, 8], Padding::Replicate), [1, 1, 9, 8];
    "decimate Gaussian": decimate(Taps::Gaussian { sigma: 1.0 }, 2, [15, 17], Padding::Valid),
        [1, 1, 15, 17];
    "decimate, no filter": decimate(Taps::None, 2, [5, 6], Padding::Zero), [1, 1, 5, 6];
    "enlarge": ok(Separable::enlarge(Taps::Bicubic, 2, [10, 12], Padding::Symmetric)), [1, 3, 5, 6];
    "resize one pixel": resize(Interpolation::Bilinear, true, [1, 1], [1, 1]), [1, 1, 1, 1];
    "matrix": ok(Matrix::gaussian([2, 4, 3], 10, 1)), [2, 2, 4, 3];
    "tall matrix": ok(Matrix::gaussian([1, 2, 3], 14, 2)), [1, 1, 2, 3];
    "Hadamard": ok(Transform::new(Basis::Hadamard, [8, 4])), [2, 1, 8, 4];
    "cosine": ok(Transform::new(Basis::Cosine, [7, 6])), [2, 3, 7, 6];
    "sine": ok(Transform::new(Basis::Sine, [5, 8])), [1, 1, 5, 8];
    "Fourier": ok(Transform::new(Basis::Fourier, [5, 6])), [2, 4, 5, 6];
    "Fourier, one pixel": ok(Transform::new(Basis::Fourier, [1, 1])), [1, 2, 1, 1];
    "single pixel": ok(Sampled::single_pixel([8, 16], 40)), [2, 1, 8, 16];
    "cosine, random signs": ok(Sampled::new(Basis::Cosine, ok(Mask::random([7, 9], 0.5, 2)),
        [7, 9])).with_random_signs(4), [2, 3, 7, 9];
    "magnetic resonance": ok(Sampled::new(Basis::Fourier, cartesian([9, 10]), [9, 10])),
        [2, 2, 9, 10];
    others:
    "blur, valid": blur(gaussian(0.6), Padding::Valid), [2, 3, 12, 11];
    "blur, valid, lopsided": blur(lopsided(), Padding::Valid), [1, 1, 4, 5];
    "blur, circular": blur(lopsided(), Padding::Circular), [2, 1, 7, 6];
    "blur, reflect": blur(lopsided(), Padding::Reflect), [2, 3, 8, 7];
    "blur, symmetric": blur(gaussian(0.7), Padding::Symmetric), [1, 1, 6, 9];
    "blur, replicate": blur(lopsided(), Padding::Replicate), [1, 2, 5, 5];
    "blur, zero": blur(lopsided(), Padding::Zero), [1, 1, 9, 4];
    "blur, one pixel": blur(lopsided(), Padding::Reflect), [1, 1, 1, 1];
    "motion": blur(ok(PointSpread::motion(7, 0.5, 1)), Padding::Replicate), [1, 3, 12, 10];
    "defocus": blur(ok(PointSpread::disc(1.5)), Padding::Zero), [1, 1, 8, 8];
    "varying blur": ok(VaryingBlur::tiles(vec![gaussian(0.5), lopsided(), gaussian(0.8),
        lopsided(), gaussian(0.6), lopsided()], [2, 3], [9, 8], Padding::Reflect)), [2, 1, 9, 8];
    "varying blur, weights last": ok(ok(VaryingBlur::tiles(vec![gaussian(0.5), lopsided()],
        [1, 2], [6, 5], Padding::Reflect)).with_order(WeightOrder::Last)), [2, 1, 6, 5];
    "varying blur, valid": ok(VaryingBlur::tiles(vec![lopsided(), lopsided()], [2, 1], [6, 5],
        Padding::Valid)), [1, 1, 6, 5];
    "average pooling": ok(AveragePool::new(2)), [2, 3, 8, 12];
    "average pooling, 3": ok(AveragePool::new(3)), [1, 1, 3, 9];
    "average pooling, 1": ok(AveragePool::new(1)), [1, 2, 5, 5];
    "several coils": ok(MultiCoil::ring(3, cartesian([8, 7]), [8, 7])), [2, 2, 8, 7];
    "tomography": ok(Tomography::half_turn([8, 7], 30)), [2, 1, 8, 7];
    "tomography of a disc": ok(ok(Tomography::new([9, 9], &[0.0, 31.0, 77.5, 120.0, 200.0]))
        .with_disc()), [1, 2, 9, 9];
    "tomography, detectors moved": ok(ok(Tomography::half_turn([7, 8], 9))
        .with_detector_offset(0.7)), [1, 2, 7, 8];
    "tomography, one pixel": ok(Tomography::half_turn([1, 1], 2)), [1, 1, 1, 1];
    "fan beam": ok(FanBeam::new([8, 7], 24, 12.0)), [2, 1, 8, 7];
    "fan beam, one pixel": ok(FanBeam::new([1, 1], 1, 2.0)), [1, 1, 1, 1];
    "blur, then pooling": Compose::new(blur(gaussian(0.6), Padding::Reflect),
        ok(AveragePool::new(2))), [1, 3, 6, 8];
    "stack": ok(Stack::new(vec![AnyLinear::from(ChannelMix::grey()),
        ok(AveragePool::new(2)).into()], [3, 4, 6])), [2, 3, 4, 6];
    "pansharpening": ok(pansharpen([8, 8], 2)), [1, 3, 8, 8];
    "scaled": Scaled::new(ok(AveragePool::new(2)), -3.0), [1, 1, 4, 4];
}

/// Every nonlinear operator, with the shape of its signals, which are in `[−1, 1]`.
#[must_use]
pub fn nonlinear_operators() -> Vec<NonlinearCase> {
    let phase = ok(FourierPhase::new([6, 5], 1.7));
    vec![
        ("Fourier amplitudes", phase.into(), [2, 3, 6, 5]),
        (
            "Fourier intensities",
            phase.with_reading(Reading::Intensity).into(),
            [2, 1, 6, 5],
        ),
        (
            "random intensities",
            ok(RandomPhase::gaussian(12, 20, 1)).into(),
            [2, 1, 4, 3],
        ),
        (
            "random amplitudes of a complex image",
            ok(RandomPhase::gaussian(12, 7, 1))
                .with_reading(Reading::Amplitude)
                .into(),
            [2, 2, 4, 3],
        ),
        (
            "saturation",
            ok(Saturation::new(2.0, ValueRange::Signed)).into(),
            [2, 1, 4, 5],
        ),
        (
            "gamma",
            ok(Gamma::new(2.2, ValueRange::Signed)).into(),
            [2, 3, 4, 5],
        ),
        (
            "JPEG",
            ok(Jpeg::new(30, ValueRange::Signed)).into(),
            [2, 3, 16, 8],
        ),
        (
            "blur, then JPEG",
            blur(gaussian(0.6), Padding::Reflect)
                .then(ok(Jpeg::new(40, ValueRange::Signed)))
                .into(),
            [1, 1, 8, 8],
        ),
        (
            "JPEG, grey",
            ok(Jpeg::new(75, ValueRange::Signed)).into(),
            [1, 1, 8, 8],
        ),
        ("blind blur", ok(BlindBlur::new(3)).into(), [2, 3, 6, 5]),
        (
            "ptychography",
            ok(Ptychography::disc([7, 8], 4, 1.6, 2)).into(),
            [2, 2, 7, 8],
        ),
        (
            "blur in linear light",
            ok(blur_in_linear_light(
                gaussian(0.6),
                Padding::Symmetric,
                2.2,
                ValueRange::Signed,
            )),
            [1, 3, 6, 5],
        ),
    ]
}

/// The operators on colour images, then those on grey and on complex ones.
///
/// `size` is the height and width of the photograph.
///
/// # Errors
/// [`OperatorError`] unless both are powers of two, at least 128.
pub fn photo_operators(
    size: [usize; 2],
) -> Result<Vec<(&'static str, AnyOperator)>, OperatorError> {
    let motion = PointSpread::motion(25, 0.5, 4)?;
    let blur = |kernel, padding| AnyOperator::from(Blur::new(kernel, padding));
    let decimate = |taps| Separable::decimate(taps, 4, size, Padding::Circular);
    let small = size.map(|n| n * 2 / 7);
    let resize = Resize::new(Interpolation::Bicubic).with_antialias(true);
    let kernels = (0..9).map(|i| PointSpread::motion(15, 0.3, i));
    let kernels = kernels.collect::<Result<Vec<_>, _>>()?;
    let camera = Blur::new(PointSpread::gaussian(1.5)?, Padding::Reflect);
    let camera = camera.then(Mask::bayer(size, Bayer::Rggb));
    let random = Mask::random(size, 0.3, 1)?;
    let scan = Mask::cartesian(size, 3.0, 0.1, 2)?;
    Ok(vec![
        ("denoising", Identity.into()),
        ("box", Mask::missing_box(size, [30, 40], [50, 50])?.into()),
        ("random pixels", random.clone().into()),
        ("half", Mask::missing_half(size, Side::Right).into()),
        ("lines", Mask::lines(size, 3)?.into()),
        ("mosaic", Mask::bayer(size, Bayer::Rggb).into()),
        ("grey", ChannelMix::grey().into()),
        ("one channel", Channels::new(0, 1, 3)?.into()),
        (
            "Gaussian blur",
            CircularBlur::new(PointSpread::gaussian(2.0)?, size)?.into(),
        ),
        (
            "motion, circular",
            CircularBlur::new(motion.clone(), size)?.into(),
        ),
        ("motion, reflect", blur(motion, Padding::Reflect)),
        (
            "anisotropic, valid",
            blur(PointSpread::anisotropic([3.0, 1.0], 30.0)?, Padding::Valid),
        ),
        (
            "defocus, replicate",
            blur(PointSpread::disc(3.5)?, Padding::Replicate),
        ),
        (
            "uniform, zero",
            blur(PointSpread::uniform([5, 9])?, Padding::Zero),
        ),
        (
            "varying blur",
            VaryingBlur::tiles(kernels, [3, 3], size, Padding::Reflect)?.into(),
        ),
        ("average of 4×4", AveragePool::new(4)?.into()),
        ("bicubic ÷ 4", decimate(Taps::Bicubic)?.into()),
        ("bilinear ÷ 4", decimate(Taps::Bilinear)?.into()),
        ("sinc ÷ 4", decimate(Taps::Sinc)?.into()),
        (
            "Gaussian ÷ 4",
            decimate(Taps::Gaussian { sigma: 2.0 })?.into(),
        ),
        (
            "bicubic ÷ 3.5",
            Separable::resize(resize, size, small)?.into(),
        ),
        ("MATLAB ÷ 3.5", Separable::imresize(size, small)?.into()),
        (
            "bicubic × 1.5",
            Separable::imresize(size, size.map(|n| n * 3 / 2))?.into(),
        ),
        ("blur, mosaic", camera.into()),
        ("pansharpening", pansharpen(size, 4)?.into()),
        (
            "cosine transform",
            Transform::new(Basis::Cosine, size)?.into(),
        ),
        (
            "single pixel, 1/4",
            Sampled::single_pixel(size, size[0] * size[1] / 4)?.into(),
        ),
        (
            "random cosines, 1/3",
            Sampled::new(Basis::Cosine, random.clone(), size)?
                .with_random_signs(3)
                .into(),
        ),
        (
            "random sines, 1/3",
            Sampled::new(Basis::Sine, random, size)?
                .with_random_signs(3)
                .into(),
        ),
        (
            "Gaussian matrix",
            Matrix::gaussian([1, 32, 32], 512, 1)?.into(),
        ),
        ("tomography", Tomography::half_turn(size, 60)?.into()),
        (
            "fan beam",
            FanBeam::new(size, 60, 2.0 * size[0] as f64)?.into(),
        ),
        (
            "resonance ÷ 3",
            Sampled::new(Basis::Fourier, scan.clone(), size)?.into(),
        ),
        ("four coils ÷ 3", MultiCoil::ring(4, scan, size)?.into()),
        ("Fourier amplitudes", FourierPhase::new(size, 2.0)?.into()),
        (
            "random intensities",
            RandomPhase::gaussian(1024, 4096, 1)?.into(),
        ),
        (
            "saturated × 2",
            Saturation::new(2.0, ValueRange::Signed)?.into(),
        ),
        ("γ = 2.2", Gamma::new(2.2, ValueRange::Signed)?.into()),
        ("JPEG 5", Jpeg::new(5, ValueRange::Signed)?.into()),
    ])
}
