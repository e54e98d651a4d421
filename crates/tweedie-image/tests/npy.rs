//! NumPy files, in the format that NumPy writes.

#![cfg(feature = "npy")]
#![allow(clippy::expect_used, reason = "a test may stop at once")]

use burn::tensor::{DType, Device, Tensor};
use std::io::Write;
use std::path::{Path, PathBuf};
use tweedie_image::{ImageError, Npz, load_npy, save_npy};

/// A file of version 1.0: the magic, a header padded to 64 bytes, the values.
fn npy(descr: &str, order: bool, shape: &str, values: &[u8]) -> Vec<u8> {
    let order = if order { "True" } else { "False" };
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values);
    bytes
}

fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("a file");
    path
}

fn values<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().iter().collect()
}

#[test]
fn every_kind_of_number_and_both_orders_are_read() -> Result<(), ImageError> {
    let folder = tempfile::tempdir().expect("a folder");
    let device = Device::flex();
    let f32s: Vec<u8> = [1.5_f32, 2.0, -3.0, 4.0, 5.0, 6.0]
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    let f64s: Vec<u8> = [0.1_f64, 0.2]
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    let i64s: Vec<u8> = [-7_i64, 9].iter().flat_map(|x| x.to_le_bytes()).collect();
    let u16s: Vec<u8> = [65_535_u16, 1]
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();

    let path = file(folder.path(), "c.npy", &npy("<f4", false, "(2, 3)", &f32s));
    assert_eq!(
        values(load_npy::<2>(&path, &device)?),
        [1.5, 2.0, -3.0, 4.0, 5.0, 6.0]
    );
    let path = file(folder.path(), "f.npy", &npy("<f4", true, "(2, 3)", &f32s));
    assert_eq!(
        values(load_npy::<2>(&path, &device)?),
        [1.5, -3.0, 5.0, 2.0, 4.0, 6.0]
    );
    let path = file(folder.path(), "d.npy", &npy("<f8", false, "(2,)", &f64s));
    let double = load_npy::<1>(&path, &device)?;
    assert_eq!(double.dtype(), DType::F64);
    assert_eq!(values(double), [0.1, 0.2]);
    let kinds: [(&str, &[u8], [f64; 2]); 4] = [
        ("|u1", &[0, 255], [0.0, 255.0]),
        ("|b1", &[1, 0], [1.0, 0.0]),
        ("<u2", &u16s, [65_535.0, 1.0]),
        ("<i8", &i64s, [-7.0, 9.0]),
    ];
    for (kind, bytes, expected) in kinds {
        let path = file(folder.path(), "k.npy", &npy(kind, false, "(1, 2)", bytes));
        assert_eq!(values(load_npy::<2>(&path, &device)?), expected, "{kind}");
    }
    Ok(())
}

#[test]
fn what_is_written_comes_back_in_its_precision() -> Result<(), ImageError> {
    let folder = tempfile::tempdir().expect("a folder");
    let device = Device::flex();
    let x = Tensor::<3>::from_data([[[0.1, 0.2], [0.3, 0.4]]], (&device, DType::F64));
    let path = folder.path().join("x.npy");
    save_npy(&path, x.clone())?;
    let back = load_npy::<3>(&path, &device)?;
    assert_eq!(back.into_data(), x.clone().into_data());

    let path = folder.path().join("x.npz");
    let single = Tensor::<1>::from_floats([1.0, 2.0], &device);
    Npz::new()
        .with("x", single.clone())
        .with("x", x.clone())
        .with("y", single)
        .save(&path)?;
    let arrays = Npz::open(&path)?;
    assert_eq!(arrays.names().collect::<Vec<_>>(), ["x", "y"]);
    assert_eq!(arrays.tensor::<3>("x", &device)?.into_data(), x.into_data());
    assert_eq!(values(arrays.tensor::<1>("y", &device)?), [1.0, 2.0]);
    Ok(())
}

/// An archive as `numpy.savez_compressed` writes it.
#[test]
fn a_compressed_archive_is_read() -> Result<(), ImageError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("c.npz");
    let mut archive = zip::ZipWriter::new(std::fs::File::create(&path).expect("a file"));
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated);
    archive.start_file("mask.npy", options).expect("an entry");
    let bytes = npy("|b1", false, "(100, 100)", &[1; 10_000]);
    archive.write_all(&bytes).expect("an entry");
    archive.finish().expect("an archive");
    let mask = Npz::open(&path)?.tensor::<2>("mask", &Device::flex())?;
    assert_eq!(values(mask.sum()), [10_000.0]);
    Ok(())
}

#[test]
fn what_is_no_array_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let says = |name: &str, bytes: &[u8]| {
        let path = file(folder.path(), name, bytes);
        let error = match name.ends_with("npz") {
            true => Npz::open(&path).map(drop),
            false => load_npy::<2>(&path, &Device::flex()).map(drop),
        };
        error.expect_err("a refusal").to_string()
    };
    // The header declares 10¹² values; the file has two.
    let huge = npy("<f4", false, "(1000000, 1000000)", &[0; 8]);
    assert!(
        says("huge.npy", &huge).contains("missing"),
        "{}",
        says("huge.npy", &huge)
    );
    let endless = npy(
        "<f4",
        false,
        "(4294967296, 4294967296, 4294967296)",
        &[0; 8],
    );
    assert!(says("endless.npy", &endless).contains("overflow"));
    let complex = npy("<c8", false, "(1, 1)", &[0; 8]);
    assert!(says("complex.npy", &complex).contains("c8"));
    let row = npy("<f4", false, "(2,)", &[0; 8]);
    assert!(says("row.npy", &row).contains("[2], expected 2 dimensions"));
    assert!(
        says("text.npy", b"no array").contains("magic string"),
        "{}",
        says("text.npy", b"no array")
    );
    let mut header = row.clone();
    // Version 2, with a header of 4 GB.
    header[6..12].copy_from_slice(&[2, 0, 255, 255, 255, 255]);
    assert!(says("header.npy", &header).contains("a header of 4294967295 bytes"));
    assert!(says("empty.npy", b"").contains("empty.npy"));
    assert!(says("text.npz", b"no archive").contains("text.npz"));
    let x = Tensor::<1>::from_floats([1.0], &Device::flex());
    assert!(save_npy(folder.path().join("x.bin"), x.clone()).is_err());
    let none = Npz::new().with("x", x).tensor::<1>("y", &Device::flex());
    assert!(
        none.expect_err("a refusal")
            .to_string()
            .contains("no array \"y\"")
    );
}
