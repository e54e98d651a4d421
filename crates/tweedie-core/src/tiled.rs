//! Denoising by tiles: an image of any size, with the activations of one tile at a time.

use crate::{DenoiseError, Denoiser, InputError, Posterior};
use burn::tensor::Tensor;
use std::f64::consts::PI;
use std::ops::Range;
use tweedie_math::{Level, ParameterError};

/// A denoiser that works on overlapping tiles of an image and blends them.
///
/// Neighbours overlap by at least `overlap` pixels. Within an overlap the outer `halo` pixels of
/// each tile are left out, because they lack what lies beyond the tile, and between them the weight
/// goes smoothly from one tile to the other. If the halo is at least the radius of the receptive
/// field, the result is that of the whole image to rounding. Networks that look at the whole image
/// (attention, normalisation over all pixels) see a tile instead.
///
/// Gradients pass through, but an estimate with a gradient keeps the activations of all tiles.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::{Denoiser, Tiled, from_fn};
/// use tweedie_math::Level;
///
/// let halved = from_fn(|x: Tensor<4>, _| x * 0.5);
/// let tiled = Tiled::new(halved, [32, 32], 8)?;
/// assert_eq!(tiled.tiles([100, 40]), 8);
/// let x = Tensor::<4>::ones([1, 3, 100, 40], &Device::flex());
/// let clean = tiled.denoise(x.clone(), Level::new(0.6, 0.8)?)?;
/// assert!((clean - x * 0.5).abs().max().into_scalar::<f32>() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Tiled<M> {
    denoiser: M,
    tile: [usize; 2],
    overlap: usize,
    halo: usize,
    alignment: usize,
}

impl<M> Tiled<M> {
    /// Makes tiles of `tile` pixels, height and width, that overlap by at least `overlap` pixels. A
    /// quarter of the overlap is halo.
    ///
    /// # Errors
    /// [`ParameterError`] unless the sides are at least 1 and the overlap is at most half a side.
    pub fn new(denoiser: M, tile: [usize; 2], overlap: usize) -> Result<Self, ParameterError> {
        for side in tile {
            ParameterError::require_count("a tile's side", side)?;
            let fits = overlap <= side / 2;
            ParameterError::require(fits, "the overlap", "at most half a tile", overlap as f64)?;
        }
        Ok(Self {
            denoiser,
            tile,
            overlap,
            halo: overlap / 4,
            alignment: 1,
        })
    }

    /// Sets the number of pixels that are left out at the inner edges of a tile.
    ///
    /// # Errors
    /// [`ParameterError`] if it is more than half of the overlap.
    pub fn with_halo(self, halo: usize) -> Result<Self, ParameterError> {
        let fits = halo <= self.overlap / 2;
        ParameterError::require(fits, "the halo", "at most half the overlap", halo as f64)?;
        Ok(Self { halo, ..self })
    }

    /// Makes tiles begin at multiples of `alignment` pixels, for networks that fold or shrink
    /// images by this factor. The last tile of a row or column is then up to `alignment − 1` pixels
    /// longer.
    ///
    /// # Errors
    /// [`ParameterError`] unless it is at least 1 and at most a tile less its overlap.
    pub fn with_alignment(self, alignment: usize) -> Result<Self, ParameterError> {
        let most = self.tile[0].min(self.tile[1]) - self.overlap;
        let fits = (1..=most).contains(&alignment);
        let expected = "from 1 to a tile less its overlap";
        ParameterError::require(fits, "the alignment", expected, alignment as f64)?;
        Ok(Self { alignment, ..self })
    }

    /// The number of tiles of an image of this height and width.
    #[must_use]
    pub fn tiles(&self, size: [usize; 2]) -> usize {
        self.places(0, size[0]).len() * self.places(1, size[1]).len()
    }

    /// Where the tiles along an axis of `length` pixels lie.
    fn places(&self, axis: usize, length: usize) -> Vec<Range<usize>> {
        let tile = self.tile[axis];
        let aligned = |place: usize| place / self.alignment * self.alignment;
        // Rounding to the alignment must not make an overlap smaller.
        let stride = aligned(tile - self.overlap);
        let last = aligned(length.saturating_sub(tile));
        let gaps = last.div_ceil(stride);
        let start = |k: usize| aligned(k * last / gaps.max(1));
        let end = |k: usize| if k == gaps { length } else { start(k) + tile };
        (0..=gaps).map(|k| start(k)..end(k)).collect()
    }

