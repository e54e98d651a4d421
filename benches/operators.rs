//! Operators on images of 256×256 pixels, and metrics.

#![allow(missing_docs, reason = "criterion's macros make undocumented items")]
#![allow(clippy::expect_used, reason = "a benchmark may stop at once")]

use criterion::{Criterion, criterion_group, criterion_main};
use std::time::Duration;
use tweedie::core::Noise;
use tweedie::inverse::operator::{
    AveragePool, Basis, Blur, ChannelMix, CircularBlur, Linear, Mask, Operator, Padding,
    PointSpread, Sampled, Separable, Taps, Tomography, operator_norm,
};
use tweedie::metrics::{Border, Ssim, psnr};
use tweedie::prelude::*;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SIZE: [usize; 2] = [256, 256];

fn random(shape: [usize; 4]) -> Tensor<4> {
    HostNoise::seeded(0).normal(shape, &Device::flex())
}

/// Times `A x`, `Aᵀ y` and, if it has a closed form, `A⁺ y` and `solve`.
fn operator(
    criterion: &mut Criterion,
    name: &str,
    a: &dyn Linear<4>,
    shape: [usize; 4],
    closed: bool,
) {
    let x = random(shape);
    let y = a.apply(x.clone());
    criterion.bench_function(&format!("{name}/A"), |bencher| {
        bencher.iter(|| a.apply(x.clone()));
    });
    criterion.bench_function(&format!("{name}/adjoint"), |bencher| {
        bencher.iter(|| a.adjoint(y.clone()));
    });
    if closed {
        criterion.bench_function(&format!("{name}/pinv"), |bencher| {
            bencher.iter(|| a.pinv(y.clone()).expect("a solution").x);
        });
        criterion.bench_function(&format!("{name}/solve"), |bencher| {
            bencher.iter(|| a.solve(x.clone(), 0.1).expect("a solution").x);
        });
    }
}

fn operators(criterion: &mut Criterion) {
    let colour = [1, 3, 256, 256];
    let wide = || PointSpread::gaussian(10.0).expect("a kernel");
    let inpainting = Mask::random(SIZE, 0.5, 0).expect("an operator");
    operator(criterion, "inpainting", &inpainting, colour, true);
    let circular = CircularBlur::new(wide(), SIZE).expect("an operator");
    operator(criterion, "circular blur 69×69", &circular, colour, true);
    let reflect = Blur::new(wide(), Padding::Reflect);
    operator(criterion, "blur 69×69, reflect", &reflect, colour, false);
    let valid = Blur::new(
        PointSpread::gaussian(3.0).expect("a kernel"),
        Padding::Valid,
    );
    operator(criterion, "blur 23×23, valid", &valid, colour, false);
    let bicubic = Separable::decimate(Taps::Bicubic, 4, SIZE, Padding::Circular);
    operator(
        criterion,
        "bicubic ÷ 4",
        &bicubic.expect("an operator"),
        colour,
        true,
    );
    let pool = AveragePool::new(4).expect("an operator");
    operator(criterion, "average ÷ 4", &pool, colour, true);
    operator(criterion, "grey", &ChannelMix::grey(), colour, true);
    let mask = Mask::of_pixels([320, 320], |_, column| column.is_multiple_of(4));
    let scan = Sampled::new(Basis::Fourier, mask, [320, 320]).expect("an operator");
    operator(
        criterion,
        "resonance 320×320",
        &scan,
        [1, 2, 320, 320],
        true,
    );
    let tomography = Tomography::half_turn(SIZE, 180).expect("an operator");
    operator(
        criterion,
        "tomography, 180 angles",
        &tomography,
        [1, 1, 256, 256],
        false,
    );
    let sinogram = tomography.apply(random([1, 1, 256, 256]));
    criterion.bench_function(
        "tomography, 180 angles/filtered back-projection",
        |bencher| {
            bencher.iter(|| tomography.filtered_back_projection(sinogram.clone()));
        },
    );
    criterion.bench_function("bicubic ÷ 4/norm", |bencher| {
        let a =
            Separable::decimate(Taps::Bicubic, 4, SIZE, Padding::Circular).expect("an operator");
        bencher.iter(|| operator_norm(&a, colour, &Device::flex()).expect("a norm"));
    });
    criterion.bench_function("bicubic ÷ 4/decomposition and first pinv", |bencher| {
        let y = random([1, 3, 64, 64]);
        bencher.iter(|| {
            let a = Separable::decimate(Taps::Bicubic, 4, SIZE, Padding::Circular);
            a.expect("an operator")
                .pinv(y.clone())
                .expect("a solution")
                .x
        });
    });
}

fn metrics(criterion: &mut Criterion) {
    let (a, b) = (random([8, 3, 256, 256]), random([8, 3, 256, 256]) * 0.5);
    criterion.bench_function("PSNR/8×3×256×256", |bencher| {
        bencher.iter(|| psnr(a.clone(), b.clone(), 1.0));
    });
    criterion.bench_function("SSIM/8×3×256×256", |bencher| {
        let ssim = Ssim::new(1.0).with_border(Border::Reflect);
        bencher.iter(|| ssim.of(a.clone(), b.clone()));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2));
    targets = operators, metrics
}
criterion_main!(benches);
