//! Whose turn it is to draw from burn's generator, which is one for the whole process.

use std::sync::{Mutex, MutexGuard, PoisonError};

static TURN: Mutex<()> = Mutex::new(());

/// Waits for the turn, which ends when the result is dropped. Whoever seeds a device and draws from
/// it, or runs a network with dropout, takes it first, so that draws in several threads do not mix.
///
/// ```
/// use burn::tensor::{Device, Distribution, Tensor};
/// use tweedie_core::own_generator;
///
/// let device = Device::flex();
/// let draw = || {
///     let _turn = own_generator();
///     device.seed(7);
///     Tensor::<1>::random([3], Distribution::Default, &device)
/// };
/// assert_eq!(draw().into_data(), draw().into_data());
/// ```
pub fn own_generator() -> MutexGuard<'static, ()> {
    // A panic of another thread leaves nothing behind that could be wrong.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
