//! Methods for steps of fixed length.

use super::Tableau;

/// Euler's method.
pub const EULER: Tableau = Tableau {
    name: "Euler",
    order: 1,
    a: &[&[]],
    b: &[1.0],
    embedded: None,
    dense: None,
};

/// The explicit midpoint method.
pub const MIDPOINT: Tableau = Tableau {
    name: "midpoint",
    order: 2,
    a: &[&[], &[1.0 / 2.0]],
    b: &[0.0, 1.0],
    embedded: None,
    dense: None,
};

/// Heun's method, the explicit trapezoidal rule.
pub const HEUN: Tableau = Tableau {
    name: "Heun",
    order: 2,
    a: &[&[], &[1.0]],
    b: &[1.0 / 2.0, 1.0 / 2.0],
    embedded: Some(&[1.0, 0.0]),
    dense: None,
};

/// The classical Runge–Kutta method of order 4.
pub const RK4: Tableau = Tableau {
    name: "RK4",
    order: 4,
    a: &[&[], &[1.0 / 2.0], &[0.0, 1.0 / 2.0], &[0.0, 0.0, 1.0]],
    b: &[1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0],
    embedded: None,
    dense: None,
};
