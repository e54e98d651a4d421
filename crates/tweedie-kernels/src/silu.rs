//! `x/(1 + e⁻ˣ)`, in one pass.

use burn::tensor::{Tensor, activation};

/// `silu(x) = x/(1 + e⁻ˣ)`, of every number; in `f32` on burn's CPU backend over all cores, to a few
/// units in the last place (and 10⁻³⁵), with its gradient.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_kernels::silu;
///
/// let y = silu(Tensor::<1>::from_floats([-100.0, 0.0, 1.0, 100.0], &Device::flex()));
/// let y: Vec<f32> = y.into_data().iter().collect();
/// assert_eq!((y[1], y[3]), (0.0, 100.0));
/// assert!(y[0].abs() < 1e-30 && (y[2] - 0.731_058_6).abs() < 1e-6);
/// ```
#[must_use]
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if crate::on_host(&x) {
        return host::silu(x);
    }
    activation::silu(x)
}

#[cfg(feature = "flex")]
pub(crate) mod host {
    use crate::host::{Floats, tensor, written};
    use crate::source::Source;
    use burn::backend::autodiff::NodeId;
    use burn::backend::autodiff::checkpoint::{
        base::Checkpointer, retro_forward::RetroForward, state::BackwardStates,
        strategy::CheckpointStrategy,
    };
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
    use burn::backend::tensor::FloatTensor;
    use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
    use burn::tensor::Tensor;
    use pulp::{Arch, Simd, WithSimd};
    use rayon::prelude::*;
    use std::mem::MaybeUninit;

    /// Beyond it the function is its asymptote, to 10⁻³⁵.
    const LEAST: f32 = -87.0;

    /// Numbers that one core takes at a time.
    const CHUNK: usize = 1 << 14;

    pub(super) fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
        Tensor::from_dispatch(Dispatch::silu_of(x.into_dispatch()))
    }

    /// `eˣ`, to 2 units in the last place, by `2ⁿ e^r` with `|r| ≤ ½ ln 2` and a polynomial (Cephes).
    #[inline(always)]
    pub(crate) fn exp(x: f32) -> f32 {
        // Adding 1.5·2²³ rounds to whole numbers, which are then in the lowest bits.
        const ROUND: f32 = 12_582_912.0;
        let x = x.clamp(-87.0, 88.0);
        let rounded = x * std::f32::consts::LOG2_E + ROUND;
        let n = rounded - ROUND;
        // ln 2 in two parts.
        let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
        let mut p = 1.987_569_1e-4;
        for c in [
            1.398_199_9e-3,
            8.333_452e-3,
            4.166_579_6e-2,
            0.166_666_65,
            0.5,
        ] {
            p = p * r + c;
        }
        let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
        (p * r * r + r + 1.0) * power
    }

    #[inline(always)]
    pub(crate) fn value(x: f32) -> f32 {
        x.max(LEAST) / (1.0 + exp(-x))
    }

    /// `s + s x (1 − s)` with `s = 1/(1 + e⁻ˣ)`; `1 − s = e⁻ˣ s` loses nothing.
    #[inline(always)]
    pub(crate) fn derivative(x: f32) -> f32 {
        let x = x.clamp(LEAST, -LEAST);
        let e = exp(-x);
        let s = 1.0 / (1.0 + e);
        s * (1.0 + x * (e * s))
    }

    struct Forward<'a>(&'a [f32], &'a mut [MaybeUninit<f32>]);

    impl WithSimd for Forward<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            for (y, &x) in self.1.iter_mut().zip(self.0) {
                y.write(value(x));
            }
        }
    }

    struct Backwards<'a>(&'a [f32], &'a [f32], &'a mut [MaybeUninit<f32>]);

    impl WithSimd for Backwards<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            for ((dx, &x), &dy) in self.2.iter_mut().zip(self.0).zip(self.1) {
                dx.write(dy * derivative(x));
            }
        }
    }

    #[backend_extension(Flex, Autodiff)]
    pub(crate) trait Silu: Backend {
        /// `silu(x)`.
        fn silu_of(x: FloatTensor<Self>) -> FloatTensor<Self>;
    }

    pub(crate) trait SiluGradient: Backend {
        /// `∂/∂x` from `∂/∂y`.
        fn silu_gradient(x: FloatTensor<Self>, dy: FloatTensor<Self>) -> FloatTensor<Self>;
    }

    impl Silu for Flex {
        fn silu_of(x: FloatTensor<Self>) -> FloatTensor<Self> {
            let (shape, x, arch) = (x.shape(), Floats::of(&x), Arch::new());
            let write = |y: &mut [MaybeUninit<f32>]| {
                let chunks = y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK));
                chunks.for_each(|(y, x)| arch.dispatch(Forward(x, y)));
            };
            // SAFETY: every chunk is written whole.
            #[allow(unsafe_code, reason = "the output is not cleared first")]
            let y = unsafe { written(x.len(), write) };
            tensor(y, shape)
        }
    }

    impl SiluGradient for Flex {
        fn silu_gradient(x: FloatTensor<Self>, dy: FloatTensor<Self>) -> FloatTensor<Self> {
            let (shape, arch) = (x.shape(), Arch::new());
            let (x, dy) = (Floats::of(&x), Floats::of(&dy));
            assert_eq!(dy.len(), x.len(), "a gradient of the output's size");
            let write = |dx: &mut [MaybeUninit<f32>]| {
                let factors = x.par_chunks(CHUNK).zip(dy.par_chunks(CHUNK));
                let chunks = dx.par_chunks_mut(CHUNK).zip(factors);
                chunks.for_each(|(dx, (x, dy))| arch.dispatch(Backwards(x, dy, dx)));
            };
            // SAFETY: every chunk is written whole: there is as much of `dy` (asserted above).
            #[allow(unsafe_code, reason = "the gradient is not cleared first")]
            let dx = unsafe { written(x.len(), write) };
            tensor(dx, shape)
        }
    }

    impl<B: Silu + SiluGradient, C: CheckpointStrategy> Silu for Autodiff<B, C> {
        fn silu_of(x: FloatTensor<Self>) -> FloatTensor<Self> {
            #[derive(Debug)]
            struct Activate;

            impl<B: SiluGradient> Backward<B, 1> for Activate {
                type State = NodeId;

                fn backward(
                    self,
                    ops: Ops<Self::State, 1>,
                    gradients: &mut Gradients,
                    kept: &mut Checkpointer,
                ) {
                    let x = kept.retrieve_node_output(ops.state);
                    unary::<B, _>(ops.parents, ops.node, gradients, |dy| {
                        B::silu_gradient(x, dy)
                    });
                }
            }

            let prepared = Activate.prepare::<C>([x.node()]);
            let prepared = match x.is_tracked() {
                true => prepared
                    .memory_bound()
                    .retro_forward(Again::<B>(Source::of::<C>(&x)))
                    .parents([&x]),
                false => prepared.compute_bound(),
            };
            match prepared.stateful() {
                OpsKind::Tracked(mut tape) => {
                    let kept = tape.checkpoint(&x);
                    tape.finish(kept, B::silu_of(x.into_primitive()))
                }
                OpsKind::UnTracked(tape) => tape.finish(B::silu_of(x.into_primitive())),
            }
        }
    }

    /// The same once more in the backward pass.
    #[derive(Debug)]
    struct Again<B: Backend>(Source<B>);

    impl<B: Silu> RetroForward for Again<B> {
        fn forward(&self, states: &mut BackwardStates, node: NodeId) {
            let x = self.0.get(states);
            states.save(node, B::silu_of(x));
        }
    }
}
