//! An enum of all schedules of this crate, for configurations in files.

use super::{
    Chain, Cosine, Edm, OrnsteinUhlenbeck, Rates, RectifiedFlow, Schedule, Sigmoid, Slope,
    SubVariancePreserving, VarianceExploding, VariancePreserving,
};
use crate::Level;
use serde::{Deserialize, Serialize};

/// Defines an enum of schedules with a common accessor and a `From` conversion for each schedule.
macro_rules! any {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $schedule:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$about])* $schedule($schedule),)*
        }

        $(impl From<$schedule> for $name {
            fn from(schedule: $schedule) -> Self {
                Self::$schedule(schedule)
            }
        })*

        impl $name {
            fn inner(&self) -> &dyn Schedule {
                match self {
                    $(Self::$schedule(schedule) => schedule,)*
                }
            }
        }
    };
}

any! {
    /// Any schedule of this crate.
    ///
    /// ```
    /// use tweedie_math::{AnySchedule, Schedule};
    ///
    /// let text = r#"{ "variance_preserving": { "beta_min": 0.1, "beta_max": 20.0 } }"#;
    /// let schedule: AnySchedule = serde_json::from_str(text)?;
    /// assert!(schedule.level(1.0).alpha() < 0.01);
    /// let text = r#"{ "edm": { "sigma_max": -1.0 } }"#;
    /// assert!(serde_json::from_str::<AnySchedule>(text).is_err());
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    AnySchedule {
        /// Variance preserving, linear β.
        VariancePreserving,
        /// Sub-variance preserving.
        SubVariancePreserving,
        /// Variance exploding, geometric.
        VarianceExploding,
        /// Ornstein–Uhlenbeck.
        OrnsteinUhlenbeck,
        /// Cosine.
        Cosine,
        /// Sigmoid.
        Sigmoid,
        /// Rectified flow.
        RectifiedFlow,
        /// EDM.
        Edm,
        /// A discrete chain.
        Chain,
    }
}

impl Schedule for AnySchedule {
    fn level(&self, t: f64) -> Level {
        self.inner().level(t)
    }
    fn time(&self, log_snr: f64) -> f64 {
        self.inner().time(log_snr)
    }
    fn rates(&self, t: f64) -> Rates {
        self.inner().rates(t)
    }
    fn slope(&self, t: f64) -> Slope {
        self.inner().slope(t)
    }
}
