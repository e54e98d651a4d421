//! Weights in the order in which Winograd's algorithm reads them.

use super::transform::filter;
use super::winograd::POSITIONS;
use crate::layout::turn;
use crate::product::PANEL;
use crate::scratch::Scratch;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Transforms of kernels 3×3, `[panel][position][depth][16]`.
#[derive(Debug)]
pub(super) struct Weights {
    values: Scratch,
    /// Channels in, as stored.
    pub(super) depth: usize,
    pub(super) output: usize,
}

impl Weights {
    /// Packs `[o, i, 3, 3]` into so much `memory`.
    pub(super) fn pack(w: &[f32], [o, i]: [usize; 2], memory: fn(usize) -> Scratch) -> Self {
        let depth = i.next_multiple_of(PANEL);
        let length = POSITIONS * depth * PANEL;
        let mut values = memory(o.div_ceil(PANEL) * length);
        let arch = Arch::new();
        let panels = values.par_chunks_mut(length.max(1));
        let panels = panels.zip(w.par_chunks((PANEL * i * 9).max(1)));
        panels.for_each(|(out, w)| arch.dispatch(Filters { w, input: i, out }));
        Self {
            values,
            depth,
            output: o,
        }
    }

    /// Panels of 16 channels out.
    pub(super) fn panels(&self) -> usize {
        self.output.div_ceil(PANEL)
    }

    /// The weights of one panel.
    pub(super) fn panel(&self, panel: usize) -> &[f32] {
        let length = self.values.len() / self.panels().max(1);
        &self.values[panel * length..][..length]
    }
}

/// The filters to up to 16 channels from all.
struct Filters<'a> {
    /// `[up to 16][input][9]`.
    w: &'a [f32],
    input: usize,
    /// `[position][depth][16]`.
    out: &'a mut [f32],
}

/// Channels in that are worked on together.
const GROUP: usize = 8;

impl WithSimd for Filters<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (input, apart) = (self.input, self.out.len() / POSITIONS);
        let count = self.w.len() / (input * 9);
        for position in self.out.chunks_exact_mut(apart) {
            position[input * PANEL..].fill(0.0);
        }
        let mut taps = [0.0; GROUP * 9 * PANEL];
        for first in (0..input).step_by(GROUP) {
            let some = GROUP.min(input - first);
            let filters_to = |lane: usize| &self.w[(lane * input + first) * 9..][..some * 9];
            turn(count, filters_to, &mut taps[..some * 9 * PANEL], PANEL);
            for (from, taps) in (first..first + some).zip(taps.chunks_exact(9 * PANEL)) {
                filter(simd, taps, &mut self.out[from * PANEL..], apart);
            }
        }
    }
}
