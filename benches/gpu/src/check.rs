//! Compares results on a device with those on the CPU.

use crate::seam::Seam;
use crate::seams;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tweedie::prelude::*;
use tweedie_benches::CaseError;

/// Runs a closure and turns a panic, such as for an operation that a backend lacks, into an error.
pub(crate) fn caught<T>(run: impl FnOnce() -> Result<T, CaseError>) -> Result<T, CaseError> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("panicked: {}", text.unwrap_or("no message")).into())
    })
}

/// Returns the largest difference, relative to the root mean square of `wanted`. It is infinite if
/// the lengths differ or if a value is not finite.
pub(crate) fn apart(found: &[f32], wanted: &[f32]) -> f64 {
    if found.len() != wanted.len() || wanted.is_empty() {
        return f64::INFINITY;
    }
    let square: f64 = wanted.iter().map(|&x| f64::from(x).powi(2)).sum();
    let size = (square / wanted.len() as f64).sqrt().max(1e-30);
    let pairs = found.iter().zip(wanted);
    let largest = pairs.map(|(&a, &b)| match a.is_finite() && b.is_finite() {
        true => f64::from(a) - f64::from(b),
        false => f64::INFINITY,
    });
    largest.fold(0.0, |most, gap| f64::max(most, gap.abs())) / size
}

/// Returns the difference of a device from the CPU, relative to the root mean square of the CPU's
/// result.
fn gap(seam: &Seam, device: &Device) -> Result<f64, CaseError> {
    let wanted = (seam.run)(&Device::flex())?;
    caught(|| (seam.run)(device)).map(|found| apart(&found, &wanted))
}

/// Returns an error if a device differs too much from the CPU.
pub(crate) fn agrees(seam: &Seam, device: &Device) -> Result<(), CaseError> {
    let (gap, most) = (gap(seam, device)?, seam.tolerance);
    match gap <= most {
        true => Ok(()),
        false => Err(format!(
            "{}: {gap:.1e} from the CPU, more than {most:.0e}",
            seam.name
        )
        .into()),
    }
}

/// Compares every seam whose name contains `filter`, and returns an error if one differs too much.
pub(crate) fn run(device: &Device, filter: &str) -> Result<(), CaseError> {
    let (mut bad, mut largest, mut count) = (0, 0.0_f64, 0);
    println!("| seam | largest difference | allowed |\n|---|---|---|");
    for seam in seams::all() {
        if !seam.name.contains(filter) {
            continue;
        }
        count += 1;
        let found = gap(&seam, device);
        let (verdict, holds) = match &found {
            Ok(gap) => (format!("{gap:.1e}"), *gap <= seam.tolerance),
            Err(error) => (error.to_string().replace('\n', " "), false),
        };
        largest = found.map_or(largest, |gap| gap.max(largest));
        bad += usize::from(!holds);
        let mark = if holds { "" } else { " **too far**" };
        println!(
            "| {} | {verdict}{mark} | {:.0e} |",
            seam.name, seam.tolerance
        );
    }
    println!("\n{count} seams, {bad} too far off, largest difference {largest:.1e}");
    match (count, bad) {
        (0, _) => Err(format!("no seam has {filter:?} in its name").into()),
        (_, 0) => Ok(()),
        _ => Err(format!("{bad} of {count} seams are too far off").into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "a test may stop at once")]

    use super::*;
    use approx::assert_abs_diff_eq;

    /// Every seam runs, and gives the same values twice.
    #[test]
    fn seams_repeat() {
        let device = Device::flex();
        for seam in seams::all().into_iter().chain([seams::half_precision()]) {
            let run =
                || (seam.run)(&device).unwrap_or_else(|error| panic!("{}: {error}", seam.name));
            let (first, second) = (run(), run());
            assert!(apart(&first, &second) == 0.0, "{}", seam.name);
            // A box mask over the only pixel leaves no values to compare.
            let some = first.iter().any(|&x| x != 0.0) || seam.name.contains("box, one pixel");
            assert!(some, "{}: nothing to compare", seam.name);
        }
    }

    #[test]
    fn what_is_apart_is_seen() {
        assert_abs_diff_eq!(apart(&[1.0, 2.0], &[1.0, 1.0]), 1.0, epsilon = 1e-12);
        assert!(apart(&[1.0], &[1.0, 1.0]).is_infinite());
        assert!(apart(&[f32::NAN, 1.0], &[1.0, 1.0]).is_infinite());
        let error = caught(|| -> Result<(), CaseError> { panic!("no {}", "luck") });
        assert!(error.expect_err("an error").to_string().contains("no luck"));
    }
}
