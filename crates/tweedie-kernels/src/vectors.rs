//! What training does to all parameters of a network: vectors of millions of numbers, each passed once, over
//! all cores, in place where nobody else holds them. They have no gradients on the CPU backend.

use burn::tensor::{DType, Tensor};

/// How [`adamw`] goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWStep {
    /// `η`.
    pub learning_rate: f64,
    /// `β₁` and `β₂`, how much the moments keep.
    pub keep: [f64; 2],
    /// What is added to the root of the second moment.
    pub epsilon: f64,
    /// `λ`.
    pub weight_decay: f64,
    /// The number of this step, from 1.
    pub number: usize,
}

impl AdamWStep {
    /// `1/(1 − βᵏ)`: moments that start from 0 are too small.
    fn corrections(&self) -> [f64; 2] {
        self.keep
            .map(|keep| 1.0 / (1.0 - keep.powf(self.number as f64)))
    }
}

/// One step of AdamW, parameters and both moments:
/// `m ← β₁ m + (1 − β₁) g`, `v ← β₂ v + (1 − β₂) g²`,
/// `θ ← (1 − η λ) θ − η m̂/(√v̂ + ε)` with `m̂ = m/(1 − β₁ᵏ)`, `v̂ = v/(1 − β₂ᵏ)`.
///
/// # Panics
/// For tensors of different shapes.
///
/// # Reference
/// Loshchilov & Hutter 2019, algorithm 2, arXiv:1711.05101.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_kernels::{AdamWStep, adamw};
///
/// let device = Device::flex();
/// let (parameter, gradient) = (Tensor::<1>::ones([1], &device), Tensor::<1>::ones([1], &device));
/// let step = AdamWStep {
///     learning_rate: 0.1,
///     keep: [0.9, 0.999],
///     epsilon: 0.0,
///     weight_decay: 0.0,
///     number: 1,
/// };
/// // The first step goes as far as the learning rate, whatever the gradient.
/// let moments = [Tensor::zeros([1], &device), Tensor::zeros([1], &device)];
/// let (parameter, _) = adamw(parameter, gradient * 7.0, moments, step);
/// assert!((parameter.into_scalar::<f32>() - 0.9).abs() < 1e-6);
/// ```
#[must_use]
pub fn adamw<const D: usize>(
    parameter: Tensor<D>,
    gradient: Tensor<D>,
    [m, v]: [Tensor<D>; 2],
    step: AdamWStep,
) -> (Tensor<D>, [Tensor<D>; 2]) {
    assert!(
        [&gradient, &m, &v]
            .iter()
            .all(|tensor| tensor.dims() == parameter.dims()),
        "adamw: a gradient and moments of the parameter's shape"
    );
    #[cfg(feature = "flex")]
    if host::takes(&[&parameter, &gradient, &m, &v]) {
        return host::adamw(parameter, gradient, [m, v], step);
    }
    let [first, second] = step.corrections();
    let m = m * step.keep[0] + gradient.clone() * (1.0 - step.keep[0]);
    let v = v * step.keep[1] + gradient.square() * (1.0 - step.keep[1]);
    let update = m.clone() * first / ((v.clone() * second).sqrt() + step.epsilon);
    let kept = parameter * (1.0 - step.learning_rate * step.weight_decay);
    (kept - update * step.learning_rate, [m, v])
}

/// `keep·old + (1 − keep)·new`.
///
/// # Panics
/// For tensors of different shapes.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_kernels::average;
///
/// let device = Device::flex();
/// let (old, new) = (Tensor::<1>::zeros([1], &device), Tensor::<1>::ones([1], &device));
/// assert_eq!(average(old, new, 0.75).into_scalar::<f32>(), 0.25);
/// ```
#[must_use]
pub fn average<const D: usize>(old: Tensor<D>, new: Tensor<D>, keep: f64) -> Tensor<D> {
    assert_eq!(old.dims(), new.dims(), "average: shapes");
    #[cfg(feature = "flex")]
    if host::takes(&[&old, &new]) {
        return host::average(old, new, keep);
    }
    old * keep + new * (1.0 - keep)
}

/// `factor·x`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_kernels::scaled;
///
/// let x = scaled(Tensor::<1>::ones([1], &Device::flex()), 0.5);
/// assert_eq!(x.into_scalar::<f32>(), 0.5);
/// ```
#[must_use]
pub fn scaled<const D: usize>(x: Tensor<D>, factor: f64) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if host::takes(&[&x]) {
        return host::scaled(x, factor);
    }
    x * factor
}

