//! Paths: the levels that a sampler visits, in order.

use crate::{Chain, Level, Move, ParameterError, Schedule, Spacing};
use serde::{Deserialize, Serialize};

/// The levels that a sampler visits. Reverse moves lower the noise; forward moves raise it.
///
/// A path owns its levels: each [`Move`] starts where the previous one ended.
///
/// ```
/// use tweedie_math::{Chain, LevelPath, Spacing};
///
/// let chain = Chain::linear(1000, 1e-4, 0.02)?;
/// let path = LevelPath::respaced(&chain, Spacing::Trailing, 10)?;
/// assert_eq!(path.len(), 10);
/// assert_eq!(path.start(), chain.node(999));
/// assert_eq!(path.end().sigma(), 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Level>", into = "Vec<Level>")]
pub struct LevelPath {
    levels: Vec<Level>,
}

/// The time interval of a path: from `start`, the noisier time, down to `end`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// The first time of the path.
    pub start: f64,
    /// The last time of the path.
    pub end: f64,
}

impl Span {
    /// From `t = 1` to clean data at `t = 0`.
    pub const FULL: Self = Self {
        start: 1.0,
        end: 0.0,
    };

    /// Returns the span from `start` down to `end`.
    #[must_use]
    pub fn new(start: f64, end: f64) -> Self {
        Self { start, end }
    }
}

impl Default for Span {
    /// From `t = 1` to `t = 10⁻³`, the end time of Song et al.
    fn default() -> Self {
        Self {
            start: 1.0,
            end: 1e-3,
        }
    }
}

/// Why a path is invalid.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// Fewer than one step.
    #[error("a path needs at least 1 step, got {steps}")]
    NoSteps {
        /// The requested number of steps.
        steps: usize,
    },
    /// More steps than the chain has nodes.
    #[error("a chain of {nodes} nodes can be respaced to at most {nodes} steps, got {steps}")]
    TooManySteps {
        /// The requested number of steps.
        steps: usize,
        /// The number of nodes.
        nodes: usize,
    },
    /// A node index beyond the end of the chain.
    #[error("the spacing asks for node {index} of a chain of {nodes} nodes (0 to {last})", last = nodes - 1)]
    NoNode {
        /// The requested index.
        index: usize,
        /// The number of nodes.
        nodes: usize,
    },
    /// A time outside `[0, 1]`, or a span that does not decrease in both time and noise.
    #[error("a span has to fall within [0, 1], from more noise to less, got {start} to {end}")]
    Span {
        /// The first time of the span.
        start: f64,
        /// The last time of the span.
        end: f64,
    },
    /// The spacing needs a finite log-SNR at both ends.
    #[error(
        "this spacing needs a finite log-SNR at both ends; at t = {time} it is {log_snr}: \
         choose a narrower span"
    )]
    Unbounded {
        /// The time of the invalid end.
        time: f64,
        /// The log-SNR at that time.
        log_snr: f64,
    },
    /// A level without signal, for which `σ/α` is infinite.
    #[error("σ/α has to be finite on the whole path: choose a span that starts where α > 0")]
    NoSignal,
    /// A parameter outside its range.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
}

impl TryFrom<Vec<Level>> for LevelPath {
    type Error = PathError;

    fn try_from(levels: Vec<Level>) -> Result<Self, PathError> {
        Self::through(levels)
    }
}

impl From<LevelPath> for Vec<Level> {
    fn from(path: LevelPath) -> Self {
        path.levels
    }
}

impl LevelPath {
    /// Returns a path of `steps` moves, evenly spaced in the time of `schedule`.
    ///
    /// # Errors
    /// [`PathError`] for zero steps, or for a span that does not decrease within `[0, 1]`.
    pub fn uniform(schedule: impl Schedule, span: Span, steps: usize) -> Result<Self, PathError> {
        check_steps(steps)?;
        check_span(span)?;
        falls(schedule.level(span.start), schedule.level(span.end), span)?;
        let time = |i: usize| {
            let weight = i as f64 / steps as f64;
            span.start * (1.0 - weight) + span.end * weight
        };
        Self::through((0..=steps).map(|i| schedule.level(time(i))).collect())
    }

