//! Scratch memory that kernels reuse: the system has to clear fresh memory first, page by page.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// Unused buffers of at most [`AT_REST`] values in total, kept until the process ends.
static POOL: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());
pub(crate) const AT_REST: usize = 1 << 23;

/// A buffer of `length` values with unspecified contents. The user must write a value before
/// reading it.
#[derive(Debug)]
pub(crate) struct Scratch {
    buffer: Vec<f32>,
    length: usize,
}

impl Scratch {
    pub(crate) fn take(length: usize) -> Self {
        let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        // Takes the smallest buffer that is large enough. If none is, a new one replaces the
        // smallest.
        let missing = |buffer: &Vec<f32>| (buffer.len() < length, buffer.len());
        let best = (0..pool.len()).min_by_key(|&i| missing(&pool[i]));
        let found = best.map(|i| pool.swap_remove(i));
        drop(pool);
        let buffer = found.filter(|buffer| buffer.len() >= length);
        Self {
            buffer: buffer.unwrap_or_else(|| vec![0.0; length]),
            length,
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        let resting: usize = pool.iter().map(Vec::len).sum();
        if resting + self.buffer.len() <= AT_REST {
            pool.push(std::mem::take(&mut self.buffer));
        }
    }
}

impl Deref for Scratch {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.buffer[..self.length]
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.buffer[..self.length]
    }
}