/// `Σ x²`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_kernels::square_sum;
///
/// let x = Tensor::<2>::from_floats([[3.0, 4.0]], &Device::flex());
/// assert_eq!(square_sum(x).into_scalar::<f32>(), 25.0);
/// ```
#[must_use]
pub fn square_sum<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    #[cfg(feature = "flex")]
    if host::takes(&[&x]) {
        return host::square_sum(x);
    }
    // A sum of so many numbers is beyond half precision.
    match x.dtype() {
        DType::F64 => x.square().sum(),
        _ => x.cast(DType::F32).square().sum(),
    }
}

#[cfg(feature = "flex")]
mod host {
    use super::AdamWStep;
    use crate::host::Floats;
    use burn::backend::tensor::FloatTensor;
    use burn::backend::{DispatchTensorKind, Flex, TensorMetadata};
    use burn::tensor::{DType, Tensor};
    use pulp::{Arch, Simd, WithSimd};
    use rayon::prelude::*;

    /// Numbers that one core takes at a time.
    const CHUNK: usize = 1 << 14;

    /// Whether all are `f32` in host memory, without gradients.
    pub(super) fn takes<const D: usize>(tensors: &[&Tensor<D>]) -> bool {
        tensors.iter().all(|&tensor| {
            let kind = tensor.clone().into_dispatch().kind;
            tensor.dtype() == DType::F32 && matches!(kind, DispatchTensorKind::Flex(_))
        })
    }

    /// In order.
    fn primitive<const D: usize>(tensor: Tensor<D>) -> FloatTensor<Flex> {
        let primitive = tensor.try_into_primitive::<Flex>();
        let primitive = primitive.unwrap_or_else(|error| panic!("on the host: {error:?}"));
        primitive.to_contiguous()
    }

    /// The numbers, a copy if somebody else holds them.
    fn numbers(tensor: &mut FloatTensor<Flex>) -> &mut [f32] {
        let (start, length) = (
            tensor.layout().start_offset(),
            tensor.shape().num_elements(),
        );
        &mut tensor.storage_mut::<f32>()[start..start + length]
    }

    fn tensor<const D: usize>(primitive: FloatTensor<Flex>) -> Tensor<D> {
        Tensor::from_primitive::<Flex>(primitive)
    }

