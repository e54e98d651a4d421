//! Group normalisation on the CPU: one group of one image at a time, which stays in the cache.

use super::GroupNormalisation;
use super::extension::{How, Normalise, NormaliseGradient};
use crate::host::{Floats, tensor, written};
use crate::silu::host::{derivative, value};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// The arguments: `x` `[n, c, pixels]`, and `a`, `b`, `d` `[n, c]`.
#[derive(Clone, Copy)]
struct GroupInputs<'a> {
    x: &'a [f32],
    a: &'a [f32],
    b: Option<&'a [f32]>,
    d: &'a [f32],
    channels: usize,
    pixels: usize,
    how: GroupNormalisation,
}

impl GroupInputs<'_> {
    fn of_group(&self) -> usize {
        self.channels / self.how.groups
    }

    /// Returns group `index` of the batch.
    fn group(&self, index: usize) -> Self {
        let (count, pixels) = (self.of_group(), self.pixels);
        let channels = index * count..(index + 1) * count;
        Self {
            x: &self.x[channels.start * pixels..channels.end * pixels],
            a: &self.a[channels.clone()],
            b: self.b.map(|b| &b[channels.clone()]),
            d: &self.d[channels],
            ..*self
        }
    }

    /// Returns `b` for a channel, or 0 if there is no `b`.
    #[inline(always)]
    fn shift(&self, channel: usize) -> f32 {
        self.b.map_or(0.0, |b| b[channel])
    }

    /// Returns the mean and `1/√(variance + ε)` of `x + b`.
    #[inline(always)]
    fn moments(&self) -> (f32, f32) {
        let count = self.x.len() as f64;
        // Plain loops: the compiler does not always vectorise iterator folds for the dispatched
        // instruction set.
        let mut total = 0.0;
        for (i, x) in self.x.chunks_exact(self.pixels).enumerate() {
            total += sum(x, |x| x) + f64::from(self.shift(i)) * x.len() as f64;
        }
        let mean = (total / count) as f32;
        let mut square = 0.0;
        for (i, x) in self.x.chunks_exact(self.pixels).enumerate() {
            let shift = self.shift(i) - mean;
            square += sum(x, |x| (x + shift) * (x + shift));
        }
        (
            mean,
            (1.0 / (square / count + self.how.epsilon).sqrt()) as f32,
        )
    }
}

/// Returns `Σ x`.
pub(crate) fn total(x: &[f32]) -> f64 {
    Arch::new().dispatch(Total(x))
}

/// Returns `Σ x²`.
pub(crate) fn squares(x: &[f32]) -> f64 {
    Arch::new().dispatch(SumOfSquares(x))
}

struct Total<'a>(&'a [f32]);

impl WithSimd for Total<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        sum(self.0, |x| x)
    }
}

struct SumOfSquares<'a>(&'a [f32]);

impl WithSimd for SumOfSquares<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        sum(self.0, |x| x * x)
    }
}

/// Returns `Σ f(x)`.
#[inline(always)]
fn sum(x: &[f32], f: impl Fn(f32) -> f32) -> f64 {
    product(x, x, |x, _| f(x))
}

/// Returns `Σ f(g, x)`: 4096 values at a time in 16 `f32` sums, the chunks in `f64`.
#[inline(always)]
fn product(g: &[f32], x: &[f32], f: impl Fn(f32, f32) -> f32) -> f64 {
    let mut total = 0.0;
    for (g, x) in g.chunks(1 << 12).zip(x.chunks(1 << 12)) {
        let mut sums = [0.0_f32; 16];
        let (mut all_g, mut all_x) = (g.chunks_exact(16), x.chunks_exact(16));
        for (g, x) in all_g.by_ref().zip(all_x.by_ref()) {
            for ((sum, &g), &x) in sums.iter_mut().zip(g).zip(x) {
                *sum += f(g, x);
            }
        }
        let rest = all_g.remainder().iter().zip(all_x.remainder());
        for (sum, (&g, &x)) in sums.iter_mut().zip(rest) {
            *sum += f(g, x);
        }
        total += f64::from(sums.iter().sum::<f32>());
    }
    total
}

/// Computes `y`, of the shape of `x`.
fn forward(given: GroupInputs<'_>) -> Vec<f32> {
    let group = (given.of_group() * given.pixels).max(1);
    let arch = Arch::new();
    let write = |y: &mut [MaybeUninit<f32>]| {
        y.par_chunks_mut(group).enumerate().for_each(|(index, y)| {
            let given = given.group(index);
            arch.dispatch(NormaliseGroup { given, y });
        });
    };
    // SAFETY: every group is one chunk, and the closure writes each of its channels completely.
    #[allow(unsafe_code, reason = "the output is not cleared first")]
    unsafe {
        written(given.x.len(), write)
    }
}

struct NormaliseGroup<'a> {
    given: GroupInputs<'a>,
    y: &'a mut [MaybeUninit<f32>],
}

impl WithSimd for NormaliseGroup<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { given, y } = self;
        let (mean, scale) = given.moments();
        let pixels = given.pixels;
        for (i, y) in y.chunks_exact_mut(pixels).enumerate() {
            let x = &given.x[i * pixels..][..pixels];
            // `x` and the mean may both be large, so the mean is subtracted before anything else.
            let (shift, a, d) = (given.shift(i) - mean, given.a[i], given.d[i]);
            let pairs = y.iter_mut().zip(x);
            match given.how.silu {
                true => pairs.for_each(|(y, &x)| {
                    y.write(value((x + shift) * scale * a + d));
                }),
                false => pairs.for_each(|(y, &x)| {
                    y.write((x + shift) * scale * a + d);
                }),
            }
        }
    }
}

