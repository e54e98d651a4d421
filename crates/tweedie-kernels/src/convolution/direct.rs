//! Convolutions by their definition, any kernel and stride: products of the weights, as they lie in memory,
//! with what 16 pixels of the output read.

use super::product::{Left, PANEL, Right, product};
use super::scratch::Scratch;
use super::weights::Way;
use crate::host::written;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Which pixels are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    pub(super) way: Way,
    pub(super) stride: usize,
    /// Zeros above and to the left of the image of the convolution.
    pub(super) before: [usize; 2],
    pub(super) kernel: [usize; 2],
    /// Height and width of what is read, and of what is made.
    pub(super) seen: [usize; 2],
    pub(super) made: [usize; 2],
}

impl Reach {
    fn taps(self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    fn pixels(self) -> usize {
        self.made[0] * self.made[1]
    }

    /// The row (`axis` 0) or column that tap `tap` of output `i` reads, unless it is outside.
    fn source(self, axis: usize, i: usize, tap: usize) -> Option<usize> {
        let before = self.before[axis];
        let at = match self.way {
            Way::Forward => (i * self.stride + tap).checked_sub(before),
            Way::Backward => (i + before)
                .checked_sub(tap)
                .filter(|at| at.is_multiple_of(self.stride))
                .map(|at| at / self.stride),
        };
        at.filter(|&at| at < self.seen[axis])
    }

    /// The pixel that a tap of an output reads.
    fn pixel(self, output: usize, tap: usize) -> Option<usize> {
        let (width, across) = (self.made[1], self.kernel[1]);
        let row = self.source(0, output / width, tap / across)?;
        let column = self.source(1, output % width, tap % across)?;
        Some(row * self.seen[1] + column)
    }
}

/// Rows of the product: channels that are made of one image.
const STRIP: usize = 12;
/// Numbers of all that is read at a time.
const NUMBERS: usize = 1 << 16;

/// `[n, i, seen]` to `[n, o, made]`, with `weights` as the forward convolution has them.
pub(super) fn convolve(
    x: &[f32],
    [n, from, to]: [usize; 3],
    weights: &[f32],
    bias: Option<&[f32]>,
    reach: Reach,
) -> Vec<f32> {
    let (pixels, taps) = (reach.pixels(), reach.taps());
    if n * to * pixels == 0 {
        return Vec::new();
    }
    let left = match reach.way {
        Way::Forward => Left {
            start: 0,
            row: from * taps,
            step: 1,
            depth: from * taps,
            segment: 0,
            segments: 1,
        },
        Way::Backward if taps == 1 => Left {
            start: 0,
            row: 1,
            step: to,
            depth: from,
            segment: 0,
            segments: 1,
        },
        Way::Backward => Left {
            start: 0,
            row: taps,
            step: 1,
            depth: taps,
            segment: to * taps,
            segments: from,
        },
    };
    // Images that are worked on together, or into how many parts the channels of one are cut.
    let group = (NUMBERS / (from * taps * PANEL)).clamp(1, 64);
    let threads = rayon::current_num_threads();
    let images = (group / pixels.div_ceil(PANEL)).clamp(1, n.div_ceil(threads));
    let parts = (1..=to)
        .rev()
        .find(|&parts| to.is_multiple_of(parts) && parts <= threads && to / parts >= STRIP.min(to));
    let parts = parts.filter(|_| n < threads).unwrap_or(1);
    let channels = to / parts;
    let arch = Arch::new();
    let write = |y: &mut [MaybeUninit<f32>]| {
        let tasks = y.par_chunks_mut(images * channels * pixels).enumerate();
        tasks.for_each(|(task, y)| {
            let (image, part) = (task / parts * images, task % parts);
            arch.dispatch(Images {
                x: &x[image * from * reach.seen[0] * reach.seen[1]..],
                from,
                weights,
                left,
                bias,
                reach,
                channels: part * channels..(part + 1) * channels,
                group,
                y,
            });
        });
    };
    // SAFETY: every task writes all strips of all panels of its images.
    #[allow(unsafe_code, reason = "the output is not cleared first")]
    unsafe {
        written(n * to * pixels, write)
    }
}

/// Some images, or some channels of one.
struct Images<'a> {
    x: &'a [f32],
    from: usize,
    weights: &'a [f32],
    left: Left,
    bias: Option<&'a [f32]>,
    reach: Reach,
    channels: std::ops::Range<usize>,
    /// Panels of 16 pixels that are read at a time.
    group: usize,
    /// `[image][channel][pixel]`.
    y: &'a mut [MaybeUninit<f32>],
}

