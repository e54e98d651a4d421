//! Coil sensitivities from the measurements themselves.
//!
//! Patches of the Fourier coefficients of all coils lie in a space of few dimensions, spanned by
//! `U`, with the projector `P = U Uᴴ`. Averaged over the `k²` patches that hold a coefficient, the
//! projection is a matrix `W(r)` for each pixel, with
//!
//! `W_cd(r) = k⁻² Σ_{a,b} P_{(a,c),(b,d)} exp(−2πi (b − a)·r/N)`, and `W(r) s(r) = s(r)`:
//!
//! sensitivities are its eigenvectors for the eigenvalue 1.
//!
//! # Reference
//! Uecker, Lai, Murphy, Virtue, Elad, Pauly, Vasanawala and Lustig 2014, "ESPIRiT — an eigenvalue
//! approach to autocalibrating parallel MRI: where SENSE meets GRAPPA", section "Theory".

use super::error::{OperatorError, fits, require};
use burn::tensor::Tensor;
use nalgebra::{Complex, DMatrix, DVector, SymmetricEigen};
use std::f64::consts::TAU;
use tweedie_ops::Constant;

type Complexes = DMatrix<Complex<f64>>;

/// Estimates the maps of a [`MultiCoil`](super::MultiCoil) scan from Fourier coefficients around
/// the centre, which every scan with a mask such as `Mask::cartesian` measures.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::{HostNoise, Noise};
/// use tweedie_inverse::operator::{Espirit, Mask, MultiCoil, Operator};
///
/// let size = [32, 32];
/// let mask = Mask::cartesian(size, 2.0, 0.5, 1)?; // 16 of 32 columns in the centre
/// let scan = MultiCoil::ring(4, mask.clone(), size)?;
/// let y = scan.apply(HostNoise::seeded(1).normal([1, 2, 32, 32], &Device::flex()));
///
/// let maps = Espirit::new([16, 16])?.with_kernel(4)?.maps(&y)?;
/// let estimated = MultiCoil::new(maps, mask)?;
/// # Ok::<(), tweedie_inverse::operator::OperatorError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Espirit {
    calibration: [usize; 2],
    kernel: usize,
    threshold: f64,
    crop: f64,
}

impl Espirit {
    /// Takes the coefficients of a region of this size (rows, columns) around the zero frequency.
    ///
    /// Patches have 6×6 coefficients, directions with singular values below 2 % of the largest are
    /// noise, and pixels whose eigenvalue is below 0.8 have no signal.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] unless both are from 2 to 256.
    pub fn new(calibration: [usize; 2]) -> Result<Self, OperatorError> {
        for n in calibration {
            let valid = (2..=256).contains(&n);
            require("side of the calibration", n as f64, "from 2 to 256", valid)?;
        }
        let [h, w] = calibration;
        Ok(Self {
            calibration,
            kernel: 6.min(h).min(w),
            threshold: 0.02,
            crop: 0.8,
        })
    }

    /// Sets the side of the patches. Smooth sensitivities need few coefficients.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] unless it is from 2 to the side of the calibration, at most 16.
    pub fn with_kernel(self, kernel: usize) -> Result<Self, OperatorError> {
        let [h, w] = self.calibration;
        let expected = "from 2 to the side of the calibration, at most 16";
        let valid = (2..=16.min(h).min(w)).contains(&kernel);
        require("side of a patch", kernel as f64, expected, valid)?;
        Ok(Self { kernel, ..self })
    }

    /// Sets the singular value, relative to the largest, below which a direction is noise.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] unless it is above 0 and below 1.
    pub fn with_threshold(self, threshold: f64) -> Result<Self, OperatorError> {
        let valid = threshold > 0.0 && threshold < 1.0;
        require(
            "threshold of noise",
            threshold,
            "above 0 and below 1",
            valid,
        )?;
        Ok(Self { threshold, ..self })
    }

