//! Matrix products in registers, with a right factor in panels of 16 columns.

use pulp::Simd;

/// Columns of a panel, which are computed together.
pub(crate) const PANEL: usize = 16;

/// The memory layout of the left factor: row `r`, column `k` of segment `s` is at
/// `start + r·row + k·step + s·segment`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left {
    pub(crate) start: usize,
    pub(crate) row: usize,
    pub(crate) step: usize,
    pub(crate) depth: usize,
    pub(crate) segment: usize,
    pub(crate) segments: usize,
}

/// The right factor: row `k` of segment `s` is the 16 values at `k·stride + s·segment`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Right<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) stride: usize,
    pub(crate) segment: usize,
}

/// Computes `c[r][0..16] (+)= Σ a[r][k] b[k][0..16]` for `rows` rows, with stride `row` in `c`.
///
/// Every sum runs over `k` in the same order, so the result of a row does not depend on the other
/// rows or on their number.
#[inline(always)]
pub(crate) fn product<S: Simd>(
    simd: S,
    (a, left): (&[f32], Left),
    b: Right<'_>,
    (c, row): (&mut [f32], usize),
    rows: usize,
    add: bool,
) {
    let most = match S::F32_LANES {
        16 => 12,
        8 => 6,
        4 => 4,
        _ => 1,
    };
    let chunks = rows.div_ceil(most);
    let mut done = 0;
    for chunk in 0..chunks {
        // Splits the rows as evenly as possible.
        let next = rows * (chunk + 1) / chunks;
        let left = Left {
            start: left.start + done * left.row,
            ..left
        };
        let c = &mut c[done * row..];
        macro_rules! of_rows {
            ($vectors:literal: $($rows:literal)*) => {
                match next - done {
                    $($rows => rows_of::<S, $vectors, $rows>(simd, (a, left), b, (c, row), add),)*
                    _ => {}
                }
            };
        }
        match S::F32_LANES {
            16 => of_rows!(1: 1 2 3 4 5 6 7 8 9 10 11 12),
            8 => of_rows!(2: 1 2 3 4 5 6),
            4 => of_rows!(4: 1 2 3 4),
            _ => of_rows!(16: 1),
        }
        done = next;
    }
}

#[inline(always)]
fn rows_of<S: Simd, const V: usize, const R: usize>(
    simd: S,
    (a, left): (&[f32], Left),
    b: Right<'_>,
    (c, row): (&mut [f32], usize),
    add: bool,
) {
    let Left {
        start,
        row: down,
        step,
        depth,
        segment,
        segments,
    } = left;
    if depth * segments == 0 {
        if !add {
            (0..R).for_each(|r| c[r * row..][..PANEL].fill(0.0));
        }
        return;
    }
    let last = start + (R - 1) * down + (segments - 1) * segment + (depth - 1) * step;
    assert!(last < a.len(), "left factor");
    let needed = (segments - 1) * b.segment + (depth - 1) * b.stride + PANEL;
    assert!(needed <= b.values.len(), "right factor");
    let mut sums = [[simd.splat_f32s(0.0); V]; R];
    for s in 0..segments {
        let (mut at, mut right) = (start + s * segment, s * b.segment);
        for _ in 0..depth {
            // SAFETY: `right + PANEL <= needed`, which is at most the length of `b.values`
            // (asserted above).
            #[allow(
                unsafe_code,
                reason = "the innermost loop; bounds are asserted before it"
            )]
            let panel = unsafe { b.values.get_unchecked(right..right + PANEL) };
            let panel = S::as_simd_f32s(panel).0;
            for (r, sums) in sums.iter_mut().enumerate() {
                // SAFETY: `at + r·down` is at most `last`, which is below the length of `a`
                // (asserted above).
                #[allow(
                    unsafe_code,
                    reason = "the innermost loop; bounds are asserted before it"
                )]
                let value = simd.splat_f32s(unsafe { *a.get_unchecked(at + r * down) });
                for (sum, &vector) in sums.iter_mut().zip(panel) {
                    *sum = simd.mul_add_e_f32s(value, vector, *sum);
                }
            }
            at += step;
            right += b.stride;
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        let out = S::as_mut_simd_f32s(&mut c[r * row..][..PANEL]).0;
        for (out, &sum) in out.iter_mut().zip(sums) {
            *out = if add { simd.add_f32s(*out, sum) } else { sum };
        }
    }
}

#[inline(always)]
pub(crate) fn load<S: Simd>(from: &[f32]) -> S::f32s {
    S::as_simd_f32s(&from[..S::F32_LANES]).0[0]
}

#[inline(always)]
pub(crate) fn store<S: Simd>(to: &mut [f32], value: S::f32s) {
    S::as_mut_simd_f32s(&mut to[..S::F32_LANES]).0[0] = value;
}
