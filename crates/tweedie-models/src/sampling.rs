//! Sampling settings of a checkpoint: prediction type, time input and the levels to visit.

use crate::import::CheckpointError;
use serde::{Deserialize, Serialize};
use tweedie_core::{Denoiser, DynamicThreshold, StaticClip, TimeInput};
use tweedie_math::{
    Chain, Level, LevelPath, ParameterError, PathError, Prediction, Schedule, Spacing, Span,
    VarianceExploding,
};

/// The settings of a scheduler's configuration, except those of its solver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Sampling {
    /// What the network predicts.
    pub prediction: Prediction,
    /// How the noise level is encoded as the network's time input.
    pub time: TimeInput,
    /// The levels that are visited by default.
    pub grid: Grid,
    /// How the estimate of the clean image is clipped.
    pub clip: Clip,
    /// Whether half of the output channels predict a variance.
    pub learned_variance: bool,
}

/// The levels that a path visits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Grid {
    /// Nodes of a chain.
    Chain {
        /// The chain.
        chain: Chain,
        /// Which nodes of the chain are visited.
        spacing: Spacing,
        /// Where the last move ends.
        #[serde(default)]
        end: End,
    },
    /// Levels between the ends of a chain, evenly spaced in `(σ/α)^{1/ρ}`.
    Karras {
        /// The chain.
        chain: Chain,
        /// The exponent `ρ`.
        rho: f64,
        /// Where the last move ends.
        #[serde(default)]
        end: End,
    },
    /// Noise levels from the largest to the smallest at `α = 1`, evenly spaced in `σ^{1/ρ}` or
    /// `ln σ`.
    Exploding {
        /// The schedule between the smallest and the largest noise level.
        schedule: VarianceExploding,
        /// The exponent `ρ`; `None` for even spacing in `ln σ`.
        rho: Option<f64>,
    },
}

/// Where the last move on a chain ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum End {
    /// At clean data.
    #[default]
    Clean,
    /// At the first node, whose noise remains in the sample.
    FirstNode,
}

/// How the estimate of the clean image is clipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Clip {
    /// No clipping.
    #[default]
    None,
    /// Clamps values to `±range`.
    Static {
        /// The largest magnitude.
        range: f64,
    },
    /// Clamps values to a quantile of their magnitudes, and divides by it.
    Dynamic {
        /// The quantile, within `[0, 1]`.
        quantile: f64,
        /// The upper limit of the threshold, at least 1.
        most: f64,
    },
}

impl Sampling {
    /// Estimates are not clipped, and the variance is not learned.
    #[must_use]
    pub fn new(prediction: Prediction, time: TimeInput, grid: Grid) -> Self {
        Self {
            prediction,
            time,
            grid,
            clip: Clip::None,
            learned_variance: false,
        }
    }

    /// Sets how estimates of the clean image are clipped.
    #[must_use]
    pub fn with_clip(self, clip: Clip) -> Self {
        Self { clip, ..self }
    }

    /// Sets whether half of the network's output is a variance.
    #[must_use]
    pub fn with_learned_variance(self, learned_variance: bool) -> Self {
        Self {
            learned_variance,
            ..self
        }
    }

    /// Returns the default path of `steps` evaluations.
    ///
    /// The path leads from noise to clean data, or to the first node of a chain. A last move that
    /// would stay at the first node is omitted, which saves one evaluation.
    ///
    /// # Errors
    /// [`PathError`] for zero steps, or for more steps than a chain has nodes.
    pub fn path(&self, steps: usize) -> Result<LevelPath, PathError> {
        match &self.grid {
            Grid::Chain {
                chain,
                spacing,
                end: End::Clean,
            } => LevelPath::respaced(chain, *spacing, steps),
            Grid::Chain { chain, spacing, .. } => {
                let nodes = LevelPath::respaced(chain, *spacing, steps)?;
                // Replaces clean data by the first node, unless the path already ends there.
                let mut levels = nodes.levels()[..steps].to_vec();
                if levels.last() != Some(&chain.node(0)) {
                    levels.push(chain.node(0));
                }
                LevelPath::through(levels)
            }
            Grid::Karras { chain, rho, end } => {
                let path = match steps {
                    1 => LevelPath::through(vec![chain.level(1.0), chain.node(0)]),
                    _ => LevelPath::karras(chain, Span::FULL, steps.saturating_sub(1), *rho),
                }?;
                Ok(match (end, steps) {
                    (End::Clean, 1) => LevelPath::through(vec![chain.level(1.0), Level::CLEAN])?,
                    (End::Clean, _) => path.then_clean(),
                    (End::FirstNode, _) => path,
                })
            }
            Grid::Exploding { schedule, .. } if steps == 1 => {
                LevelPath::through(vec![schedule.level(1.0), Level::CLEAN])
            }
            Grid::Exploding { schedule, rho } => {
                let (span, moves) = (Span::new(1.0, 0.0), steps.saturating_sub(1));
                let path = match rho {
                    Some(rho) => LevelPath::karras(*schedule, span, moves, *rho),
                    None => LevelPath::log_snr(*schedule, span, moves),
                };
                path.map(LevelPath::then_clean)
            }
        }
    }
}

impl Clip {
    /// Checks that the range is above 0, the quantile within `[0, 1]` and the limit at least 1.
    pub(crate) fn check(self) -> Result<(), CheckpointError> {
        let message = match self {
            Self::Static { range } if !(range > 0.0 && range.is_finite()) => {
                format!("estimates clipped to ±{range}")
            }
            Self::Dynamic { quantile, most }
                if !((0.0..=1.0).contains(&quantile) && most >= 1.0) =>
            {
                format!("a threshold at the quantile {quantile}, of at most {most}")
            }
            _ => return Ok(()),
        };
        Err(CheckpointError::Sampling { message })
    }

    /// Wraps a denoiser so that its estimates are clipped.
    ///
    /// # Errors
    /// [`ParameterError`] for a range that is not above 0, a quantile outside `[0, 1]`, or a limit
    /// below 1.
    pub fn around<'a, D: Denoiser<4> + Send + Sync + 'a>(
        self,
        denoiser: D,
    ) -> Result<Box<dyn Denoiser<4> + Send + Sync + 'a>, ParameterError> {
        Ok(match self {
            Self::None => Box::new(denoiser),
            Self::Static { range } => Box::new(StaticClip::new(denoiser, -range, range)?),
            Self::Dynamic { quantile, most } => Box::new(
                DynamicThreshold::new(denoiser)
                    .with_quantile(quantile)?
                    .with_limit(most)?,
            ),
        })
    }
}