    /// Sets the eigenvalue below which a pixel's sensitivities are 0. With 0, every pixel has some.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] unless it is from 0 to below 1.
    pub fn with_crop(self, crop: f64) -> Result<Self, OperatorError> {
        let valid = (0.0..1.0).contains(&crop);
        require("least eigenvalue", crop, "from 0 to below 1", valid)?;
        Ok(Self { crop, ..self })
    }

    /// The maps `[2, n, h, w]` of a measurement `[1, 2 n, h, w]`, real parts first.
    ///
    /// In every pixel with signal the squared magnitudes have the sum 1. The phase that all coils
    /// of a pixel share is the image's; here it is that of the strongest combination of coils.
    ///
    /// # Errors
    /// [`OperatorError::Shape`] unless there is one measurement of at least one coil, as large as
    /// the calibration; [`OperatorError::Parameter`] for more than 64 coils, too large patches, or
    /// a region of zeros or of values that are not finite.
    pub fn maps(&self, y: &Tensor<4>) -> Result<Constant<4>, OperatorError> {
        let [b, channels, h, w] = y.dims();
        let ([rows, columns], k) = (self.calibration, self.kernel);
        let coils = channels / 2;
        let whole = b == 1 && coils > 0 && channels % 2 == 0 && h >= rows && w >= columns;
        fits("coil calibration", &y.dims(), whole, || {
            format!("[1, 2 · coils, at least {rows}, at least {columns}]")
        })?;
        require("number of coils", coils as f64, "at most 64", coils <= 64)?;
        let size = k * k * coils;
        let few = size <= 2048;
        require("values of a patch", size as f64, "at most 2,048", few)?;

        let corner = [h / 2 - rows / 2, w / 2 - columns / 2];
        let region = y.clone().narrow(2, corner[0], rows);
        let region = region.narrow(3, corner[1], columns);
        let values: Vec<f64> = region.into_data().iter::<f64>().collect();
        let plane = rows * columns;
        let at = |coil: usize, row: usize, column: usize| {
            let place = row * columns + column;
            let [re, im] = [coil, coils + coil].map(|channel| values[channel * plane + place]);
            Complex::new(re, im)
        };
        let strength = values.iter().map(|value| value * value).sum::<f64>();
        let some = strength > 0.0 && strength.is_finite();
        require("calibration's energy", strength, "finite and above 0", some)?;

        let places = (0..=rows - k).flat_map(|row| (0..=columns - k).map(move |c| (row, c)));
        let patches = places.map(|(row, column)| {
            let offsets = (0..k * k).map(move |a| (row + a / k, column + a % k));
            let values =
                offsets.flat_map(|(row, column)| (0..coils).map(move |coil| (coil, row, column)));
            let values = values.map(|(coil, row, column)| at(coil, row, column));
            DVector::from_iterator(size, values)
        });
        let mut gram = Complexes::zeros(size, size);
        for patch in patches {
            gram.gerc(
                Complex::new(1.0, 0.0),
                &patch,
                &patch,
                Complex::new(1.0, 0.0),
            );
        }
        let correlations = self.correlations(&signal_space(gram, self.threshold), coils);

        let covariance = Complexes::from_fn(coils, coils, |c, d| {
            let each = (0..plane).map(|i| (i / columns, i % columns));
            each.map(|(row, column)| at(c, row, column) * at(d, row, column).conj())
                .sum()
        });
        let (_, reference) = strongest(covariance);
        let mut parts = [vec![0.0; coils * h * w], vec![0.0; coils * h * w]];
        let turns = |n: usize, place: usize| -> Vec<Complex<f64>> {
            let r = place as f64 - (n / 2) as f64;
            let lags = (0..2 * k - 1).map(|lag| lag as f64 - (k - 1) as f64);
            lags.map(|lag| Complex::from_polar(1.0, -TAU * lag * r / n as f64))
                .collect()
        };
        let columns: Vec<Vec<Complex<f64>>> = (0..w).map(|column| turns(w, column)).collect();
        for row in 0..h {
            let of_rows = turns(h, row);
            // Sum over the lags of rows once for all pixels of the row.
            let partial: Vec<Complexes> = (0..2 * k - 1)
                .map(|lag| {
                    let each = of_rows.iter().enumerate();
                    each.map(|(i, turn)| &correlations[i * (2 * k - 1) + lag] * *turn)
                        .sum()
                })
                .collect();
            for (column, turns) in columns.iter().enumerate() {
                let each = partial.iter().zip(turns);
                let matrix: Complexes = each.map(|(partial, turn)| partial * *turn).sum();
                let (value, vector) = strongest(matrix);
                if value < self.crop {
                    continue;
                }
                let phase = reference.dotc(&vector);
                let phase = match phase.norm() > 0.0 {
                    true => phase.conj() / phase.norm(),
                    false => Complex::new(1.0, 0.0),
                };
                for (coil, value) in vector.iter().enumerate() {
                    let (value, place) = (value * phase, (coil * h + row) * w + column);
                    (parts[0][place], parts[1][place]) = (value.re, value.im);
                }
            }
        }
        Ok(Constant::new(parts.concat(), [2, coils, h, w]))
    }