    /// Returns a path of `steps` moves, evenly spaced in log-SNR.
    ///
    /// # Errors
    /// [`PathError`] as [`uniform`](Self::uniform), and if the log-SNR of either end is infinite.
    pub fn log_snr(schedule: impl Schedule, span: Span, steps: usize) -> Result<Self, PathError> {
        Self::warped(schedule, span, steps, |log_snr| log_snr, |warped| warped)
    }

    /// Returns a path of `steps` moves, evenly spaced in `(σ/α)^{1/ρ}`.
    ///
    /// Karras et al. use ρ = 7 and append clean data with [`then_clean`](Self::then_clean).
    ///
    /// # Errors
    /// [`PathError`] as [`log_snr`](Self::log_snr), and unless ρ is finite and above 0.
    ///
    /// # Reference
    /// Karras et al. 2022, eq. 5, arXiv:2206.00364.
    pub fn karras(
        schedule: impl Schedule,
        span: Span,
        steps: usize,
        rho: f64,
    ) -> Result<Self, PathError> {
        if !(rho > 0.0 && rho.is_finite()) {
            return Err(ParameterError {
                name: "rho",
                expected: "above 0",
                value: rho,
            }
            .into());
        }
        Self::warped(
            schedule,
            span,
            steps,
            |log_snr| (-0.5 * log_snr / rho).exp(),
            |warped| -2.0 * rho * warped.ln(),
        )
    }

    /// Returns a path of `steps` moves on which `σ/α` falls by a constant factor.
    ///
    /// This is k-diffusion's "exponential" schedule. It is the limit ρ → ∞ of
    /// [`karras`](Self::karras) and equals [`log_snr`](Self::log_snr).
    ///
    /// # Errors
    /// [`PathError`] as [`log_snr`](Self::log_snr).
    pub fn exponential(
        schedule: impl Schedule,
        span: Span,
        steps: usize,
    ) -> Result<Self, PathError> {
        Self::log_snr(schedule, span, steps)
    }

    /// Returns the path through `steps` nodes of a discrete chain, then to clean data.
    ///
    /// # Errors
    /// [`PathError`] as [`Spacing::indices`], and for an offset that exceeds the last node.
    pub fn respaced(chain: &Chain, spacing: Spacing, steps: usize) -> Result<Self, PathError> {
        let node = |index: usize| {
            let nodes = chain.len();
            (index < nodes)
                .then(|| chain.node(index))
                .ok_or(PathError::NoNode { index, nodes })
        };
        let indices = spacing.indices(chain.len(), steps)?;
        let levels = indices.into_iter().map(node).collect::<Result<_, _>>()?;
        Ok(Self { levels }.then_clean())
    }

    /// Returns the path through the given levels, in their order.
    ///
    /// # Errors
    /// [`PathError::NoSteps`] for fewer than two levels.
    pub fn through(levels: Vec<Level>) -> Result<Self, PathError> {
        check_steps(levels.len().saturating_sub(1))?;
        Ok(Self { levels })
    }

    /// Returns a path of `steps` moves that stay at `level`, for Langevin dynamics and MALA.
    ///
    /// # Errors
    /// [`PathError`] for zero steps.
    pub fn staying(level: Level, steps: usize) -> Result<Self, PathError> {
        check_steps(steps)?;
        Ok(Self::trusted(vec![level; steps + 1]))
    }

    /// Returns the levels in reverse order: a path from data to noise.
    #[must_use]
    pub fn reversed(mut self) -> Self {
        self.levels.reverse();
        self
    }

