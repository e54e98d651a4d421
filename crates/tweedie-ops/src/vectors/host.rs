//! Parameter updates on the CPU: chunks over all cores.

use super::AdamWStep;
use super::extension::Vectors;
use crate::host::{Floats, tensor};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::Tensor;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Elements per task.
const CHUNK: usize = 1 << 14;

/// Returns the elements of a tensor in row-major order, copying them if another tensor shares them.
fn numbers(tensor: &mut FloatTensor<Flex>) -> &mut [f32] {
    if !tensor.is_contiguous() {
        *tensor = tensor.to_contiguous();
    }
    let (start, length) = (
        tensor.layout().start_offset(),
        tensor.shape().num_elements(),
    );
    &mut tensor.storage_mut::<f32>()[start..start + length]
}

struct AdamWPart<'a> {
    parameter: &'a mut [f32],
    gradient: &'a [f32],
    m: &'a mut [f32],
    v: &'a mut [f32],
    step: AdamWStep,
}

impl WithSimd for AdamWPart<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let [first, second] = self.step.corrections().map(|factor| factor as f32);
        let [keep_m, keep_v] = self.step.keep.map(|keep| keep as f32);
        let [new_m, new_v] = self.step.keep.map(|keep| (1.0 - keep) as f32);
        let (rate, kept) = (self.step.learning_rate as f32, self.step.kept() as f32);
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

/// Computes `x ← a x + b y`, or `x ← a x` without a `y`.
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

impl Vectors for Flex {
    fn adamw(
        mut parameter: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        mut m: FloatTensor<Self>,
        mut v: FloatTensor<Self>,
        step: AdamWStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let (gradient, arch) = (Floats::of(&gradient), Arch::new());
        let chunks = numbers(&mut parameter).par_chunks_mut(CHUNK);
        let moments = numbers(&mut m).par_chunks_mut(CHUNK);
        let moments = moments.zip(numbers(&mut v).par_chunks_mut(CHUNK));
        let all = chunks.zip(gradient.par_chunks(CHUNK)).zip(moments);
        all.for_each(|((parameter, gradient), (m, v))| {
            arch.dispatch(AdamWPart {
                parameter,
                gradient,
                m,
                v,
                step,
            });
        });
        (parameter, m, v)
    }

    fn average(mut old: FloatTensor<Self>, new: FloatTensor<Self>, keep: f64) -> FloatTensor<Self> {
        let (new, arch) = (Floats::of(&new), Arch::new());
        let (a, b) = (keep as f32, (1.0 - keep) as f32);
        let chunks = numbers(&mut old).par_chunks_mut(CHUNK);
        chunks.zip(new.par_chunks(CHUNK)).for_each(|(x, y)| {
            let y = Some((y, b));
            arch.dispatch(Combine { x, a, y });
        });
        old
    }

    fn add_squares(sum: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        let x = Floats::of(&x);
        // Partial sums of fixed chunks, added in order: the result does not depend on the threads.
        let parts: Vec<f64> = x
            .par_chunks(CHUNK)
            .map(crate::group_norm::squares)
            .collect();
        let before = f64::from(Floats::of(&sum)[0]);
        tensor(vec![(before + parts.iter().sum::<f64>()) as f32], [1])
    }
}

/// Computes `factor·x` of a tensor on the host without gradients. Other devices need no kernel.
pub(super) fn scaled<const D: usize>(x: Tensor<D>, factor: f64) -> Tensor<D> {
    let primitive = x.try_into_primitive::<Flex>();
    let mut x = primitive.unwrap_or_else(|error| panic!("on the host: {error:?}"));
    let (a, arch) = (factor as f32, Arch::new());
    let chunks = numbers(&mut x).par_chunks_mut(CHUNK);
    chunks.for_each(|x| arch.dispatch(Combine { x, a, y: None }));
    Tensor::from_primitive::<Flex>(x)
}
