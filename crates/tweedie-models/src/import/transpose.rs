//! Rearranging the bytes of a matrix, whatever its numbers are.

use std::ops::Range;

/// The chosen rows of a matrix with rows of `row` bytes.
pub(super) fn rows(bytes: &[u8], row: usize, chosen: &[Range<usize>]) -> Vec<u8> {
    let parts = chosen
        .iter()
        .map(|range| &bytes[range.start * row..range.end * row]);
    parts.collect::<Vec<_>>().concat()
}

/// The transpose of a matrix of `rows × columns` numbers of `size` bytes.
pub(super) fn transpose(bytes: &[u8], rows: usize, columns: usize, size: usize) -> Vec<u8> {
    match size {
        2 => by::<2>(bytes, rows, columns),
        4 => by::<4>(bytes, rows, columns),
        8 => by::<8>(bytes, rows, columns),
        _ => by::<1>(bytes, rows, columns),
    }
}

fn by<const N: usize>(bytes: &[u8], rows: usize, columns: usize) -> Vec<u8> {
    /// Rows and columns that stay in the cache together.
    const TILE: usize = 32;
    let mut out = vec![0; bytes.len()];
    for top in (0..rows).step_by(TILE) {
        for left in (0..columns).step_by(TILE) {
            for column in left..(left + TILE).min(columns) {
                for row in top..(top + TILE).min(rows) {
                    let (from, to) = ((row * columns + column) * N, (column * rows + row) * N);
                    out[to..to + N].copy_from_slice(&bytes[from..from + N]);
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_moves_to_its_place() {
        let (height, width) = (37, 70);
        for size in [1, 2, 4, 8] {
            let number = |row: usize, column: usize| {
                let number = (row * width + column) as u64 * 0x0101_0101_0101;
                number.to_le_bytes()[..size].to_vec()
            };
            let matrix: Vec<u8> = (0..height)
                .flat_map(|row| (0..width).flat_map(move |column| number(row, column)))
                .collect();
            let flipped: Vec<u8> = (0..width)
                .flat_map(|column| (0..height).flat_map(move |row| number(row, column)))
                .collect();
            assert_eq!(transpose(&matrix, height, width, size), flipped);
            let chosen = rows(&matrix, width * size, &[3..5, 0..1]);
            assert_eq!(chosen[2 * width * size..], matrix[..width * size]);
        }
    }
}