    /// `k⁻² Σ_{b − a = δ} P_{(a,c),(b,d)}` for every lag `δ`, row by row.
    fn correlations(&self, projector: &Complexes, coils: usize) -> Vec<Complexes> {
        let k = self.kernel;
        let lags = 2 * k - 1;
        let mut sums = vec![Complexes::zeros(coils, coils); lags * lags];
        let scale = Complex::new(1.0 / (k * k) as f64, 0.0);
        for a in 0..k * k {
            for b in 0..k * k {
                let row = b / k + k - 1 - a / k;
                let column = b % k + k - 1 - a % k;
                let block = projector.view((a * coils, b * coils), (coils, coils));
                sums[row * lags + column] += block * scale;
            }
        }
        sums
    }
}

/// The projector to the eigenvectors of a Gram matrix whose singular values are large enough.
fn signal_space(gram: Complexes, threshold: f64) -> Complexes {
    let size = gram.nrows();
    let eigen = SymmetricEigen::new(gram);
    let least = threshold * threshold * eigen.eigenvalues.max();
    let kept = (0..size).filter(|&i| eigen.eigenvalues[i] >= least);
    let kept: Vec<_> = kept.map(|i| eigen.eigenvectors.column(i)).collect();
    let basis = Complexes::from_columns(&kept);
    &basis * basis.adjoint()
}

