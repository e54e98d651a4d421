//! Single layers at work, one case a string.

use crate::CaseError;
use tweedie::burn::tensor::DType;
use tweedie::kernels::{GroupNormalisation, PackedWeights, Window, attention, conv2d};
use tweedie::kernels::{group_norm, silu};
use tweedie::prelude::*;

/// A layer of its tensors: the first is the input, those after it are parameters or inputs too.
type Layer = Box<dyn Fn(&[Tensor<4>]) -> Tensor<4>>;

/// What `LAYER/WORK/BATCH` does, with random numbers; nothing for another layer.
///
/// Layers: `convolution` 3×3 from 128 to 128 channels, `group-norm` of 32 groups and `silu` on 32×32 pixels,
/// `attention` of 4 heads with 64 features between 256 tokens. Work: `forward`, `dps` (and the gradient of the
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
            let window = Window {
                stride: [1, 1],
                padding: [(1, 1), (1, 1)],
            };
            let packed = PackedWeights::default();
            let run =
                move |x: &[Tensor<4>]| conv2d(x[0].clone(), x[1].clone(), None, window, &packed);
            (vec![normal(image), normal([128, 128, 3, 3])], Box::new(run))
        }
        "gathered" => {
            let run = move |x: &[Tensor<4>]| gathered(x[0].clone(), x[1].clone());
            (vec![normal(image), normal([128, 128, 3, 3])], Box::new(run))
        }
        "product" => {
            let run = move |x: &[Tensor<4>]| x[1].clone().matmul(x[0].clone());
            (
                vec![normal([batch, 1, 1152, 1024]), normal([1, 1, 128, 1152])],
                Box::new(run),
            )
        }
        "square" => {
            let run = move |x: &[Tensor<4>]| x[1].clone().matmul(x[0].clone());
            (
                vec![normal([1, 1, 4096, 4096]), normal([1, 1, 4096, 4096])],
                Box::new(run),
            )
        }
        "copy" => (vec![normal(image)], Box::new(|x| x[0].clone() * 1.5)),
        "direct" => {
            let run = move |x: &[Tensor<4>]| {
                let options =
                    tweedie::burn::tensor::ops::ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
                tweedie::burn::tensor::module::conv2d(x[0].clone(), x[1].clone(), None, options)
            };
            (vec![normal(image), normal([128, 128, 3, 3])], Box::new(run))
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
                group_norm(x[0].clone(), a.clone(), a.zeros_like(), d, how)
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

/// One run.
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
    // Of the sum: backward passes start from ones.
    let gradients = layer(&tensors).backward();
    for tensor in &tensors[..tracked] {
        tensor.grad(&gradients).ok_or("no gradient")?;
    }
    tensors[0].device().sync()?;
    Ok(())
}

fn gathered(x: Tensor<4>, weight: Tensor<4>) -> Tensor<4> {
    let ([b, i, h, w], [o, ..]) = (x.dims(), weight.dims());
    let x = x.pad((1, 1, 1, 1), 0.0);
    let taps = (0..9).map(|t| {
        x.clone()
            .slice([0..b, 0..i, t / 3..t / 3 + h, t % 3..t % 3 + w])
    });
    let taps = Tensor::cat(taps.collect(), 1).reshape([b, 9 * i, h * w]);
    let weight = weight.permute([0, 2, 3, 1]).reshape([1, o, 9 * i]);
    weight.matmul(taps).reshape([b, o, h, w])
}
