//! Winograd's `F(4×4, 3×3)`: `y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ x B)] A`, with the points 0, ±1, ±2, ∞.
//!
//! Four rows of output and four columns take 36 products instead of 144. Two-dimensional transforms
//! are one-dimensional ones of all columns, then of all rows.
//!
//! # Reference
//! Winograd 1980; Lavin & Gray 2016, "Fast algorithms for convolutional neural networks",
//! section 4.2, arXiv:1509.09308.

use super::product::PANEL;
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

/// `G g Gᵀ`: the nine taps of 16 channels to the 36 positions.
#[inline(always)]
pub(super) fn filter<S: Simd>(s: S, g: &[Lanes; 9], mut put: impl FnMut(usize, &Lanes)) {
    let mut out = [[0.0; PANEL]; 36];
    for lane in (0..PANEL).step_by(S::F32_LANES) {
        let at = |tap: usize| load::<S>(&g[tap][lane..]);
        let columns: [_; 3] =
            std::array::from_fn(|j| filter_line(s, [at(j), at(3 + j), at(6 + j)]));
        for i in 0..6 {
            let row = filter_line(s, [columns[0][i], columns[1][i], columns[2][i]]);
            for (j, value) in row.into_iter().enumerate() {
                store::<S>(&mut out[6 * i + j][lane..], value);
            }
        }
    }
    out.iter()
        .enumerate()
        .for_each(|(position, values)| put(position, values));
}

/// `Gᵀ u G`, the transpose of [`filter`]: 36 positions, `apart`, of 16 channels to the nine taps.
#[inline(always)]
pub(super) fn filter_transposed<S: Simd>(s: S, u: &[f32], apart: usize) -> [Lanes; 9] {
    let mut taps = [[0.0; PANEL]; 9];
    for lane in (0..PANEL).step_by(S::F32_LANES) {
        let at = |position: usize| load::<S>(&u[position * apart + lane..]);
        let columns: [_; 6] = std::array::from_fn(|j| {
            filter_line_transposed(s, std::array::from_fn(|i| at(6 * i + j)))
        });
        for i in 0..3 {
            let row = filter_line_transposed(s, std::array::from_fn(|j| columns[j][i]));
            for (j, value) in row.into_iter().enumerate() {
                store::<S>(&mut taps[3 * i + j][lane..], value);
            }
        }
    }
    taps
}

#[inline(always)]
pub(super) fn load<S: Simd>(from: &[f32]) -> S::f32s {
    S::as_simd_f32s(&from[..S::F32_LANES]).0[0]
}

#[inline(always)]
pub(super) fn store<S: Simd>(to: &mut [f32], value: S::f32s) {
    S::as_mut_simd_f32s(&mut to[..S::F32_LANES]).0[0] = value;
}
