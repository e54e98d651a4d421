//! A slot updated by value, so that memory holds no second copy during the update.

use std::ops::Deref;

/// A slot updated by value (`T -> T`). Empty after a panic in the update.
#[derive(Debug)]
pub(crate) struct InPlace<T>(Option<T>);

impl<T> InPlace<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Some(value))
    }

    /// Replaces the value by `f` of it.
    pub(crate) fn replace(&mut self, f: impl FnOnce(T) -> T) {
        self.0 = self.0.take().map(f);
    }
}

impl<T> Deref for InPlace<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.0 {
            Some(value) => value,
            None => panic!("the run was lost to a panic in one of its steps"),
        }
    }
}
