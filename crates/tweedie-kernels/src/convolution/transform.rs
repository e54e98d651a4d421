//! Winograd's `F(4×4, 3×3)`: `y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ x B)] A`, with the points 0, ±1, ±2, ∞.
//!
//! Four rows of output and four columns take 36 products instead of 144. Two-dimensional transforms
//! are one-dimensional ones of all columns, then of all rows.
//!
//! # Reference
//! Winograd 1980; Lavin & Gray 2016, "Fast algorithms for convolutional neural networks",
//! section 4.2, arXiv:1509.09308.

use crate::product::{PANEL, load, store};
use pulp::Simd;

/// 16 channels side by side.
pub(super) type Lanes = [f32; PANEL];

/// `Bᵀ x`.
#[inline(always)]
pub(super) fn input<S: Simd>(s: S, [x0, x1, x2, x3, x4, x5]: [S::f32s; 6]) -> [S::f32s; 6] {
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

/// `B m`, the transpose of [`input`].
#[inline(always)]
pub(super) fn input_transposed<S: Simd>(
    s: S,
    [m0, m1, m2, m3, m4, m5]: [S::f32s; 6],
) -> [S::f32s; 6] {
    let scaled = |factor: f32, x, y| s.mul_add_e_f32s(s.splat_f32s(factor), x, y);
    let (near, far) = (s.add_f32s(m1, m2), s.add_f32s(m3, m4));
    let (across, twice) = (s.sub_f32s(m1, m2), s.sub_f32s(m3, m4));
    let twice = s.add_f32s(twice, twice);
    let four = s.mul_f32s(s.splat_f32s(4.0), s.sub_f32s(m5, across));
    let zero = s.splat_f32s(0.0);
    let sum = s.add_f32s(m0, s.add_f32s(near, far));
    [
        s.mul_f32s(s.splat_f32s(4.0), m0),
        s.sub_f32s(four, twice),
        scaled(-5.0, m0, scaled(-4.0, near, s.sub_f32s(zero, far))),
        scaled(-5.0, m5, s.add_f32s(across, twice)),
        sum,
        m5,
    ]
}

/// `Aᵀ m`.
#[inline(always)]
pub(super) fn output<S: Simd>(s: S, [m0, m1, m2, m3, m4, m5]: [S::f32s; 6]) -> [S::f32s; 4] {
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

/// `A y`, the transpose of [`output`].
#[inline(always)]
pub(super) fn output_transposed<S: Simd>(s: S, [y0, y1, y2, y3]: [S::f32s; 4]) -> [S::f32s; 6] {
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

/// `G g`.
#[inline(always)]
fn filter_line<S: Simd>(s: S, [g0, g1, g2]: [S::f32s; 3]) -> [S::f32s; 6] {
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

/// `Gᵀ u`, the transpose of [`filter_line`].
#[inline(always)]
fn filter_line_transposed<S: Simd>(s: S, u: [S::f32s; 6]) -> [S::f32s; 3] {
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

/// `G g Gᵀ`: the nine taps of 16 channels, `[9][16]`, to the 36 positions, `apart`.
#[inline(always)]
pub(super) fn filter<S: Simd>(s: S, g: &[f32], out: &mut [f32], apart: usize) {
    let zero = s.splat_f32s(0.0);
    for lane in (0..PANEL).step_by(S::F32_LANES) {
        let at = |tap: usize| load::<S>(&g[tap * PANEL + lane..]);
        let mut columns = [[zero; 6]; 3];
        for (j, column) in columns.iter_mut().enumerate() {
            *column = filter_line(s, [at(j), at(3 + j), at(6 + j)]);
        }
        for i in 0..6 {
            let row = filter_line(s, [columns[0][i], columns[1][i], columns[2][i]]);
            for (j, value) in row.into_iter().enumerate() {
                store::<S>(&mut out[(6 * i + j) * apart + lane..], value);
            }
        }
    }
}

/// `Gᵀ u G`, the transpose of [`filter`]: 36 positions, `apart`, of 16 channels to the nine taps.
#[inline(always)]
pub(super) fn filter_transposed<S: Simd>(s: S, u: &[f32], apart: usize) -> [Lanes; 9] {
    let mut taps = [[0.0; PANEL]; 9];
    let zero = s.splat_f32s(0.0);
    for lane in (0..PANEL).step_by(S::F32_LANES) {
        let mut columns = [[zero; 3]; 6];
        for (j, column) in columns.iter_mut().enumerate() {
            let mut u_column = [zero; 6];
            for (i, u_value) in u_column.iter_mut().enumerate() {
                *u_value = load::<S>(&u[(6 * i + j) * apart + lane..]);
            }
            *column = filter_line_transposed(s, u_column);
        }
        for i in 0..3 {
            let mut row = [zero; 6];
            for (value, column) in row.iter_mut().zip(&columns) {
                *value = column[i];
            }
            for (j, value) in filter_line_transposed(s, row).into_iter().enumerate() {
                store::<S>(&mut taps[3 * i + j][lane..], value);
            }
        }
    }
    taps
}
