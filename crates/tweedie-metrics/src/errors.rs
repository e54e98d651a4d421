//! Errors of images against a reference, one number per image.

use burn::tensor::Tensor;
use tweedie_core::per_sample_sum;

/// The mean squared error (MSE) of each image.
///
/// # Panics
/// If the shapes differ.
#[must_use]
pub fn mse<const D: usize>(x: Tensor<D>, reference: Tensor<D>) -> Vec<f64> {
    let count = values(&x);
    each((difference(x, reference)).square(), |sum| sum / count)
}

/// The mean absolute error (MAE) of each image.
///
/// # Panics
/// If the shapes differ.
#[must_use]
pub fn mae<const D: usize>(x: Tensor<D>, reference: Tensor<D>) -> Vec<f64> {
    let count = values(&x);
    each(difference(x, reference).abs(), |sum| sum / count)
}

/// The normalised MSE of each image: `‖x − reference‖²/‖reference‖²`.
///
/// # Panics
/// If the shapes differ.
#[must_use]
pub fn nmse<const D: usize>(x: Tensor<D>, reference: Tensor<D>) -> Vec<f64> {
    let scale = each(reference.clone().square(), |sum| sum);
    let errors = each(difference(x, reference).square(), |sum| sum);
    errors
        .iter()
        .zip(scale)
        .map(|(error, scale)| error / scale)
        .collect()
}

/// The signal-to-noise ratio of each image: `10 log₁₀(‖reference‖²/‖x − reference‖²)` in dB.
///
/// # Panics
/// If the shapes differ.
#[must_use]
pub fn snr<const D: usize>(x: Tensor<D>, reference: Tensor<D>) -> Vec<f64> {
    nmse(x, reference)
        .iter()
        .map(|nmse| -10.0 * nmse.log10())
        .collect()
}

fn difference<const D: usize>(x: Tensor<D>, reference: Tensor<D>) -> Tensor<D> {
    assert_eq!(x.dims(), reference.dims(), "images of one shape");
    x - reference
}

fn values<const D: usize>(x: &Tensor<D>) -> f64 {
    x.dims()[1..].iter().product::<usize>() as f64
}

fn each<const D: usize>(x: Tensor<D>, of: impl Fn(f64) -> f64) -> Vec<f64> {
    per_sample_sum(x)
        .into_data()
        .iter::<f64>()
        .map(of)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::abs_diff_eq;
    use burn::tensor::Device;

    #[test]
    fn each_image_has_its_error() {
        let device = Device::flex();
        let x = Tensor::<2>::from_floats([[1.0, 3.0], [2.0, 0.0]], &device);
        let y = Tensor::<2>::from_floats([[2.0, 1.0], [2.0, 0.0]], &device);
        let close = |a: Vec<f64>, b: [f64; 2]| {
            assert!(
                a.iter()
                    .zip(b)
                    .all(|(a, b)| abs_diff_eq!(*a, b, epsilon = 1e-6)),
                "{a:?}"
            );
        };
        close(mse(x.clone(), y.clone()), [2.5, 0.0]);
        close(mae(x.clone(), y.clone()), [1.5, 0.0]);
        close(nmse(x.clone(), y.clone()), [1.0, 0.0]);
        assert!(snr(x.clone(), y.clone())[0].abs() < 1e-6);
        assert!(snr(x, y)[1].is_infinite());
    }
}
