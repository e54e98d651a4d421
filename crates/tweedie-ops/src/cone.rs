//! Cone-beam projections of a volume by trilinear interpolation, and their transpose.

#[cfg(feature = "flex")]
use crate::host::{Direction, HostMap};
use burn::tensor::{IndexingUpdateOp, Int, Tensor, TensorData};
#[cfg(feature = "flex")]
use rayon::prelude::*;
#[cfg(feature = "flex")]
use realfft::FftNum;
use std::sync::Arc;

/// Sums along rays from a source that turns around the depth axis.
///
/// At angle θ the source is at `−R (cos θ, sin θ)` in (row, column) from the volume's middle.
/// Detector `(v, u)` of `rows × columns` is at `(u − c) (−sin θ, cos θ)`, `v − r` along the depth,
/// with the middles `c` and `r`. The volume is sampled along the ray at `n` places one voxel apart,
/// centred at the place nearest to the middle, with `n` the diagonal of the volume, rounded up.
///
/// On devices other than the CPU, each call lists the voxels of every ray on the host.
#[derive(Clone, Debug)]
pub struct Cone(Arc<Geometry>);

#[derive(Debug)]
struct Geometry {
    size: [usize; 3],
    /// `(cos θ, sin θ)` of each view.
    directions: Vec<(f64, f64)>,
    detector: [usize; 2],
    radius: f64,
}

impl Cone {
    /// Creates projections of volumes of `size` (depth, height, width) at `angles` in radians.
    ///
    /// # Panics
    /// If there are no voxels, angles or detectors, or if an angle or the radius is not finite.
    #[must_use]
    pub fn new(size: [usize; 3], angles: &[f64], detector: [usize; 2], radius: f64) -> Self {
        assert!(
            !size.contains(&0) && !detector.contains(&0) && !angles.is_empty(),
            "cone: {} angles of {detector:?} detectors for {size:?} voxels",
            angles.len()
        );
        let finite = angles
            .iter()
            .chain(&[radius])
            .all(|number| number.is_finite());
        assert!(finite, "cone: an angle or a radius that is not finite");
        Self(Arc::new(Geometry {
            size,
            directions: angles.iter().map(|it| (it.cos(), it.sin())).collect(),
            detector,
            radius,
        }))
    }

    /// Projects `[n, d, h, w]` to `[n, views, rows, columns]`.
    ///
    /// # Panics
    /// If depth, height and width are not those of the projector.
    #[must_use]
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        assert_eq!(x.dims()[1..], self.0.size, "the volume of the projector");
        #[cfg(feature = "flex")]
        if crate::host::is_host(&x) {
            return crate::host::run(self.0.clone(), x, Direction::Forward);
        }
        self.0.project(x)
    }

    /// Applies the transpose: `[n, views, rows, columns]` to `[n, d, h, w]`.
    ///
    /// # Panics
    /// If views, rows and columns are not those of the projector.
    #[must_use]
    pub fn adjoint(&self, y: Tensor<4>) -> Tensor<4> {
        let [rows, columns] = self.0.detector;
        let shape = [self.0.directions.len(), rows, columns];
        assert_eq!(y.dims()[1..], shape, "the detector of the projector");
        #[cfg(feature = "flex")]
        if crate::host::is_host(&y) {
            return crate::host::run(self.0.clone(), y, Direction::Transposed);
        }
        self.0.backproject(y)
    }
}

impl Geometry {
    /// Visits the voxels around every sample of a ray, with their weights.
    #[inline]
    fn walk(&self, view: usize, place: usize, mut visit: impl FnMut(usize, f64)) {
        let (cos, sin) = self.directions[view];
        let ([d, h, w], [rows, columns]) = (self.size, self.detector);
        let middle = |n: usize| (n as f64 - 1.0) / 2.0;
        let v = (place / columns) as f64 - middle(rows);
        let u = (place % columns) as f64 - middle(columns);
        // From the source to the detector on the axis: (depth, row, column).
        let source = [0.0, -self.radius * cos, -self.radius * sin];
        let along = [v, -u * sin - source[1], u * cos - source[2]];
        let length = along.iter().map(|a| a * a).sum::<f64>().sqrt();
        let along = along.map(|a| a / length);
        let nearest: f64 = -source.iter().zip(&along).map(|(s, a)| s * a).sum::<f64>();
        let n = self
            .size
            .iter()
            .map(|&n| (n * n) as f64)
            .sum::<f64>()
            .sqrt()
            .ceil();
        let centre = [middle(d), middle(h), middle(w)];
        for t in 0..n as usize {
            let t = nearest + t as f64 - (n - 1.0) / 2.0;
            let at = [0, 1, 2].map(|i| source[i] + along[i] * t + centre[i]);
            let low = at.map(f64::floor);
            let part = [0, 1, 2].map(|i| at[i] - low[i]);
            for corner in 0..8 {
                let step = [corner >> 2, corner >> 1 & 1, corner & 1];
                let mut weight = 1.0;
                let mut index = 0;
                for i in 0..3 {
                    let position = low[i] + step[i] as f64;
                    if position < 0.0 || position >= self.size[i] as f64 {
                        weight = 0.0;
                        break;
                    }
                    weight *= if step[i] == 1 { part[i] } else { 1.0 - part[i] };
                    index = index * self.size[i] + position as usize;
                }
                if weight > 0.0 {
                    visit(index, weight);
                }
            }
        }
    }

