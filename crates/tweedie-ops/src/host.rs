//! Linear maps of host memory as differentiable operations on tensors of the CPU backend.
//!
//! In burn, a custom operation gets a gradient only through a backend extension. One extension
//! suffices for all linear maps, because the gradient of a linear map is its transpose.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, Backend, Dispatch, DispatchTensorKind, Flex, TensorMetadata, backend_extension,
};
use burn::tensor::{DType, Shape, Tensor, TensorData};
use realfft::FftNum;
use std::fmt::Debug;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::sync::Arc;

/// The direction in which a map is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// `A x`.
    Forward,
    /// `Aᵀ y`.
    Transposed,
}

/// A linear map of contiguous arrays, with its transpose.
pub(crate) trait HostMap: Debug + Send + Sync + 'static {
    /// Returns the shape of the result.
    fn shape(&self, input: &[usize], direction: Direction) -> Vec<usize>;

    /// Writes the result to `out`, which is zero on entry.
    fn run<T: FftNum>(&self, x: &[T], shape: &[usize], out: &mut [T], direction: Direction);
}

/// A [`HostMap`] as a trait object, with the dtype chosen at run time.
pub(crate) trait ErasedMap: Debug + Send + Sync {
    fn apply(&self, x: FloatTensor<Flex>, transposed: bool) -> FloatTensor<Flex>;
}

impl<M: HostMap> ErasedMap for M {
    fn apply(&self, x: FloatTensor<Flex>, transposed: bool) -> FloatTensor<Flex> {
        let direction = match transposed {
            true => Direction::Transposed,
            false => Direction::Forward,
        };
        let x = x.to_contiguous();
        let input = x.shape().to_vec();
        let shape = self.shape(&input, direction);
        let place =
            x.layout().start_offset()..x.layout().start_offset() + input.iter().product::<usize>();
        let length = shape.iter().product();
        let data = match x.dtype() {
            DType::F64 => {
                let mut out = vec![0.0; length];
                self.run::<f64>(&x.storage()[place], &input, &mut out, direction);
                TensorData::new(out, shape)
            }
            _ => {
                let mut out = vec![0.0; length];
                self.run::<f32>(&x.storage()[place], &input, &mut out, direction);
                TensorData::new(out, shape)
            }
        };
        FloatTensor::<Flex>::from_data(data)
    }
}

type Map = Arc<dyn ErasedMap>;

/// The backend extension: a linear map with its transpose as gradient.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait HostLinear: Backend {
    /// Computes `A x`, or `Aᵀ x` if `transposed`.
    fn host_linear(x: FloatTensor<Self>, map: Map, transposed: bool) -> FloatTensor<Self>;
}

impl HostLinear for Flex {
    fn host_linear(x: FloatTensor<Self>, map: Map, transposed: bool) -> FloatTensor<Self> {
        map.apply(x, transposed)
    }
}

impl<B: Backend + HostLinear, C: CheckpointStrategy> HostLinear for Autodiff<B, C> {
    fn host_linear(x: FloatTensor<Self>, map: Map, transposed: bool) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct LinearBackward;
        impl<B: Backend + HostLinear> Backward<B, 1> for LinearBackward {
            type State = (Map, bool);

            fn backward(
                self,
                ops: Ops<Self::State, 1>,
                gradients: &mut Gradients,
                _: &mut Checkpointer,
            ) {
                let (map, transposed) = ops.state;
                unary::<B, _>(ops.parents, ops.node, gradients, |gradient| {
                    B::host_linear(gradient, map, !transposed)
                });
            }
        }
        let node = x.node();
        let y = B::host_linear(x.into_primitive(), map.clone(), transposed);
        match LinearBackward
            .prepare::<C>([node])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(tape) => tape.finish((map, transposed), y),
            OpsKind::UnTracked(tape) => tape.finish(y),
        }
    }
}

/// Returns whether a tensor is on the CPU backend, where host maps run.
pub(crate) fn is_host<const D: usize>(x: &Tensor<D>) -> bool {
    let mut kind = &x.clone().into_dispatch().kind;
    while let DispatchTensorKind::Autodiff(inner) = kind {
        kind = inner;
    }
    matches!(kind, DispatchTensorKind::Flex(_))
}

/// Applies the map to a tensor for which [`is_host`] holds. Half precision is computed in `f32`.
pub(crate) fn run<const D: usize, const E: usize>(
    map: Arc<impl HostMap>,
    x: Tensor<D>,
    direction: Direction,
) -> Tensor<E> {
    let dtype = x.dtype();
    let wide = match dtype {
        DType::F64 | DType::F32 => x,
        _ => x.cast(DType::F32),
    };
    let transposed = direction == Direction::Transposed;
    let y = Dispatch::host_linear(wide.into_dispatch(), map, transposed);
    let y: Tensor<E> = Tensor::from_dispatch(y);
    y.cast(dtype)
}

/// The values of an `f32` tensor as a slice.
pub(crate) struct Floats {
    tensor: FloatTensor<Flex>,
    /// The length of the slice from the first element on.
    length: usize,
}

impl Floats {
    /// The elements in row-major order, copied if the tensor is not contiguous.
    pub(crate) fn of(tensor: &FloatTensor<Flex>) -> Self {
        let tensor = tensor.to_contiguous();
        let length = tensor.shape().num_elements();
        Self { tensor, length }
    }

    /// All values in memory from the tensor's first element on, whatever its strides.
    pub(crate) fn as_they_lie(tensor: FloatTensor<Flex>) -> Self {
        let length = tensor.storage::<f32>().len() - tensor.layout().start_offset();
        Self { tensor, length }
    }

    /// # Panics
    /// If the tensor has another rank.
    pub(crate) fn shape<const D: usize>(&self) -> [usize; D] {
        self.tensor.shape().dims()
    }
}

impl Deref for Floats {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        let start = self.tensor.layout().start_offset();
        &self.tensor.storage::<f32>()[start..start + self.length]
    }
}

/// Returns a vector of `length` values that `write` initialises, without clearing the memory first.
///
/// # Safety
/// `write` must write all of the values.
#[allow(unsafe_code, reason = "clearing takes a tenth of a pass")]
pub(crate) unsafe fn written(
    length: usize,
    write: impl FnOnce(&mut [MaybeUninit<f32>]),
) -> Vec<f32> {
    let mut numbers = Vec::with_capacity(length);
    write(&mut numbers.spare_capacity_mut()[..length]);
    // SAFETY: the capacity was reserved above, and the caller guarantees that `write` wrote every
    // value.
    unsafe { numbers.set_len(length) };
    numbers
}

/// Creates a tensor of the CPU backend.
pub(crate) fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> FloatTensor<Flex> {
    FloatTensor::<Flex>::from_data(TensorData::new(values, shape))
}