impl WithSimd for Images<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (taps, pixels) = (self.reach.taps(), self.reach.pixels());
        let (length, area) = (
            self.from * taps * PANEL,
            self.reach.seen[0] * self.reach.seen[1],
        );
        let of_image = self.channels.len() * pixels;
        let per_image = pixels.div_ceil(PANEL);
        let all = self.y.len() / of_image * per_image;
        let mut panels = Scratch::take(self.group * length);
        for first in (0..all).step_by(self.group) {
            let group = first..all.min(first + self.group);
            for (panel, out) in group.clone().zip(panels.chunks_exact_mut(length)) {
                let x = &self.x[panel / per_image * self.from * area..][..self.from * area];
                fill(x, self.reach, panel % per_image * PANEL, out);
            }
            for channel in self.channels.clone().step_by(STRIP) {
                let rows = STRIP.min(self.channels.end - channel);
                let left = Left {
                    start: channel * self.left.row,
                    ..self.left
                };
                for (panel, values) in group.clone().zip(panels.chunks_exact(length)) {
                    let right = Right {
                        values,
                        stride: PANEL,
                        segment: self.left.depth * PANEL,
                    };
                    let mut made = [0.0; STRIP * PANEL];
                    let a = (self.weights, left);
                    product(simd, a, right, (&mut made, PANEL), rows, false);
                    let pixel = panel % per_image * PANEL;
                    let count = PANEL.min(pixels - pixel);
                    for (row, made) in made.chunks_exact(PANEL).take(rows).enumerate() {
                        let bias = self.bias.map_or(0.0, |bias| bias[channel + row]);
                        let line = channel + row - self.channels.start;
                        let at = panel / per_image * of_image + line * pixels + pixel;
                        for (y, made) in self.y[at..at + count].iter_mut().zip(made) {
                            y.write(made + bias);
                        }
                    }
                }
            }
        }
    }
}

/// What 16 pixels of the output, from `first` on, read of an image: `[channel][tap][16]`.
#[inline(always)]
fn fill(x: &[f32], reach: Reach, first: usize, out: &mut [f32]) {
    let (taps, area) = (reach.taps(), reach.seen[0] * reach.seen[1]);
    for tap in 0..taps {
        let pixels: [Option<usize>; PANEL] = std::array::from_fn(|lane| {
            let output = first + lane;
            (output < reach.pixels()).then(|| reach.pixel(output, tap))?
        });
        let lines = out.chunks_exact_mut(taps * PANEL);
        let lines = lines.map(|line| &mut line[tap * PANEL..][..PANEL]);
        let images = x.chunks_exact(area);
        match pixels[0] {
            Some(start) if (0..PANEL).all(|i| pixels[i] == Some(start + i)) => {
                for (line, x) in lines.zip(images) {
                    line.copy_from_slice(&x[start..][..PANEL]);
                }
            }
            _ => {
                let factor = pixels.map(|pixel| pixel.map_or(0.0, |_| 1.0));
                let pixels = pixels.map(Option::unwrap_or_default);
                for (line, x) in lines.zip(images) {
                    for lane in 0..PANEL {
                        line[lane] = x[pixels[lane]] * factor[lane];
                    }
                }
            }
        }
    }
}
