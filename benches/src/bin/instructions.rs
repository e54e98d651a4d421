//! Workloads whose instructions are counted: `instructions NAME TIMES` repeats one of them.
//! `cargo xtask check --slow` runs it under valgrind, twice with different counts, and compares the
//! difference with `benches/instructions.json`.

use std::error::Error;
use tweedie::ops::{ConvGeometry, GroupNormalisation, conv2d, group_norm};
use tweedie::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [name, times] = words[..] else {
        return Err("usage: instructions NAME TIMES".into());
    };
    let (device, mut noise) = (Device::flex(), HostNoise::seeded(0));
    let mut normal = |shape: [usize; 4]| noise.normal(shape, &device);
    let (x, weight) = (normal([2, 32, 16, 16]), normal([32, 32, 3, 3]));
    let window = ConvGeometry {
        stride: [1, 1],
        padding: [(1, 1), (1, 1)],
    };
    let model = tweedie::core::oracle::Gaussian::isotropic(&[0.5; 1024], 0.3)?;
    let levels = [0.9, 0.5, 0.1].map(|t| VariancePreserving::default().level(t));
    let path = LevelPath::through(levels.to_vec())?;
    let images = normal([16, 1, 32, 32]).reshape([16, 1024]);
    for _ in 0..times.parse()? {
        match name {
            "convolution" => drop(conv2d(x.clone(), weight.clone(), None, window)),
            "convolution with gradients" => {
                let x = x.clone().autodiff().require_grad();
                let weight = weight.clone().autodiff().require_grad();
                let y = conv2d(x, weight, None, window);
                drop(y.sum().backward());
            }
            "group normalisation" => {
                let [one, zero] = [
                    Tensor::ones([2, 32], &device),
                    Tensor::zeros([2, 32], &device),
                ];
                let how = GroupNormalisation {
                    groups: 8,
                    epsilon: 1e-6,
                    silu: true,
                };
                drop(group_norm(x.clone(), one, Some(zero.clone()), zero, how));
            }
            "two steps of DPM-Solver++" => {
                let step = DpmSolverMultistep::plus_plus(Order::Second);
                let sampler = Sampler::new(step, path.clone());
                drop(sampler.sample(&model, images.clone(), &mut HostNoise::seeded(0))?);
            }
            _ => return Err(format!("no work {name}").into()),
        }
    }
    Ok(())
}