    struct Step<'a> {
        parameter: &'a mut [f32],
        gradient: &'a [f32],
        m: &'a mut [f32],
        v: &'a mut [f32],
        step: AdamWStep,
    }

    impl WithSimd for Step<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            let [first, second] = self.step.corrections().map(|factor| factor as f32);
            let [keep_m, keep_v] = self.step.keep.map(|keep| keep as f32);
            let [new_m, new_v] = self.step.keep.map(|keep| (1.0 - keep) as f32);
            let rate = self.step.learning_rate as f32;
            let kept = (1.0 - self.step.learning_rate * self.step.weight_decay) as f32;
            let epsilon = self.step.epsilon as f32;
            let moments = self.m.iter_mut().zip(self.v);
            let parameters = self.parameter.iter_mut().zip(self.gradient);
            for ((p, &g), (m, v)) in parameters.zip(moments) {
                *m = keep_m * *m + new_m * g;
                *v = keep_v * *v + new_v * (g * g);
                *p = kept * *p - rate * (*m * first / ((*v * second).sqrt() + epsilon));
            }
        }
    }

    pub(super) fn adamw<const D: usize>(
        parameter: Tensor<D>,
        gradient: Tensor<D>,
        [m, v]: [Tensor<D>; 2],
        step: AdamWStep,
    ) -> (Tensor<D>, [Tensor<D>; 2]) {
        let [mut parameter, gradient, mut m, mut v] = [parameter, gradient, m, v].map(primitive);
        let (gradient, arch) = (Floats::of(&gradient), Arch::new());
        let chunks = numbers(&mut parameter).par_chunks_mut(CHUNK);
        let moments = numbers(&mut m).par_chunks_mut(CHUNK);
        let moments = moments.zip(numbers(&mut v).par_chunks_mut(CHUNK));
        let all = chunks.zip(gradient.par_chunks(CHUNK)).zip(moments);
        all.for_each(|((parameter, gradient), (m, v))| {
            arch.dispatch(Step {
                parameter,
                gradient,
                m,
                v,
                step,
            });
        });
        (tensor(parameter), [tensor(m), tensor(v)])
    }

    /// `x ← a x + b y`, where there is a `y`.
    struct Combine<'a> {
        x: &'a mut [f32],
        a: f32,
        y: Option<(&'a [f32], f32)>,
    }

    impl WithSimd for Combine<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            let a = self.a;
            match self.y {
                Some((y, b)) => {
                    for (x, &y) in self.x.iter_mut().zip(y) {
                        *x = a * *x + b * y;
                    }
                }
                None => self.x.iter_mut().for_each(|x| *x *= a),
            }
        }
    }

    pub(super) fn average<const D: usize>(old: Tensor<D>, new: Tensor<D>, keep: f64) -> Tensor<D> {
        let (mut old, new) = (primitive(old), Floats::of(&primitive(new)));
        let (a, b, arch) = (keep as f32, (1.0 - keep) as f32, Arch::new());
        let chunks = numbers(&mut old).par_chunks_mut(CHUNK);
        chunks.zip(new.par_chunks(CHUNK)).for_each(|(x, y)| {
            let y = Some((y, b));
            arch.dispatch(Combine { x, a, y });
        });
        tensor(old)
    }

    pub(super) fn scaled<const D: usize>(x: Tensor<D>, factor: f64) -> Tensor<D> {
        let (mut x, a, arch) = (primitive(x), factor as f32, Arch::new());
        let chunks = numbers(&mut x).par_chunks_mut(CHUNK);
        chunks.for_each(|x| arch.dispatch(Combine { x, a, y: None }));
        tensor(x)
    }

    pub(super) fn square_sum<const D: usize>(x: Tensor<D>) -> Tensor<1> {
        let x = Floats::of(&primitive(x));
        // Sums of parts in order: the same whoever computes them.
        let parts: Vec<f64> = x
            .par_chunks(CHUNK)
            .map(crate::group_norm::squares)
            .collect();
        let sum = parts.into_iter().sum::<f64>() as f32;
        tensor(crate::host::tensor(vec![sum], [1]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution};

    fn far<const D: usize>(found: Tensor<D>, wanted: Tensor<D>) -> f64 {
        let off = (found.cast(DType::F64) - wanted).abs().max();
        off.into_scalar::<f64>()
    }

    /// In one pass as by tensor operations in `f64`, also where somebody holds the parameter, and for a
    /// gradient that is a transposed view.
    #[test]
    fn one_pass_is_the_formula() {
        let normal = |shape: [usize; 2]| {
            Tensor::<2>::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex())
        };
        let step = AdamWStep {
            learning_rate: 0.02,
            keep: [0.9, 0.99],
            epsilon: 1e-3,
            weight_decay: 0.1,
            number: 3,
        };
        let wide = |x: &Tensor<2>| x.clone().cast(DType::F64);
        let (parameter, gradient) = (normal([70, 300]), normal([300, 70]).transpose());
        let (m, v) = (normal([70, 300]), normal([70, 300]).square());
        let before = wide(&parameter);
        let wanted = adamw(
            wide(&parameter),
            wide(&gradient),
            [wide(&m), wide(&v)],
            step,
        );
        let held = parameter.clone();
        let found = adamw(parameter, gradient.clone(), [m.clone(), v.clone()], step);
        // Rounding counts against the sum of what is added, however small the root that divides it is: some eight
        // roundings of 6e-8.
        let [m_least, least] = [wide(&m), wide(&gradient)].map(|x| -x.abs());
        let (size, _) = adamw(before.clone().abs(), least, [m_least, wide(&v)], step);
        let off = (found.0.cast(DType::F64) - wanted.0) / size;
        assert!(off.abs().max().into_scalar::<f64>() < 1e-6);
        // Squares are up to 20.
        for (found, wanted) in found.1.into_iter().zip(wanted.1) {
            assert!(far(found, wanted) < 5e-6);
        }
        assert!(far(held, before) == 0.0);
        let mixed = average(wide(&m), wide(&gradient), 0.7);
        assert!(far(average(m.clone(), gradient.clone(), 0.7), mixed) < 1e-6);
        assert!(far(scaled(m.clone(), 0.3), wide(&m) * 0.3) < 1e-6);
        let (found, wanted) = (square_sum(gradient.clone()), square_sum(wide(&gradient)));
        assert!(far(found, wanted.clone()) < 1e-6 * wanted.into_scalar::<f64>());
    }
}
