//! An array that several tasks fill in parallel, each at its own indices.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// The values to be written.
#[derive(Debug)]
pub(crate) struct SharedSlice<'a> {
    start: *mut f32,
    length: usize,
    lent: PhantomData<&'a mut [MaybeUninit<f32>]>,
}

// SAFETY: `SharedSlice` never reads, and callers of `write` guarantee that no two tasks write to
// the same index.
#[allow(unsafe_code, reason = "rows of one image are made by several tasks")]
unsafe impl Sync for SharedSlice<'_> {}

impl<'a> SharedSlice<'a> {
    pub(crate) fn new(numbers: &'a mut [MaybeUninit<f32>]) -> Self {
        Self {
            start: numbers.as_mut_ptr().cast(),
            length: numbers.len(),
            lent: PhantomData,
        }
    }

    /// Writes the first `count` of `values` from index `at` on.
    ///
    /// # Safety
    /// No other task may write to these indices.
    #[allow(unsafe_code, reason = "see above")]
    #[inline(always)]
    pub(crate) unsafe fn write<const N: usize>(&self, at: usize, values: &[f32; N], count: usize) {
        let count = count.min(N);
        assert!(count <= self.length && at <= self.length - count);
        // SAFETY: the indices are inside the slice (asserted above) and belong to this task alone.
        // `values` is a shared borrow of other memory, so it does not overlap them.
        unsafe {
            let to = self.start.add(at);
            // Most calls write all `N` values, which needs no loop.
            match count == N {
                true => to.cast::<[f32; N]>().write_unaligned(*values),
                false => std::ptr::copy_nonoverlapping(values.as_ptr(), to, count),
            }
        }
    }
}
