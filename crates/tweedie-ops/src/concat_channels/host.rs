//! Concatenation and its gradient on the CPU: one channel at a time, over all cores.

use super::extension::{ConcatChannels, Join};
use crate::host::{Floats, tensor, written};
use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;
use rayon::prelude::*;

/// The least number of elements per task.
const CHUNK: usize = 1 << 14;

/// Builds images `[n, channels, h, w]` from copies; `find(image, channel)` returns each channel.
fn copied<'a>(
    [n, channels, h, w]: [usize; 4],
    find: impl Fn(usize, usize) -> &'a [f32] + Sync,
) -> FloatTensor<Flex> {
    let pixels = h * w;
    // SAFETY: the closure writes every channel completely.
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
