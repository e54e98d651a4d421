//! Direct convolution, for any kernel size and stride: products of the weights, as they lie in
//! memory, with the pixels that 16 neighbouring outputs read.

use crate::host::written;
use crate::product::{Left, PANEL, Right, product};
use crate::scratch::Scratch;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// The direction in which the weights are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Way {
    /// From input to output.
    Forward,
    /// From the gradient of the output to that of the input.
    Backward,
}

/// Which input pixels each output pixel reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    pub(super) way: Way,
    pub(super) stride: usize,
    /// Padding above and to the left of the input of the forward convolution.
    pub(super) before: [usize; 2],
    pub(super) kernel: [usize; 2],
    /// Height and width of the image that is read, and of the image that is computed.
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

    /// Returns the row (`axis` 0) or column that tap `tap` of output `i` reads, or `None` if it is
    /// outside.
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

    /// Returns the index of the pixel that a tap of an output reads, or `None` if it is outside.
    fn pixel(self, output: usize, tap: usize) -> Option<usize> {
        let (width, across) = (self.made[1], self.kernel[1]);
        let row = self.source(0, output / width, tap / across)?;
        let column = self.source(1, output % width, tap % across)?;
        Some(row * self.seen[1] + column)
    }
}

/// Output channels per product.
const STRIP: usize = 12;
/// Elements of the gathered input that are held at a time.
const NUMBERS: usize = 1 << 16;

/// Weights of the forward convolution, with the taps of each filter contiguous.
#[derive(Clone, Copy)]
pub(super) struct DirectFilters<'a> {
    pub(super) values: &'a [f32],
    /// The stride between output channels, and between input channels.
    pub(super) apart: [usize; 2],
}

/// Convolves `[n, from, seen]` to `[n, to, made]`.
pub(super) fn convolve(
    x: &[f32],
    [n, from, to]: [usize; 3],
    filters: DirectFilters<'_>,
    bias: Option<&[f32]>,
    reach: Reach,
) -> Vec<f32> {
    let (pixels, taps) = (reach.pixels(), reach.taps());
    if n * to * pixels == 0 {
        return Vec::new();
    }
    let (row, segment) = match (reach.way, filters.apart) {
        (Way::Forward, [out, input]) => (out, input),
        (Way::Backward, [out, input]) => (input, out),
    };
    // Merges segments where the memory layout allows, so that the inner sums are as long as
    // possible.
    let (step, depth, segment, segments) = match (taps, segment) {
        (1, _) => (segment, from, 0, 1),
        (_, segment) if segment == taps => (1, from * taps, 0, 1),
        _ => (1, taps, segment, from),
    };
    let left = Left {
        start: 0,
        row,
        step,
        depth,
        segment,
        segments,
    };
    let weights = filters.values;
    // The number of panels that are gathered at a time. A task takes several images, or a part of
    // the channels of one image if there are fewer images than threads.
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
            arch.dispatch(ImageRows {
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

/// Computes the gradient by the input of a strided convolution, `[n, from, seen]` to
/// `[n, to, made]`.
///
/// Pixels that are a multiple of the stride apart meet the same taps. Each such set of pixels is
/// therefore a convolution with stride 1.
pub(super) fn by_steps(
    dy: &[f32],
    [n, from, to]: [usize; 3],
    filters: DirectFilters<'_>,
    reach: Reach,
) -> Vec<f32> {
    let (stride, [kh, kw]) = (reach.stride, reach.kernel);
    let mut dx = vec![0.0; n * to * reach.pixels()];
    for phase in 0..stride * stride {
        let phase = [phase / stride, phase % stride];
        // The first tap that these pixels meet, and the number of taps.
        let first = [0, 1].map(|i| (phase[i] + reach.before[i]) % stride);
        let kernel = [0, 1].map(|i| reach.kernel[i].saturating_sub(first[i]).div_ceil(stride));
        let made = [0, 1].map(|i| reach.made[i].saturating_sub(phase[i]).div_ceil(stride));
        if kernel[0] * kernel[1] * made[0] * made[1] == 0 {
            continue;
        }
        let taps = (first[0]..kh).step_by(stride);
        let taps = taps.flat_map(|row| (first[1]..kw).step_by(stride).map(move |c| row * kw + c));
        let taps: Vec<usize> = taps.collect();
        let [out, input] = filters.apart;
        let mut values = Scratch::take(from * to * taps.len());
        let of_channels = values.par_chunks_mut(to * taps.len()).enumerate();
        of_channels.for_each(|(channel, values)| {
            for (i, values) in values.chunks_exact_mut(taps.len()).enumerate() {
                let filter = &filters.values[channel * out + i * input..];
                let taps = values.iter_mut().zip(&taps);
                taps.for_each(|(value, &tap)| *value = filter[tap]);
            }
        });
        let part = Reach {
            stride: 1,
            before: [0, 1].map(|i| (phase[i] + reach.before[i] - first[i]) / stride),
            kernel,
            made,
            ..reach
        };
        let filters = DirectFilters {
            values: &values,
            apart: [to * taps.len(), taps.len()],
        };
        let found = convolve(dy, [n, from, to], filters, None, part);
        let planes = dx.par_chunks_mut(reach.pixels());
        let planes = planes.zip(found.par_chunks(made[0] * made[1]));
        planes.for_each(|(dx, found)| {
            for (row, found) in found.chunks_exact(made[1]).enumerate() {
                let at = (row * stride + phase[0]) * reach.made[1] + phase[1];
                let places = dx[at..].iter_mut().step_by(stride);
                places.zip(found).for_each(|(dx, &value)| *dx = value);
            }
        });
    }
    dx
}

/// A group of images, or a part of the channels of one image.
struct ImageRows<'a> {
    x: &'a [f32],
    from: usize,
    weights: &'a [f32],
    left: Left,
    bias: Option<&'a [f32]>,
    reach: Reach,
    channels: std::ops::Range<usize>,
    /// Panels of 16 pixels that are gathered at a time.
    group: usize,
    /// `[image][channel][pixel]`.
    y: &'a mut [MaybeUninit<f32>],
}

impl WithSimd for ImageRows<'_> {
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

/// Gathers the pixels that 16 outputs from `first` on read of an image: `[channel][tap][16]`.
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
