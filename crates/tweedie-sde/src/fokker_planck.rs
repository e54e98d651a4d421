//! The Fokker–Planck equation `∂_t p + div(f p) − ½ g² Δp = 0`, by finite volumes.
//!
//! The flux through a face between two cells at distance `h` is that of the stationary solution
//! between their centres (Scharfetter & Gummel), with `D = ½ g²` and `B(z) = z/(e^z − 1)`:
//!
//! `F = D/h (B(−f h/D) p_left − B(f h/D) p_right)`.
//!
//! No mass is lost, and densities stay positive. Nothing passes the boundary. The time step is
//! chosen by the solver. The error is of second order in it and in `h`, as long as
//! `|f| h < g²`; beyond that the flux is the upwind one, of first order.
//!
//! # Reference
//! Scharfetter & Gummel 1969; Chang & Cooper 1970, "A practical difference scheme for
//! Fokker–Planck equations"; Shu & Osher 1988 (time steps).

use crate::{CellGrid, Density};

/// The equation of a process with the drift `f(x, t)` and the squared diffusion `g²(t)`.
///
/// The reverse process has the drift `−f + g² ∇ log p_t` in the time `s = T − t`. A negative `g²`
/// runs the heat equation backwards, which has no stable solution: the shortest waves of the grid
/// grow like `e^{2 |g²| t/h²}`.
///
/// ```
/// use tweedie_sde::{Density, FokkerPlanck, CellGrid};
///
/// // The heat equation: the variance grows by g² t.
/// let grid = CellGrid::new([-8.0], [8.0], [320]);
/// let start = Density::of(grid, |[x]: [f64; 1]| (-0.5 * x * x).exp());
/// let end = FokkerPlanck::new(|_, _| [0.0], |_| 1.0).solve(&start.normalised(), 0.0, 1.0);
/// assert!((end.integral(|[x]| x * x) - 2.0).abs() < 1e-3);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FokkerPlanck<F, G> {
    drift: F,
    squared_diffusion: G,
}

/// Velocities at the faces above each cell, one axis after the other; 0 at the boundary.
struct Faces {
    velocities: Vec<f64>,
    diffusion: f64,
}

impl<F, G> FokkerPlanck<F, G> {
    /// Takes the drift `f(x, t)` and `g²(t)`.
    pub fn new(drift: F, squared_diffusion: G) -> Self {
        Self {
            drift,
            squared_diffusion,
        }
    }

    /// Solves the equation from time `from` to time `to`.
    ///
    /// The time steps are short enough for densities to stay positive.
    ///
    /// # Panics
    /// Unless `from ≤ to`, both finite, or if drift or diffusion are not finite.
    #[must_use]
    pub fn solve<const D: usize>(&self, start: &Density<D>, from: f64, to: f64) -> Density<D>
    where
        F: Fn([f64; D], f64) -> [f64; D],
        G: Fn(f64) -> f64,
    {
        let is_finite = from.is_finite() && to.is_finite();
        assert!(is_finite && from <= to, "from {from} to {to}");
        let grid = start.grid;
        let mut density = start.clone();
        let mut t = from;
        while t < to {
            let faces = self.faces(&grid, t);
            let mut h = faces.step(&grid).min(to - t);
            let mut end = self.faces(&grid, t + h);
            // Both steps of Euler's method have to be short enough; Heun's method is their mean.
            while h > end.step(&grid) {
                h *= 0.5;
                end = self.faces(&grid, t + h);
            }
            let first = faces.advanced(&density, h);
            let second = end.advanced(&first, h);
            for (value, next) in density.values.iter_mut().zip(second.values) {
                *value = 0.5 * (*value + next);
            }
            t = if h < to - t { t + h } else { to };
        }
        density
    }

    fn faces<const D: usize>(&self, grid: &CellGrid<D>, t: f64) -> Faces
    where
        F: Fn([f64; D], f64) -> [f64; D],
        G: Fn(f64) -> f64,
    {
        let (spacing, cells) = (grid.spacing(), grid.cells());
        let mut velocities = Vec::with_capacity(D * grid.count());
        for axis in 0..D {
            for i in 0..grid.count() {
                let mut at = grid.centre(i);
                at[axis] += 0.5 * spacing[axis];
                let is_inside = grid.place(i)[axis] + 1 < cells[axis];
                velocities.push(if is_inside {
                    (self.drift)(at, t)[axis]
                } else {
                    0.0
                });
            }
        }
        let diffusion = 0.5 * (self.squared_diffusion)(t);
        let finite = diffusion.is_finite() && velocities.iter().all(|v| v.is_finite());
        assert!(finite, "drift or diffusion at time {t} is not finite");
        Faces {
            velocities,
            diffusion,
        }
    }
}

impl Faces {
    /// The largest step for which every cell keeps some of its mass, with a small margin.
    fn step<const D: usize>(&self, grid: &CellGrid<D>) -> f64 {
        let parts = self.velocities.chunks(grid.count()).zip(grid.spacing());
        let rate: f64 = parts
            .map(|(velocities, h)| {
                let fastest = velocities.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
                2.0 * self.diffusion.abs() / (h * h) + 2.0 * fastest / h
            })
            .sum();
        if rate > 0.0 {
            0.9 / rate
        } else {
            f64::INFINITY
        }
    }

    /// A step of Euler's method.
    fn advanced<const D: usize>(&self, density: &Density<D>, step: f64) -> Density<D> {
        let grid = density.grid;
        let mut next = density.clone();
        for (axis, h) in grid.spacing().into_iter().enumerate() {
            let (stride, last) = (grid.stride(axis), grid.cells()[axis] - 1);
            let velocities = self.velocities.chunks(grid.count()).nth(axis);
            for (i, &velocity) in velocities.into_iter().flatten().enumerate() {
                if i / stride % (last + 1) == last {
                    continue;
                }
                let pair = [density.values[i], density.values[i + stride]];
                let moved = flux(pair, velocity, self.diffusion, h) * step / h;
                next.values[i] -= moved;
                next.values[i + stride] += moved;
            }
        }
        next
    }
}

/// The flux between two cells.
fn flux([left, right]: [f64; 2], velocity: f64, diffusion: f64, h: f64) -> f64 {
    if diffusion == 0.0 {
        return velocity.max(0.0) * left + velocity.min(0.0) * right;
    }
    let z = velocity * h / diffusion;
    diffusion / h * (bernoulli(-z) * left - bernoulli(z) * right)
}

/// `B(z) = z/(e^z − 1)`.
fn bernoulli(z: f64) -> f64 {
    if z.abs() < 1e-6 {
        1.0 - 0.5 * z
    } else {
        z / z.exp_m1()
    }
}
