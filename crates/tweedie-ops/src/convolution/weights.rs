//! Transforms of the weights of 3×3 kernels, for 16 output channels at a time.

use super::direct::Way;
use super::transform::{FilterTransform, POSITIONS, both_ways};
use crate::layout::turn;
use crate::product::{PANEL, load, store};
use pulp::Simd;
use std::ops::Range;

pub(super) const TAPS: usize = 9;
/// Channels that are transformed together if their filters are adjacent in memory.
const GROUP: usize = 8;

/// Weights `[o, i, 3, 3]` and the direction in which they are applied. In the backward direction
/// input and output are exchanged and the taps are reversed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weights<'a> {
    pub(super) values: &'a [f32],
    pub(super) channels: [usize; 2],
    pub(super) way: Way,
}

impl<'a> Weights<'a> {
    /// Returns the numbers of channels that are computed and that are summed over.
    fn to_from(self) -> [usize; 2] {
        let [o, i] = self.channels;
        match self.way {
            Way::Forward => [o, i],
            Way::Backward => [i, o],
        }
    }

    pub(super) fn outputs(self) -> usize {
        self.to_from()[0]
    }

    /// Returns the filters for a panel of 16 output channels.
    pub(super) fn filters(self, panel: usize) -> TransformedFilters<'a> {
        let (filter, row) = (TAPS, TAPS * self.channels[1]);
        let (to, from) = match self.way {
            Way::Forward => (row, filter),
            Way::Backward => (filter, row),
        };
        let [made, summed] = self.to_from();
        TransformedFilters {
            weights: self,
            to: panel * PANEL..made.min((panel + 1) * PANEL),
            summed,
            apart: [to, from],
        }
    }
}

/// The filters from all input channels to at most 16 output channels.
pub(super) struct TransformedFilters<'a> {
    weights: Weights<'a>,
    pub(super) to: Range<usize>,
    summed: usize,
    /// The stride between output channels, and between input channels.
    apart: [usize; 2],
}

impl TransformedFilters<'_> {
    /// Transforms the filters of the channels `from` to `[position][channel][16]`; missing channels
    /// become 0.
    #[inline(always)]
    pub(super) fn transform<S: Simd>(&self, simd: S, from: Range<usize>, out: &mut [f32]) {
        let (apart, end) = (out.len() / POSITIONS, from.end.min(self.summed));
        if end < from.end {
            for position in out.chunks_exact_mut(apart) {
                position[(end - from.start) * PANEL..from.len() * PANEL].fill(0.0);
            }
        }
        let [lane, channel] = self.apart;
        let group = if channel == TAPS { GROUP } else { 1 };
        let mut taps = [0.0; GROUP * TAPS * PANEL];
        for first in (from.start..end).step_by(group) {
            let some = group.min(end - first);
            let start = self.to.start * lane + first * channel;
            let filters_to = |i: usize| &self.weights.values[start + i * lane..][..some * TAPS];
            let taps = &mut taps[..some * TAPS * PANEL];
            turn(self.to.len(), filters_to, taps, PANEL);
            for (i, taps) in taps.chunks_exact(TAPS * PANEL).enumerate() {
                let out = &mut out[(first - from.start + i) * PANEL..];
                for lane in (0..PANEL).step_by(S::F32_LANES) {
                    let x = |i, j| {
                        let tap = match self.weights.way {
                            Way::Forward => 3 * i + j,
                            Way::Backward => TAPS - 1 - (3 * i + j),
                        };
                        load::<S>(&taps[tap * PANEL + lane..])
                    };
                    let y = |i, j, value| {
                        store::<S>(&mut out[(6 * i + j) * apart + lane..], value);
                    };
                    both_ways(simd, FilterTransform, x, y);
                }
            }
        }
    }
}
