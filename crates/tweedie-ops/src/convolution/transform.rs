//! Winograd's `F(4×4, 3×3)`: `y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ x B)] A`, with the points 0, ±1, ±2, ∞.
//!
//! A tile of four by four outputs takes 36 multiplications instead of 144. The two-dimensional
//! transforms apply the one-dimensional ones to all columns, then to all rows, see [`both_ways`].
//!
//! # Reference
//! Winograd 1980; Lavin & Gray 2016, "Fast algorithms for convolutional neural networks",
//! section 4.2, arXiv:1509.09308.

use pulp::Simd;

/// Multiplications per tile and pair of channels.
pub(super) const POSITIONS: usize = 36;

/// A linear map of a column or a row.
pub(super) trait LineTransform<const N: usize, const M: usize>: Copy {
    fn of<S: Simd>(self, s: S, x: [S::f32s; N]) -> [S::f32s; M];
}

/// Transforms all columns, then all rows: reads `x(row, column)` and calls `y(row, column, value)`.
#[inline(always)]
pub(super) fn both_ways<S: Simd, const N: usize, const M: usize>(
    s: S,
    line: impl LineTransform<N, M>,
    x: impl Fn(usize, usize) -> S::f32s,
    mut y: impl FnMut(usize, usize, S::f32s),
) {
    let zero = s.splat_f32s(0.0);
    let mut columns = [[zero; M]; N];
    for (j, column) in columns.iter_mut().enumerate() {
        let mut values = [zero; N];
        for (i, value) in values.iter_mut().enumerate() {
            *value = x(i, j);
        }
        *column = line.of(s, values);
    }
    for i in 0..M {
        let mut values = [zero; N];
        for (value, column) in values.iter_mut().zip(&columns) {
            *value = column[i];
        }
        for (j, value) in line.of(s, values).into_iter().enumerate() {
            y(i, j, value);
        }
    }
}

/// `Bᵀ x`.
#[derive(Clone, Copy)]
pub(super) struct Input;

impl LineTransform<6, 6> for Input {
    #[inline(always)]
    fn of<S: Simd>(self, s: S, [x0, x1, x2, x3, x4, x5]: [S::f32s; 6]) -> [S::f32s; 6] {
        let scaled = |factor: f32, x, y| s.mul_add_e_f32s(s.splat_f32s(factor), x, y);
        let (even, odd) = (scaled(-4.0, x2, x4), scaled(-4.0, x1, x3));
        let (low, high) = (s.sub_f32s(x4, x2), s.sub_f32s(x3, x1));
        let high = s.add_f32s(high, high);
        [
            scaled(4.0, x0, scaled(-5.0, x2, x4)),
            s.add_f32s(even, odd),
            s.sub_f32s(even, odd),
            s.add_f32s(low, high),
            s.sub_f32s(low, high),
            scaled(4.0, x1, scaled(-5.0, x3, x5)),
        ]
    }
}

/// `Aᵀ m`.
#[derive(Clone, Copy)]
pub(super) struct Output;

impl LineTransform<6, 4> for Output {
    #[inline(always)]
    fn of<S: Simd>(self, s: S, [m0, m1, m2, m3, m4, m5]: [S::f32s; 6]) -> [S::f32s; 4] {
        let scaled = |factor: f32, x, y| s.mul_add_e_f32s(s.splat_f32s(factor), x, y);
        let (sum, difference) = (s.add_f32s(m1, m2), s.sub_f32s(m1, m2));
        let (far, across) = (s.add_f32s(m3, m4), s.sub_f32s(m3, m4));
        [
            s.add_f32s(m0, s.add_f32s(sum, far)),
            scaled(2.0, across, difference),
            scaled(4.0, far, sum),
            s.add_f32s(scaled(8.0, across, difference), m5),
        ]
    }
}

/// `A y`, the transpose of [`Output`].
#[derive(Clone, Copy)]
pub(super) struct OutputTransposed;

impl LineTransform<4, 6> for OutputTransposed {
    #[inline(always)]
    fn of<S: Simd>(self, s: S, [y0, y1, y2, y3]: [S::f32s; 4]) -> [S::f32s; 6] {
        let scaled = |factor: f32, x, y| s.mul_add_e_f32s(s.splat_f32s(factor), x, y);
        let (even, odd) = (s.add_f32s(y0, y2), s.add_f32s(y1, y3));
        let far = scaled(4.0, y2, y0);
        let across = scaled(2.0, y1, s.mul_f32s(s.splat_f32s(8.0), y3));
        [
            y0,
            s.add_f32s(even, odd),
            s.sub_f32s(even, odd),
            s.add_f32s(far, across),
            s.sub_f32s(far, across),
            y3,
        ]
    }
}

/// `G g`.
#[derive(Clone, Copy)]
pub(super) struct FilterTransform;

impl LineTransform<3, 6> for FilterTransform {
    #[inline(always)]
    fn of<S: Simd>(self, s: S, [g0, g1, g2]: [S::f32s; 3]) -> [S::f32s; 6] {
        let scaled = |factor: f32, x, y| s.mul_add_e_f32s(s.splat_f32s(factor), x, y);
        let times = |factor: f32, x| s.mul_f32s(s.splat_f32s(factor), x);
        let near = times(-1.0 / 6.0, s.add_f32s(g0, g2));
        let far = times(1.0 / 24.0, scaled(4.0, g2, g0));
        [
            times(0.25, g0),
            scaled(-1.0 / 6.0, g1, near),
            scaled(1.0 / 6.0, g1, near),
            scaled(1.0 / 12.0, g1, far),
            scaled(-1.0 / 12.0, g1, far),
            g2,
        ]
    }
}

/// `Gᵀ u`, the transpose of [`Filter`].
#[derive(Clone, Copy)]
pub(super) struct FilterTransposed;

impl LineTransform<6, 3> for FilterTransposed {
    #[inline(always)]
    fn of<S: Simd>(self, s: S, u: [S::f32s; 6]) -> [S::f32s; 3] {
        let scaled = |factor: f32, x, y| s.mul_add_e_f32s(s.splat_f32s(factor), x, y);
        let times = |factor: f32, x| s.mul_f32s(s.splat_f32s(factor), x);
        let [u0, u1, u2, u3, u4, u5] = u;
        let (near, far) = (s.add_f32s(u1, u2), s.add_f32s(u3, u4));
        let both = scaled(1.0 / 24.0, far, times(-1.0 / 6.0, near));
        let turned = times(1.0 / 6.0, s.sub_f32s(u2, u1));
        [
            scaled(0.25, u0, both),
            scaled(1.0 / 12.0, s.sub_f32s(u3, u4), turned),
            s.add_f32s(u5, times(1.0 / 6.0, s.sub_f32s(far, near))),
        ]
    }
}
