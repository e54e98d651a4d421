//! Convolution on GPUs as a product of matrices, without forming the right factor (im2col).
//!
//! `y[o, p] = Σ_k w[o, k] x̂[k, p]`, `k` over channels and taps, `p` over the pixels of all images.
//! A cube computes a block of `y`: for one tap it loads 16 channels of both factors into shared
//! memory at a time. A unit sums its part of the block in registers; 32 units lie side by side.

use super::block::{ACROSS, DEPTH, DOWN, accumulate, zeros};
use super::extension::{Convolution, ConvolutionGradients};
use super::{ConvGeometry, device_gradient};
use crate::device::{UNITS, empty, numbers};
use burn::backend::ops::{FloatTensorOps, ModuleOps};
use burn::backend::tensor::FloatTensor;
use burn::tensor::DType;
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// The compile-time parameters of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Plan {
    /// Height and width of the weights.
    kernel: [usize; 2],
    /// The part of the output that a unit computes: channels and pixels.
    part: [usize; 2],
    /// Whether this is the gradient by the input, for which the taps are reversed.
    transposed: bool,
    /// Whether a bias is added to the channels.
    bias: bool,
}

#[cube(launch_unchecked)]
fn product<F: Float>(
    x: &Tensor<F>,
    w: &Tensor<F>,
    bias: &Tensor<F>,
    y: &mut Tensor<F>,
    stride: u32,
    above: i32,
    before: i32,
    #[comptime] plan: Plan,
    #[define(F)] _numbers: ElemType,
) {
    let taps = comptime!(plan.kernel[0] * plan.kernel[1]);
    let wide = comptime!(plan.kernel[1]);
    let down = comptime!(plan.part[0]);
    let across = comptime!(plan.part[1]);
    let rows = comptime!(DOWN * plan.part[0]);
    let columns = comptime!(ACROSS * plan.part[1]);
    // One more than a row is long, to avoid bank conflicts when units write a column.
    let apart = comptime!(DOWN * plan.part[0] + 1);
    let mut left = Shared::<[f32]>::new_slice(comptime!(DEPTH * (DOWN * plan.part[0] + 1)));
    let mut right = Shared::<[f32]>::new_slice(comptime!(DEPTH * ACROSS * plan.part[1]));
    let mut sums = zeros(plan.part);

    let unit = UNIT_POS as usize;
    let made = y.shape(1);
    let channels = x.shape(1);
    let (height, width) = (x.shape(2) as i32, x.shape(3) as i32);
    let pixels = y.shape(2) * y.shape(3);
    let all = y.shape(0) * pixels;
    let first_row = CUBE_POS_Y as usize * rows;
    let first_column = (CUBE_POS_Z * CUBE_COUNT_X + CUBE_POS_X) as usize * columns;
    // Strides of the weights between the channels of `y`, and between those of `x`.
    let of_made = if comptime!(plan.transposed) {
        w.stride(1)
    } else {
        w.stride(0)
    };
    let of_seen = if comptime!(plan.transposed) {
        w.stride(0)
    } else {
        w.stride(1)
    };

    // The pixel that this unit loads.
    let column = unit % columns;
    let pixel = first_column + column;
    let (image, place) = (pixel / pixels, pixel % pixels);
    let top = ((place / y.shape(3)) as u32 * stride) as i32 - above;
    let start = ((place % y.shape(3)) as u32 * stride) as i32 - before;
    let image = image * x.stride(0);
    // The weight that this unit loads.
    let (of_row, of_depth) = (unit / DEPTH, unit % DEPTH);

    let mut block = 0usize;
    while block < channels {
        for tap in 0..taps {
            let (line, at) = (top + (tap / wide) as i32, start + (tap % wide) as i32);
            let within = line >= 0 && line < height && at >= 0 && at < width;
            let inside = within && pixel < all;
            let below = image + line as usize * x.stride(2) + at as usize;
            let tap = if comptime!(plan.transposed) {
                taps - 1 - tap
            } else {
                tap
            };
            #[unroll]
            for i in 0..comptime!(DOWN * plan.part[0] * DEPTH / UNITS) {
                let row = of_row + i * comptime!(UNITS / DEPTH);
                let (channel, seen) = (first_row + row, block + of_depth);
                let mut value = 0.0f32;
                if channel < made && seen < channels {
                    value = f32::cast_from(w[channel * of_made + seen * of_seen + tap]);
                }
                left[of_depth * apart + row] = value;
            }
            #[unroll]
            for i in 0..comptime!(DEPTH * ACROSS * plan.part[1] / UNITS) {
                let row = unit / columns + i * comptime!(UNITS / (ACROSS * plan.part[1]));
                let seen = block + row;
                let mut value = 0.0f32;
                if inside && seen < channels {
                    value = f32::cast_from(x[below + seen * x.stride(1)]);
                }
                right[row * columns + column] = value;
            }
            sync_cube();
            accumulate(&left, &right, &mut sums, plan.part, [apart, columns]);
            sync_cube();
        }
        block += DEPTH;
    }

    #[unroll]
    for j in 0..across {
        let pixel = first_column + unit % ACROSS + j * ACROSS;
        if pixel < all {
            let start = pixel / pixels * made * pixels + pixel % pixels;
            #[unroll]
            for i in 0..down {
                let channel = first_row + unit / ACROSS * down + i;
                if channel < made {
                    let mut value = sums[i * across + j];
                    if comptime!(plan.bias) {
                        value += f32::cast_from(bias[channel]);
                    }
                    y[start + channel * pixels] = F::cast_from(value);
                }
            }
        }
    }
}

