//! Memory that convolutions use in passing, and hand on to the next one: what the system gives anew it
//! has to clear first, page by page.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// Buffers at rest: no more than this many, none of more numbers than that.
static POOL: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());
const BUFFERS: usize = 4;
const NUMBERS: usize = 1 << 24;

/// So many numbers, of any value: whoever takes them writes them all.
#[derive(Debug)]
pub(super) struct Scratch(Vec<f32>);

impl Scratch {
    pub(super) fn take(length: usize) -> Self {
        let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        // The smallest that is large enough, or else the largest.
        let missing = |buffer: &Vec<f32>| {
            let capacity = buffer.capacity();
            (capacity < length, capacity.abs_diff(length))
        };
        let best = (0..pool.len()).min_by_key(|&i| missing(&pool[i]));
        let mut buffer = best.map_or_else(Vec::new, |i| pool.swap_remove(i));
        drop(pool);
        buffer.resize(length, 0.0);
        Self(buffer)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.0.capacity() <= NUMBERS {
            let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
            if pool.len() < BUFFERS {
                pool.push(std::mem::take(&mut self.0));
            }
        }
    }
}

impl Deref for Scratch {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}
