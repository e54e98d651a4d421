//! Folders of images of several formats, sizes and depths, and `.npz` sets.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use approx::assert_abs_diff_eq;
use image::{DynamicImage, ImageBuffer, Luma, Rgb};
use std::path::Path;
use tweedie_image::{ImageError, ImageFolder, Images};

/// A picture with a different value in every pixel.
fn picture(width: u32, height: u32) -> ImageBuffer<Rgb<u16>, Vec<u16>> {
    ImageBuffer::from_fn(width, height, |x, y| {
        Rgb([(4000 * x) as u16, (4000 * y) as u16, 30_000])
    })
}

fn save(image: impl Into<DynamicImage>, path: &Path) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    image.into().save(path).expect("a file");
}

#[test]
fn every_format_has_the_same_pixels() -> Result<(), ImageError> {
    let folder = tempfile::tempdir().expect("a folder");
    let (place, image) = (folder.path(), DynamicImage::from(picture(6, 4)));
    save(image.clone(), &place.join("a.png"));
    save(image.clone(), &place.join("b.tiff"));
    save(image.to_rgb32f(), &place.join("c.tif"));
    save(image.to_rgb8(), &place.join("d.webp"));
    let images = ImageFolder::open(place, 3, None)?;
    assert_eq!((images.len(), images.size()), (4, [4, 6]));
    assert!(images.classes().is_empty() && images.class(0).is_none());
    let exact = images.read(0)?;
    // Red grows along rows, green along columns.
    assert_abs_diff_eq!(exact[5], 20_000.0 / 65_535.0, epsilon = 1e-6);
    assert_abs_diff_eq!(exact[24 + 6], 4_000.0 / 65_535.0, epsilon = 1e-6);
    for (index, bound) in [(1, 1e-6), (2, 1e-6), (3, 0.5 / 255.0 + 1e-6)] {
        for (found, expected) in images.read(index)?.iter().zip(&exact) {
            assert_abs_diff_eq!(*found, *expected, epsilon = bound);
        }
    }
    let grey = ImageFolder::open(place, 1, None)?.read(0)?;
    let luma = 0.299 * exact[5] + 0.587 * exact[29] + 0.114 * exact[53];
    assert_abs_diff_eq!(grey[5], luma, epsilon = 1e-6);
    Ok(())
}

#[test]
fn subfolders_are_classes() -> Result<(), ImageError> {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path();
    for name in [
        "shirt/1.png",
        "bag/old/2.PNG",
        "shirt/new/0.png",
        ".hidden/3.png",
    ] {
        save(picture(5, 5), &place.join(name));
    }
    std::fs::write(place.join("shirt/notes.txt"), "no image").expect("a file");
    let images = ImageFolder::open(place, 3, None)?;
    assert_eq!(images.classes(), ["bag", "shirt"]);
    let classes: Vec<_> = (0..images.len()).filter_map(|i| images.class(i)).collect();
    assert_eq!(classes, [0, 1, 1]);
    let memory = Images::folder(place, 3, Some([8, 8]))?;
    assert_eq!(
        (memory.labels(), memory.size()),
        (Some(&[0, 1, 1][..]), [8, 8])
    );
    // One file outside the subfolders, and they are no classes.
    let before = images.checksum();
    save(picture(5, 5), &place.join("0.png"));
    let images = ImageFolder::open(place, 3, None)?;
    assert!(images.classes().is_empty());
    assert_ne!(images.checksum(), before);
    Ok(())
}

#[test]
fn damaged_files_are_listed() -> Result<(), ImageError> {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path();
    for name in ["a.png", "c.png", "d.png"] {
        save(picture(40, 40), &place.join(name));
    }
    std::fs::write(place.join("b.png"), b"no image").expect("a file");
    let whole = std::fs::read(place.join("c.png")).expect("a file");
    std::fs::write(place.join("c.png"), &whole[..whole.len() / 2]).expect("a file");
    let images = ImageFolder::open(place, 3, None)?;
    // The header of `c` is sound.
    assert_eq!((images.len(), images.skipped().len()), (3, 1));
    assert!(
        images
            .read(1)
            .is_err_and(|error| error.to_string().contains("c.png"))
    );
    let images = images.checked()?;
    let named = |name: &str| {
        images
            .skipped()
            .iter()
            .any(|error| error.to_string().contains(name))
    };
    assert_eq!(
        (images.len(), named("b.png"), named("c.png")),
        (2, true, true)
    );
    assert!(images.files()[1].ends_with("d.png"));
    assert!(matches!(
        images.read(2),
        Err(ImageError::Index { index: 2, count: 2 })
    ));
    for name in ["a.png", "d.png"] {
        std::fs::remove_file(place.join(name)).expect("a file");
    }
    assert!(ImageFolder::open(place, 3, None)?.checked().is_err());
    save(picture(41, 40), &place.join("a.png"));
    assert!(matches!(
        ImageFolder::open(place, 3, None),
        Err(ImageError::Size { .. })
    ));
    assert!(matches!(
        ImageFolder::open(place, 0, None),
        Err(ImageError::Channels { .. })
    ));
    Ok(())
}