    /// Joins tiles along axis 2 or 3 of the image.
    fn blend(&self, tiles: Vec<Tensor<4>>, places: &[Range<usize>], axis: usize) -> Tensor<4> {
        let [tile, dim] = [self.tile[axis], axis + 2];
        // Ramps of neighbouring overlaps must not meet.
        let longest = (tile - self.overlap) / 2;
        let ramp = (self.overlap - 2 * self.halo).min(longest);
        let mut parts = Vec::with_capacity(2 * tiles.len());
        let mut from = 0;
        for (k, (piece, place)) in tiles.iter().zip(places).enumerate() {
            let core = |to: usize| piece.clone().narrow(dim, from - place.start, to - from);
            let Some((next, after)) = tiles.get(k + 1).zip(places.get(k + 1)) else {
                parts.push(core(place.end));
                break;
            };
            let begin = (place.end + after.start - ramp) / 2;
            if begin > from {
                parts.push(core(begin));
            }
            if ramp > 0 {
                let own = piece.clone().narrow(dim, begin - place.start, ramp);
                let other = next.clone().narrow(dim, begin - after.start, ramp);
                let weight = rising(&own, ramp, dim);
                parts.push(own.clone() + (other - own) * weight);
            }
            from = begin + ramp;
        }
        Tensor::cat(parts, dim)
    }

    fn by_tiles(
        &self,
        x: &Tensor<4>,
        evaluate: impl Fn(Tensor<4>) -> Result<Posterior<4>, DenoiseError>,
    ) -> Result<Posterior<4>, DenoiseError> {
        let [.., height, width] = x.dims();
        let (rows, columns) = (self.places(0, height), self.places(1, width));
        let (mut clean, mut interpolation) = (Vec::new(), Vec::new());
        for row in &rows {
            let strip = x.clone().narrow(2, row.start, row.len());
            let mut estimates = Vec::with_capacity(columns.len());
            let mut weights = Vec::new();
            for column in &columns {
                let tile = strip.clone().narrow(3, column.start, column.len());
                let expected = tile.dims();
                let estimate = evaluate(tile)?;
                DenoiseError::unless_shape("the estimate", &estimate.clean.dims(), &expected)?;
                estimates.push(estimate.clean);
                weights.extend(estimate.interpolation);
            }
            clean.push(self.blend(estimates, &columns, 1));
            if weights.len() == columns.len() {
                interpolation.push(self.blend(weights, &columns, 1));
            }
        }
        let complete = interpolation.len() == rows.len();
        Ok(Posterior {
            clean: self.blend(clean, &rows, 0),
            interpolation: complete.then(|| self.blend(interpolation, &rows, 0)),
        })
    }
}

/// `½ (1 − cos π u)` along an axis, with `u` from 0 to 1.
fn rising(like: &Tensor<4>, length: usize, dim: usize) -> Tensor<4> {
    let u = |i: usize| (i as f64 + 0.5) / length as f64;
    let values: Vec<f64> = (0..length)
        .map(|i| 0.5 * (1.0 - (PI * u(i)).cos()))
        .collect();
    let mut shape = [1; 4];
    shape[dim] = length;
    let options = (&like.device(), like.dtype());
    Tensor::<1>::from_data(&values[..], options).reshape(shape)
}

impl<M: Denoiser<4>> Denoiser<4> for Tiled<M> {
    fn denoise(&self, x: Tensor<4>, level: Level) -> Result<Tensor<4>, DenoiseError> {
        let estimate = self.by_tiles(&x, |tile| {
            Ok(Posterior {
                clean: self.denoiser.denoise(tile, level)?,
                interpolation: None,
            })
        });
        Ok(estimate?.clean)
    }

    fn estimate(&self, x: Tensor<4>, level: Level) -> Result<Posterior<4>, DenoiseError> {
        self.by_tiles(&x, |tile| self.denoiser.estimate(tile, level))
    }

    fn supports(&self, level: Level) -> bool {
        self.denoiser.supports(level)
    }

