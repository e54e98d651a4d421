//! 16 queries, or keys, at a time, side by side in registers.

use crate::host::written;
use crate::layout::{Place, channels_last};
use crate::product::{Left, PANEL, Right, load, product, store};
use crate::scratch::Scratch;
use crate::shared::Shared;
use crate::silu::host::exp;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Queries `[pairs, d, n]`, keys `[pairs, d, m]` and values `[pairs, e, m]`: a pair is a head of an image.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    pub(super) q: &'a [f32],
    pub(super) k: &'a [f32],
    pub(super) v: &'a [f32],
    pub(super) pairs: usize,
    /// Features of queries and keys, and of values.
    pub(super) features: [usize; 2],
    /// Numbers of queries, and of keys.
    pub(super) tokens: [usize; 2],
}

impl Given<'_> {
    /// What a score is multiplied by.
    fn scale(&self) -> f32 {
        (1.0 / (self.features[0] as f64).sqrt()) as f32
    }
}

/// One number a token of a panel.
type Lanes = [f32; PANEL];

/// `[pairs, features, tokens]` to `[pairs, tokens, features]`.
fn turned(x: &[f32], pairs: usize, features: usize, tokens: usize) -> Scratch {
    let place = Place {
        size: [1, tokens],
        offset: [0, 0],
    };
    channels_last(x, [pairs, features, 1, tokens], place, features)
}

/// Part `index` of equal parts of so many rows.
fn part(x: &[f32], index: usize, length: usize) -> &[f32] {
    &x[index * length..][..length]
}

/// 16 columns of `[rows, columns]` from `first` on, times `factor`; 0 where there are none.
#[inline(always)]
fn panel(x: &[f32], columns: usize, first: usize, factor: f32, out: &mut [f32]) {
    let count = PANEL.min(columns - first);
    for (row, out) in x.chunks_exact(columns).zip(out.chunks_exact_mut(PANEL)) {
        for (out, &x) in out.iter_mut().zip(&row[first..first + count]) {
            *out = x * factor;
        }
        out[count..].fill(0.0);
    }
}

/// `a b` for `a` `[rows, depth]` and `b` `[depth, 16]`.
#[inline(always)]
fn rows<S: Simd>(simd: S, a: &[f32], b: &[f32], c: &mut [f32]) {
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

/// Puts the 16 columns of a panel, times `factor`, to their place in `[rows, columns]`, from number `start` of `out`
/// on.
#[inline(always)]
fn put(x: &[f32], factor: f32, columns: usize, first: usize, (out, start): (&Shared<'_>, usize)) {
    let count = PANEL.min(columns - first);
    for (row, x) in x.chunks_exact(PANEL).enumerate() {
        let mut line = [0.0; PANEL];
        for (line, &x) in line.iter_mut().zip(x) {
            *line = x * factor;
        }
        // SAFETY: a column of a pair is one task's.
        #[allow(unsafe_code, reason = "tasks share a matrix")]
        unsafe {
            out.write(start + row * columns + first, &line, count);
        }
    }
}

/// `x` becomes `exp(x − max)`, column by column; gives the maxima and the sums.
#[inline(always)]
fn exponentials<S: Simd>(simd: S, x: &mut [f32]) -> (Lanes, Lanes) {
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

/// `o`, `[pairs, e, n]`.
pub(super) fn forward(given: Given<'_>) -> Vec<f32> {
    let ([d, e], [n, m], pairs) = (given.features, given.tokens, given.pairs);
    let keys = turned(given.k, pairs, d, m);
    let panels = n.div_ceil(PANEL);
    let arch = Arch::new();
    let write = |out: &mut [MaybeUninit<f32>]| {
        let out = &Shared::new(out);
        (0..pairs * panels).into_par_iter().for_each(|task| {
            arch.dispatch(Forward {
                given,
                keys: &keys,
                pair: task / panels,
                first: task % panels * PANEL,
                out,
            });
        });
    };
    // SAFETY: every column of every pair lies in one panel, and is written whole.
    #[allow(unsafe_code, reason = "the output is not cleared first")]
    unsafe {
        written(pairs * e * n, write)
    }
}

/// 16 queries of a pair.
struct Forward<'a> {
    given: Given<'a>,
    /// `[pairs, m, d]`.
    keys: &'a [f32],
    pair: usize,
    first: usize,
    out: &'a Shared<'a>,
}

impl WithSimd for Forward<'_> {
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
        put(o, 1.0, n, first, (self.out, pair * e * n));
    }
}