/// A grey image stays grey, and bytes stay bytes.
#[test]
fn a_folder_in_memory_keeps_every_byte() -> Result<(), ImageError> {
    let folder = tempfile::tempdir().expect("a folder");
    let image = ImageBuffer::from_fn(16, 16, |x, y| Luma([(16 * y + x) as u8]));
    save(image, &folder.path().join("all.png"));
    let images = Images::folder(folder.path(), 1, None)?;
    let device = burn::tensor::Device::flex();
    let values = images
        .tensor(tweedie_image::ValueRange::Unit, &device)
        .into_data();
    for (i, value) in values.iter::<f32>().enumerate() {
        assert_eq!((value * 255.0).round() as usize, i);
    }
    Ok(())
}

#[cfg(feature = "npy")]
mod npy {
    use super::*;
    use burn::tensor::{Device, Tensor, TensorData};
    use tweedie_image::{Npz, ValueRange, save_npy};

    fn counting<const D: usize>(shape: [usize; D], scale: f32) -> Tensor<D> {
        let count: usize = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|i| i as f32 * scale).collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    /// Channels before or after the pixels, or none.
    #[test]
    fn a_set_in_one_file() -> Result<(), ImageError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("set.npz");
        let first = counting([2, 3, 4, 5], 1.0);
        let labels = Tensor::<1>::from_floats([7.0, 1.0], &Device::flex());
        let device = Device::flex();
        Npz::new()
            .with("images", first.clone())
            .with("labels", labels.clone())
            .save(&path)?;
        let planes = Images::npz(&path)?;
        assert_eq!((planes.channels(), planes.size()), (3, [4, 5]));
        assert_eq!(planes.labels(), Some(&[7, 1][..]));
        Npz::new()
            .with("images", first.permute([0, 2, 3, 1]))
            .with("labels", labels)
            .save(&path)?;
        assert_eq!(Images::npz(&path)?, planes);
        Npz::new()
            .with("images", counting([2, 4, 5], 1.0))
            .save(&path)?;
        let grey = Images::npz(&path)?;
        assert_eq!((grey.channels(), grey.labels()), (1, None));
        let unit = grey.tensor(ValueRange::Unit, &device).into_data();
        assert_eq!(unit.iter::<f32>().nth(39), Some(39.0 / 255.0));
        for wrong in [counting([2, 3, 4, 5], 0.3), counting([9, 3, 4, 5], 1.0)] {
            Npz::new().with("images", wrong).save(&path)?;
            assert!(matches!(Images::npz(&path), Err(ImageError::Format { .. })));
        }
        Npz::new()
            .with("pictures", counting([2, 4, 5], 1.0))
            .save(&path)?;
        assert!(Images::npz(&path).is_err_and(|error| error.to_string().contains("images")));
        Ok(())
    }

    /// Arrays of any number of channels.
    #[test]
    fn arrays_in_a_folder() -> Result<(), ImageError> {
        let folder = tempfile::tempdir().expect("a folder");
        save_npy(folder.path().join("0.npy"), counting([5, 4, 3], 0.01))?;
        let images = ImageFolder::open(folder.path(), 5, None)?;
        assert_eq!(images.size(), [4, 3]);
        assert_abs_diff_eq!(images.read(0)?[59], 0.59, epsilon = 1e-6);
        assert!(ImageFolder::open(folder.path(), 4, None)?.read(0).is_err());
        assert!(ImageFolder::open(folder.path(), 5, Some([8, 8])).is_err());
        save_npy(folder.path().join("1.NPY.npy"), counting([5, 4, 3], 1.0))?;
        let bytes = ImageFolder::open(folder.path(), 5, None)?.read(1);
        assert!(bytes.is_err_and(|error| error.to_string().contains("[0, 1]")));
        Ok(())
    }
}
