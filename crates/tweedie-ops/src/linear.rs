//! Linear layers with few rows.

use burn::tensor::{Tensor, module};

/// Computes `x W + b` for `[rows, in]`, a weight `[in, out]` and a bias `[out]`.
///
/// On a GPU, in `f32` and half precision, at most 256 rows are computed by
/// [`conv2d`](crate::conv2d) as images of one pixel. burn's matrix products are tuned for more rows
/// there.
///
/// # Panics
/// If the shapes do not match.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_ops::linear;
///
/// let device = Device::flex();
/// let x = Tensor::from_floats([[1.0, 2.0]], &device);
/// let w = Tensor::from_floats([[3.0], [4.0]], &device);
/// let y = linear(x, w, Some(Tensor::from_floats([0.5], &device)));
/// assert!((y.into_scalar::<f32>() - 11.5).abs() < 1e-6);
/// ```
#[must_use]
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    let ([_, features], [from, out]) = (x.dims(), weight.dims());
    assert_eq!(
        features, from,
        "linear: features of the input and rows of the weight"
    );
    if let Some(bias) = &bias {
        assert_eq!(bias.dims(), [out], "linear: a bias for {out} features");
    }
    #[cfg(feature = "cube")]
    if x.dims()[0] <= 256 && crate::device::takes(&x) {
        let [rows, out] = [x.dims()[0], weight.dims()[1]];
        let window = crate::ConvGeometry {
            stride: [1, 1],
            padding: [(0, 0); 2],
        };
        let weight = weight.transpose().unsqueeze_dims(&[2, 3]);
        let x = x.unsqueeze_dims(&[2, 3]);
        let y = crate::conv2d(x, weight, bias, window);
        return y.reshape([rows, out]);
    }
    module::linear(x, weight, bias)
}