/// `∂/∂q`, `∂/∂k` and `∂/∂v` from `∂/∂o`, `[pairs, e, n]`.
///
/// With `s = kᵀ q/√d`, `p = softmax_j(s)` and `∂p[j, i] = v[·, j] · ∂o[·, i]`:
/// `∂s = p ⊙ (∂p − Σ_j p ∂p)`, `∂q = k ∂s/√d`, `∂k = q ∂sᵀ/√d`, `∂v = ∂o pᵀ`. First by panels of
/// queries, where a softmax is whole, then by panels of keys.
pub(super) fn backward(given: Given<'_>, dy: &[f32]) -> [Vec<f32>; 3] {
    let ([d, e], [n, m], pairs) = (given.features, given.tokens, given.pairs);
    // Scores are the same numbers both times: it is queries that are scaled.
    let mut queries = turned(given.q, pairs, d, n);
    queries.iter_mut().for_each(|q| *q *= given.scale());
    let tape = Tape {
        given,
        dy,
        keys: &turned(given.k, pairs, d, m),
        values: &turned(given.v, pairs, e, m),
        queries: &queries,
        wanted: &turned(dy, pairs, e, n),
    };
    let (of_queries, of_keys) = (n.div_ceil(PANEL), m.div_ceil(PANEL));
    let mut moments = vec![[[0.0; PANEL]; 4]; pairs * of_queries];
    let arch = Arch::new();
    let by_q = |out: &mut [MaybeUninit<f32>]| {
        let out = &Shared::new(out);
        let tasks = moments.par_iter_mut().enumerate();
        tasks.for_each(|(task, moments)| {
            arch.dispatch(ByQuery {
                tape,
                pair: task / of_queries,
                first: task % of_queries * PANEL,
                moments,
                out,
            });
        });
    };
    // SAFETY: every column of every pair lies in one panel, and is written whole.
    #[allow(unsafe_code, reason = "the gradient is not cleared first")]
    let dq = unsafe { written(pairs * d * n, by_q) };
    let mut dv = Vec::new();
    let by_k = |out: &mut [MaybeUninit<f32>]| {
        let by_k = &Shared::new(out);
        let by_v = |out: &mut [MaybeUninit<f32>]| {
            let by_v = &Shared::new(out);
            (0..pairs * of_keys).into_par_iter().for_each(|task| {
                let pair = task / of_keys;
                arch.dispatch(ByKey {
                    tape,
                    pair,
                    first: task % of_keys * PANEL,
                    moments: &moments[pair * of_queries..][..of_queries],
                    by_k,
                    by_v,
                });
            });
        };
        // SAFETY: as above.
        #[allow(unsafe_code, reason = "the gradient is not cleared first")]
        {
            dv = unsafe { written(pairs * e * m, by_v) };
        }
    };
    // SAFETY: as above.
    #[allow(unsafe_code, reason = "the gradient is not cleared first")]
    let dk = unsafe { written(pairs * d * m, by_k) };
    [dq, dk, dv]
}

/// Products of 16 tokens, columns from `first` on of `[features, count]` times `factor`, with all others, rows of features;
/// the 16 are left in `memory`.
#[inline(always)]
fn meet<S: Simd>(
    simd: S,
    (tokens, count, first): (&[f32], usize, usize),
    factor: f32,
    others: &[f32],
    memory: &mut [f32],
    out: &mut [f32],
) {
    let few = &mut memory[..tokens.len() / count * PANEL];
    panel(tokens, count, first, factor, few);
    rows(simd, others, few, out);
}

/// What was given, with features last too, queries scaled, and the gradient of the output.
#[derive(Clone, Copy)]
struct Tape<'a> {
    given: Given<'a>,
    dy: &'a [f32],
    keys: &'a [f32],
    values: &'a [f32],
    queries: &'a [f32],
    wanted: &'a [f32],
}

/// 16 queries of a pair.
struct ByQuery<'a> {
    tape: Tape<'a>,
    pair: usize,
    first: usize,
    /// `max s`, `Σ exp(s − max s)`, `∂p` of the largest score, and `Σ p (∂p − that)`.
    moments: &'a mut [Lanes; 4],
    out: &'a Shared<'a>,
}

