//! An array that tasks fill side by side, each its own places.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// Numbers to be written.
#[derive(Debug)]
pub(crate) struct Shared<'a> {
    start: *mut f32,
    length: usize,
    lent: PhantomData<&'a mut [MaybeUninit<f32>]>,
}

// SAFETY: nothing is read, and whoever calls `write` vouches that nobody else writes there.
#[allow(unsafe_code, reason = "rows of one image are made by several tasks")]
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    pub(crate) fn new(numbers: &'a mut [MaybeUninit<f32>]) -> Self {
        Self {
            start: numbers.as_mut_ptr().cast(),
            length: numbers.len(),
            lent: PhantomData,
        }
    }

    /// Writes the first `count` of `values` from place `at` on.
    ///
    /// # Safety
    /// No other task writes to these places.
    #[allow(unsafe_code, reason = "see above")]
    #[inline(always)]
    pub(crate) unsafe fn write<const N: usize>(&self, at: usize, values: &[f32; N], count: usize) {
        let count = count.min(N);
        assert!(count <= self.length && at <= self.length - count);
        // SAFETY: the places lie in the slice (asserted above), are this task's alone, and
        // `values`, a shared borrow of something else, does not overlap them.
        unsafe {
            let to = self.start.add(at);
            // So many that no loop is needed, most often.
            match count == N {
                true => to.cast::<[f32; N]>().write_unaligned(*values),
                false => std::ptr::copy_nonoverlapping(values.as_ptr(), to, count),
            }
        }
    }
}
