//! An allocator that records the peak of allocated memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

static HELD: AtomicUsize = AtomicUsize::new(0);
static BEFORE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

/// Counts the allocated bytes and calls the system allocator.
struct Watching;

#[allow(
    unsafe_code,
    reason = "an allocator is unsafe by nature; this one passes everything on"
)]
// SAFETY: every call is passed to the system's allocator as it is.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(held, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// Restarts the measurement of [`most`].
pub(crate) fn restart() {
    let held = HELD.load(Ordering::Relaxed);
    BEFORE.store(held, Ordering::Relaxed);
    MOST.store(held, Ordering::Relaxed);
}

/// The peak of allocated bytes since the restart, less those allocated at the restart.
pub(crate) fn most() -> usize {
    MOST.load(Ordering::Relaxed)
        .saturating_sub(BEFORE.load(Ordering::Relaxed))
}
