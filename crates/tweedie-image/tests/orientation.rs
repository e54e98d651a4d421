//! The Exif orientation of photographs is applied, and truncated files are rejected.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use burn::tensor::{Device, Tensor};
use std::path::{Path, PathBuf};
use tweedie_image::{ImageError, Images, ValueRange, load};

/// The path of a test image made by Pillow: 24×40 pixels in red, green, blue and white quarters.
fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

/// The colour at the centre of each quarter, row by row, in eighths.
fn quarters(x: &Tensor<4>) -> Vec<[u8; 3]> {
    let [_, _, h, w] = x.dims();
    let values: Vec<f32> = x.to_data().iter::<f32>().collect();
    let at = |row: usize, column: usize| {
        [0, 1, 2].map(|c| (values[(c * h + row) * w + column] * 8.0).round() as u8)
    };
    [
        (h / 4, w / 4),
        (h / 4, 3 * w / 4),
        (3 * h / 4, w / 4),
        (3 * h / 4, 3 * w / 4),
    ]
    .map(|(row, column)| at(row, column))
    .to_vec()
}

const RED: [u8; 3] = [8, 0, 0];
const GREEN: [u8; 3] = [0, 8, 0];
const BLUE: [u8; 3] = [0, 0, 8];
const WHITE: [u8; 3] = [8, 8, 8];

#[test]
fn an_image_is_turned_as_its_file_says() -> Result<(), ImageError> {
    let device = Device::flex();
    let upright = load(data("orientation-1.jpg"), ValueRange::Unit, &device)?;
    assert_eq!(upright.dims(), [1, 3, 24, 40]);
    assert_eq!(quarters(&upright), [RED, GREEN, BLUE, WHITE]);
    // Orientation 6: the first row of the file is the right side of the image.
    for name in ["orientation-6.jpg", "orientation-6.png"] {
        let turned = load(data(name), ValueRange::Unit, &device)?;
        assert_eq!(turned.dims(), [1, 3, 40, 24], "{name}");
        assert_eq!(quarters(&turned), [BLUE, RED, WHITE, GREEN], "{name}");
    }
    // A set applies the orientation as well.
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::copy(data("orientation-6.jpg"), folder.path().join("a.jpg")).expect("a copy");
    assert_eq!(Images::folder(folder.path(), 3, None)?.size(), [40, 24]);
    Ok(())
}

#[test]
fn a_jpeg_that_is_cut_off_is_refused_wherever_it_is_cut() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cut.jpg");
    let whole = std::fs::read(data("orientation-1.jpg")).expect("a file");
    for length in (1..whole.len()).step_by(7).chain([whole.len() - 1]) {
        std::fs::write(&path, &whole[..length]).expect("a file");
        let refused = load(&path, ValueRange::Unit, &Device::flex());
        assert!(refused.is_err(), "{length} of {} bytes", whole.len());
    }
    // Data after the image are ignored: phones append a preview, a video or a depth map.
    let longer = [whole, vec![0; 100]].concat();
    std::fs::write(&path, longer).expect("a file");
    assert!(load(&path, ValueRange::Unit, &Device::flex()).is_ok());
}
