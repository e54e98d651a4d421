//! Where the parameters of a network are stored in a published file.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use std::ops::Range;

/// A parameter of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The path of the parameter in the network, without enum variants.
    pub path: String,
    /// The shape in the network.
    pub shape: Vec<usize>,
    /// Whether the parameter is the weight of a linear layer, which PyTorch stores transposed.
    pub linear: bool,
}

/// The location of a parameter in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The tensor's name.
    pub name: String,
    /// The tensor's shape; trailing sides of 1 are ignored when reading.
    pub shape: Vec<usize>,
    /// The rows of the tensor that belong to the parameter; empty for all rows.
    pub rows: Vec<Range<usize>>,
}

/// How a file names and shapes parameters.
pub trait Naming: std::fmt::Debug {
    /// Returns the location of a parameter.
    fn place(&self, target: &Target) -> Place;
}

/// Lists the parameters of a network, without initialising them.
pub(crate) fn targets<M: Module>(module: &M) -> Vec<Target> {
    let mut visitor = Visitor::default();
    module.visit(&mut visitor);
    visitor.targets
}

#[derive(Default)]
struct Visitor {
    path: Vec<String>,
    containers: Vec<String>,
    targets: Vec<Target>,
}

impl ModuleVisitor for Visitor {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.containers.push(container.to_owned());
        if !container.starts_with("Enum:") {
            self.path.push(name.to_owned());
        }
    }

    fn exit_module(&mut self, _: &str, container: &str) {
        self.containers.pop();
        if !container.starts_with("Enum:") {
            self.path.pop();
        }
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let owner = self.containers.last().map(String::as_str);
        self.targets.push(Target {
            path: self.path.join("."),
            shape: param.lazy_shape().to_vec(),
            linear: owner == Some("Struct:Linear") && D == 2,
        });
    }
}

/// PyTorch's location for a parameter, under `name` instead of the path. Linear weights are
/// transposed; `gamma` and `beta` become `weight` and `bias`.
pub(crate) fn pytorch(target: &Target, name: &str) -> Place {
    let name = match name.rsplit_once('.') {
        Some((module, "gamma")) => format!("{module}.weight"),
        Some((module, "beta")) => format!("{module}.bias"),
        _ => name.to_owned(),
    };
    let mut shape = target.shape.clone();
    if target.linear {
        shape.reverse();
    }
    Place {
        name,
        shape,
        rows: Vec::new(),
    }
}

/// The names of this library, with the shapes of PyTorch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Native;

impl Naming for Native {
    fn place(&self, target: &Target) -> Place {
        pytorch(target, &target.path)
    }
}