impl WithSimd for ByQuery<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            tape, pair, first, ..
        } = self;
        let given = tape.given;
        let ([d, e], [n, m]) = (given.features, given.tokens);
        let mut memory = Scratch::take((d.max(e) + 2 * m) * PANEL);
        let (x, rest) = memory.split_at_mut(d.max(e) * PANEL);
        let (p, dp) = rest.split_at_mut(m * PANEL);
        let of_queries = |x, features| part(x, pair, features * n);
        let of_keys = |x, features| part(x, pair, features * m);
        meet(
            simd,
            (of_queries(given.q, d), n, first),
            given.scale(),
            of_keys(tape.keys, d),
            x,
            p,
        );
        meet(
            simd,
            (of_queries(tape.dy, e), n, first),
            1.0,
            of_keys(tape.values, e),
            x,
            dp,
        );
        let (most, sum) = exponentials(simd, p);
        // Where one key takes almost all, `∂p − Σ p ∂p` is what is left of two large numbers: both are
        // counted from the largest score's `∂p`.
        let mut top = [0.0; PANEL];
        for (p, dp) in p.chunks_exact(PANEL).zip(dp.chunks_exact(PANEL)) {
            for lane in 0..PANEL {
                top[lane] = if p[lane] >= 1.0 { dp[lane] } else { top[lane] };
            }
        }
        let mut mean = [0.0; PANEL];
        for (p, dp) in p.chunks_exact(PANEL).zip(dp.chunks_exact(PANEL)) {
            for lane in 0..PANEL {
                mean[lane] += p[lane] * (dp[lane] - top[lane]);
            }
        }
        mean.iter_mut().zip(&sum).for_each(|(m, sum)| *m /= sum);
        for (p, dp) in p.chunks_exact(PANEL).zip(dp.chunks_exact_mut(PANEL)) {
            for lane in 0..PANEL {
                dp[lane] = p[lane] / sum[lane] * (dp[lane] - top[lane] - mean[lane]);
            }
        }
        let dq = &mut x[..d * PANEL];
        rows(simd, part(given.k, pair, d * m), dp, dq);
        put(dq, given.scale(), n, first, (self.out, pair * d * n));
        *self.moments = [most, sum, top, mean];
    }
}

/// 16 keys of a pair.
struct ByKey<'a> {
    tape: Tape<'a>,
    pair: usize,
    first: usize,
    /// Of all queries of the pair.
    moments: &'a [[Lanes; 4]],
    by_k: &'a Shared<'a>,
    by_v: &'a Shared<'a>,
}

impl WithSimd for ByKey<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            tape, pair, first, ..
        } = self;
        let given = tape.given;
        let ([d, e], [n, m]) = (given.features, given.tokens);
        let mut memory = Scratch::take((d.max(e) + 2 * n) * PANEL);
        let (x, rest) = memory.split_at_mut(d.max(e) * PANEL);
        let (p, dp) = rest.split_at_mut(n * PANEL);
        let of_queries = |x, features| part(x, pair, features * n);
        let of_keys = |x, features| part(x, pair, features * m);
        meet(
            simd,
            (of_keys(given.k, d), m, first),
            1.0,
            of_queries(tape.queries, d),
            x,
            p,
        );
        meet(
            simd,
            (of_keys(given.v, e), m, first),
            1.0,
            of_queries(tape.wanted, e),
            x,
            dp,
        );
        let pairs = p.chunks_exact_mut(PANEL).zip(dp.chunks_exact_mut(PANEL));
        for (i, (p, dp)) in pairs.enumerate() {
            let moments = self.moments[i / PANEL].map(|lanes| lanes[i % PANEL]);
            let [most, sum, top, mean] = moments;
            for (p, dp) in p.iter_mut().zip(dp) {
                *p = exp(*p - most) / sum;
                *dp = *p * (*dp - top - mean);
            }
        }
        let dv = &mut x[..e * PANEL];
        rows(simd, part(tape.dy, pair, e * n), p, dv);
        put(dv, 1.0, m, first, (self.by_v, pair * e * m));
        let dk = &mut x[..d * PANEL];
        rows(simd, part(given.q, pair, d * n), dp, dk);
        put(dk, given.scale(), m, first, (self.by_k, pair * d * m));
    }
}
