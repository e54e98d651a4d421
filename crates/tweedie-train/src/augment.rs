//! Random changes of the images, different ones in each epoch.

use crate::{Batch, ExampleError, Examples, Request};
use burn::tensor::{Int, Tensor, TensorData};
use tweedie_math::ParameterError;

/// Images that are mirrored, left to right, with a probability of one half.
///
/// The condition of an image stays as it is, so a condition that shows the image has to be computed
/// afterwards, as [`DeriveCondition`](crate::DeriveCondition) does.
#[derive(Clone, Copy, Debug)]
pub struct Mirrored<E>(pub E);

impl<E: Examples<4>> Examples<4> for Mirrored<E> {
    type Condition = E::Condition;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn prepare(&self, indices: &[usize]) {
        self.0.prepare(indices);
    }

    fn batch(&self, request: &Request<'_>) -> Result<Batch<4, E::Condition>, ExampleError> {
        let Batch { clean, condition } = self.0.batch(&request.inner())?;
        let count = request.indices.len();
        // Rows from `count` on are the mirrored images.
        let row = |own| {
            let [uniform] = request.uniforms(own);
            if uniform < 0.5 { own } else { count + own }
        };
        let both = Tensor::cat(vec![clean.clone(), clean.flip([3])], 0);
        Ok(Batch {
            clean: pick(both, (0..count).map(row)),
            condition,
        })
    }
}

/// Images that are cropped to a smaller size at a random place.
///
/// The condition of an image stays as it is, so a condition that shows the image has to be computed
/// afterwards, as [`DeriveCondition`](crate::DeriveCondition) does.
#[derive(Clone, Copy, Debug)]
pub struct Cropped<E> {
    examples: E,
    size: [usize; 2],
}

impl<E> Cropped<E> {
    /// Crops images to the height and width `size`.
    ///
    /// # Errors
    /// [`ParameterError`] for a size without pixels. An image that is smaller than `size` is an
    /// error when it is asked for.
    pub fn new(examples: E, size: [usize; 2]) -> Result<Self, ParameterError> {
        for side in size {
            ParameterError::require_count("the side of a crop", side)?;
        }
        Ok(Self { examples, size })
    }
}

impl<E: Examples<4>> Examples<4> for Cropped<E> {
    type Condition = E::Condition;

    fn len(&self) -> usize {
        self.examples.len()
    }

    fn prepare(&self, indices: &[usize]) {
        self.examples.prepare(indices);
    }

    fn batch(&self, request: &Request<'_>) -> Result<Batch<4, E::Condition>, ExampleError> {
        let Batch { clean, condition } = self.examples.batch(&request.inner())?;
        let ([_, _, height, width], [h, w]) = (clean.dims(), self.size);
        if h > height || w > width {
            return Err(format!("images of {height}×{width}, cropped to {h}×{w} pixels").into());
        }
        let crop = |row: usize| {
            let place = |uniform: f64, most: usize| (uniform * (most + 1) as f64) as usize;
            let [top, left] = request.uniforms(row);
            let image = clean.clone().narrow(0, row, 1);
            let image = image.narrow(2, place(top, height - h), h);
            image.narrow(3, place(left, width - w), w)
        };
        Ok(Batch {
            clean: Tensor::cat((0..request.indices.len()).map(crop).collect(), 0),
            condition,
        })
    }
}

fn pick(x: Tensor<4>, rows: impl Iterator<Item = usize>) -> Tensor<4> {
    let rows: Vec<i32> = rows.map(|row| row as i32).collect();
    let count = rows.len();
    let rows = Tensor::<1, Int>::from_data(TensorData::new(rows, [count]), &x.device());
    x.select(0, rows)
}
