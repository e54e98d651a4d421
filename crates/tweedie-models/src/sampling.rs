//! How a checkpoint was meant to be sampled from: what its output means, what it is told, which
//! levels are visited.

use crate::import::CheckpointError;
use serde::{Deserialize, Serialize};
use tweedie_core::{Denoiser, DynamicThreshold, StaticClip, TimeInput};
use tweedie_math::{
    Chain, Level, LevelPath, ParameterError, PathError, Prediction, Schedule, Spacing, Span,
    VarianceExploding,
};

/// What a scheduler's configuration says, apart from the step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Sampling {
    /// What the network's output means.
    pub prediction: Prediction,
    /// How the network is told the level.
    pub time: TimeInput,
    /// The usual levels.
    pub grid: Grid,
    /// What is done to the estimate of the clean image.
    pub clip: Clip,
    /// Whether half of the output is a variance.
    pub learned_variance: bool,
}

/// Which levels a path visits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Grid {
    /// Nodes of a chain.
    Chain {
        /// The chain.
        chain: Chain,
        /// Which of its nodes.
        spacing: Spacing,
        /// Where the last move goes.
        #[serde(default)]
        end: End,
    },
    /// Levels between the ends of a chain, evenly spaced in the `ρ`-th root of `σ/α`.
    Karras {
        /// The chain.
        chain: Chain,
        /// `ρ`.
        rho: f64,
        /// Where the last move goes.
        #[serde(default)]
        end: End,
    },
    /// Noise levels from the largest to the least, the signal unscaled: evenly spaced in their
    /// `ρ`-th root, or in their logarithm.
    Exploding {
        /// The least and the largest.
        schedule: VarianceExploding,
        /// `ρ`.
        rho: Option<f64>,
    },
}

/// Where the last move on a chain goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum End {
    /// To clean data.
    #[default]
    Clean,
    /// To the first node, whose noise stays.
    FirstNode,
}

/// What is done to the estimate of the clean image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Clip {
    /// Nothing.
    #[default]
    None,
    /// Values are kept within `±range`.
    Static {
        /// The range.
        range: f64,
    },
    /// Values are kept within a quantile of their size, which then becomes 1.
    Dynamic {
        /// Which quantile.
        quantile: f64,
        /// The largest that the quantile may be.
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

    /// The usual path, from noise to clean data or to the first node of a chain, of `steps`
    /// evaluations. (Where a peer's last move stays at its level, it is left out.)
    ///
    /// # Errors
    /// [`PathError`] for no steps, or more than a chain has nodes.
    pub fn path(&self, steps: usize) -> Result<LevelPath, PathError> {
        match &self.grid {
            Grid::Chain {
                chain,
                spacing,
                end: End::Clean,
            } => LevelPath::respaced(chain, *spacing, steps),
            Grid::Chain { chain, spacing, .. } => {
                let nodes = LevelPath::respaced(chain, *spacing, steps)?;
                // In the place of clean data, unless it is there already.
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
    /// `Ok` for a range above 0, a quantile within `[0, 1]` and a largest threshold of at least 1.
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
        Err(CheckpointError::Told { message })
    }

    /// A denoiser whose estimates are clipped.
    ///
    /// # Errors
    /// [`ParameterError`] for a range that is not above 0, a quantile outside `[0, 1]`, or a
    /// largest threshold below 1.
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
