//! Charts of curves, in panels side by side.

use crate::files::save_png;
use crate::plot::typeface;
use crate::{ImageError, Picture};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;
use std::path::Path;

/// One panel: its titles and curves.
#[derive(Clone, Debug, Default)]
pub struct Panel {
    /// The title above the panel.
    pub title: String,
    /// The title of the x axis.
    pub x: String,
    /// The scale of the x axis.
    pub x_axis: Axis,
    /// The scale of the y axis.
    pub y_axis: Axis,
    /// The curves, in the order of the legend.
    pub curves: Vec<Curve>,
}

/// One curve, named in the legend.
#[derive(Clone, Debug)]
pub struct Curve {
    /// The name in the legend.
    pub name: String,
    /// The points `(x, y)`. Only finite points are shown that are positive on logarithmic axes.
    pub points: Vec<(f64, f64)>,
}

/// The scale of an axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Axis {
    /// Logarithmic.
    #[default]
    Log,
    /// Linear.
    Linear,
}

const WIDTH: u32 = 540;
/// The height without the legend.
const HEIGHT: u32 = 460;
/// The height of a line of the legend.
const LINE: u32 = 19;

/// The most panels side by side.
const ACROSS: usize = 3;

/// Draws panels side by side as a PNG file, each with a legend below. More than three are drawn in
/// several rows.
///
/// An existing file is replaced atomically.
///
/// # Errors
/// [`ImageError::Drawing`] if a panel has no point to show, or if its range is too large for an
/// axis; [`ImageError::Extension`] for a path that does not end in `.png`; [`ImageError::File`] if
/// the file cannot be written.
pub fn chart(path: impl AsRef<Path>, panels: &[Panel]) -> Result<(), ImageError> {
    let most = panels.iter().map(|panel| panel.curves.len()).max();
    let legend = most.unwrap_or(0).div_ceil(2) as u32 * LINE + 20;
    let rows = panels.len().div_ceil(ACROSS).max(1);
    let across = panels.len().div_ceil(rows).max(1);
    let size = (WIDTH * across as u32, (HEIGHT + legend) * rows as u32);
    let mut buffer = vec![255; (size.0 * size.1 * 3) as usize];
    draw(&mut buffer, size, panels, (rows, across)).map_err(ImageError::Drawing)?;
    match Picture::from_raw(size.0, size.1, buffer) {
        Some(picture) => save_png(path.as_ref(), &picture),
        None => Err(ImageError::Drawing("the buffer has the wrong size".into())),
    }
}

fn draw(
    buffer: &mut [u8],
    size: (u32, u32),
    panels: &[Panel],
    layout: (usize, usize),
) -> Result<(), String> {
    typeface()?;
    let root = BitMapBackend::with_buffer(buffer, size).into_drawing_area();
    for (panel, area) in panels.iter().zip(root.split_evenly(layout)) {
        let points = panel.curves.iter().flat_map(|curve| curve.points.iter());
        let shown: Vec<(f64, f64)> = points.copied().filter(|at| panel.shows(at)).collect();
        if shown.is_empty() {
            return Err(format!("no point of \"{}\" can be shown", panel.title));
        }
        let ends = |of: fn(&(f64, f64)) -> f64| {
            let least = shown.iter().map(of).fold(f64::INFINITY, f64::min);
            let most = shown.iter().map(of).fold(f64::NEG_INFINITY, f64::max);
            (least, most)
        };
        // plotters does not terminate if it finds no axis labels.
        let log = |(least, most): (f64, f64)| match most * 1.2 / (least * 0.85) {
            ratio if ratio.is_finite() && (most * 1.2).is_finite() => Ok(least * 0.85..most * 1.2),
            _ => Err(format!("{least:e} to {most:e} is too much for one axis")),
        };
        let linear = |(least, most): (f64, f64)| {
            let margin = 0.03 * (most - least).max(1e-9 * least.abs()).max(1e-9);
            match (most - least).is_finite() {
                true => Ok(least - margin..most + margin),
                false => Err(format!("{least:e} to {most:e} is too much for one axis")),
            }
        };
        let (x, y) = (ends(|at| at.0), ends(|at| at.1));
        match (panel.x_axis, panel.y_axis) {
            (Axis::Log, Axis::Log) => {
                draw_panel(panel, &area, log(x)?.log_scale(), log(y)?.log_scale())?;
            }
            (Axis::Linear, Axis::Log) => {
                draw_panel(panel, &area, linear(x)?, log(y)?.log_scale())?;
            }
            (Axis::Log, Axis::Linear) => {
                draw_panel(panel, &area, log(x)?.log_scale(), linear(y)?)?;
            }
            (Axis::Linear, Axis::Linear) => draw_panel(panel, &area, linear(x)?, linear(y)?)?,
        }
    }
    root.present().map_err(|error| error.to_string())
}

