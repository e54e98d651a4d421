//! What a step costs beside the network: a denoiser that does next to nothing.

#![allow(missing_docs, reason = "criterion's macros make undocumented items")]
#![allow(clippy::expect_used, reason = "a benchmark may stop at once")]

use criterion::{Criterion, criterion_group, criterion_main};
use std::time::Duration;
use tweedie::prelude::*;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const STEPS: usize = 10;

fn walk<S: Step<4>>(criterion: &mut Criterion, name: &str, step: S, shape: [usize; 4]) {
    let device = Device::flex();
    let path = Path::uniform(VariancePreserving::default(), Span::FULL, STEPS).expect("a path");
    let sampler = Sampler::new(step, path);
    let denoiser = from_fn(|x: Tensor<4>, _| x * 0.1);
    let x = HostNoise::seeded(0).normal(shape, &device);
    let [batch, _, size, _] = shape;
    let name = format!("{name}/{STEPS} steps/{batch}×3×{size}×{size}");
    criterion.bench_function(&name, |bencher| {
        let mut noise = HostNoise::seeded(1);
        bencher.iter(|| {
            sampler
                .sample(&denoiser, x.clone(), &mut noise)
                .expect("a run")
                .into_data()
        });
    });
}

fn samplers(criterion: &mut Criterion) {
    for shape in [[16, 3, 256, 256], [1, 3, 32, 32]] {
        walk(criterion, "DDPM", Ancestral::default(), shape);
        walk(criterion, "DDIM η = 0", Ddim::deterministic(), shape);
        walk(criterion, "DDIM η = 1", Ddim::ancestral(), shape);
        walk(criterion, "Heun", RungeKutta::heun(), shape);
    }
    let x = Tensor::<4>::zeros([16, 3, 256, 256], &Device::flex());
    criterion.bench_function("noise/16×3×256×256", |bencher| {
        let mut noise = HostNoise::seeded(1);
        bencher.iter(|| noise.normal_like(&x));
    });
}

criterion_group! {
    name = group;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(5));
    targets = samplers
}
criterion_main!(group);
