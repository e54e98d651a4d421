//! Runge–Kutta methods as data.
//!
//! `k_i = F(t + c_i h, y + h Σ_j a_ij k_j)`, `y ← y + h Σ_i b_i k_i`; an embedded method adds a
//! second row `b̂` whose difference to `b` estimates the error.
//!
//! # Reference
//! Hairer, Nørsett & Wanner 1993, "Solving Ordinary Differential Equations I", chapter II;
//! Tsitouras 2011, "Runge–Kutta pairs of order 5(4) satisfying only the first column simplifying
//! assumption".

/// The coefficients of an explicit Runge–Kutta method.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tableau {
    /// The method's name.
    pub name: &'static str,
    /// The order of the error of a step of length `h` is `h^{order + 1}`.
    pub order: usize,
    /// Rows of the strictly lower triangle: row `i` has `i` entries.
    pub a: &'static [&'static [f64]],
    /// The weights of the slopes.
    pub b: &'static [f64],
    /// The weights of the embedded method, one order lower.
    pub embedded: Option<&'static [f64]>,
}

impl Tableau {
    /// The number of slopes.
    #[must_use]
    pub fn stages(&self) -> usize {
        self.b.len()
    }

    /// `c_i = Σ_j a_ij`: where stage `i` lies within the step.
    #[must_use]
    pub fn node(&self, i: usize) -> f64 {
        self.a[i].iter().sum()
    }

    /// Whether the last slope of a step is the first of the next.
    #[must_use]
    pub fn is_first_same_as_last(&self) -> bool {
        let (last, weights) = (self.a[self.stages() - 1], self.b);
        weights[last.len()] == 0.0 && *last == weights[..last.len()]
    }
}

/// Euler's method.
pub const EULER: Tableau = Tableau {
    name: "Euler",
    order: 1,
    a: &[&[]],
    b: &[1.0],
    embedded: None,
};

/// The explicit midpoint method.
pub const MIDPOINT: Tableau = Tableau {
    name: "midpoint",
    order: 2,
    a: &[&[], &[1.0 / 2.0]],
    b: &[0.0, 1.0],
    embedded: None,
};

/// Heun's method, the explicit trapezoidal rule.
pub const HEUN: Tableau = Tableau {
    name: "Heun",
    order: 2,
    a: &[&[], &[1.0]],
    b: &[1.0 / 2.0, 1.0 / 2.0],
    embedded: Some(&[1.0, 0.0]),
};

/// The classical method of order 4.
pub const RK4: Tableau = Tableau {
    name: "RK4",
    order: 4,
    a: &[&[], &[1.0 / 2.0], &[0.0, 1.0 / 2.0], &[0.0, 0.0, 1.0]],
    b: &[1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0],
    embedded: None,
};

/// Bogacki–Shampine 3(2).
pub const BOGACKI_SHAMPINE: Tableau = Tableau {
    name: "Bogacki–Shampine 3(2)",
    order: 3,
    a: &[
        &[],
        &[1.0 / 2.0],
        &[0.0, 3.0 / 4.0],
        &[2.0 / 9.0, 1.0 / 3.0, 4.0 / 9.0],
    ],
    b: &[2.0 / 9.0, 1.0 / 3.0, 4.0 / 9.0, 0.0],
    embedded: Some(&[7.0 / 24.0, 1.0 / 4.0, 1.0 / 3.0, 1.0 / 8.0]),
};

/// Dormand–Prince 5(4).
pub const DORMAND_PRINCE: Tableau = Tableau {
    name: "Dormand–Prince 5(4)",
    order: 5,
    a: &[
        &[],
        &[1.0 / 5.0],
        &[3.0 / 40.0, 9.0 / 40.0],
        &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
        &[
            19372.0 / 6561.0,
            -25360.0 / 2187.0,
            64448.0 / 6561.0,
            -212.0 / 729.0,
        ],
        &[
            9017.0 / 3168.0,
            -355.0 / 33.0,
            46732.0 / 5247.0,
            49.0 / 176.0,
            -5103.0 / 18656.0,
        ],
        &[
            35.0 / 384.0,
            0.0,
            500.0 / 1113.0,
            125.0 / 192.0,
            -2187.0 / 6784.0,
            11.0 / 84.0,
        ],
    ],
    b: &[
        35.0 / 384.0,
        0.0,
        500.0 / 1113.0,
        125.0 / 192.0,
        -2187.0 / 6784.0,
        11.0 / 84.0,
        0.0,
    ],
    embedded: Some(&[
        5179.0 / 57600.0,
        0.0,
        7571.0 / 16695.0,
        393.0 / 640.0,
        -92097.0 / 339_200.0,
        187.0 / 2100.0,
        1.0 / 40.0,
    ]),
};

