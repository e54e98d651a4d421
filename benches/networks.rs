//! Forward passes and training steps of U-Nets of two sizes.

#![allow(missing_docs, reason = "criterion's macros make undocumented items")]
#![allow(clippy::expect_used, reason = "a benchmark may stop at once")]

use criterion::{Criterion, criterion_group, criterion_main};
use std::time::Duration;
use tweedie::burn::module::Module;
use tweedie::core::Levels;
use tweedie::models::{Unet, seeded};
use tweedie::prelude::*;
use tweedie_benches::mnist_size;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn model(config: &UnetConfig) -> Preconditioned<Unet> {
    let device = Device::flex();
    let network = config.init(&device).expect("a network");
    let network = seeded(0, &device, network);
    Preconditioned::new(network, Prediction::Noise, TimeInput::LogSnr)
}

fn forward(criterion: &mut Criterion, name: &str, config: &UnetConfig, batch: usize) {
    let model = model(config);
    let x = HostNoise::seeded(0).normal([batch, config.channels, 32, 32], &Device::flex());
    let level = VariancePreserving::default().level(0.5);
    let levels = Levels::new(vec![level; batch]);
    criterion.bench_function(&format!("{name}/forward/{batch}"), |bencher| {
        bencher.iter(|| model.predict(x.clone(), &levels).into_data());
    });
}

fn training(criterion: &mut Criterion, name: &str, config: &UnetConfig, batch: usize) {
    let x = HostNoise::seeded(0).normal([batch, config.channels, 32, 32], &Device::flex());
    let settings = TrainSettings::default()
        .with_batch(batch)
        .with_steps(usize::MAX);
    let objective = ScoreMatching::new(VariancePreserving::default());
    let mut trainer = Trainer::new(model(config), objective, settings).expect("a run");
    criterion.bench_function(&format!("{name}/training step/{batch}"), |bencher| {
        bencher.iter(|| trainer.step(&x).expect("a step"));
    });
}

fn networks(criterion: &mut Criterion) {
    let cifar = UnetConfig::ddpm_cifar10();
    println!("ddpm-cifar10: {} parameters", model(&cifar).num_params());
    forward(criterion, "ddpm-cifar10", &cifar, 1);
    forward(criterion, "ddpm-cifar10", &cifar, 16);
    training(criterion, "ddpm-cifar10", &cifar, 8);
    let small = mnist_size();
    println!("mnist-size: {} parameters", model(&small).num_params());
    forward(criterion, "mnist-size", &small, 64);
    training(criterion, "mnist-size", &small, 64);
}

criterion_group! {
    name = group;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(10));
    targets = networks
}
criterion_main!(group);