    fn accepts(&self, [batch, channels, height, width]: [usize; 4]) -> Result<(), InputError> {
        let columns = self.places(1, width);
        for row in self.places(0, height) {
            for column in &columns {
                let tile = [batch, channels, row.len(), column.len()];
                self.denoiser.accepts(tile)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test may stop at once")]
mod tests {
    use super::*;
    use crate::from_fn;
    use burn::tensor::module::conv2d;
    use burn::tensor::ops::ConvOptions;
    use burn::tensor::{DType, Device};

    /// Two convolutions of 5×5 with zeros at the edges: a receptive field of radius 4.
    fn network() -> impl Denoiser<4> {
        let device = (&Device::flex(), DType::F64);
        let weight = |seed: usize| {
            let value = |i: usize| ((i * 37 + seed * 11) % 23) as f64 / 23.0 - 0.5;
            let values: Vec<f64> = (0..25).map(value).collect();
            Tensor::<1>::from_data(&values[..], device).reshape([1, 1, 5, 5])
        };
        let (first, second) = (weight(1), weight(2));
        from_fn(move |x: Tensor<4>, _| {
            let by = |x: Tensor<4>, weight: &Tensor<4>| {
                let options = ConvOptions::new([1, 1], [2, 2], [1, 1], 1);
                conv2d(x, weight.clone(), None, options)
            };
            by(by(x, &first).tanh(), &second)
        })
    }

    fn image(size: [usize; 2]) -> Tensor<4> {
        let count = size[0] * size[1];
        let values: Vec<f64> = (0..count)
            .map(|i| ((i * i + 7 * i) % 101) as f64 / 50.0)
            .collect();
        let x = Tensor::<1>::from_data(&values[..], (&Device::flex(), DType::F64));
        x.reshape([1, 1, size[0], size[1]])
    }

    /// `max |tiled − whole|`.
    fn gap(tiled: &Tiled<impl Denoiser<4>>, size: [usize; 2]) -> f64 {
        let level = Level::new(0.6, 0.8).expect("a level");
        tiled.accepts([1, 1, size[0], size[1]]).expect("a size");
        let whole = network().denoise(image(size), level).expect("an estimate");
        let found = tiled.denoise(image(size), level).expect("an estimate");
        (found - whole).abs().max().into_scalar()
    }

    /// With a halo of the receptive field's radius every size gives the whole image's result; with
    /// a smaller one it does not.
    #[test]
    fn tiles_are_the_whole_image_where_the_halo_is_the_receptive_field() {
        let tiled = |overlap: usize, halo: usize, alignment: usize| {
            let tiled = Tiled::new(network(), [24, 20], overlap).expect("tiles");
            let tiled = tiled.with_halo(halo).expect("a halo");
            tiled.with_alignment(alignment).expect("an alignment")
        };
        for size in [[24, 20], [25, 21], [31, 64], [90, 47], [7, 200], [61, 20]] {
            for alignment in [1, 2, 4] {
                for overlap in [8, 10] {
                    let found = gap(&tiled(overlap, 4, alignment), size);
                    assert!(found < 1e-12, "{size:?} {overlap} {alignment}: {found}");
                }
            }
        }
        assert!(gap(&tiled(8, 1, 1), [90, 47]) > 1e-3);
    }

    #[test]
    fn tiles_cover_the_axis_and_overlap_enough() {
        for alignment in [1, 2, 3, 8] {
            let tiled = Tiled::new((), [32, 32], 12).expect("tiles");
            let tiled = tiled.with_alignment(alignment).expect("an alignment");
            for length in 1..400 {
                let places = tiled.places(0, length);
                assert_eq!((places[0].start, places[places.len() - 1].end), (0, length));
                for pair in places.windows(2) {
                    assert!(pair[0].end >= pair[1].start + 12, "{length} {places:?}");
                    assert!(pair[1].start > pair[0].start && pair[1].end > pair[0].end);
                }
                for place in &places {
                    assert!(place.start % alignment == 0 && place.len() < 32 + alignment);
                }
            }
        }
    }

    #[test]
    fn wrong_tiles_are_refused() {
        assert!(Tiled::new((), [0, 8], 0).is_err());
        assert!(Tiled::new((), [8, 8], 5).is_err());
        let tiled = Tiled::new((), [8, 8], 4).expect("tiles");
        assert!(tiled.with_halo(3).is_err());
        assert!(tiled.with_alignment(0).is_err() && tiled.with_alignment(5).is_err());
    }
}
