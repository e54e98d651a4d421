//! Attention on the CPU: 16 queries at a time, the columns of a panel, against all keys.

use super::extension::AttentionBackend;
use crate::host::{Floats, tensor, written};
use crate::layout::{Placement, channels_last};
use crate::product::{Left, PANEL, Right, load, product, store};
use crate::scratch::Scratch;
use crate::shared::SharedSlice;
use crate::silu::host::exp;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Queries `[pairs, d, n]`, keys `[pairs, d, m]` and values `[pairs, e, m]`. A pair is one head of
/// one image.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'a> {
    pub(super) q: &'a [f32],
    pub(super) k: &'a [f32],
    pub(super) v: &'a [f32],
    pub(super) pairs: usize,
    /// Features of queries and keys, then of values.
    pub(super) features: [usize; 2],
    /// Tokens of the queries, then of the keys.
    pub(super) tokens: [usize; 2],
}

impl Inputs<'_> {
    /// Returns the factor of the scores, `1/√d`.
    pub(super) fn scale(&self) -> f32 {
        (1.0 / (self.features[0] as f64).sqrt()) as f32
    }
}

/// One value per token of a panel.
pub(super) type Lanes = [f32; PANEL];

/// Rearranges `[pairs, features, tokens]` to `[pairs, long, wide]`, tokens by features, padded with
/// zeros.
pub(super) fn tokens_first(
    x: &[f32],
    pairs: usize,
    [features, tokens]: [usize; 2],
    [wide, long]: [usize; 2],
) -> Scratch {
    let place = Placement {
        size: [1, long],
        offset: [0, 0],
    };
    channels_last(x, [pairs, features, 1, tokens], place, wide)
}

/// Returns part `index` of `x`, which is divided into parts of `length` values.
pub(super) fn part(x: &[f32], index: usize, length: usize) -> &[f32] {
    &x[index * length..][..length]
}

/// Copies 16 columns of `[rows, columns]` from `first` on, times `factor`; missing columns become
/// 0.
#[inline(always)]
pub(super) fn panel(x: &[f32], columns: usize, first: usize, factor: f32, out: &mut [f32]) {
    let count = PANEL.min(columns - first);
    for (row, out) in x.chunks_exact(columns).zip(out.chunks_exact_mut(PANEL)) {
        for (out, &x) in out.iter_mut().zip(&row[first..first + count]) {
            *out = x * factor;
        }
        out[count..].fill(0.0);
    }
}

/// Computes `c = a b` for `a` `[rows, depth]` and `b` `[depth, 16]`.
#[inline(always)]
pub(super) fn rows<S: Simd>(simd: S, a: &[f32], b: &[f32], c: &mut [f32]) {
    let depth = b.len() / PANEL;
    let left = Left {
        start: 0,
        row: depth,
        step: 1,
        depth,
        segment: 0,
        segments: 1,
    };
    let right = Right {
        values: b,
        stride: PANEL,
        segment: 0,
    };
    let count = c.len() / PANEL;
    product(simd, (a, left), right, (c, PANEL), count, false);
}

/// Writes the 16 columns of a panel, times `factor`, to columns `first…` of a matrix
/// `[rows, columns]` that starts at index `start` of `out`.
#[inline(always)]
pub(super) fn write_columns(
    x: &[f32],
    factor: f32,
    columns: usize,
    first: usize,
    (out, start): (&SharedSlice<'_>, usize),
) {
    let count = PANEL.min(columns - first);
    for (row, x) in x.chunks_exact(PANEL).enumerate() {
        let mut line = [0.0; PANEL];
        for (line, &x) in line.iter_mut().zip(x) {
            *line = x * factor;
        }
        // SAFETY: only one task writes a given column of a pair.
        #[allow(unsafe_code, reason = "tasks share a matrix")]
        unsafe {
            out.write(start + row * columns + first, &line, count);
        }
    }
}

/// Replaces `x` by `exp(x − max)`, column by column, and returns the maxima and the sums.
#[inline(always)]
pub(super) fn exponentials<S: Simd>(simd: S, x: &mut [f32]) -> (Lanes, Lanes) {
    let (mut most, mut sum) = ([0.0; PANEL], [0.0; PANEL]);
    for lane in (0..PANEL).step_by(S::F32_LANES) {
        let mut largest = simd.splat_f32s(f32::NEG_INFINITY);
        for x in x.chunks_exact(PANEL) {
            largest = simd.max_f32s(largest, load::<S>(&x[lane..]));
        }
        store::<S>(&mut most[lane..], largest);
    }
    for x in x.chunks_exact_mut(PANEL) {
        for ((x, most), sum) in x.iter_mut().zip(&most).zip(&mut sum) {
            *x = exp(*x - most);
            *sum += *x;
        }
    }
    (most, sum)
}

/// Computes `o`, `[pairs, e, n]`.
fn forward(given: Inputs<'_>) -> Vec<f32> {
    let ([d, e], [n, m], pairs) = (given.features, given.tokens, given.pairs);
    let keys = tokens_first(given.k, pairs, [d, m], [d, m]);
    let panels = n.div_ceil(PANEL);
    let arch = Arch::new();
    let write = |out: &mut [MaybeUninit<f32>]| {
        let out = &SharedSlice::new(out);
        (0..pairs * panels).into_par_iter().for_each(|task| {
            arch.dispatch(AttendPanel {
                given,
                keys: &keys,
                pair: task / panels,
                first: task % panels * PANEL,
                out,
            });
        });
    };
    // SAFETY: every column of every pair belongs to exactly one panel, which writes all of it.
    #[allow(unsafe_code, reason = "the output is not cleared first")]
    unsafe {
        written(pairs * e * n, write)
    }
}

/// A panel of 16 queries of one pair.
struct AttendPanel<'a> {
    given: Inputs<'a>,
    /// `[pairs, m, d]`.
    keys: &'a [f32],
    pair: usize,
    first: usize,
    out: &'a SharedSlice<'a>,
}

impl WithSimd for AttendPanel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            given, pair, first, ..
        } = self;
        let ([d, e], [n, m]) = (given.features, given.tokens);
        let mut memory = Scratch::take((d + m + e) * PANEL);
        let (q, rest) = memory.split_at_mut(d * PANEL);
        let (p, o) = rest.split_at_mut(m * PANEL);
        panel(part(given.q, pair, d * n), n, first, given.scale(), q);
        rows(simd, part(self.keys, pair, m * d), q, p);
        let (_, sum) = exponentials(simd, p);
        rows(simd, part(given.v, pair, e * m), p, o);
        for o in o.chunks_exact_mut(PANEL) {
            o.iter_mut().zip(&sum).for_each(|(o, sum)| *o /= sum);
        }
        write_columns(o, 1.0, n, first, (self.out, pair * e * n));
    }
}

/// Calls `f` with the values of queries, keys and values, and their sizes.
pub(super) fn with<R>(given: &[FloatTensor<Flex>; 3], f: impl FnOnce(Inputs<'_>) -> R) -> R {
    let [q, k, v] = given.each_ref().map(Floats::of);
    let ([b, h, d, n], [.., m], [_, _, e, _]) = (q.shape(), k.shape::<4>(), v.shape::<4>());
    f(Inputs {
        q: &q,
        k: &k,
        v: &v,
        pairs: b * h,
        features: [d, e],
        tokens: [n, m],
    })
}

impl AttentionBackend for Flex {
    fn attend(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let ([b, h, _, n], [_, _, e, _]) = (q.shape().dims(), v.shape().dims::<4>());
        tensor(with(&[q, k, v], forward), [b, h, e, n])
    }
}
