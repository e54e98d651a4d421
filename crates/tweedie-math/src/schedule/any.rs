//! Every schedule as one serialisable type. `schedule/mod.rs` lists them.

use super::{AnySchedule, Rates, Schedule, Slope};
use crate::Level;

/// Defines an enum of schedules with a common accessor and a `From` conversion for each schedule.
macro_rules! schedules {
    ($($(#[$about:meta])* $schedule:ident,)*) => {
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
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum AnySchedule {
            $($(#[$about])* $schedule($schedule),)*
        }

        $(impl From<$schedule> for AnySchedule {
            fn from(schedule: $schedule) -> Self {
                Self::$schedule(schedule)
            }
        })*

        impl AnySchedule {
            fn inner(&self) -> &dyn Schedule {
                match self {
                    $(Self::$schedule(schedule) => schedule,)*
                }
            }
        }
    };
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
