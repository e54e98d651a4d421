//! A table of a network's layers: shapes, parameters and operations.

mod autoencoder;
mod dit;
mod unet;

use crate::convolution::Conv2d;
use burn::module::Module;
use burn::nn::Linear;
use std::fmt;

/// The layers of a network, for an image of given size.
///
/// Each multiply–add of convolutions, linear layers and attention counts as two operations.
/// Normalisations, nonlinearities and parameter-free filters are not counted.
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

/// One layer or block of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Name of the part.
    pub name: String,
    /// Type of the part.
    pub kind: &'static str,
    /// Shape of the output for one image: channels, height and width, or features.
    pub output: Vec<usize>,
    /// Number of parameters.
    pub parameters: usize,
    /// Floating-point operations for one image.
    pub flops: f64,
}

impl Description {
    /// The parts, in the order of their use.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The total number of parameters.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.rows.iter().map(|row| row.parameters).sum()
    }

    /// The total number of operations for one image.
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

/// Operations of a linear layer on `rows` rows.
pub(crate) fn linear(map: &Linear, rows: usize) -> f64 {
    2.0 * map.weight.lazy_shape().num_elements() as f64 * rows as f64
}
