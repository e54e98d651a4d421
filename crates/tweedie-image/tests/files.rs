//! Image files and data sets: round trips and errors.

#![allow(
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a test may stop at once, and compares exactly where it means to"
)]

use approx::{abs_diff_eq, assert_abs_diff_eq};
use burn::data::dataset::Dataset;
use burn::tensor::{Device, Tensor};
use std::fs;
use std::path::Path;
use tweedie_image::{ImageError, Images, ValueRange, grid, load, save};

fn device() -> Device {
    Device::flex()
}

fn values(x: Tensor<4>) -> Vec<f32> {
    x.into_data().iter::<f32>().collect()
}

fn ramp(channels: usize, height: usize, width: usize) -> Tensor<4> {
    let count = channels * height * width;
    let x = Tensor::<1, burn::tensor::Int>::arange(0..count as i64, &device()).float();
    (x / 255.0).reshape([1, channels, height, width])
}

#[test]
fn what_is_saved_is_loaded_in_either_range() -> Result<(), ImageError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("image.png");
    let x = ramp(3, 4, 5);
    save(&path, x.clone(), ValueRange::Unit)?;
    let back = load(&path, ValueRange::Unit, &device())?;
    assert_eq!(back.dims(), [1, 3, 4, 5]);
    assert!(
        values(back)
            .iter()
            .zip(values(x.clone()))
            .all(|(a, b)| abs_diff_eq!(*a, b, epsilon = 1e-6))
    );
    let signed = load(&path, ValueRange::Signed, &device())?;
    assert!(
        values(signed)
            .iter()
            .zip(values(x * 2.0 - 1.0))
            .all(|(a, b)| abs_diff_eq!(*a, b, epsilon = 1e-6))
    );
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    // Grey stays grey.
    let grey = ramp(1, 4, 5);
    save(&path, grey.clone(), ValueRange::Unit)?;
    let back = load(&path, ValueRange::Unit, &device())?;
    assert_eq!(back.dims(), [1, 1, 4, 5]);
    assert_abs_diff_eq!(
        (back - grey).abs().max().into_scalar::<f32>(),
        0.0,
        epsilon = 1e-6
    );
    Ok(())
}

#[test]
fn what_no_file_can_hold_is_refused_and_the_old_file_stays() -> Result<(), ImageError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("image.png");
    save(&path, ramp(1, 2, 2), ValueRange::Unit)?;
    let before = fs::read(&path).expect("a file");
    let nan = save(&path, ramp(1, 2, 2) * f32::NAN, ValueRange::Unit);
    assert!(matches!(nan, Err(ImageError::NotFinite { .. })));
    let two = save(
        &path,
        Tensor::zeros([2, 1, 2, 2], &device()),
        ValueRange::Unit,
    );
    assert!(matches!(two, Err(ImageError::Batch { found: 2 })));
    assert_eq!(fs::read(&path).expect("a file"), before);
    let jpeg = folder.path().join("image.jpg");
    let other = save(&jpeg, ramp(3, 2, 2), ValueRange::Unit);
    assert!(matches!(
        other,
        Err(ImageError::Extension {
            expected: "png",
            ..
        })
    ));
    assert!(!jpeg.exists());
    Ok(())
}

/// The grey of a set is the luma of `tweedie_core`, up to the rounding of 8 bits.
#[test]
fn a_grey_set_has_the_luma_of_jpeg() -> Result<(), ImageError> {
    let folder = tempfile::tempdir().expect("a folder");
    let photo = Images::photos()?.select(&[0], ValueRange::Unit, &device());
    save(
        folder.path().join("photo.png"),
        photo.clone(),
        ValueRange::Unit,
    )?;
    let grey = Images::folder(folder.path(), 1, None)?.tensor(ValueRange::Unit, &device());
    let [red, green, blue] = [0, 1, 2].map(|c| photo.clone().narrow(1, c, 1));
    let [r, g, b] = tweedie_core::LUMA;
    let luma = red * r + green * g + blue * b;
    let gap = (grey - luma).abs().max().into_scalar::<f32>();
    assert!(gap <= 0.501 / 255.0, "{gap}");
    Ok(())
}

#[test]
fn all_members_of_a_gzip_file_are_read() -> Result<(), ImageError> {
    use std::io::Write;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("images-idx3-ubyte.gz");
    let header = [0x0803_u32, 2, 2, 3].into_iter().flat_map(u32::to_be_bytes);
    let bytes: Vec<u8> = header.chain(0..12).collect();
    // As a block-gzip tool, or `cat a.gz b.gz`, writes it.
    let mut members = Vec::new();
    for part in bytes.chunks(10) {
        let mut member = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        member.write_all(part).expect("memory");
        members.extend(member.finish().expect("memory"));
    }
    fs::write(&path, members).expect("a file");
    assert_eq!(Images::idx(&path)?.count(), 2);
    Ok(())
}

