//! Comparison of computed with recorded values.

use crate::case::Case;
use crate::error::{Done, lacks};
use crate::record::Recorded;
use tweedie::burn::tensor::Tensor;

/// The tolerance for arithmetic in `f64`.
pub(crate) const DOUBLE: f64 = 1e-10;
/// The tolerance for tensors in `f32`.
pub(crate) const SINGLE: f64 = 2e-5;

/// The outcome of a case.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The case ran.
    Ran(Comparison),
    /// The case was skipped, for the given reason.
    Skipped(String),
    /// The case could not run as described.
    Broken(String),
}

/// The largest errors of a case.
///
/// An error is measured relative to the larger of 1 and the recorded value, in units of its
/// tolerance.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The largest absolute error.
    pub absolute: f64,
    /// The largest relative error.
    pub relative: f64,
    /// The tolerance of the worst comparison.
    pub tolerance: f64,
    /// The largest error in units of its tolerance. A case passes up to 1.
    pub worst: f64,
    /// The number of compared values.
    pub compared: usize,
    /// The first comparison that failed, if any.
    pub broken: Option<String>,
}

impl Default for Comparison {
    fn default() -> Self {
        Self {
            absolute: 0.0,
            relative: 0.0,
            tolerance: DOUBLE,
            worst: 0.0,
            compared: 0,
            broken: None,
        }
    }
}

impl Comparison {
    /// Returns whether all errors were within their tolerances.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.broken.is_none()
    }

    /// Compares values.
    fn add(&mut self, what: &str, found: &[f64], recorded: &[f64], tolerance: f64) {
        if found.len() != recorded.len() {
            let message = format!(
                "{what}: {} values instead of {}",
                found.len(),
                recorded.len()
            );
            self.broken.get_or_insert(message);
        }
        self.compared += found.len();
        for (i, (&a, &b)) in found.iter().zip(recorded).enumerate() {
            // Equal infinities count as equal; any other infinity and any NaN is an error.
            let equal = a.to_bits() == b.to_bits() && !a.is_nan();
            let error = if equal { 0.0 } else { (a - b).abs() };
            let error = if error.is_nan() { f64::INFINITY } else { error };
            let allowed = tolerance * b.abs().max(1.0);
            let worst = if error.is_infinite() {
                error
            } else {
                error / allowed
            };
            self.absolute = self.absolute.max(error);
            self.relative = self
                .relative
                .max(error / b.abs().max(f64::MIN_POSITIVE).max(1e-12));
            if worst > self.worst {
                self.worst = worst;
                self.tolerance = tolerance;
            }
            if worst > 1.0 {
                let message = || format!("{what}[{i}] = {a:e} instead of {b:e}");
                self.broken.get_or_insert_with(message);
            }
        }
    }
}

impl Case {
    /// Compares values.
    pub(crate) fn compare_values(
        &self,
        what: &str,
        found: &[f64],
        recorded: &[f64],
        tolerance: f64,
    ) {
        let mut comparison = self.comparison.borrow_mut();
        comparison.add(what, found, recorded, tolerance);
    }

    /// Compares a number with the setting of this name.
    pub(crate) fn check_number(&self, name: &str, found: f64, tolerance: f64) -> Done {
        let recorded = self.own(name).and_then(serde_json::Value::as_f64);
        let recorded = recorded.ok_or_else(|| lacks(format!("number {name}")))?;
        self.compare_values(name, &[found], &[recorded], tolerance);
        Ok(())
    }

    /// Compares values with the record of this name.
    pub(crate) fn check_values(&self, name: &str, found: &[f64], tolerance: f64) -> Done {
        self.compare_values(name, found, &self.record(name)?.values, tolerance);
        Ok(())
    }

    /// Compares a tensor with the record of this name.
    pub(crate) fn check<const D: usize>(
        &self,
        name: &str,
        found: Tensor<D>,
        tolerance: f64,
    ) -> Done {
        self.compare(name, found, self.record(name)?, tolerance);
        Ok(())
    }

    /// Like `check`, with errors relative to the largest recorded value, or to 1 if that is larger.
    pub(crate) fn check_scaled<const D: usize>(
        &self,
        name: &str,
        found: Tensor<D>,
        tolerance: f64,
    ) -> Done {
        self.compare_scaled(name, found, self.record(name)?, tolerance);
        Ok(())
    }

    /// Compares a tensor, with errors relative to its largest recorded value, or to 1 if that is
    /// larger.
    pub(crate) fn compare_scaled<const D: usize>(
        &self,
        what: &str,
        found: Tensor<D>,
        recorded: &Recorded,
        tolerance: f64,
    ) {
        let largest = recorded.largest().max(1.0);
        let values = recorded.values.iter().map(|x| x / largest).collect();
        let shape = recorded.shape.clone();
        self.compare(
            what,
            found / largest,
            &Recorded { shape, values },
            tolerance,
        );
    }

    /// Compares a tensor.
    pub(crate) fn compare<const D: usize>(
        &self,
        what: &str,
        found: Tensor<D>,
        recorded: &Recorded,
        tolerance: f64,
    ) {
        if found.dims()[..] != recorded.shape[..] {
            let message = format!("{what}: {:?} instead of {:?}", found.dims(), recorded.shape);
            self.comparison.borrow_mut().broken.get_or_insert(message);
        }
        self.compare_values(what, &numbers(found), &recorded.values, tolerance);
    }
}

/// Returns the values of a tensor.
pub(crate) fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}
