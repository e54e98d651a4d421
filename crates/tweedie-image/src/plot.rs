//! Scatter plots of points in the plane, in panels side by side.

use crate::files::save_png;
use crate::picture::canvas;
use crate::text::FONT;
use crate::{ImageError, Picture};
use burn::tensor::Tensor;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};
use std::path::Path;
use std::sync::OnceLock;

/// One panel of a scatter plot.
#[derive(Clone, Debug)]
pub struct Cloud {
    /// The title above the panel.
    pub title: String,
    /// The points, `[count, 2]`.
    pub points: Tensor<2>,
}

/// Draws clouds side by side as a PNG file, `columns` in a row.
///
/// All panels have the axes `[−extent, extent]²` and show the points of `reference` in grey below
/// the cloud. An existing file is replaced atomically.
///
/// # Errors
/// [`ImageError::Drawing`] if the plot cannot be drawn; [`ImageError::Extension`] for a path that
/// does not end in `.png`; [`ImageError::File`] if the file cannot be written.
///
/// # Panics
/// If a tensor of points does not have the shape `[count, 2]`.
pub fn scatter(
    path: impl AsRef<Path>,
    clouds: &[Cloud],
    reference: &Tensor<2>,
    extent: f64,
    columns: usize,
) -> Result<(), ImageError> {
    // plotters does not terminate if it finds no axis labels.
    if !(extent > 0.0 && (2.0 * extent).is_finite()) {
        return Err(ImageError::Drawing(format!("an extent of {extent}")));
    }
    let columns = columns.clamp(1, clouds.len().max(1));
    let rows = clouds.len().div_ceil(columns).max(1);
    let side = 300;
    let (width, height) = canvas((columns * side) as u64, (rows * side) as u64)?;
    let mut buffer = vec![255; (width * height * 3) as usize];
    draw(
        &mut buffer,
        (width, height),
        (rows, columns),
        clouds,
        reference,
        extent,
    )
    .map_err(ImageError::Drawing)?;
    match Picture::from_raw(width, height, buffer) {
        Some(picture) => save_png(path.as_ref(), &picture),
        None => Err(ImageError::Drawing("the buffer has the wrong size".into())),
    }
}

fn draw(
    buffer: &mut [u8],
    size: (u32, u32),
    split: (usize, usize),
    clouds: &[Cloud],
    reference: &Tensor<2>,
    extent: f64,
) -> Result<(), String> {
    typeface()?;
    let root = BitMapBackend::with_buffer(buffer, size).into_drawing_area();
    let text = |error: DrawingAreaErrorKind<_>| error.to_string();
    let behind = points(reference);
    for (cloud, area) in clouds.iter().zip(root.split_evenly(split)) {
        let mut chart = ChartBuilder::on(&area)
            .caption(&cloud.title, ("sans-serif", 15))
            .margin(6)
            .x_label_area_size(18)
            .y_label_area_size(26)
            .build_cartesian_2d(-extent..extent, -extent..extent)
            .map_err(text)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .label_style(("sans-serif", 13))
            .draw()
            .map_err(text)?;
        for (points, colour) in [
            (&behind, RGBColor(190, 190, 190)),
            (&points(&cloud.points), RGBColor(20, 80, 160)),
        ] {
            let inside = points
                .iter()
                .filter(|(x, y)| x.abs() < extent && y.abs() < extent);
            let dots = inside.map(|&at| Circle::new(at, 1, colour.mix(0.6).filled()));
            chart.draw_series(dots).map_err(text)?;
        }
    }
    root.present().map_err(text)
}

/// Registers the typeface with plotters, once.
pub(crate) fn typeface() -> Result<(), String> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let registered = || register_font("sans-serif", FontStyle::Normal, FONT).is_ok();
    if *REGISTERED.get_or_init(registered) {
        return Ok(());
    }
    Err("the typeface cannot be read".into())
}

fn points(x: &Tensor<2>) -> Vec<(f64, f64)> {
    assert_eq!(x.dims()[1], 2, "points in the plane");
    let values: Vec<f64> = x.to_data().iter::<f64>().collect();
    values.chunks(2).map(|pair| (pair[0], pair[1])).collect()
}
