//! Workloads of single layers, each named by a string.

use crate::CaseError;
use tweedie::burn::tensor::ops::ConvOptions;
use tweedie::burn::tensor::{DType, module};
use tweedie::ops::{ConvGeometry, GroupNormalisation, attention, conv2d};
use tweedie::ops::{group_norm, silu};
use tweedie::prelude::*;

/// A layer as a function of its tensors: the input first, then parameters or further inputs.
type Layer = Box<dyn Fn(&[Tensor<4>]) -> Tensor<4>>;

/// Returns the tensors, with random values, and the function of `LAYER/WORK/BATCH`, or `None` for
/// another layer.
///
/// Layers: `convolution` 3×3 from 128 to 128 channels, the same by burn as `burn-convolution`,
/// `group-norm` of 32 groups and `silu` on 32×32 pixels. Also `attention` of 4 heads with 64
/// features between 256 tokens. Limits of the device: a `product` of 4096×4096 matrices, and a
/// `copy` that reads and writes 67 MB in `f32`. Work: `forward`, `dps` (also the gradient by the
/// input), `training` (all gradients).
pub(crate) fn layer(
    name: &str,
    batch: usize,
    device: &Device,
    dtype: DType,
) -> Option<(Vec<Tensor<4>>, Layer)> {
    let mut noise = HostNoise::seeded(0);
    let mut normal = |shape: [usize; 4]| noise.normal(shape, device).cast(dtype);
    let image = [batch, 128, 32, 32];
    Some(match name {
        "convolution" => {
            let window = ConvGeometry {
                stride: [1, 1],
                padding: [(1, 1), (1, 1)],
            };
            let run = move |x: &[Tensor<4>]| conv2d(x[0].clone(), x[1].clone(), None, window);
            (vec![normal(image), normal([128, 128, 3, 3])], Box::new(run))
        }
        "burn-convolution" => {
            let run = |x: &[Tensor<4>]| {
                let how = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
                module::conv2d(x[0].clone(), x[1].clone(), None, how)
            };
            (vec![normal(image), normal([128, 128, 3, 3])], Box::new(run))
        }
        "product" => {
            let factors = [batch, 1, 4096, 4096];
            let run = |x: &[Tensor<4>]| x[0].clone().matmul(x[1].clone());
            (vec![normal(factors), normal(factors)], Box::new(run))
        }
        "copy" => {
            let large = [batch, 1024, 128, 128];
            (vec![normal(large)], Box::new(|x| x[0].clone() * 1.5))
        }
        "group-norm" => {
            let how = GroupNormalisation {
                groups: 32,
                epsilon: 1e-6,
                silu: false,
            };
            let run = move |x: &[Tensor<4>]| {
                let vector = |x: &Tensor<4>| x.clone().squeeze_dims::<2>(&[2, 3]);
                let [a, d] = [vector(&x[1]), vector(&x[2])];
                group_norm(x[0].clone(), a.clone(), None, d, how)
            };
            let vector = [batch, 128, 1, 1];
            let tensors = vec![normal(image), normal(vector), normal(vector)];
            (tensors, Box::new(run))
        }
        "silu" => (vec![normal(image)], Box::new(|x| silu(x[0].clone()))),
        "attention" => {
            let tokens = [batch, 4, 64, 256];
            let run = |x: &[Tensor<4>]| attention(x[0].clone(), x[1].clone(), x[2].clone());
            let tensors = std::array::from_fn::<_, 3, _>(|_| normal(tokens));
            (tensors.to_vec(), Box::new(run))
        }
        _ => return None,
    })
}

/// Runs the layer once.
pub(crate) fn run(layer: &Layer, tensors: &[Tensor<4>], work: &str) -> Result<(), CaseError> {
    let tracked = match work {
        "forward" => 0,
        "dps" => 1,
        "training" => tensors.len(),
        _ => return Err(format!("no work {work}").into()),
    };
    if tracked == 0 {
        let y = layer(tensors);
        y.device().sync()?;
        return Ok(());
    }
    let mut tensors = tensors.to_vec();
    for tensor in &mut tensors[..tracked] {
        *tensor = tensor.clone().autodiff().require_grad();
    }
    // The gradient of the sum: a backward pass starts from ones.
    let gradients = layer(&tensors).backward();
    for tensor in &tensors[..tracked] {
        tensor.grad(&gradients).ok_or("no gradient")?;
    }
    tensors[0].device().sync()?;
    Ok(())
}