/// Computes `∂/∂x`, and `∂/∂a`, `∂/∂b`, `∂/∂d`, from `∂/∂y`.
fn backward(given: GroupInputs<'_>, dy: &[f32]) -> (Vec<f32>, [Vec<f32>; 3]) {
    assert_eq!(dy.len(), given.x.len(), "a gradient of the output's size");
    let mut vectors = vec![[0.0; 3]; given.a.len()];
    let group = (given.of_group() * given.pixels).max(1);
    let arch = Arch::new();
    let write = |dx: &mut [MaybeUninit<f32>]| {
        dx.par_chunks_mut(group)
            .zip(vectors.par_chunks_mut(given.of_group().max(1)))
            .zip(dy.par_chunks(group))
            .enumerate()
            .for_each(|(index, ((dx, vectors), dy))| {
                let given = given.group(index);
                arch.dispatch(Backward {
                    given,
                    dy,
                    dx,
                    vectors,
                });
            });
    };
    // SAFETY: every group is one chunk, also of `dy` (asserted above), and the closure writes each
    // of its channels completely.
    #[allow(unsafe_code, reason = "the gradient is not cleared first")]
    let dx = unsafe { written(given.x.len(), write) };
    let vector = |i: usize| vectors.iter().map(|v| v[i]).collect();
    let of_vectors = [vector(0), vector(1), vector(2)];
    (dx, of_vectors)
}

struct Backward<'a> {
    given: GroupInputs<'a>,
    dy: &'a [f32],
    dx: &'a mut [MaybeUninit<f32>],
    /// The gradients of every channel by `a`, `b` and `d`.
    vectors: &'a mut [[f32; 3]],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    /// With `z` the normalised image, `u = a z + d` and `g = act′(u) ∂y`: `∂a = Σ g z`, `∂d = Σ g`,
    /// `∂x = (a g − mean(a g) − z mean(a g z))/√(variance + ε)` with means over the group, and
    /// `∂b = Σ ∂x`.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (given, pixels) = (self.given, self.given.pixels);
        let (mean, scale) = given.moments();
        let (mut of_ones, mut of_z) = (0.0, 0.0);
        for (i, dx) in self.dx.chunks_exact_mut(pixels).enumerate() {
            let x = &given.x[i * pixels..][..pixels];
            let dy = &self.dy[i * pixels..][..pixels];
            let (a, d, shift) = (given.a[i], given.d[i], given.shift(i) - mean);
            let triples = dx.iter_mut().zip(x).zip(dy);
            match given.how.silu {
                true => triples.for_each(|((dx, &x), &dy)| {
                    dx.write(dy * derivative((x + shift) * scale * a + d));
                }),
                false => triples.for_each(|((dx, _), &dy)| {
                    dx.write(dy);
                }),
            }
            // SAFETY: the loop above has just written all of it.
            #[allow(unsafe_code, reason = "the gradient is not cleared first")]
            let dx = unsafe { dx.assume_init_mut() };
            let by_d = sum(dx, |g| g);
            let by_a = product(dx, x, |g, x| g * ((x + shift) * scale));
            of_ones += by_d * f64::from(a);
            of_z += by_a * f64::from(a);
            self.vectors[i] = [by_a as f32, 0.0, by_d as f32];
        }
        let count = given.x.len() as f64;
        let (of_ones, of_z) = ((of_ones / count) as f32, (of_z / count) as f32);
        for (i, dx) in self.dx.chunks_exact_mut(pixels).enumerate() {
            let x = &given.x[i * pixels..][..pixels];
            let (a, shift) = (given.a[i], given.shift(i) - mean);
            // SAFETY: the first loop wrote all channels.
            #[allow(unsafe_code, reason = "the gradient is not cleared first")]
            let dx = unsafe { dx.assume_init_mut() };
            for (dx, &x) in dx.iter_mut().zip(x) {
                let z = (x + shift) * scale;
                *dx = scale * (*dx * a - of_ones - z * of_z);
            }
            if given.b.is_some() {
                self.vectors[i][1] = sum(dx, |g| g) as f32;
            }
        }
    }
}

/// Calls `f` with the values of `x`, `a`, `b` and `d`.
fn with<R>(
    given: &[FloatTensor<Flex>; 4],
    How { norm, shifted }: How,
    f: impl FnOnce(GroupInputs<'_>) -> R,
) -> R {
    let [x, a, d] = [0, 1, 3].map(|i| Floats::of(&given[i]));
    let b = shifted.then(|| Floats::of(&given[2]));
    let [_, channels, h, w] = x.shape();
    f(GroupInputs {
        x: &x,
        a: &a,
        b: b.as_deref(),
        d: &d,
        channels,
        pixels: h * w,
        how: norm,
    })
}

fn shape(x: &FloatTensor<Flex>) -> [usize; 4] {
    x.shape().dims()
}

impl Normalise for Flex {
    fn normalise(
        x: FloatTensor<Self>,
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        d: FloatTensor<Self>,
        how: How,
    ) -> FloatTensor<Self> {
        let given = [x, a, b, d];
        tensor(with(&given, how, forward), shape(&given[0]))
    }
}

impl NormaliseGradient for Flex {
    fn normalise_gradient(
        x: FloatTensor<Self>,
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        d: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        how: How,
    ) -> (
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
    ) {
        let given = [x, a, b, d];
        let (dx, vectors) = with(&given, how, |given| backward(given, &Floats::of(&dy)));
        let shape = shape(&given[0]);
        let [da, db, dd] = vectors.map(|vector| tensor(vector, [shape[0], shape[1]]));
        (tensor(dx, shape), da, db, dd)
    }
}
