//! How a checkpoint was meant to be sampled from: what its output means, what it is told, which
//! levels are visited.

use serde::{Deserialize, Serialize};
use tweedie_core::{Denoiser, DynamicThreshold, StaticClip, TimeInput};
use tweedie_math::{
    Chain, Level, Path, PathError, Prediction, Schedule, Spacing, Span, VarianceExploding,
};

/// What a scheduler's configuration says, apart from the step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
pub enum Grid {
    /// Nodes of a chain.
    Chain {
        /// The chain.
        chain: Chain,
        /// Which of its nodes.
        spacing: Spacing,
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

/// What is done to the estimate of the clean image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    /// The usual path in `steps` moves, from noise to clean data: nodes of a chain spaced as DDPM, DDIM
    /// and PNDM space them.
    ///
    /// # Errors
    /// [`PathError`] for no steps, or more than a chain has nodes.
    pub fn path(&self, steps: usize) -> Result<Path, PathError> {
        match &self.grid {
            Grid::Chain { chain, spacing } => Path::respaced(chain, *spacing, steps),
            Grid::Exploding { schedule, .. } if steps == 1 => {
                Path::through(vec![schedule.level(1.0), Level::CLEAN])
            }
            Grid::Exploding { schedule, rho } => {
                let (span, moves) = (Span::new(1.0, 0.0), steps.saturating_sub(1));
                let path = match rho {
                    Some(rho) => Path::karras(*schedule, span, moves, *rho),
                    None => Path::log_snr(*schedule, span, moves),
                };
                path.map(Path::then_clean)
            }
        }
    }
}

impl Clip {
    /// A denoiser whose estimates are clipped.
    pub fn around<'a, D: Denoiser<4> + Send + Sync + 'a>(
        self,
        denoiser: D,
    ) -> Box<dyn Denoiser<4> + Send + Sync + 'a> {
        match self {
            Self::None => Box::new(denoiser),
            Self::Static { range } => Box::new(StaticClip::new(denoiser, -range, range)),
            Self::Dynamic { quantile, most } => Box::new(
                DynamicThreshold::new(denoiser)
                    .with_quantile(quantile)
                    .with_limit(most),
            ),
        }
    }
}
