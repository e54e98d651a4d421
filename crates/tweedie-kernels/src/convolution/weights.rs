//! Weights in the order in which the kernels read them.

use super::product::PANEL;
use super::transform::{Lanes, filter};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Which way the weights are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Way {
    /// From input to output.
    Forward,
    /// From the gradient of the output to that of the input: turned by half a circle, channels
    /// swapped.
    Backward,
}

/// How a convolution is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Algorithm {
    /// By its definition.
    Direct,
    /// By Winograd's `F(4×4, 3×3)`.
    Winograd,
}

/// The transform of 16 filters.
struct Filter<'a, P> {
    taps: &'a [Lanes; 9],
    put: P,
}

impl<P: FnMut(usize, &Lanes)> WithSimd for Filter<'_, P> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        filter(simd, self.taps, self.put);
    }
}

/// Packed weights: `[panel][position][depth][16]` with 36 positions for Winograd's algorithm, or
/// `[panel][tap][depth][16]`.
#[derive(Debug)]
pub(super) struct Weights {
    pub(super) values: Vec<f32>,
    /// Channels in, as stored.
    pub(super) depth: usize,
    pub(super) output: usize,
    pub(super) kernel: [usize; 2],
}

impl Weights {
    /// Packs `[o, i, kh, kw]`.
    pub(super) fn pack(w: &[f32], shape: [usize; 4], way: Way, algorithm: Algorithm) -> Self {
        let [o, i, kh, kw] = shape;
        let taps = kh * kw;
        let (output, input) = match way {
            Way::Forward => (o, i),
            Way::Backward => (i, o),
        };
        let at = |to: usize, from: usize, tap: usize| match way {
            Way::Forward => w[(to * i + from) * taps + tap],
            Way::Backward => w[(from * i + to) * taps + taps - 1 - tap],
        };
        let (depth, positions) = match algorithm {
            Algorithm::Direct => (input, taps),
            Algorithm::Winograd => (input.next_multiple_of(PANEL), 36),
        };
        let panels = output.div_ceil(PANEL);
        let mut values = vec![0.0; panels * positions * depth * PANEL];
        let chunks = values.par_chunks_mut((positions * depth * PANEL).max(1));
        let arch = Arch::new();
        chunks.enumerate().for_each(|(panel, out)| {
            let first = panel * PANEL;
            let gather = |from: usize, tap: usize| -> Lanes {
                std::array::from_fn(|lane| match first + lane < output {
                    true => at(first + lane, from, tap),
                    false => 0.0,
                })
            };
            for from in 0..input {
                let mut put = |position: usize, values: &Lanes| {
                    out[(position * depth + from) * PANEL..][..PANEL].copy_from_slice(values);
                };
                match algorithm {
                    Algorithm::Direct => (0..taps).for_each(|tap| put(tap, &gather(from, tap))),
                    Algorithm::Winograd => {
                        let taps = std::array::from_fn(|tap| gather(from, tap));
                        arch.dispatch(Filter { taps: &taps, put });
                    }
                }
            }
        });
        Self {
            values,
            depth,
            output,
            kernel: [kh, kw],
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