#[test]
fn bundled_data_are_what_they_say() -> Result<(), ImageError> {
    let digits = Images::digits()?;
    assert_eq!(
        (digits.count(), digits.size(), digits.channels()),
        (1797, [8, 8], 1)
    );
    assert_eq!(
        digits.labels().map(|labels| labels[..5].to_vec()),
        Some(vec![0, 1, 2, 3, 4])
    );
    let train = Images::fashion_train()?;
    assert_eq!((train.count(), train.size()), (5000, [28, 28]));
    assert_eq!(
        train.labels().map(|labels| labels[..4].to_vec()),
        Some(vec![9, 0, 0, 3])
    );
    let test = Images::fashion_test()?;
    assert_eq!(test.count(), 500);
    let item = Dataset::get(&test, 3)?;
    let tensor = test.select(&[3], ValueRange::Unit, &device());
    assert_eq!((item.shape, item.pixels), ([1, 28, 28], values(tensor)));
    Ok(())
}

#[test]
fn a_folder_is_read_in_the_order_of_its_names() -> Result<(), ImageError> {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, value) in [("b.png", 1.0), ("a.png", 0.0), ("c.PNG", 0.5)] {
        let x = Tensor::<4>::full([1, 1, 4, 6], value, &device());
        save(folder.path().join(name), x, ValueRange::Unit)?;
    }
    fs::write(folder.path().join("notes.txt"), "no image").expect("a file");
    let images = Images::folder(folder.path(), 1, None)?;
    assert_eq!((images.count(), images.size()), (3, [4, 6]));
    let first: Vec<f32> = values(images.tensor(ValueRange::Unit, &device()))
        .chunks(24)
        .map(|c| c[0])
        .collect();
    assert!(
        first
            .iter()
            .zip([0.0, 1.0, 0.5])
            .all(|(a, b)| abs_diff_eq!(*a, b, epsilon = 0.003)),
        "{first:?}"
    );
    let scaled = Images::folder(folder.path(), 3, Some([2, 2]))?;
    assert_eq!((scaled.channels(), scaled.size()), (3, [2, 2]));
    Ok(())
}

#[test]
fn what_is_wrong_is_said_with_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let text = |images: Result<Images, ImageError>| images.expect_err("refused").to_string();
    assert!(text(Images::folder(at("nowhere"), 1, None)).contains("nowhere"));
    let empty = text(Images::folder(folder.path(), 1, None));
    assert!(
        empty.ends_with("no images in this folder: PNG, JPEG, WebP, TIFF or npy"),
        "{empty}"
    );
    let nothing = Images::folder(folder.path(), 1, Some([0, 8]));
    assert!(matches!(
        nothing,
        Err(ImageError::NoPixels { size: [0, 8] })
    ));
    save(at("a.png"), ramp(1, 4, 6), ValueRange::Unit).expect("a file");
    save(at("b.png"), ramp(1, 6, 4), ValueRange::Unit).expect("a file");
    let sizes = text(Images::folder(folder.path(), 1, None));
    assert!(sizes.contains("b.png: 4×6 pixels, expected 6×4"), "{sizes}");
    fs::write(at("b.png"), b"\x89PNG\r\n\x1a\n broken").expect("a file");
    assert!(text(Images::folder(folder.path(), 1, None)).contains("b.png"));
    assert!(matches!(
        Images::folder(folder.path(), 2, None),
        Err(ImageError::Channels { channels: 2 })
    ));
    assert!(load(at("none.png"), ValueRange::Unit, &device()).is_err());
    let four = Tensor::<4>::zeros([1, 2, 4, 4], &device());
    assert!(matches!(
        save(at("c.png"), four, ValueRange::Unit),
        Err(ImageError::Channels { channels: 2 })
    ));
    assert!(!at("c.png").exists());
    let missing = grid(ramp(1, 2, 2), ValueRange::Unit, 1)
        .and_then(|sheet| sheet.save(Path::new("/nowhere/x.png")));
    assert!(matches!(missing, Err(ImageError::File { .. })));
}

#[test]
fn a_damaged_idx_file_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("images-idx3-ubyte");
    let text = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("a file");
        Images::idx(&path)
            .map(|images| images.count())
            .map_err(|error| error.to_string())
    };
    let header = |count: u32, height: u32, width: u32| {
        [0x0803, count, height, width]
            .into_iter()
            .flat_map(u32::to_be_bytes)
            .collect::<Vec<u8>>()
    };
    let whole = |count, bytes: usize| [header(count, 2, 3), vec![7; bytes]].concat();
    assert_eq!(text(&whole(2, 12)), Ok(2));
    for (name, bytes) in [
        ("empty", vec![]),
        ("magic", vec![1; 40]),
        ("header", header(1, 2, 3)[..10].to_vec()),
        ("short", whole(2, 11)),
        ("long", whole(2, 13)),
        ("none", whole(0, 0)),
        (
            "huge",
            [header(u32::MAX, u32::MAX, u32::MAX), vec![1; 9]].concat(),
        ),
        ("gzip", vec![0x1f, 0x8b, 8, 0, 0]),
    ] {
        let error = text(&bytes).expect_err(name);
        assert!(error.contains("images-idx3-ubyte"), "{name}: {error}");
    }
    // One label too few.
    fs::write(&path, whole(2, 12)).expect("a file");
    let labels = folder.path().join("labels");
    fs::write(
        &labels,
        [
            0x0801_u32.to_be_bytes().to_vec(),
            1_u32.to_be_bytes().to_vec(),
            vec![3],
        ]
        .concat(),
    )
    .expect("a file");
    let mismatch = Images::idx(&path).and_then(|images| images.with_idx_labels(&labels));
    assert!(
        mismatch
            .expect_err("refused")
            .to_string()
            .contains("1 labels for 2 images")
    );
}
