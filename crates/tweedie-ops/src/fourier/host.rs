//! Fourier transforms on the CPU: rows, then columns, in parallel blocks that fit into the cache.

use crate::host::{Direction, HostMap};
use rayon::prelude::*;
use realfft::num_complex::Complex;
use realfft::{FftNum, RealFftPlanner};
use rustfft::{Fft, FftPlanner};
use std::any::Any;
use std::sync::{Arc, LazyLock, Mutex};

/// Rows or columns per block, so that a gather uses whole cache lines.
const BLOCK: usize = 16;

/// A circular filter of real planes, `y = F⁻¹ (H ∘ F x)`.
#[derive(Debug)]
pub(crate) struct SpectralFilter {
    /// Height and width.
    size: [usize; 2],
    /// Planes of the spectrum: samples and channels.
    planes: [usize; 2],
    /// `H/(h w)` by columns: `[plane][w/2 + 1][h]`.
    double: Vec<Complex<f64>>,
    single: Vec<Complex<f32>>,
}

impl SpectralFilter {
    /// Creates the filter from `H`, stored by columns.
    pub(crate) fn new(spectrum: &[Complex<f64>], planes: [usize; 2], size: [usize; 2]) -> Self {
        let scale = 1.0 / (size[0] * size[1]) as f64;
        let double: Vec<_> = spectrum.iter().map(|h| h * scale).collect();
        let narrow = |h: &Complex<f64>| Complex::new(h.re as f32, h.im as f32);
        Self {
            size,
            planes,
            single: double.iter().map(narrow).collect(),
            double,
        }
    }

    /// Returns the columns of the spectrum in precision `T`.
    fn columns<T: FftNum>(&self) -> &[Complex<T>] {
        let double: &dyn Any = &self.double;
        let single: &dyn Any = &self.single;
        let found = double.downcast_ref().or_else(|| single.downcast_ref());
        found.map_or(&[], |columns: &Vec<Complex<T>>| columns)
    }
}

impl HostMap for SpectralFilter {
    fn shape(&self, input: &[usize], _: Direction) -> Vec<usize> {
        input.to_vec()
    }

    fn run<T: FftNum>(&self, x: &[T], shape: &[usize], out: &mut [T], direction: Direction) {
        let [h, w] = self.size;
        let half = w / 2 + 1;
        let channels = shape[1];
        let zero = Complex::new(T::zero(), T::zero());
        let (forward, backward) = real_plans::<T>(w);
        let columns = [false, true].map(|inverse| plan::<T>(h, inverse));
        // Rows: [plane][h][half].
        let mut rows = spare::<T>(x.len() / w * half);
        rows.par_chunks_mut(half * BLOCK)
            .zip(x.par_chunks(w * BLOCK))
            .for_each_init(
                || (forward.make_input_vec(), forward.make_scratch_vec()),
                |(line, scratch), (rows, x)| {
                    for (row, x) in rows.chunks_mut(half).zip(x.chunks(w)) {
                        line.copy_from_slice(x);
                        transformed(forward.process_with_scratch(line, row, scratch));
                    }
                },
            );
        // Columns, filtered, and back: [plane][half][h].
        let spectrum = self.columns::<T>();
        let mut filtered = spare::<T>(rows.len());
        blocks(&mut filtered, half * h, h).for_each_init(
            || vec![zero; scratch(&columns)],
            |scratch, (plane, first, block)| {
                gather(block, &rows[plane * h * half..], first, [h, half]);
                let [sample, channel] = self.planes;
                let which = (plane / channels % sample) * channel + plane % channels % channel;
                let start = which * half * h + first * h;
                columns[0].process_with_scratch(block, scratch);
                let factors = block.iter_mut().zip(&spectrum[start..]);
                match direction {
                    Direction::Forward => factors.for_each(|(z, h)| *z = *z * *h),
                    Direction::Transposed => factors.for_each(|(z, h)| *z = *z * h.conj()),
                }
                columns[1].process_with_scratch(block, scratch);
            },
        );
        blocks(out, h * w, w).for_each_init(
            || (vec![zero; half * BLOCK], backward.make_scratch_vec()),
            |(lines, scratch), (plane, first, block)| {
                let count = block.len() / w;
                gather(
                    &mut lines[..count * half],
                    &filtered[plane * half * h..],
                    first,
                    [half, h],
                );
                for (line, out) in lines.chunks_mut(half).zip(block.chunks_mut(w)) {
                    // Real by symmetry, up to rounding.
                    line[0].im = T::zero();
                    if w.is_multiple_of(2) {
                        line[half - 1].im = T::zero();
                    }
                    transformed(backward.process_with_scratch(line, out, scratch));
                }
            },
        );
        keep([rows, filtered]);
    }
}

