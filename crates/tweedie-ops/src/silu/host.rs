//! SiLU on the CPU: chunks over all cores.

use super::extension::{Silu, SiluGradient};
use crate::host::{Floats, tensor, written};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Beyond `±LEAST` the function equals its asymptotes, to 10⁻³⁵.
const LEAST: f32 = -87.0;

/// Elements per task.
const CHUNK: usize = 1 << 14;

/// Returns `eˣ`, to 2 units in the last place, as `2ⁿ e^r` with `|r| ≤ ½ ln 2` and a polynomial for
/// `e^r` (Cephes).
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Adding 1.5·2²³ rounds to an integer, which is then in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    // ln 2 is split into two parts, to keep the digits of `r`.
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let mut p = 1.987_569_1e-4;
    for c in [
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        0.166_666_65,
        0.5,
    ] {
        p = p * r + c;
    }
    let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    (p * r * r + r + 1.0) * power
}

#[inline(always)]
pub(crate) fn value(x: f32) -> f32 {
    x.max(LEAST) / (1.0 + exp(-x))
}

/// Returns `s + s x (1 − s)` with `s = 1/(1 + e⁻ˣ)`. Computing `1 − s` as `e⁻ˣ s` avoids
/// cancellation.
#[inline(always)]
pub(crate) fn derivative(x: f32) -> f32 {
    let x = x.clamp(LEAST, -LEAST);
    let e = exp(-x);
    let s = 1.0 / (1.0 + e);
    s * (1.0 + x * (e * s))
}

struct SiluPart<'a>(&'a [f32], &'a mut [MaybeUninit<f32>]);

impl WithSimd for SiluPart<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (y, &x) in self.1.iter_mut().zip(self.0) {
            y.write(value(x));
        }
    }
}

struct Backwards<'a>(&'a [f32], &'a [f32], &'a mut [MaybeUninit<f32>]);

impl WithSimd for Backwards<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for ((dx, &x), &dy) in self.2.iter_mut().zip(self.0).zip(self.1) {
            dx.write(dy * derivative(x));
        }
    }
}

impl Silu for Flex {
    fn silu_of(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let (shape, x, arch) = (x.shape(), Floats::of(&x), Arch::new());
        let write = |y: &mut [MaybeUninit<f32>]| {
            let chunks = y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK));
            chunks.for_each(|(y, x)| arch.dispatch(SiluPart(x, y)));
        };
        // SAFETY: the closure writes every chunk completely.
        #[allow(unsafe_code, reason = "the output is not cleared first")]
        let y = unsafe { written(x.len(), write) };
        tensor(y, shape)
    }
}

impl SiluGradient for Flex {
    fn silu_gradient(x: FloatTensor<Self>, dy: FloatTensor<Self>) -> FloatTensor<Self> {
        let (shape, arch) = (x.shape(), Arch::new());
        let (x, dy) = (Floats::of(&x), Floats::of(&dy));
        assert_eq!(dy.len(), x.len(), "a gradient of the output's size");
        let write = |dx: &mut [MaybeUninit<f32>]| {
            let factors = x.par_chunks(CHUNK).zip(dy.par_chunks(CHUNK));
            let chunks = dx.par_chunks_mut(CHUNK).zip(factors);
            chunks.for_each(|(dx, (x, dy))| arch.dispatch(Backwards(x, dy, dx)));
        };
        // SAFETY: the closure writes every chunk completely, because `dy` is as long as `x`
        // (asserted above).
        #[allow(unsafe_code, reason = "the gradient is not cleared first")]
        let dx = unsafe { written(x.len(), write) };
        tensor(dx, shape)
    }
}
