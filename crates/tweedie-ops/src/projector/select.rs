//! Projections composed of tensor operations, which select samples and add them back by index.

use super::Geometry;
use burn::tensor::{DType, IndexingUpdateOp, Int, Tensor};

impl Geometry {
    /// Projects `[b, c, h, w]` to `[b, c, detectors, angles]`.
    pub(super) fn project(&self, x: Tensor<4>) -> Tensor<4> {
        let ([b, c, h, w], [n, along]) = (x.dims(), [self.detectors, self.samples]);
        let flat: Tensor<2> = x.reshape([b * c, h * w]);
        let sums = self.directions.iter().map(|&direction| {
            let taps = self.taps(direction, &flat).into_iter();
            let samples = taps.map(|(index, weight)| flat.clone().select(1, index) * weight);
            let samples = samples.reduce(|sum, tap| sum + tap);
            let samples = samples.unwrap_or_else(|| unreachable!("four taps"));
            samples.reshape([b * c, n, along]).sum_dim(2)
        });
        let sums: Tensor<3> = Tensor::cat(sums.collect(), 2);
        sums.reshape([b, c, n, self.directions.len()])
    }

    /// Applies the transpose: `[b, c, detectors, angles]` to `[b, c, h, w]`.
    pub(super) fn backproject(&self, y: Tensor<4>) -> Tensor<4> {
        let ([b, c, n, angles], [h, w]) = (y.dims(), self.size);
        let flat: Tensor<3> = y.reshape([b * c, n, angles]);
        let mut image = Tensor::<2>::zeros([b * c, h * w], (&flat.device(), flat.dtype()));
        for (angle, &direction) in self.directions.iter().enumerate() {
            let rays = flat.clone().narrow(2, angle, 1);
            let rays = rays.expand([b * c, n, self.samples]);
            let rays: Tensor<2> = rays.reshape([b * c, n * self.samples]);
            for (index, weight) in self.taps(direction, &rays) {
                let spread = rays.clone() * weight;
                image = image.select_assign(1, index, spread, IndexingUpdateOp::Add);
            }
        }
        image.reshape([b, c, h, w])
    }

    /// Returns the indices of the four pixels around every sample, with weights that are 0 outside
    /// of the image.
    fn taps(&self, (cos, sin): (f64, f64), like: &Tensor<2>) -> Vec<(Tensor<1, Int>, Tensor<2>)> {
        let [h, w] = self.size;
        // Half precision cannot represent all positions in an image, so positions are at least
        // `f32`.
        let places = match like.dtype() {
            DType::F64 => like.clone(),
            _ => like.clone().cast(DType::F32),
        };
        let [s, t] = self.grid().each_ref().map(|grid| grid.beside(&places));
        let (row, column) = match self.fan {
            None => (s.clone() * -sin + t.clone() * cos, s * cos + t * sin),
            Some(fan) => {
                let gamma = s * fan.step;
                let (turn, along) = (gamma.clone().sin(), gamma.cos());
                let across = turn.clone() * fan.radius;
                let (cos, sin) = (
                    along.clone() * cos - turn.clone() * sin,
                    along * sin + turn * cos,
                );
                (
                    t.clone() * cos.clone() - across.clone() * sin.clone(),
                    across * cos + t * sin,
                )
            }
        };
        let (row, column) = (row + self.centre[0], column + self.centre[1]);
        let mut taps = Vec::with_capacity(4);
        for (down, right) in [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)] {
            let (i, j) = (row.clone().floor() + down, column.clone().floor() + right);
            let near = |place: Tensor<2>, at: Tensor<2>| -(place - at).abs() + 1.0;
            let inside = |at: Tensor<2>, end: usize| {
                let low = at.clone().greater_equal_elem(0.0);
                low.bool_and(at.lower_elem(end as f64))
                    .float()
                    .cast(places.dtype())
            };
            let weight = near(row.clone(), i.clone()) * near(column.clone(), j.clone());
            let weight = weight * inside(i.clone(), h) * inside(j.clone(), w);
            let (i, j) = (i.clamp(0.0, (h - 1) as f64), j.clamp(0.0, (w - 1) as f64));
            let place = i.int() * w as i32 + j.int();
            let count = place.dims()[1];
            taps.push((place.reshape([count]), weight.cast(like.dtype())));
        }
        taps
    }
}