/// The largest eigenvalue of a Hermitian matrix, with its unit vector.
fn strongest(matrix: Complexes) -> (f64, DVector<Complex<f64>>) {
    let eigen = SymmetricEigen::new(matrix);
    let place = eigen.eigenvalues.imax();
    let vector = eigen.eigenvectors.column(place).into_owned();
    (eigen.eigenvalues[place], vector)
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test may stop at once")]
mod tests {
    use super::*;
    use crate::operator::{Linear, Mask, MultiCoil, Operator};
    use burn::tensor::Device;
    use tweedie_core::{HostNoise, Noise};

    const SIZE: [usize; 2] = [48, 40];

    /// A scan by coils on a ring, and what it measures of a disc with a texture.
    fn scan(acceleration: f64) -> (MultiCoil, Tensor<4>, Tensor<4>) {
        let mask = Mask::cartesian(SIZE, acceleration, 0.4, 1).expect("a mask");
        let scan = MultiCoil::ring(5, mask, SIZE).expect("a scan");
        let [h, w] = SIZE;
        let inside = |i: usize| {
            let (y, x) = (
                (i / w) as f64 / h as f64 - 0.5,
                (i % w) as f64 / w as f64 - 0.5,
            );
            f64::from(y * y + x * x < 0.16)
        };
        let disc: Vec<f64> = (0..2 * h * w).map(|i| inside(i % (h * w))).collect();
        let disc = Constant::new(disc, [1, 2, h, w]);
        let x: Tensor<4> = HostNoise::seeded(3).normal([1, 2, h, w], &Device::flex());
        let x = (x * 0.3 + 1.0) * disc.beside(&Tensor::<1>::zeros([1], &Device::flex()));
        let y = scan.apply(x.clone());
        (scan, x, y)
    }

    /// Up to the phase of a pixel, the vectors of the coils are the true ones wherever there is an
    /// image, and so are images from coefficients of which half is missing.
    #[test]
    fn coils_on_a_ring_are_found() {
        let (truth, x, y) = scan(1.0);
        let maps = Espirit::new([20, 16]).expect("settings").maps(&y);
        let maps = maps.expect("maps");
        let ring = truth.maps().values();
        let (of_part, n, pixels) = (5 * SIZE[0] * SIZE[1], 5, SIZE[0] * SIZE[1]);
        let at = |values: &[f64], coil: usize, i: usize| {
            let place = coil * pixels + i;
            Complex::new(values[place], values[of_part + place])
        };
        let image: Vec<f64> = x.narrow(1, 0, 1).into_data().iter::<f64>().collect();
        let mut worst = 1.0_f64;
        for i in (0..pixels).filter(|&i| image[i] != 0.0) {
            let overlap: Complex<f64> = (0..n)
                .map(|coil| at(ring, coil, i).conj() * at(maps.values(), coil, i))
                .sum();
            worst = worst.min(overlap.norm());
        }
        assert!(worst > 0.999, "{worst}");
    }

    /// Maps from the measured half of the lines serve as well as the true ones.
    #[test]
    fn an_image_is_restored_with_the_maps_of_its_own_measurement() {
        let (truth, x, y) = scan(2.0);
        let mask = truth.mask().clone();
        let maps = Espirit::new([40, 16]).expect("settings").maps(&y);
        let estimated = MultiCoil::new(maps.expect("maps"), mask).expect("a scan");
        // The phase of a pixel is the map's or the image's: compare magnitudes.
        let magnitude = |x: Tensor<4>| x.square().sum_dim(1).sqrt();
        let error = |scan: &MultiCoil| -> f64 {
            let found = scan
                .solve(scan.adjoint(y.clone()), 1e-4)
                .expect("a solution")
                .x;
            let gap = magnitude(found) - magnitude(x.clone());
            (gap.square().sum() / x.clone().square().sum())
                .sqrt()
                .into_scalar()
        };
        let (own, of_truth) = (error(&estimated), error(&truth));
        assert!(
            own < 1.05 * of_truth && of_truth < 0.15,
            "{own}, {of_truth}"
        );
    }

    #[test]
    fn the_sum_of_squares_is_one_where_there_is_signal_and_0_elsewhere() {
        let (_, x, y) = scan(1.0);
        let maps = Espirit::new([20, 16]).expect("settings");
        let maps = maps
            .with_crop(0.95)
            .expect("settings")
            .maps(&y)
            .expect("maps");
        let pixels = SIZE[0] * SIZE[1];
        let image: Vec<f64> = x.narrow(1, 0, 1).into_data().iter::<f64>().collect();
        let mut empty = 0;
        for (i, value) in image.iter().enumerate() {
            let each = (0..10).map(|part| maps.values()[part * pixels + i].powi(2));
            let sum: f64 = each.sum();
            assert!(sum.abs() < 1e-9 || (sum - 1.0).abs() < 1e-9, "{sum}");
            assert!(*value == 0.0 || sum > 0.5, "no sensitivity within the disc");
            empty += usize::from(sum < 0.5);
        }
        assert!(empty > pixels / 5, "{empty} of {pixels}");
    }
}
