//! Weights in the order in which Winograd's algorithm reads them.

use super::product::PANEL;
use super::transform::{Lanes, filter};
use super::winograd::POSITIONS;
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

/// Transforms of kernels 3×3, `[panel][position][depth][16]`.
#[derive(Debug)]
pub(super) struct Weights {
    pub(super) values: Vec<f32>,
    /// Channels in, as stored.
    pub(super) depth: usize,
    pub(super) output: usize,
}

impl Weights {
    /// Packs `[o, i, 3, 3]`.
    pub(super) fn pack(w: &[f32], [o, i]: [usize; 2], way: Way) -> Self {
        let (output, input) = match way {
            Way::Forward => (o, i),
            Way::Backward => (i, o),
        };
        let at = |to: usize, from: usize, tap: usize| match way {
            Way::Forward => w[(to * i + from) * 9 + tap],
            Way::Backward => w[(from * i + to) * 9 + 8 - tap],
        };
        let depth = input.next_multiple_of(PANEL);
        let panels = output.div_ceil(PANEL);
        let mut values = vec![0.0; panels * POSITIONS * depth * PANEL];
        let chunks = values.par_chunks_mut((POSITIONS * depth * PANEL).max(1));
        let arch = Arch::new();
        chunks.enumerate().for_each(|(panel, out)| {
            let first = panel * PANEL;
            for from in 0..input {
                let taps = std::array::from_fn(|tap| {
                    std::array::from_fn(|lane| match first + lane < output {
                        true => at(first + lane, from, tap),
                        false => 0.0,
                    })
                });
                let put = |position: usize, values: &Lanes| {
                    out[(position * depth + from) * PANEL..][..PANEL].copy_from_slice(values);
                };
                arch.dispatch(Filter { taps: &taps, put });
            }
        });
        Self {
            values,
            depth,
            output,
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