/// The unitary transform of complex planes `[n, 2, h, w]`, real parts first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planes {
    /// Whether the forward direction is the inverse transform.
    pub(crate) inverse: bool,
    /// Whether the origins of the image and of its transform are in the centre.
    pub(crate) centred: bool,
}

impl HostMap for Planes {
    fn shape(&self, input: &[usize], _: Direction) -> Vec<usize> {
        input.to_vec()
    }

    fn run<T: FftNum>(&self, x: &[T], shape: &[usize], out: &mut [T], direction: Direction) {
        let (h, w) = (shape[2], shape[3]);
        let area = h * w;
        let zero = Complex::new(T::zero(), T::zero());
        let inverse = self.inverse != (direction == Direction::Transposed);
        let (along_rows, along_columns) = (plan::<T>(w, inverse), plan::<T>(h, inverse));
        let scale = T::from_f64(1.0 / (area as f64).sqrt()).unwrap_or_else(T::one);
        let centre = |n: usize| if self.centred { n / 2 } else { 0 };
        let (down, right) = (centre(h), centre(w));
        let mut rows = spare::<T>(x.len() / 2);
        blocks(&mut rows, area, w).for_each_init(
            || vec![zero; along_rows.get_inplace_scratch_len()],
            |scratch, (plane, first, block)| {
                let (re, im) = x[plane * 2 * area..(plane + 1) * 2 * area].split_at(area);
                for (i, line) in block.chunks_mut(w).enumerate() {
                    let start = (first + i + down) % h * w;
                    let parts = re[start..start + w].iter().zip(&im[start..start + w]);
                    // From the centre to the end, then from the start to the centre.
                    let (ahead, behind) = line.split_at_mut(w - right);
                    for (value, (re, im)) in behind.iter_mut().chain(ahead).zip(parts) {
                        *value = Complex::new(*re * scale, *im * scale);
                    }
                }
                along_rows.process_with_scratch(block, scratch);
            },
        );
        let mut columns = spare::<T>(rows.len());
        blocks(&mut columns, area, h).for_each_init(
            || vec![zero; along_columns.get_inplace_scratch_len()],
            |scratch, (plane, first, block)| {
                gather(block, &rows[plane * area..], first, [h, w]);
                along_columns.process_with_scratch(block, scratch);
            },
        );
        let planes = out.par_chunks_mut(2 * area).zip(columns.par_chunks(area));
        planes.for_each(|(out, columns)| {
            let (re, im) = out.split_at_mut(area);
            let blocks = re
                .par_chunks_mut(w * BLOCK)
                .zip(im.par_chunks_mut(w * BLOCK));
            blocks.enumerate().for_each(|(block, (re, im))| {
                let lines = re.chunks_mut(w).zip(im.chunks_mut(w)).enumerate();
                for (i, (re, im)) in lines {
                    let row = (block * BLOCK + i + h - down) % h;
                    for (j, (re, im)) in re.iter_mut().zip(im).enumerate() {
                        let column = (j + w - right) % w;
                        let value = columns[column * h + row];
                        (*re, *im) = (value.re, value.im);
                    }
                }
            });
        });
        keep([rows, columns]);
    }
}

/// Splits every plane into blocks of lines, each with its plane and the index of its first line.
fn blocks<T: Send>(values: &mut [T], plane: usize, line: usize) -> impl IndexedBlocks<'_, T> {
    values
        .par_chunks_mut(plane)
        .enumerate()
        .flat_map(move |(index, plane)| {
            plane
                .par_chunks_mut(line * BLOCK)
                .enumerate()
                .map(move |(block, lines)| (index, block * BLOCK, lines))
        })
}

