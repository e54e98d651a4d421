//! The cost of steps without the network: the denoiser is a single multiplication.

#![allow(missing_docs, reason = "criterion's macros make undocumented items")]
#![allow(clippy::expect_used, reason = "a benchmark may stop at once")]

use criterion::{Criterion, criterion_group, criterion_main};
use std::time::Duration;
use tweedie::prelude::*;
use tweedie::samplers::AnyStep;
use tweedie_catalogue::featured_steps;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const STEPS: usize = 10;

/// Times ten moves with a denoiser that is a single multiplication.
fn walk(criterion: &mut Criterion, name: &str, step: AnyStep<4>, shape: [usize; 4]) {
    let device = Device::flex();
    let path = LevelPath::uniform(VariancePreserving::default(), Span::default(), STEPS);
    let sampler = Sampler::new(step, path.expect("a path"));
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

/// Times a lower bound for ten steps: the denoiser's pass, then `a x + Σ b_j m_j` over `terms`
/// tensors. All tensors are kept, as a multistep method keeps its estimates.
fn passes(criterion: &mut Criterion, terms: usize, shape: [usize; 4]) {
    let device = Device::flex();
    let x: Tensor<4> = HostNoise::seeded(0).normal(shape, &device);
    let others: Vec<Tensor<4>> = (1..terms).map(|_| x.clone() + 1.0).collect();
    let name = format!(
        "axpby, {terms} terms/{STEPS} steps/{}×3×{}×{1}",
        shape[0], shape[2]
    );
    criterion.bench_function(&name, |bencher| {
        bencher.iter(|| {
            let mut state = x.clone();
            for _ in 0..STEPS {
                let estimate = state.clone() * 0.1;
                state = state * 0.9 + estimate.clone() * 0.2;
                for other in &others[1..] {
                    state = state + other.clone() * 0.05;
                }
            }
            state.into_data()
        });
    });
}

fn samplers(criterion: &mut Criterion) {
    for shape in [[16, 3, 256, 256], [1, 3, 32, 32]] {
        for terms in [2, 3, 4] {
            passes(criterion, terms, shape);
        }
        for entry in featured_steps() {
            walk(criterion, entry.name, entry.step, shape);
        }
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
        .measurement_time(Duration::from_secs(3));
    targets = samplers
}
criterion_main!(group);
