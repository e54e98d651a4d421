//! The backward pass: each step takes 64 queries against all keys and adds their share to the
//! gradients of all keys and values.

use super::extension::AttendGradient;
use super::host::{
    Inputs, Lanes, exponentials, panel, part, rows, tokens_first, with, write_columns,
};
use crate::host::{Floats, tensor, written};
use crate::layout::turn;
use crate::product::{Left, PANEL, Right, product};
use crate::scratch::Scratch;
use crate::shared::SharedSlice;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Panels of 16 queries per block: the sums in memory are read and written once a block.
const PANELS: usize = 4;

/// Computes `∂/∂q`, `∂/∂k` and `∂/∂v` from `∂/∂o`, `[pairs, e, n]`.
///
/// With `s = kᵀ q/√d`, `p = softmax_j(s)` and `∂p[j, i] = v[·, j] · ∂o[·, i]`:
/// `∂s = p ⊙ (∂p − Σ_j p ∂p)`, `∂q = k ∂s/√d`, `∂k = q ∂sᵀ/√d`, `∂v = ∂o pᵀ`. The last two are sums
/// over all queries. They are added block by block in a fixed order, so that their bits do not
/// depend on the number of threads.
fn backward(given: Inputs<'_>, dy: &[f32]) -> [Vec<f32>; 3] {
    let ([d, e], [n, m], pairs) = (given.features, given.tokens, given.pairs);
    let wide = [d, e].map(|features| features.next_multiple_of(PANEL));
    let long = n.next_multiple_of(PANEL);
    let tape = Tape {
        given,
        dy,
        keys: &tokens_first(given.k, pairs, [d, m], [d, m]),
        values: &tokens_first(given.v, pairs, [e, m], [e, m]),
        queries: &tokens_first(given.q, pairs, [d, n], [wide[0], long]),
        wanted: &tokens_first(dy, pairs, [e, n], [wide[1], long]),
        wide,
        long,
    };
    let blocks = n.div_ceil(PANELS * PANEL);
    // If there are fewer pairs than threads, several blocks of each pair run in parallel.
    let strands = (2 * rayon::current_num_threads() / pairs).clamp(1, blocks);
    let run = if strands == 1 { blocks } else { 1 };
    let of_pair = m * (wide[0] + wide[1]);
    let mut sums = Scratch::take(pairs * strands * of_pair);
    let arch = Arch::new();
    let by_q = |out: &mut [MaybeUninit<f32>]| {
        let out = &SharedSlice::new(out);
        for start in (0..blocks).step_by(strands * run) {
            let tasks = sums.par_chunks_mut(of_pair).enumerate();
            tasks.for_each(|(task, sums)| {
                let strand = task % strands;
                let first = start + strand * run;
                arch.dispatch(Strand {
                    tape,
                    pair: task / strands,
                    blocks: first..(first + run).min(blocks),
                    sums,
                    // The first strand continues with the sums of the previous round.
                    add: strand == 0 && start > 0,
                    out,
                });
            });
            let with_more = strands.min(blocks - start);
            sums.par_chunks_mut(strands * of_pair)
                .for_each(|sums| add_strands(sums, of_pair, with_more));
        }
    };
    // SAFETY: every column of every pair belongs to exactly one panel of one block, which writes
    // all of it.
    #[allow(unsafe_code, reason = "the gradient is not cleared first")]
    let dq = unsafe { written(pairs * d * n, by_q) };
    let (mut dk, mut dv) = (vec![0.0; pairs * d * m], vec![0.0; pairs * e * m]);
    let made = dk.par_chunks_mut(d * m).zip(dv.par_chunks_mut(e * m));
    let all = sums.par_chunks(strands * of_pair).zip(made);
    all.for_each(|(sums, (by_k, by_v))| {
        arch.dispatch(Turn {
            sums,
            wide,
            tokens: m,
            scale: given.scale(),
            by_k,
            by_v,
        });
    });
    [dq, dk, dv]
}

/// Adds the sums of all strands of a pair to those of the first strand, in order.
fn add_strands(sums: &mut [f32], of_pair: usize, strands: usize) {
    let (first, others) = sums.split_at_mut(of_pair);
    let others = &others[..(strands - 1) * of_pair];
    let parts = first.par_chunks_mut(1 << 14).enumerate();
    parts.for_each(|(i, sums)| {
        for other in others.chunks_exact(of_pair) {
            for (sum, x) in sums.iter_mut().zip(&other[i << 14..]) {
                *sum += x;
            }
        }
    });
}

/// The arguments of the forward pass, also with features last, and the gradient of the output.
#[derive(Clone, Copy)]
struct Tape<'a> {
    given: Inputs<'a>,
    dy: &'a [f32],
    /// `[pairs, m, d]` and `[pairs, m, e]`.
    keys: &'a [f32],
    values: &'a [f32],
    /// Queries and `dy`, `[pairs, long, wide]`, padded with zeros.
    queries: &'a [f32],
    wanted: &'a [f32],
    wide: [usize; 2],
    long: usize,
}

/// Consecutive blocks of queries of one pair.
struct Strand<'a> {
    tape: Tape<'a>,
    pair: usize,
    blocks: Range<usize>,
    /// The sums for the keys, `[m, wide]`, followed by those for the values.
    sums: &'a mut [f32],
    /// Whether to add to the contents of `sums`.
    add: bool,
    /// The gradient by the queries.
    out: &'a SharedSlice<'a>,
}

