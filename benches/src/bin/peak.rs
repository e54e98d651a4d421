//! Peak memory and time of one workload per process:
//! `cargo build --profile measure --workspace --bins`, then `target/measure/peak …`. The allocator
//! is the system's, which returns freed pages.
//!
//! | arguments | workload |
//! |---|---|
//! | `load PATH` | loading a checkpoint's network |
//! | `forward PATH SIDE` | the same, and one forward pass |
//! | `gradient PATH SIDE BATCH [recompute]` | the gradient by the input, parameters frozen |
//! | `gradient PATH SIDE BATCH [recompute]` | the gradient by the input, with frozen parameters |
//! | `train BATCH [recompute]` | two training steps of DDPM's CIFAR-10 network |

use std::error::Error;
use std::time::Instant;
use tweedie::burn::module::Module;
use tweedie::core::vjp;
use tweedie::models::{Checkpoint, SelfAttention};
use tweedie::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let device = Device::flex();
    let before = peak();
    let began = Instant::now();
    match words[..] {
        ["load", path] => {
            let network = Checkpoint::open(path)?.network(&device)?;
            report_model(&network, began);
        }
        ["forward", path, side] => {
            let network = Checkpoint::open(path)?.network(&device)?;
            report_model(&network, began);
            let side = side.parse()?;
            let x = HostNoise::seeded(0).normal([1, 3, side, side], &device);
            let y = network.forward(x, Tensor::from_floats([500.0], &device), &());
            y.into_data();
        }
        ["gradient", path, side, batch] | ["gradient", path, side, batch, "recompute"] => {
            let network = Checkpoint::open(path)?.network(&device)?;
            report_model(&network, began);
            let (side, batch) = (side.parse()?, batch.parse()?);
            let x = HostNoise::seeded(0).normal([batch, 3, side, side], &device);
            let mut x = x.autodiff().require_grad();
            if words.len() == 5 {
                x = x.with_gradient_checkpointing_strategy(
                    tweedie::burn::tensor::GradientCheckpointingStrategy::Balanced,
                );
            }
            let y = network.forward(x.clone(), Tensor::full([batch], 500.0, &device), &());
            let gradients = y.sum().backward();
            println!(
                "{:?}",
                x.grad(&gradients)
                    .map(|g| g.abs().mean().into_scalar::<f32>())
            );
        }
        ["attention", side] | ["attention", side, "gradient"] => {
            let side = side.parse()?;
            let attention = SelfAttention::new(64, Some(32), 1e-6, 1, &device);
            let x = HostNoise::seeded(0).normal([1, 64, side, side], &device);
            if words.len() == 2 {
                attention.forward(x).into_data();
            } else {
                let (y, pullback) = vjp(x, |x| attention.forward(x));
                pullback.apply(y).into_data();
            }
        }
        ["train", batch] | ["train", batch, "recompute"] => {
            let batch = batch.parse()?;
            let network = UnetConfig::ddpm_cifar10().init(&device)?;
            let model = Preconditioned::new(network, Prediction::Noise, TimeInput::LogSnr);
            let settings = TrainSettings::default()
                .with_batch(batch)
                .with_recompute(words.len() == 3);
            let x = HostNoise::seeded(0).normal([batch, 3, 32, 32], &device);
            let objective = ScoreMatching::new(VariancePreserving::default());
            let mut trainer = Trainer::new(model, objective, settings)?;
            trainer.step(&x)?;
            let began = Instant::now();
            trainer.step(&x)?;
            println!("second step {:.2} s", began.elapsed().as_secs_f64());
        }
        _ => {
            return Err("what is to be measured? The table in the source says what can be".into());
        }
    }
    let (took, peak) = (began.elapsed().as_secs_f64(), peak());
    println!("{took:.2} s, peak memory {peak:.0} MB, of which {before:.0} MB before");
    Ok(())
}

fn report_model<M: Module>(network: &M, began: Instant) {
    let bytes = 4.0 * network.num_params() as f64 / 1e6;
    let took = began.elapsed().as_secs_f64();
    println!(
        "{} parameters, {bytes:.0} MB: {took:.2} s, peak memory {:.0} MB = {:.3} × the model",
        network.num_params(),
        peak(),
        peak() / bytes
    );
}

/// Returns the peak resident set of this process in MB, or NaN if the system does not report it.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.map_or(f64::NAN, |kilobytes| kilobytes * 1024.0 / 1e6)
}