/// Tsitouras 5(4).
pub const TSITOURAS: Tableau = Tableau {
    name: "Tsitouras 5(4)",
    order: 5,
    a: &[
        &[],
        &[0.161],
        &[-0.008_480_655_492_356_989, 0.335_480_655_492_357],
        &[
            2.897_153_057_105_493_5,
            -6.359_448_489_975_075,
            4.362_295_432_869_581_5,
        ],
        &[
            5.325_864_828_439_257,
            -11.748_883_564_062_828,
            7.495_539_342_889_836_5,
            -0.092_495_066_361_755_25,
        ],
        &[
            5.861_455_442_946_42,
            -12.920_969_317_847_11,
            8.159_367_898_576_159,
            -0.071_584_973_281_401,
            -0.028_269_050_394_068_383,
        ],
        &[
            0.096_460_766_818_065_23,
            0.01,
            0.479_889_650_414_499_6,
            1.379_008_574_103_742,
            -3.290_069_515_436_081,
            2.324_710_524_099_774,
        ],
    ],
    b: &[
        0.096_460_766_818_065_23,
        0.01,
        0.479_889_650_414_499_6,
        1.379_008_574_103_742,
        -3.290_069_515_436_081,
        2.324_710_524_099_774,
        0.0,
    ],
    embedded: Some(&[
        0.096_460_766_818_065_23 - 0.001_780_011_052_225_777_2,
        0.01 - 0.000_816_434_459_656_746_9,
        0.479_889_650_414_499_6 + 0.007_880_878_010_261_995,
        1.379_008_574_103_742 - 0.144_711_007_173_262_9,
        -3.290_069_515_436_081 + 0.582_357_165_452_555_2,
        2.324_710_524_099_774 - 0.458_082_105_929_186_95,
        1.0 / 66.0,
    ]),
};

/// All of them.
pub const ALL: [Tableau; 7] = [
    EULER,
    MIDPOINT,
    HEUN,
    RK4,
    BOGACKI_SHAMPINE,
    DORMAND_PRINCE,
    TSITOURAS,
];

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact by construction")]
mod tests {
    use super::*;

    /// `Σ_i b_i Φ_i(tree)` over the rooted trees up to order 5, with `1/γ(tree)`, which it has to be.
    fn conditions(tableau: &Tableau, b: &[f64], order: usize) -> Vec<(f64, f64)> {
        let stages = tableau.stages();
        let c: Vec<f64> = (0..stages).map(|i| tableau.node(i)).collect();
        let a =
            |i: usize, v: &[f64]| -> f64 { tableau.a[i].iter().zip(v).map(|(a, v)| a * v).sum() };
        let apply = |v: &[f64]| -> Vec<f64> { (0..stages).map(|i| a(i, v)).collect() };
        let times =
            |u: &[f64], v: &[f64]| -> Vec<f64> { u.iter().zip(v).map(|(u, v)| u * v).collect() };
        let one = vec![1.0; stages];
        let c2 = times(&c, &c);
        let c3 = times(&c2, &c);
        let (ac, ac2) = (apply(&c), apply(&c2));
        let trees: Vec<(usize, Vec<f64>, f64)> = vec![
            (1, one, 1.0),
            (2, c.clone(), 2.0),
            (3, c2.clone(), 3.0),
            (3, ac.clone(), 6.0),
            (4, c3.clone(), 4.0),
            (4, times(&c, &ac), 8.0),
            (4, ac2.clone(), 12.0),
            (4, apply(&ac), 24.0),
            (5, times(&c3, &c), 5.0),
            (5, times(&c2, &ac), 10.0),
            (5, times(&c, &ac2), 15.0),
            (5, times(&c, &apply(&ac)), 30.0),
            (5, times(&ac, &ac), 20.0),
            (5, apply(&c3), 20.0),
            (5, apply(&times(&c, &ac)), 40.0),
            (5, apply(&ac2), 60.0),
            (5, apply(&apply(&ac)), 120.0),
        ];
        trees
            .into_iter()
            .filter(|(size, ..)| *size <= order)
            .map(|(_, phi, gamma)| (b.iter().zip(&phi).map(|(b, p)| b * p).sum(), 1.0 / gamma))
            .collect()
    }

    #[test]
    fn every_method_meets_the_conditions_of_its_order_and_not_of_the_next() {
        for tableau in &ALL {
            assert_eq!(tableau.a.len(), tableau.stages(), "{}", tableau.name);
            for (sum, value) in conditions(tableau, tableau.b, tableau.order) {
                assert!(
                    (sum - value).abs() < 1e-13,
                    "{}: {sum} ≠ {value}",
                    tableau.name
                );
            }
            if tableau.order < 5 {
                let next = conditions(tableau, tableau.b, tableau.order + 1);
                assert!(next.iter().any(|(sum, value)| (sum - value).abs() > 1e-3));
            }
            if let Some(embedded) = tableau.embedded {
                for (sum, value) in conditions(tableau, embedded, tableau.order - 1) {
                    assert!(
                        (sum - value).abs() < 1e-13,
                        "{}: {sum} ≠ {value}",
                        tableau.name
                    );
                }
                assert_ne!(embedded, tableau.b);
            }
        }
    }

    #[test]
    fn the_pairs_of_higher_order_reuse_their_last_slope() {
        let reusing = ALL.iter().filter(|t| t.is_first_same_as_last());
        let names: Vec<_> = reusing.map(|t| t.name).collect();
        assert_eq!(
            names,
            [
                "Bogacki–Shampine 3(2)",
                "Dormand–Prince 5(4)",
                "Tsitouras 5(4)"
            ]
        );
    }
}
