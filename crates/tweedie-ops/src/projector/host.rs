//! Projections on host memory, with the angles in parallel.

use super::Geometry;
use crate::host::{Direction, HostMap};
use rayon::prelude::*;
use realfft::FftNum;

/// The transpose sums the angles in this many groups. The order of the sums, and with it every bit
/// of the result, then does not depend on the number of threads.
const GROUPS: usize = 8;

impl HostMap for Geometry {
    fn shape(&self, input: &[usize], direction: Direction) -> Vec<usize> {
        let [h, w] = self.size;
        let end = match direction {
            Direction::Forward => [self.detectors, self.directions.len()],
            Direction::Transposed => [h, w],
        };
        [&input[..2], &end].concat()
    }

    fn run<T: FftNum>(&self, x: &[T], _: &[usize], out: &mut [T], direction: Direction) {
        let ([h, w], n, angles) = (self.size, self.detectors, self.directions.len());
        if h * w * n * angles == 0 {
            return;
        }
        match direction {
            Direction::Forward => {
                let planes = x.par_chunks(h * w).zip(out.par_chunks_mut(n * angles));
                planes.for_each(|(x, out)| {
                    let padded = self.framed(x);
                    let sums: Vec<Vec<T>> = (0..angles)
                        .into_par_iter()
                        .map(|angle| self.sums(&padded, angle))
                        .collect();
                    for (s, line) in out.chunks_mut(angles).enumerate() {
                        for (value, sums) in line.iter_mut().zip(&sums) {
                            *value = sums[s];
                        }
                    }
                });
            }
            Direction::Transposed => {
                let planes = x.par_chunks(n * angles).zip(out.par_chunks_mut(h * w));
                planes.for_each(|(y, out)| {
                    let groups: Vec<Vec<T>> = (0..GROUPS)
                        .into_par_iter()
                        .map(|group| {
                            let mut frame = vec![T::zero(); (h + 2) * (w + 2)];
                            for angle in (group..angles).step_by(GROUPS) {
                                self.spread(&mut frame, y, angle);
                            }
                            frame
                        })
                        .collect();
                    for (row, line) in out.chunks_mut(w).enumerate() {
                        let start = (row + 1) * (w + 2) + 1;
                        for group in &groups {
                            for (value, found) in line.iter_mut().zip(&group[start..]) {
                                *value = *value + *found;
                            }
                        }
                    }
                });
            }
        }
    }
}

impl Geometry {
    /// Returns the image with a border of zeros, so that rays at its edge need no bounds checks.
    fn framed<T: FftNum>(&self, x: &[T]) -> Vec<T> {
        let [h, w] = self.size;
        let mut padded = vec![T::zero(); (h + 2) * (w + 2)];
        for (row, line) in x.chunks(w).enumerate() {
            let start = (row + 1) * (w + 2) + 1;
            padded[start..start + w].copy_from_slice(line);
        }
        padded
    }

    fn sums<T: FftNum>(&self, padded: &[T], angle: usize) -> Vec<T> {
        let width = self.size[1] + 2;
        let sum = |s: usize| {
            let mut sum = T::zero();
            self.walk::<T>(s, angle, |place, [a, b, c, d]| {
                let (upper, lower) = (&padded[place..place + 2], &padded[place + width..]);
                sum = sum + a * upper[0] + b * upper[1] + c * lower[0] + d * lower[1];
            });
            sum
        };
        (0..self.detectors).map(sum).collect()
    }

    fn spread<T: FftNum>(&self, frame: &mut [T], y: &[T], angle: usize) {
        let width = self.size[1] + 2;
        for s in 0..self.detectors {
            let value = y[s * self.directions.len() + angle];
            self.walk::<T>(s, angle, |place, [a, b, c, d]| {
                let (upper, lower) = frame[place..].split_at_mut(width);
                upper[0] = upper[0] + a * value;
                upper[1] = upper[1] + b * value;
                lower[0] = lower[0] + c * value;
                lower[1] = lower[1] + d * value;
            });
        }
    }

    /// The direction of a ray, and its distance from the centre.
    #[inline]
    fn ray(&self, s: usize, angle: usize) -> ((f64, f64), f64) {
        let (cos, sin) = self.directions[angle];
        let place = s as f64 - (self.detectors as f64 - 1.0) / 2.0 + self.offset;
        match self.fan {
            None => ((cos, sin), place),
            Some(fan) => {
                let (turn, along) = (place * fan.step).sin_cos();
                let direction = (cos * along - sin * turn, sin * along + cos * turn);
                (direction, fan.radius * turn)
            }
        }
    }

    /// Visits every sample of a ray that touches the image: its index in the framed image, and the
    /// weights of the four pixels around it.
    #[inline]
    fn walk<T: FftNum>(&self, s: usize, angle: usize, mut visit: impl FnMut(usize, [T; 4])) {
        let ([h, w], n) = (self.size, self.samples);
        let ((cos, sin), across) = self.ray(s, angle);
        let shift = (n as f64 - 1.0) / 2.0;
        // The position in the framed image at t = 0.
        let row = -sin * across - cos * shift + self.centre[0] + 1.0;
        let column = cos * across - sin * shift + self.centre[1] + 1.0;
        // The range of t with 0 < row < h + 1 and 0 < column < w + 1, up to one sample on either
        // side.
        let (mut first, mut last) = (0.0, n as f64 - 1.0);
        for (start, step, end) in [(row, cos, h + 1), (column, sin, w + 1)] {
            if step.abs() > 1e-12 {
                let ends = [-start / step, (end as f64 - start) / step];
                first = f64::max(first, ends[0].min(ends[1]).floor());
                last = f64::min(last, ends[0].max(ends[1]).ceil());
            }
        }
        let narrow = |value: f64| T::from_f64(value).unwrap_or_else(T::zero);
        let mut t = first;
        while t <= last {
            let (row, column) = (row + cos * t, column + sin * t);
            t += 1.0;
            if row < 0.0 || column < 0.0 || row >= (h + 1) as f64 || column >= (w + 1) as f64 {
                continue;
            }
            let (i, j) = (row as usize, column as usize);
            let (down, right) = (row - i as f64, column - j as f64);
            let lower = [down * (1.0 - right), down * right];
            let weights = [
                1.0 - down - right + lower[1],
                right - lower[1],
                lower[0],
                lower[1],
            ];
            visit(i * (w + 2) + j, weights.map(narrow));
        }
    }
}
