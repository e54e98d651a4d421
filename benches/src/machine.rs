//! The limits of the machine, as in `docs/BENCHMARKS.md`.

use std::time::Instant;
use tweedie::burn::tensor::DType;
use tweedie::prelude::*;

/// Returns the FLOP/s of matrix products and the bytes/s of copies, read and written: the best of
/// ten runs.
#[must_use]
pub fn machine(device: &Device) -> (f64, f64) {
    let mut best = (0.0_f64, 0.0_f64);
    let side = 1536;
    let a = Tensor::<2>::ones([side, side], (device, DType::F32));
    // Larger than the caches.
    let x = Tensor::<1>::ones([1 << 25], (device, DType::F32));
    for _ in 0..10 {
        let began = Instant::now();
        a.clone().matmul(a.clone()).into_data();
        let flop = 2.0 * (side as f64).powi(3);
        best.0 = best.0.max(flop / began.elapsed().as_secs_f64());
        let mut copy = x.to_data().as_slice::<f32>().unwrap_or_default().to_vec();
        let data = x.to_data();
        let from = data.as_slice::<f32>().unwrap_or_default();
        let began = Instant::now();
        let half = from.len() / 2;
        let (first, second) = copy.split_at_mut(half);
        std::thread::scope(|scope| {
            scope.spawn(|| first.copy_from_slice(&from[..half]));
            second.copy_from_slice(&from[half..]);
        });
        let bytes = 8.0 * from.len() as f64;
        best.1 = best.1.max(bytes / began.elapsed().as_secs_f64());
    }
    best
}
