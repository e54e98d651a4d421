//! Rearranging the bytes of a matrix, whatever its dtype.

use burn::tensor::Bytes;
use bytemuck::Pod;
use std::ops::Range;

/// Copies the chosen rows of a matrix with rows of `row` bytes.
pub(super) fn rows(bytes: &[u8], row: usize, chosen: &[Range<usize>]) -> Vec<u8> {
    let parts = chosen
        .iter()
        .map(|range| &bytes[range.start * row..range.end * row]);
    parts.collect::<Vec<_>>().concat()
}

/// Transposes a matrix of `rows × columns` numbers of `size` bytes; `bytes` has to be aligned for
/// them.
pub(super) fn transpose(bytes: &[u8], rows: usize, columns: usize, size: usize) -> Bytes {
    match size {
        2 => by::<u16>(bytes, rows, columns),
        4 => by::<u32>(bytes, rows, columns),
        8 => by::<u64>(bytes, rows, columns),
        _ => by::<u8>(bytes, rows, columns),
    }
}

fn by<T: Pod + Send + Sync>(bytes: &[u8], rows: usize, columns: usize) -> Bytes {
    /// Side of a tile that fits in the cache.
    const TILE: usize = 32;
    let numbers: &[T] = bytemuck::cast_slice(bytes);
    let mut out = vec![T::zeroed(); numbers.len()];
    for top in (0..rows).step_by(TILE) {
        for left in (0..columns).step_by(TILE) {
            for column in left..(left + TILE).min(columns) {
                for row in top..(top + TILE).min(rows) {
                    out[column * rows + row] = numbers[row * columns + column];
                }
            }
        }
    }
    Bytes::from_elems(out)
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
            let aligned = Bytes::from_bytes_vec(matrix.clone());
            assert_eq!(&transpose(&aligned, height, width, size)[..], flipped);
            let chosen = rows(&matrix, width * size, &[3..5, 0..1]);
            assert_eq!(chosen[2 * width * size..], matrix[..width * size]);
        }
    }
}