    /// The voxels and weights of all rays of a view, and the ray of each.
    fn taps(&self, view: usize, like: &Tensor<4>) -> (Tensor<1, Int>, Tensor<1, Int>, Tensor<2>) {
        let (mut voxels, mut rays, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for ray in 0..self.detector[0] * self.detector[1] {
            self.walk(view, ray, |voxel, weight| {
                voxels.push(voxel as i32);
                rays.push(ray as i32);
                weights.push(weight);
            });
        }
        let count = voxels.len();
        let ints =
            |values: Vec<i32>| Tensor::from_data(TensorData::new(values, [count]), &like.device());
        let weights = TensorData::new(weights, [1, count]);
        let weights = Tensor::from_data(weights, (&like.device(), like.dtype()));
        (ints(voxels), ints(rays), weights)
    }

    /// Projects by tensor operations.
    fn project(&self, x: Tensor<4>) -> Tensor<4> {
        let n = x.dims()[0];
        let [rows, columns] = self.detector;
        let flat: Tensor<2> = x.clone().reshape([n as i32, -1]);
        let views = (0..self.directions.len()).map(|view| {
            let (voxels, rays, weights) = self.taps(view, &x);
            let samples = flat.clone().select(1, voxels) * weights;
            let zeros = Tensor::<2>::zeros([n, rows * columns], (&x.device(), x.dtype()));
            let sums = zeros.select_assign(1, rays, samples, IndexingUpdateOp::Add);
            sums.reshape([n, 1, rows, columns])
        });
        Tensor::cat(views.collect(), 1)
    }

    /// Applies the transpose by tensor operations.
    fn backproject(&self, y: Tensor<4>) -> Tensor<4> {
        let n = y.dims()[0];
        let [d, h, w] = self.size;
        let mut volume = Tensor::<2>::zeros([n, d * h * w], (&y.device(), y.dtype()));
        for view in 0..self.directions.len() {
            let (voxels, rays, weights) = self.taps(view, &y);
            let values: Tensor<2> = y.clone().narrow(1, view, 1).reshape([n as i32, -1]);
            let spread = values.select(1, rays) * weights;
            volume = volume.select_assign(1, voxels, spread, IndexingUpdateOp::Add);
        }
        volume.reshape([n, d, h, w])
    }
}

/// The transpose sums the views in this many groups, so that the order of the sums does not depend
/// on the number of threads.
#[cfg(feature = "flex")]
const GROUPS: usize = 8;

#[cfg(feature = "flex")]
impl HostMap for Geometry {
    fn shape(&self, input: &[usize], direction: Direction) -> Vec<usize> {
        let [rows, columns] = self.detector;
        let end = match direction {
            Direction::Forward => [self.directions.len(), rows, columns],
            Direction::Transposed => self.size,
        };
        [&input[..1], &end].concat()
    }

    fn run<T: FftNum>(&self, x: &[T], _: &[usize], out: &mut [T], direction: Direction) {
        let narrow = |value: f64| T::from_f64(value).unwrap_or_else(T::zero);
        let rays = self.detector[0] * self.detector[1];
        let (voxels, all) = (self.size.iter().product(), rays * self.directions.len());
        match direction {
            Direction::Forward => {
                for (x, out) in x.chunks(voxels).zip(out.chunks_mut(all)) {
                    out.par_chunks_mut(rays)
                        .enumerate()
                        .for_each(|(view, out)| {
                            for (ray, sum) in out.iter_mut().enumerate() {
                                self.walk(view, ray, |voxel, weight| {
                                    *sum = *sum + x[voxel] * narrow(weight);
                                });
                            }
                        });
                }
            }
            Direction::Transposed => {
                for (y, out) in x.chunks(all).zip(out.chunks_mut(voxels)) {
                    let groups = (0..GROUPS).into_par_iter().map(|group| {
                        let mut volume = vec![T::zero(); voxels];
                        for view in (group..self.directions.len()).step_by(GROUPS) {
                            for ray in 0..rays {
                                let value = y[view * rays + ray];
                                self.walk(view, ray, |voxel, weight| {
                                    volume[voxel] = volume[voxel] + value * narrow(weight);
                                });
                            }
                        }
                        volume
                    });
                    for group in groups.collect::<Vec<_>>() {
                        for (value, found) in out.iter_mut().zip(&group) {
                            *value = *value + *found;
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw;
    use burn::tensor::DType;

    #[test]
    fn the_host_and_every_other_device_agree() {
        let cone = Cone::new([3, 5, 4], &[0.0, 0.7, 2.9], [4, 7], 9.0);
        let x = draw::normal([2, 3, 5, 4], 0.0, 1.0, DType::F64);
        let y = draw::normal([2, 3, 4, 7], 0.0, 1.0, DType::F64);
        let far = |a: Tensor<4>, b: Tensor<4>| (a - b).abs().max().into_scalar::<f64>();
        let forward = far(cone.forward(x.clone()), cone.0.project(x));
        let adjoint = far(cone.adjoint(y.clone()), cone.0.backproject(y));
        assert!(forward < 1e-12 && adjoint < 1e-12, "{forward} {adjoint}");
    }
}
