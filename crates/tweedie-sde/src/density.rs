//! Densities on a grid of equal cells.

/// A box in `D` dimensions, divided into equal cells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CellGrid<const D: usize> {
    low: [f64; D],
    high: [f64; D],
    cells: [usize; D],
}

impl<const D: usize> CellGrid<D> {
    /// Divides the box from `low` to `high` into cells.
    ///
    /// # Panics
    /// If a number of cells is 0, or unless `low < high` in every dimension, both finite.
    #[must_use]
    pub fn new(low: [f64; D], high: [f64; D], cells: [usize; D]) -> Self {
        for axis in 0..D {
            let width = high[axis] - low[axis];
            assert!(
                cells[axis] > 0 && width > 0.0 && width.is_finite(),
                "{} cells from {} to {}",
                cells[axis],
                low[axis],
                high[axis]
            );
        }
        Self { low, high, cells }
    }

    /// The numbers of cells.
    #[must_use]
    pub fn cells(&self) -> [usize; D] {
        self.cells
    }

    /// The number of all cells.
    #[must_use]
    pub fn count(&self) -> usize {
        self.cells.iter().product()
    }

    /// The lengths of a cell.
    #[must_use]
    pub fn spacing(&self) -> [f64; D] {
        std::array::from_fn(|axis| (self.high[axis] - self.low[axis]) / self.cells[axis] as f64)
    }

    /// The volume of a cell.
    #[must_use]
    pub fn volume(&self) -> f64 {
        self.spacing().iter().product()
    }

    /// The indices of cell `i`; the last one changes fastest.
    #[must_use]
    pub fn place(&self, i: usize) -> [usize; D] {
        let mut rest = i;
        let mut place = [0; D];
        for axis in (0..D).rev() {
            place[axis] = rest % self.cells[axis];
            rest /= self.cells[axis];
        }
        place
    }

    /// The centre of cell `i`.
    #[must_use]
    pub fn centre(&self, i: usize) -> [f64; D] {
        let (place, spacing) = (self.place(i), self.spacing());
        std::array::from_fn(|axis| self.low[axis] + (place[axis] as f64 + 0.5) * spacing[axis])
    }

    /// The distance in cells between neighbours along an axis.
    pub(crate) fn stride(&self, axis: usize) -> usize {
        self.cells[axis + 1..].iter().product()
    }
}

/// A density by one value for each cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Density<const D: usize> {
    /// The grid.
    pub grid: CellGrid<D>,
    /// One value for each cell.
    pub values: Vec<f64>,
}

impl<const D: usize> Density<D> {
    /// The values of a function at the centres of the cells.
    pub fn of(grid: CellGrid<D>, density: impl Fn([f64; D]) -> f64) -> Self {
        let values = (0..grid.count()).map(|i| density(grid.centre(i))).collect();
        Self { grid, values }
    }

    /// The integral.
    #[must_use]
    pub fn mass(&self) -> f64 {
        self.values.iter().sum::<f64>() * self.grid.volume()
    }

    /// The density divided by its integral, which must not be 0.
    #[must_use]
    pub fn normalised(&self) -> Self {
        let mass = self.mass();
        Self {
            grid: self.grid,
            values: self.values.iter().map(|value| value / mass).collect(),
        }
    }

    /// `∫ f p`.
    pub fn integral(&self, f: impl Fn([f64; D]) -> f64) -> f64 {
        let parts = self.values.iter().enumerate();
        parts.map(|(i, p)| f(self.grid.centre(i)) * p).sum::<f64>() * self.grid.volume()
    }

    /// `∫ |p − q|` with another density on the same grid.
    ///
    /// # Panics
    /// If the grids differ.
    #[must_use]
    pub fn distance(&self, other: &Self) -> f64 {
        assert_eq!(self.grid, other.grid, "the grids");
        let pairs = self.values.iter().zip(&other.values);
        pairs.map(|(p, q)| (p - q).abs()).sum::<f64>() * self.grid.volume()
    }
}