    /// Returns the path with the same log-SNRs and `α = 1`, the coordinate `x/α` of EDM and
    /// k-diffusion.
    ///
    /// # Errors
    /// [`PathError::NoSignal`] if a level has `α = 0`.
    pub fn without_scaling(self) -> Result<Self, PathError> {
        let unscaled = |level: Level| {
            Level::variance_exploding(level.noise_to_signal()).map_err(|_| PathError::NoSignal)
        };
        let levels = self.levels.into_iter().map(unscaled);
        Ok(Self::trusted(levels.collect::<Result<_, _>>()?))
    }

    /// Wraps levels without checks, for levels of an existing path.
    pub(crate) fn trusted(levels: Vec<Level>) -> Self {
        Self { levels }
    }

    /// Appends a move to clean data, unless the path already ends there.
    #[must_use]
    pub fn then_clean(mut self) -> Self {
        if self.end().sigma() > 0.0 {
            self.levels.push(Level::CLEAN);
        }
        self
    }

    /// The levels in order; their number is [`len`](Self::len) plus 1.
    #[must_use]
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// The first level.
    #[must_use]
    pub fn start(&self) -> Level {
        self.levels[0]
    }

    /// The last level.
    #[must_use]
    pub fn end(&self) -> Level {
        self.levels[self.levels.len() - 1]
    }

    /// The number of moves.
    #[must_use]
    pub fn len(&self) -> usize {
        self.levels.len() - 1
    }

    /// Always `false`: a path has at least one move.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The moves, in order.
    #[must_use]
    pub fn moves(&self) -> impl ExactSizeIterator<Item = Move> + '_ {
        self.levels.windows(2).map(|pair| Move {
            from: pair[0],
            to: pair[1],
        })
    }

    /// Spaces levels evenly in `warp(log-SNR)`.
    fn warped(
        schedule: impl Schedule,
        span: Span,
        steps: usize,
        warp: impl Fn(f64) -> f64,
        unwarp: impl Fn(f64) -> f64,
    ) -> Result<Self, PathError> {
        check_steps(steps)?;
        check_span(span)?;
        let end = |time: f64| {
            let log_snr = schedule.level(time).log_snr();
            if log_snr.is_finite() {
                Ok(warp(log_snr))
            } else {
                Err(PathError::Unbounded { time, log_snr })
            }
        };
        let (first, last) = (end(span.start)?, end(span.end)?);
        if !(first.is_finite() && last.is_finite()) || (first - last).abs() <= 1e-12 * first.abs() {
            return Err(ParameterError {
                name: "the warped end of the span",
                expected: "finite and apart from its start: another rho",
                value: last,
            }
            .into());
        }
        let (start, goal) = (schedule.level(span.start), schedule.level(span.end));
        falls(start, goal, span)?;
        let level = |i: usize| match i {
            0 => start,
            i if i == steps => goal,
            i => {
                let warped = first + (last - first) * (i as f64 / steps as f64);
                schedule.level(schedule.time(unwarp(warped)))
            }
        };
        Self::through((0..=steps).map(level).collect())
    }
}

/// The maximum number of moves of a path, and of nodes of a chain.
pub(crate) const MOST_STEPS: usize = 10_000_000;

pub(crate) fn check_steps(steps: usize) -> Result<(), PathError> {
    match steps {
        0 => Err(PathError::NoSteps { steps }),
        1..=MOST_STEPS => Ok(()),
        _ => Err(ParameterError {
            name: "the number of steps",
            expected: "at most 10,000,000",
            value: steps as f64,
        }
        .into()),
    }
}

/// Checks that the span ends with less noise; the span of a one-node chain has one level only.
fn falls(from: Level, to: Level, Span { start, end }: Span) -> Result<(), PathError> {
    match from.is_noisier_than(to) {
        true => Ok(()),
        false => Err(PathError::Span { start, end }),
    }
}

fn check_span(Span { start, end }: Span) -> Result<(), PathError> {
    if 0.0 <= end && end < start && start <= 1.0 {
        return Ok(());
    }
    Err(PathError::Span { start, end })
}