/// Draws one panel with its legend.
fn draw_panel<X, Y>(
    panel: &Panel,
    area: &DrawingArea<BitMapBackend<'_>, Shift>,
    x: X,
    y: Y,
) -> Result<(), String>
where
    X: AsRangedCoord<Value = f64>,
    Y: AsRangedCoord<Value = f64>,
    X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let text = |error: DrawingAreaErrorKind<_>| error.to_string();
    let (above, below) = area.split_vertically(HEIGHT);
    let mut chart = ChartBuilder::on(&above)
        .caption(&panel.title, ("sans-serif", 17))
        .margin(10)
        .x_label_area_size(36)
        .y_label_area_size(52)
        .build_cartesian_2d(x, y)
        .map_err(text)?;
    chart
        .configure_mesh()
        .x_desc(&panel.x)
        .light_line_style(TRANSPARENT)
        .label_style(("sans-serif", 13))
        .x_labels(4)
        .x_label_formatter(&|x| label(*x, panel.x_axis))
        .y_label_formatter(&|y| match panel.y_axis {
            Axis::Log => format!("{y:.0e}"),
            Axis::Linear => label(*y, Axis::Linear),
        })
        .draw()
        .map_err(text)?;
    let count = panel.curves.len();
    for (i, curve) in panel.curves.iter().enumerate() {
        // Neighbours in the legend get hues that are far apart.
        let hue = HSLColor(i as f64 * 0.382 % 1.0, 0.8, [0.3, 0.45, 0.55][i % 3]);
        let shown = curve.points.iter().copied();
        let points: Vec<_> = shown.filter(|at| panel.shows(at)).collect();
        // The points of a long curve would hide its line, and the corners of a thick one that jumps
        // up and down are long spikes.
        let width = if points.len() <= 4 * DOTS { 2 } else { 1 };
        let line = LineSeries::new(points.clone(), hue.stroke_width(width));
        chart.draw_series(line).map_err(text)?;
        if points.len() <= DOTS {
            let dots = points
                .into_iter()
                .map(|at| Circle::new(at, 3, hue.filled()));
            chart.draw_series(dots).map_err(text)?;
        }
        // The legend has two columns.
        let rows = count.div_ceil(2);
        let place = (
            (i / rows * 250 + 30) as i32,
            (i % rows) as i32 * LINE as i32 + 8,
        );
        let middle = place.1 + 7;
        let key = PathElement::new(
            [(place.0, middle), (place.0 + 22, middle)],
            hue.stroke_width(3),
        );
        below.draw(&key).map_err(text)?;
        // A column holds 28 letters at the full size.
        let size = 14.0 * (28.0 / curve.name.chars().count().max(28) as f64);
        let name = Text::new(
            curve.name.clone(),
            (place.0 + 30, place.1),
            ("sans-serif", size),
        );
        below.draw(&name).map_err(text)?;
    }
    Ok(())
}

/// A number at an axis, short.
fn label(value: f64, axis: Axis) -> String {
    let text = match axis {
        Axis::Log if value < 1.0 => format!("{value:.0e}"),
        Axis::Log => format!("{value:.0}"),
        Axis::Linear => format!("{value:.2}"),
    };
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// The largest number of points that are marked.
const DOTS: usize = 64;

impl Panel {
    /// Whether a point lies on the axes.
    fn shows(&self, (x, y): &(f64, f64)) -> bool {
        let fits = |value: f64, axis| value.is_finite() && (value > 0.0 || axis == Axis::Linear);
        fits(*x, self.x_axis) && fits(*y, self.y_axis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_is_written_and_an_empty_one_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("chart.png");
        let curve = Curve {
            name: "second order".into(),
            points: [8.0, 16.0, 32.0].map(|n| (n, 1.0 / (n * n))).to_vec(),
        };
        let panel = Panel {
            title: "error".into(),
            x: "steps".into(),
            x_axis: Axis::Log,
            y_axis: Axis::Log,
            curves: vec![curve],
        };
        let [linear, upright, both] = [
            (Axis::Linear, Axis::Log),
            (Axis::Log, Axis::Linear),
            (Axis::Linear, Axis::Linear),
        ]
        .map(|(x_axis, y_axis)| Panel {
            x_axis,
            y_axis,
            ..panel.clone()
        });
        chart(&path, &[panel, linear, upright, both]).expect("a file");
        let picture = image::open(&path).expect("a picture").into_rgb8();
        // Two rows of two.
        assert_eq!(picture.dimensions(), (2 * WIDTH, 2 * (HEIGHT + LINE + 20)));
        let coloured = picture.pixels().filter(|p| p.0[0] != p.0[1]).count();
        assert!(coloured > 500, "{coloured} coloured pixels");
        let empty = chart(folder.path().join("none.png"), &[Panel::default()]);
        assert!(matches!(empty, Err(ImageError::Drawing(_))));
        assert!(!folder.path().join("none.png").exists());
    }
}
