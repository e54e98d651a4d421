//! A value that is replaced by what becomes of it, so that nothing is held twice meanwhile.

use std::ops::Deref;

/// A value. It is lost if what replaces it panics.
#[derive(Debug)]
pub(crate) struct InPlace<T>(Option<T>);

impl<T> InPlace<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Some(value))
    }

    /// Lends the value to `f`, and keeps what it gives.
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
