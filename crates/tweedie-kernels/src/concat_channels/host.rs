//! A channel at a time, over all cores.

use super::extension::{ConcatChannels, Join};
use crate::host::{Floats, tensor, written};
use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;
use rayon::prelude::*;

/// Numbers that one core takes at a time, at least.
const CHUNK: usize = 1 << 14;

/// Images of so many channels, each of them found by its image and its number.
fn copied<'a>(
    [n, channels, h, w]: [usize; 4],
    find: impl Fn(usize, usize) -> &'a [f32] + Sync,
) -> FloatTensor<Flex> {
    let pixels = h * w;
    // SAFETY: every channel is written whole.
    #[allow(unsafe_code, reason = "the output is not cleared first")]
    let values = unsafe {
        written(n * channels * pixels, |out| {
            let parts = out.par_chunks_mut(pixels).enumerate();
            let parts = parts.with_min_len(CHUNK.div_ceil(pixels));
            parts.for_each(|(i, out)| {
                out.write_copy_of_slice(find(i / channels, i % channels));
            });
        })
    };
    tensor(values, [n, channels, h, w])
}

impl Join for Flex {
    fn joined(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        let (a, b) = (Floats::of(&a), Floats::of(&b));
        let ([n, i, h, w], [_, j, ..]) = (a.shape::<4>(), b.shape::<4>());
        copied([n, i + j, h, w], |image, channel| {
            let (from, place) = match channel < i {
                true => (&a, image * i + channel),
                false => (&b, image * j + channel - i),
            };
            &from[place * h * w..][..h * w]
        })
    }
}

impl ConcatChannels for Flex {
    fn channels(x: FloatTensor<Self>, [first, count]: [usize; 2]) -> FloatTensor<Self> {
        let x = Floats::of(&x);
        let [n, c, h, w] = x.shape();
        copied([n, count, h, w], |image, channel| {
            &x[(image * c + first + channel) * h * w..][..h * w]
        })
    }
}