/// The parallel iterator that [`blocks`] returns.
trait IndexedBlocks<'a, T: 'a>: ParallelIterator<Item = (usize, usize, &'a mut [T])> {}
impl<'a, T: 'a, I: ParallelIterator<Item = (usize, usize, &'a mut [T])>> IndexedBlocks<'a, T>
    for I
{
}

/// Gathers columns `first…` of a matrix of `size` (rows, columns) into contiguous lines.
fn gather<T: Copy>(lines: &mut [T], matrix: &[T], first: usize, [rows, columns]: [usize; 2]) {
    let count = lines.len() / rows;
    for (row, values) in matrix.chunks_exact(columns).take(rows).enumerate() {
        for (line, value) in values[first..first + count].iter().enumerate() {
            lines[line * rows + row] = *value;
        }
    }
}

fn scratch<T: FftNum>(plans: &[Arc<dyn Fft<T>>; 2]) -> usize {
    let lengths = plans.iter().map(|plan| plan.get_inplace_scratch_len());
    lengths.max().unwrap_or(0)
}

/// realfft can only fail on wrong lengths, which are planned here, or on complex first and last
/// points, which `run` makes real.
fn transformed(result: Result<(), realfft::FftError>) {
    if let Err(error) = result {
        unreachable!("a transform of the planned length: {error}");
    }
}

/// Planners for both precisions. They cache the plans of all lengths in use.
static SINGLE: LazyLock<Mutex<Planners<f32>>> = LazyLock::new(Mutex::default);
static DOUBLE: LazyLock<Mutex<Planners<f64>>> = LazyLock::new(Mutex::default);

struct Planners<T: FftNum> {
    complex: FftPlanner<T>,
    real: RealFftPlanner<T>,
    /// Reusable work space: fresh pages cost as much as a small transform.
    spare: Vec<Vec<Complex<T>>>,
}

impl<T: FftNum> Default for Planners<T> {
    fn default() -> Self {
        Self {
            complex: FftPlanner::new(),
            real: RealFftPlanner::new(),
            spare: Vec::new(),
        }
    }
}

/// Takes work space with unspecified contents.
fn spare<T: FftNum>(length: usize) -> Vec<Complex<T>> {
    let mut space = with_planners(|planners| planners.spare.pop()).unwrap_or_default();
    space.resize(length, Complex::new(T::zero(), T::zero()));
    space
}

/// Returns work space for later use, unless it is large or there is plenty.
fn keep<T: FftNum>(spaces: [Vec<Complex<T>>; 2]) {
    const PLENTY: usize = 4;
    const LARGE: usize = 1 << 22;
    with_planners(|planners| {
        let small = |space: &Vec<_>| space.capacity() <= LARGE;
        planners.spare.extend(spaces.into_iter().filter(small));
        planners.spare.truncate(PLENTY);
    });
}

fn with_planners<T: FftNum, R>(use_them: impl FnOnce(&mut Planners<T>) -> R) -> R {
    let single: &'static dyn Any = &*SINGLE;
    let double: &'static dyn Any = &*DOUBLE;
    let planners: &Mutex<Planners<T>> = single
        .downcast_ref()
        .or_else(|| double.downcast_ref())
        .unwrap_or_else(|| unreachable!("f32 and f64 are the only precisions"));
    use_them(&mut planners.lock().unwrap_or_else(|held| held.into_inner()))
}

/// Returns a complex transform of `n` points, not normalised.
fn plan<T: FftNum>(n: usize, inverse: bool) -> Arc<dyn Fft<T>> {
    with_planners(|planners| match inverse {
        true => planners.complex.plan_fft_inverse(n),
        false => planners.complex.plan_fft_forward(n),
    })
}

type RealPlans<T> = (
    Arc<dyn realfft::RealToComplex<T>>,
    Arc<dyn realfft::ComplexToReal<T>>,
);

/// Returns a transform of `n` real points and its inverse, not normalised.
fn real_plans<T: FftNum>(n: usize) -> RealPlans<T> {
    with_planners(|planners| {
        let real = &mut planners.real;
        (real.plan_fft_forward(n), real.plan_fft_inverse(n))
    })
}
