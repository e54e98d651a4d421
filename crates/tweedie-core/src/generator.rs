//! Exclusive access to burn's random generator, which is global to the process.

use std::sync::{Mutex, MutexGuard, PoisonError};

static TURN: Mutex<()> = Mutex::new(());

/// Locks burn's random generator until the returned guard is dropped.
///
/// Lock it before you seed a device and draw from it, or run a network with dropout. Otherwise
/// draws from several threads interleave.
///
/// ```
/// use burn::tensor::{Device, Distribution, Tensor};
/// use tweedie_core::lock_generator;
///
/// let device = Device::flex();
/// let draw = || {
///     let _turn = lock_generator();
///     device.seed(7);
///     Tensor::<1>::random([3], Distribution::Default, &device)
/// };
/// assert_eq!(draw().into_data(), draw().into_data());
/// ```
pub fn lock_generator() -> MutexGuard<'static, ()> {
    // The mutex protects no data, so a panic in another thread cannot corrupt any.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
