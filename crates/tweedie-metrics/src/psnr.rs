//! The peak signal-to-noise ratio: `10 log₁₀(length² / MSE)` in dB.

use burn::tensor::Tensor;
use tweedie_core::per_sample_sum;

/// The PSNR of each image of a batch, in dB.
///
/// `length` is the length of the images' range: 2 for `[−1, 1]`, 1 for `[0, 1]`. Equal images give
/// `∞`.
///
/// # Panics
/// If the shapes differ, or `length` is not above 0.
#[must_use]
pub fn psnr<const D: usize>(x: Tensor<D>, reference: Tensor<D>, length: f64) -> Vec<f64> {
    let shape = x.dims();
    assert_eq!(shape, reference.dims(), "images of one shape");
    assert!(length > 0.0, "a range of length {length}");
    let values = shape[1..].iter().product::<usize>() as f64;
    let errors = per_sample_sum((x - reference).square());
    let psnr = |sum: f64| 10.0 * (length * length * values / sum).log10();
    errors.into_data().iter::<f64>().map(psnr).collect()
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact by construction")]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use burn::tensor::Device;

    #[test]
    fn a_tenth_of_the_range_is_20_db() {
        let device = Device::flex();
        let x = Tensor::<2>::from_floats([[0.2, -0.2], [0.0, 0.0]], &device);
        let db = psnr(x, Tensor::zeros([2, 2], &device), 2.0);
        assert_abs_diff_eq!(db[0], 20.0, epsilon = 1e-5);
        assert_eq!(db[1], f64::INFINITY);
    }
}
