//! An array that tasks fill side by side, each its own places.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// Numbers to be written.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    start: *mut f32,
    length: usize,
    lent: PhantomData<&'a mut [MaybeUninit<f32>]>,
}

// SAFETY: nothing is read, and whoever calls `write` vouches that nobody else writes there.
#[allow(unsafe_code, reason = "rows of one image are made by several tasks")]
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    pub(super) fn new(numbers: &'a mut [MaybeUninit<f32>]) -> Self {
        Self {
            start: numbers.as_mut_ptr().cast(),
            length: numbers.len(),
            lent: PhantomData,
        }
    }

    /// Writes `values` from place `at` on.
    ///
    /// # Safety
    /// No other task writes to these places.
    #[allow(unsafe_code, reason = "see above")]
    #[inline(always)]
    pub(super) unsafe fn write(&self, at: usize, values: &[f32]) {
        assert!(values.len() <= self.length && at <= self.length - values.len());
        // SAFETY: the places lie in the slice (asserted above), are this task's alone, and `values`, a
        // shared borrow of something else, does not overlap them.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), self.start.add(at), values.len()) }
    }
}