/// Output parts of a unit, from large to small. `launch` takes the largest that gives at least
/// `ENOUGH` cubes, so that the GPU is busy.
const PARTS: [[usize; 2]; 4] = [[8, 4], [8, 2], [4, 2], [4, 1]];
const ENOUGH: usize = 256;
/// The largest number of cubes in one dimension.
const MOST: u32 = 65_535;

/// Launches the kernel for an output `[n, o, size]`.
fn launch(
    x: CubeTensor,
    w: CubeTensor,
    bias: Option<CubeTensor>,
    (o, size): (usize, [usize; 2]),
    (stride, before): (usize, [usize; 2]),
    transposed: bool,
) -> CubeTensor {
    let [_, _, kh, kw] = w.meta.shape().dims::<4>();
    let x = into_contiguous(x);
    // The taps of a filter must be contiguous; weights with a single tap may have any strides.
    let w = if kh * kw == 1 { w } else { into_contiguous(w) };
    let n = x.meta.shape()[0];
    let y = empty(&x, [n, o, size[0], size[1]], x.dtype);
    let cubes = |[down, across]: [usize; 2]| {
        let columns = (n * size[0] * size[1]).div_ceil(ACROSS * across);
        [columns, o.div_ceil(DOWN * down)]
    };
    let enough = |&&part: &&[usize; 2]| cubes(part).iter().product::<usize>() >= ENOUGH;
    let part = *PARTS.iter().find(enough).unwrap_or(&PARTS[PARTS.len() - 1]);
    let plan = Plan {
        kernel: [kh, kw],
        part,
        transposed,
        bias: bias.is_some(),
    };
    let [across, down] = cubes(part).map(|count| count as u32);
    let numbers = numbers(&x);
    let bias = bias.unwrap_or_else(|| w.clone());
    // SAFETY: the kernel checks every index against its tensors, all of which are contiguous,
    // except weights with one tap, which it reads by their strides.
    #[allow(unsafe_code, reason = "a kernel that checks its bounds itself")]
    unsafe {
        product::launch_unchecked(
            &y.client,
            CubeCount::new_3d(across.min(MOST), down, across.div_ceil(MOST)),
            CubeDim::new_1d(UNITS as u32),
            x.into_tensor_arg(),
            w.into_tensor_arg(),
            bias.into_tensor_arg(),
            y.clone().into_tensor_arg(),
            stride as u32,
            before[0] as i32,
            before[1] as i32,
            plan,
            numbers,
        );
    }
    y
}

impl Convolution for CubeBackend {
    fn convolution(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        window: ConvGeometry,
    ) -> FloatTensor<Self> {
        let [_, _, rows, columns] = x.meta.shape().dims::<4>();
        let [o, _, kh, kw] = w.meta.shape().dims::<4>();
        let ConvGeometry { stride, padding } = window;
        let size = window.size([rows, columns], [kh, kw]);
        let bias = (bias.meta.num_elements() > 0).then(|| into_contiguous(bias));
        let before = padding.map(|(before, _)| before);
        launch(x, w, bias, (o, size), (stride[0], before), false)
    }
}

impl ConvolutionGradients for CubeBackend {
    fn by_input(
        dy: FloatTensor<Self>,
        w: FloatTensor<Self>,
        window: ConvGeometry,
        size: [usize; 2],
    ) -> FloatTensor<Self> {
        let [_, i, kh, kw] = w.meta.shape().dims::<4>();
        let ConvGeometry { stride, padding } = window;
        if stride != [1, 1] {
            // burn reads only the shape of this tensor.
            let [n, ..] = dy.meta.shape().dims::<4>();
            let x = empty(&dy, [n, i, size[0], size[1]], dy.dtype);
            return Self::conv2d_x_backward(x, w, dy, window.options());
        }
        let before = [kh - 1 - padding[0].0, kw - 1 - padding[1].0];
        launch(dy, w, None, (i, size), (1, before), true)
    }

    fn by_weight(
        x: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        window: ConvGeometry,
        kernel: [usize; 2],
    ) -> FloatTensor<Self> {
        let ConvGeometry { stride, padding } = window;
        let before = padding.map(|(before, _)| before);
        device_gradient::by_weight(x, dy, kernel, (stride[0], before))
    }

    fn by_bias(dy: FloatTensor<Self>) -> FloatTensor<Self> {
        let (channels, narrow) = (dy.meta.shape()[1], dy.dtype);
        let wide = Self::float_cast(dy, DType::F32.into());
        let sums = Self::float_sum_dims(wide, &[0, 2, 3]);
        Self::float_cast(Self::float_reshape(sums, [channels].into()), narrow.into())
    }
}
