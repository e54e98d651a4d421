//! An operator of images, applied to every slice of a volume or every frame of a film.

use super::error::fits;
use super::{Linear, Operator, OperatorError};
use burn::tensor::Tensor;

/// Applies operators of images `[b, c, h, w]` to the slices of volumes `[b, c, d, h, w]`.
///
/// One operator serves all slices, as for a stack of CT slices. Or each slice has its own, as in
/// dynamic magnetic resonance imaging, where frames are sampled at different frequencies.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_inverse::operator::{AveragePool, Mask, MultiCoil, Operator, Slices};
///
/// let volume = Tensor::<5>::ones([1, 1, 6, 8, 8], &Device::flex());
/// let coarse = Slices::new(AveragePool::new(2)?).apply(volume);
/// assert_eq!(coarse.dims(), [1, 1, 6, 4, 4]);
///
/// // A heart in 4 frames, each with a quarter of its frequencies, others in every frame.
/// let frame = |seed| MultiCoil::ring(3, Mask::cartesian([16, 16], 4.0, 0.2, seed)?, [16, 16]);
/// let scan = Slices::each((0..4).map(frame).collect::<Result<Vec<_>, _>>()?)?;
/// let heart = Tensor::<5>::ones([1, 2, 4, 16, 16], &Device::flex());
/// assert_eq!(scan.apply(heart).dims(), [1, 6, 4, 16, 16]);
/// # Ok::<(), tweedie_inverse::operator::OperatorError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Slices<A> {
    operators: Vec<A>,
    /// Whether there is one operator for each slice.
    own: bool,
}

impl<A> Slices<A> {
    /// One operator for all slices.
    pub fn new(operator: A) -> Self {
        Self {
            operators: vec![operator],
            own: false,
        }
    }

    /// An operator for each slice, whose measurements have one shape.
    ///
    /// # Errors
    /// [`OperatorError::Length`] without operators.
    pub fn each(operators: Vec<A>) -> Result<Self, OperatorError> {
        match operators.is_empty() {
            true => Err(OperatorError::Length {
                values: "the list of slices",
                found: 0,
                expected: 1,
            }),
            false => Ok(Self {
                operators,
                own: true,
            }),
        }
    }

    /// The shape of a volume whose slices have the shape that `of` returns.
    fn shape(
        &self,
        [b, c, d, h, w]: [usize; 5],
        of: impl Fn(&A, [usize; 4]) -> Result<[usize; 4], OperatorError>,
    ) -> Result<[usize; 5], OperatorError> {
        let count = self.operators.len();
        let whole = d > 0 && (!self.own || d == count);
        fits(
            "slices of a volume",
            &[b, c, d, h, w],
            whole,
            || match self.own {
                true => format!("[batch, channels, {count}, height, width]"),
                false => "at least one slice".into(),
            },
        )?;
        // One operator takes the slices of all volumes as one batch.
        let batch = if self.own { b } else { b * d };
        let slice = [batch, c, h, w];
        let [_, c, h, w] = of(&self.operators[0], slice)?;
        for operator in &self.operators[1..] {
            let found = of(operator, slice)?;
            fits("a slice", &found, found[1..] == [c, h, w], || {
                format!("[{b}, {c}, {h}, {w}], as the first")
            })?;
        }
        Ok([b, c, d, h, w])
    }

    /// Maps the slices.
    fn map(&self, x: Tensor<5>, f: impl Fn(&A, Tensor<4>) -> Tensor<4>) -> Tensor<5> {
        let [b, c, d, h, w] = x.dims();
        if !self.own {
            let slices = x.swap_dims(1, 2).reshape([b * d, c, h, w]);
            let slices = f(&self.operators[0], slices);
            let [_, c, h, w] = slices.dims();
            return slices.reshape([b, d, c, h, w]).swap_dims(1, 2);
        }
        let slices = self.operators.iter().enumerate().map(|(i, operator)| {
            let slice = x.clone().narrow(2, i, 1).reshape([b, c, h, w]);
            f(operator, slice).unsqueeze_dim::<5>(2)
        });
        Tensor::cat(slices.collect(), 2)
    }
}

impl<A: Operator<4>> Operator<5> for Slices<A> {
    fn output_shape(&self, signal: [usize; 5]) -> Result<[usize; 5], OperatorError> {
        self.shape(signal, |operator, slice| operator.output_shape(slice))
    }

    fn apply_unchecked(&self, x: Tensor<5>) -> Tensor<5> {
        self.map(x, |operator, slices| operator.apply_unchecked(slices))
    }

    fn observed(&self, y: Tensor<5>) -> Tensor<5> {
        let [_, _, d, _, _] = y.dims();
        let fits = d > 0 && (!self.own || d == self.operators.len());
        match fits {
            true => self.map(y, |operator, slices| {
                let batch = slices.dims()[0];
                let seen = operator.observed(slices.clone());
                // A mask for each sample would repeat a single one.
                if seen.dims()[0] == batch {
                    seen
                } else {
                    slices
                }
            }),
            false => y,
        }
    }
}

impl<A: Linear<4>> Linear<5> for Slices<A> {
    fn input_shape(&self, measured: [usize; 5]) -> Result<[usize; 5], OperatorError> {
        self.shape(measured, |operator, slice| operator.input_shape(slice))
    }

    fn adjoint_unchecked(&self, y: Tensor<5>) -> Tensor<5> {
        self.map(y, |operator, slices| operator.adjoint_unchecked(slices))
    }
}
