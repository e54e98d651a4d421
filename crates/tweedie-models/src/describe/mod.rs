//! What a network is made of, as a table: layers, shapes, parameters, operations.

mod autoencoder;
mod dit;
mod unet;

use crate::convolution::Conv2d;
use burn::module::Module;
use burn::nn::Linear;
use std::fmt;

/// The parts of a network for an image of one size.
///
/// Operations are those of convolutions, linear maps and attention, two for each multiplication
/// with its addition; normalisations, nonlinearities and filters without parameters are not
/// counted.
///
/// ```
/// use burn::tensor::Device;
/// use tweedie_models::UnetConfig;
///
/// let network = UnetConfig::ddpm_cifar10().init(&Device::flex())?;
/// let description = network.describe([32, 32]);
/// assert_eq!(description.parameters(), 35_746_307);
/// println!("{description}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    rows: Vec<Row>,
}

/// One part of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: &'static str,
    /// The shape of its output for one image: channels, height and width, or features.
    pub output: Vec<usize>,
    /// Its parameters.
    pub parameters: usize,
    /// Its operations for one image.
    pub flops: f64,
}

impl Description {
    /// The parts, in the order in which they are used.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// All parameters.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.rows.iter().map(|row| row.parameters).sum()
    }

    /// All operations for one image.
    #[must_use]
    pub fn flops(&self) -> f64 {
        self.rows.iter().map(|row| row.flops).sum()
    }

    pub(crate) fn new() -> Self {
        Self { rows: Vec::new() }
    }

    /// Adds a part whose output has shape `output`.
    pub(crate) fn add<M: Module>(
        &mut self,
        name: impl Into<String>,
        kind: &'static str,
        part: &M,
        output: &[usize],
        flops: f64,
    ) {
        self.rows.push(Row {
            name: name.into(),
            kind,
            output: output.to_vec(),
            parameters: part.num_params(),
            flops,
        });
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |row: &Row| row.name.chars().count();
        let width = self.rows.iter().map(name).max().unwrap_or(4).max(5);
        let line = |f: &mut fmt::Formatter<'_>, cells: [&str; 5]| {
            let [name, kind, output, parameters, flops] = cells;
            writeln!(
                f,
                "{name:<width$}  {kind:<18}  {output:<15}  {parameters:>12}  {flops:>9}"
            )
        };
        line(f, ["part", "kind", "output", "parameters", "GFLOP"])?;
        for row in &self.rows {
            let output = row.output.iter().map(usize::to_string);
            let output = output.collect::<Vec<_>>().join("×");
            let cells = [
                &row.parameters.to_string(),
                &format!("{:.3}", row.flops / 1e9),
            ];
            line(f, [&row.name, row.kind, &output, cells[0], cells[1]])?;
        }
        let (parameters, flops) = (self.parameters().to_string(), self.flops() / 1e9);
        line(f, ["total", "", "", &parameters, &format!("{flops:.3}")])
    }
}

/// Operations of a convolution with an output of `height × width`.
pub(crate) fn convolution(conv: &Conv2d, [height, width]: [usize; 2]) -> f64 {
    2.0 * conv.weight.lazy_shape().num_elements() as f64 * height as f64 * width as f64
}

/// Operations of a linear map on so many rows.
pub(crate) fn linear(map: &Linear, rows: usize) -> f64 {
    2.0 * map.weight.lazy_shape().num_elements() as f64 * rows as f64
}
