//! Image files, data sets and plots.

use super::{Cases, device, file, zeros};
use std::path::Path;
use std::time::Duration;
use tweedie::burn::data::dataset::Dataset;
use tweedie::burn::tensor::Tensor;
use tweedie::image::{
    Cloud, Curve, ImageFolder, Images, Npz, Panel, ValueRange, chart, film_strip, from_array, grid,
    load, load_npy, pictures, save, save_gif, save_npy, scatter, to_array,
};

/// The bytes of a PNG file that declares a size but holds no pixels.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend([8, 0, 0, 0, 0]);
    let sum = crc(&bytes[12..]);
    bytes.extend(sum.to_be_bytes());
    bytes.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e\0\0\0\0IEND\xae\x42\x60\x82");
    bytes
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| match sum & 1 {
            1 => sum >> 1 ^ 0xedb8_8320,
            _ => sum >> 1,
        })
    })
}

fn idx(sizes: &[u32]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, sizes.len() as u8];
    bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
    bytes
}

pub(crate) fn cases(folder: &Path) -> Cases {
    let mut all = Cases::default();
    for (name, input, bytes) in [
        (
            "huge.png",
            "a PNG of 512 megapixels in 100 bytes",
            png(32_768, 16_384),
        ),
        ("none.png", "a PNG of no pixels", png(0, 8)),
        ("letters.png", "eight letters", b"nonsense".to_vec()),
        ("gif.png", "a GIF", b"GIF89a\x01\0\x01\0\0\0\0;".to_vec()),
    ] {
        let path = file(folder, name, &bytes);
        all.error("load", input, move || {
            load(path, ValueRange::Unit, &device())
        });
    }
    // The first two thirds of a JPEG file.
    let whole = include_bytes!("../../../tweedie-image/tests/data/orientation-1.jpg");
    let path = file(folder, "cut.jpg", &whole[..whole.len() * 2 / 3]);
    all.error("load", "a JPEG that is cut off", move || {
        load(path, ValueRange::Unit, &device())
    });
    // Height and width follow five bytes after the start-of-frame marker.
    let frame = whole.windows(2).position(|pair| pair == [0xff, 0xc0]);
    let sides = frame.expect("a baseline JPEG") + 5;
    let mut vast = whole.to_vec();
    vast[sides..sides + 4].copy_from_slice(&[0x20, 0, 0x20, 0]);
    let path = file(folder, "vast.jpg", &vast);
    all.error("load", "a JPEG of 64 megapixels in a kilobyte", move || {
        load(path, ValueRange::Unit, &device())
    });
    all.error("load", "a device", || {
        load("/dev/zero", ValueRange::Unit, &device())
    });
    let place = folder.join("nan.png");
    all.error("save", "NaN", move || {
        save(place, zeros([1, 1, 2, 2]) * f64::NAN, ValueRange::Unit)
    });
    let place = folder.join("two.png");
    all.error("save", "two images", move || {
        save(place, zeros([2, 1, 2, 2]), ValueRange::Unit)
    });
    let place = folder.join("five.png");
    all.error("save", "five channels", move || {
        save(place, zeros([1, 5, 2, 2]), ValueRange::Unit)
    });
    let place = folder.join("picture.jpg");
    all.error("save", "as .jpg, which it is not", move || {
        save(place, zeros([1, 3, 2, 2]), ValueRange::Unit)
    });
    let place = folder.join("nowhere").join("picture.png");
    all.error("save", "into a folder that is not there", move || {
        save(place, zeros([1, 3, 2, 2]), ValueRange::Unit)
    });
    all.error("pictures", "no rows", || {
        pictures(zeros([1, 1, 0, 2]), ValueRange::Unit)
    });
    for (name, input, bytes) in [
        (
            "short.idx",
            "an IDX file that is cut off",
            idx(&[10, 28, 28]),
        ),
        (
            "large.idx",
            "an IDX file of 2⁹⁶ values",
            idx(&[u32::MAX; 3]),
        ),
        ("magic.idx", "another file", b"nonsense".to_vec()),
    ] {
        let path = file(folder, name, &bytes);
        all.error("Images::idx", input, move || Images::idx(path));
    }
    for (name, input, bytes) in [
        ("empty.npy", "no bytes", Vec::new()),
        ("letters.npy", "eight letters", b"nonsense".to_vec()),
    ] {
        let path = file(folder, name, &bytes);
        all.error("load_npy", input, move || load_npy::<4>(path, &device()));
    }
    let path = folder.join("row.npy");
    save_npy(&path, Tensor::<1>::ones([3], &device())).unwrap();
    all.error("load_npy", "a row, as images", move || {
        load_npy::<4>(path, &device())
    });
    let place = folder.to_path_buf();
    all.error("save_npy", "to a file x.bin", move || {
        save_npy(place.join("x.bin"), zeros([1, 1, 2, 2]))
    });
    let path = file(folder, "letters.npz", b"nonsense");
    all.error("Npz::open", "eight letters", move || Npz::open(path));
    all.error("Npz::open", "a device", || Npz::open("/dev/zero"));
    all.error("Npz::tensor", "a name that is not there", || {
        Npz::new()
            .with("x", zeros([1, 1, 2, 2]))
            .tensor::<4>("y", &device())
    });
    all.error("from_array", "a matrix, as images", || {
        from_array::<f32, _, 4>(to_array::<f32, 2>(zeros([2, 2])).view(), &device())
    });
    let path = file(folder, "labels.idx", &idx(&[0]));
    all.error(
        "Images::with_idx_labels",
        "no labels for 1,797 images",
        move || Images::digits()?.with_idx_labels(path),
    );
    file(folder, "strip/strip.png", &png(1, 65_535));
    let place = folder.join("strip");
    all.error("Images::folder", "a strip without its pixels", move || {
        Images::folder(place, 1, Some([512, 512]))
    });
    let place = folder.to_path_buf();
    all.error("Images::folder", "a height of 0", move || {
        Images::folder(place, 1, Some([0, 8]))
    });
    let place = folder.to_path_buf();
    all.error("Images::folder", "to 2⁴⁰ pixels", move || {
        Images::folder(place, 1, Some([1 << 20, 1 << 20]))
    });
    let place = folder.to_path_buf();
    all.error("Images::folder", "two channels", move || {
        Images::folder(place, 2, None)
    });
    std::fs::create_dir_all(folder.join("bare")).unwrap();
    let place = folder.join("bare");
    all.error("Images::folder", "no images", move || {
        Images::folder(place, 3, None)
    });
    let place = folder.join("bare");
    all.error("ImageFolder::open", "no channels", move || {
        ImageFolder::open(place, 0, None)
    });
    let labels = |count: usize| Tensor::<1>::zeros([count], &device());
    for (name, what, images, count) in [
        ("half.npz", "values between bytes", 0.5, 2),
        ("short.npz", "3 labels for 2 images", 1.0, 3),
    ] {
        let place = folder.join(name);
        let images = Tensor::<3>::full([2, 4, 4], images, &device());
        let set = Npz::new()
            .with("images", images)
            .with("labels", labels(count));
        set.save(&place).unwrap();
        all.error("Images::npz", what, move || Images::npz(place));
    }
    let place = folder.join("empty.npz");
    Npz::new().with("labels", labels(2)).save(&place).unwrap();
    all.error("Images::npz", "no images", move || Images::npz(place));
    all.error("Images::get", "image 1,797 of 1,797", || {
        Images::digits()?.get(1797)
    });
    all.panic("Images::select", "image 2³² of 1,797", || {
        Images::digits()
            .unwrap()
            .select(&[1 << 32], ValueRange::Unit, &device())
    });
    all.error("Images::phantoms", "a side of 0", || {
        Images::phantoms(1, 0, 0)
    });
    all.error("Images::phantoms", "a side of 2²⁰", || {
        Images::phantoms(1, 1 << 20, 0)
    });
    all.error("Images::shepp_logan", "a side of 0", || {
        Images::shepp_logan(0)
    });
    all.error("Sheet::draw", "pixels of 2³⁰ pixels", || {
        grid(zeros([1, 1, 2, 2]), ValueRange::Unit, 1)?
            .with_scale(1 << 30)
            .draw()
    });
    all.error("grid", "two channels", || {
        grid(zeros([1, 2, 2, 2]), ValueRange::Unit, 1)
    });
    all.error("film_strip", "NaN", || {
        film_strip(
            &[("now".into(), zeros([1, 1, 2, 2]) * f64::NAN)],
            ValueRange::Unit,
            1,
        )
    });
    let place = folder.join("film.gif");
    all.error("save_gif", "no moments", move || {
        save_gif(place, &[], ValueRange::Unit, 1, 1, Duration::ZERO)
    });
    let place = folder.join("film.gif");
    all.error("save_gif", "pixels of 2³⁰ pixels", move || {
        let moments = [zeros([1, 1, 2, 2])];
        save_gif(
            place,
            &moments,
            ValueRange::Unit,
            1,
            1 << 30,
            Duration::ZERO,
        )
    });
    let panel = |points: Vec<(f64, f64)>| Panel {
        curves: vec![Curve {
            name: "curve".into(),
            points,
        }],
        ..Panel::default()
    };
    let place = folder.join("chart.png");
    all.error("chart", "points from 1e-200 to 1e200", move || {
        chart(place, &[panel(vec![(1.0, 1e-200), (2.0, 1e200)])])
    });
    let place = folder.join("chart.png");
    all.error("chart", "a point at ∞", move || {
        chart(place, &[panel(vec![(f64::INFINITY, 1.0)])])
    });
    let place = folder.join("scatter.png");
    all.error("scatter", "an extent of ∞", move || {
        let cloud = Cloud {
            title: "cloud".into(),
            points: zeros([3, 2]),
        };
        let reference: Tensor<2> = zeros([3, 2]);
        scatter(place, &[cloud], &reference, f64::INFINITY, 1)
    });
    all
}
