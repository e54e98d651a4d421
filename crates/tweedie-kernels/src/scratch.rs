//! Memory that kernels use in passing, and hand on to the next one: what the system gives anew it
//! has to clear first, page by page.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// Buffers at rest, of no more than [`AT_REST`] numbers together, for as long as the process lives.
static POOL: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());
pub(crate) const AT_REST: usize = 1 << 23;

/// So many numbers, of any value: whoever takes them reads only what it has written.
#[derive(Debug)]
pub(crate) struct Scratch {
    buffer: Vec<f32>,
    length: usize,
}

impl Scratch {
    pub(crate) fn take(length: usize) -> Self {
        let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        // The smallest that is large enough, or else a new one for the smallest of all.
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