impl WithSimd for Strand<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            tape,
            pair,
            blocks,
            mut add,
            ..
        } = self;
        let ([d, e], [n, m]) = (tape.given.features, tape.given.tokens);
        let (of_panel, few) = (m * PANEL, d.max(e) * PANEL);
        let mut memory = Scratch::take(few + 2 * PANELS * of_panel);
        let (x, rest) = memory.split_at_mut(few);
        let (p, ds) = rest.split_at_mut(PANELS * of_panel);
        let (by_k, by_v) = self.sums.split_at_mut(m * tape.wide[0]);
        for block in blocks {
            let first = block * PANELS * PANEL;
            let panels = (n - first).div_ceil(PANEL).min(PANELS);
            let scores = p
                .chunks_exact_mut(of_panel)
                .zip(ds.chunks_exact_mut(of_panel));
            for (i, (p, ds)) in scores.take(panels).enumerate() {
                let queries = Queries {
                    tape,
                    pair,
                    first: first + i * PANEL,
                };
                queries.meet(simd, x, p, ds, self.out);
            }
            // By the keys `∂s qᵀ`, by the values `p ∂oᵀ`.
            let left = Left {
                start: 0,
                row: PANEL,
                step: 1,
                depth: PANEL,
                segment: of_panel,
                segments: panels,
            };
            let factors = [
                (&*ds, tape.queries, &mut *by_k),
                (&*p, tape.wanted, &mut *by_v),
            ];
            for ((a, b, sums), wide) in factors.into_iter().zip(tape.wide) {
                let b = &part(b, pair, tape.long * wide)[first * wide..];
                for column in (0..wide).step_by(PANEL) {
                    let right = Right {
                        values: &b[column..],
                        stride: wide,
                        segment: PANEL * wide,
                    };
                    let to = (&mut sums[column..], wide);
                    product(simd, (a, left), right, to, m, add);
                }
            }
            add = true;
        }
    }
}

/// A panel of 16 queries of one pair.
struct Queries<'a> {
    tape: Tape<'a>,
    pair: usize,
    first: usize,
}

impl Queries<'_> {
    /// Computes `p` and `∂s`, `[m, 16]`, and writes `∂q` to `out`.
    #[inline(always)]
    fn meet<S: Simd>(
        &self,
        simd: S,
        x: &mut [f32],
        p: &mut [f32],
        ds: &mut [f32],
        out: &SharedSlice<'_>,
    ) {
        let Self { tape, pair, first } = *self;
        let given = tape.given;
        let ([d, e], [n, m]) = (given.features, given.tokens);
        let scale = given.scale();
        panel(
            part(given.q, pair, d * n),
            n,
            first,
            scale,
            &mut x[..d * PANEL],
        );
        rows(simd, part(tape.keys, pair, m * d), &x[..d * PANEL], p);
        panel(
            part(tape.dy, pair, e * n),
            n,
            first,
            1.0,
            &mut x[..e * PANEL],
        );
        rows(simd, part(tape.values, pair, m * e), &x[..e * PANEL], ds);
        let (_, sum) = exponentials(simd, p);
        through_softmax(p, &sum, ds);
        let dq = &mut x[..d * PANEL];
        rows(simd, part(given.k, pair, d * m), ds, dq);
        write_columns(dq, scale, n, first, (out, pair * d * n));
    }
}

/// Turns `exp(s − max s)` into `p`, and `∂p` into `∂s`, column by column.
#[inline(always)]
fn through_softmax(p: &mut [f32], sum: &Lanes, dp: &mut [f32]) {
    // Where one key takes almost all the weight, `∂p − Σ p ∂p` is a difference of two large
    // numbers. Both are therefore measured from the `∂p` of the largest score.
    let mut top = [0.0; PANEL];
    for (p, dp) in p.chunks_exact(PANEL).zip(dp.chunks_exact(PANEL)) {
        for lane in 0..PANEL {
            top[lane] = if p[lane] >= 1.0 { dp[lane] } else { top[lane] };
        }
    }
    let share = sum.map(|sum| 1.0 / sum);
    let mut mean = [0.0; PANEL];
    for (p, dp) in p.chunks_exact_mut(PANEL).zip(dp.chunks_exact(PANEL)) {
        for lane in 0..PANEL {
            p[lane] *= share[lane];
            mean[lane] += p[lane] * (dp[lane] - top[lane]);
        }
    }
    for (p, dp) in p.chunks_exact(PANEL).zip(dp.chunks_exact_mut(PANEL)) {
        for lane in 0..PANEL {
            dp[lane] = p[lane] * (dp[lane] - top[lane] - mean[lane]);
        }
    }
}

/// Rearranges the gradients of a pair's keys and values so that tokens come last.
struct Turn<'a> {
    sums: &'a [f32],
    wide: [usize; 2],
    tokens: usize,
    scale: f32,
    by_k: &'a mut [f32],
    by_v: &'a mut [f32],
}

impl WithSimd for Turn<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (of_keys, of_values) = self.sums.split_at(self.tokens * self.wide[0]);
        tokens_last(of_keys, self.wide[0], self.by_k, self.tokens);
        tokens_last(of_values, self.wide[1], self.by_v, self.tokens);
        self.by_k.iter_mut().for_each(|dk| *dk *= self.scale);
    }
}

/// Transposes `[tokens, wide]` to `[features, tokens]` and drops the padding.
#[inline(always)]
fn tokens_last(x: &[f32], wide: usize, out: &mut [f32], tokens: usize) {
    let features = out.len() / tokens;
    turn(tokens, |token| &x[token * wide..][..features], out, tokens);
}

impl AttendGradient for Flex {
    fn attend_gradient(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        dy: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let given = [q, k, v];
        let [dq, dk, dv] = with(&given, |given| backward(given, &Floats::of(&dy)));
        let [q, k, v] = given.map(|tensor| tensor.shape());
        (tensor(dq, q), tensor(dk, k), tensor(dv, v))
    }
}
