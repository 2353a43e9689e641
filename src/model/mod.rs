//! The nouns that every module shares: time, durations, labels, matchers, samples, alerts, notifications and ids.
//!
//! Nothing here decides anything. Values are cheap to clone and know how to print themselves as Prometheus and
//! Alertmanager print them.

mod alert;
mod bytes;
mod compat;
mod compensated;
mod duration;
mod expansion;
mod glob;
mod go_float;
mod hex;
mod histogram;
mod id;
mod labels;
mod matcher;
mod notification;
mod percent;
mod place;
mod regex;
mod relabel;
mod sample;
mod secret;
mod spelling;
mod time;

pub use alert::{Alert, AlertStatus};
pub use bytes::parse_bytes;
pub use compat::Compat;
pub use compensated::CompensatedSum;
pub use duration::{DurationError, format_duration, parse_duration};
pub use glob::{GlobError, NameGlob, PathGlob, is_glob};
pub use go_float::GoFloat;
pub use hex::hex;
pub use histogram::{
    Bucket, Cell, ClassicError, Combined, CounterReset, Histogram, HistogramSum, IncompatibleSchemas, SCHEMA_CUSTOM,
    SCHEMAS,
};
pub use id::{
    ClientName, DeliveryId, GroupKey, IntegrationId, IntegrationKind, ReceiverName, RollbackId, RuleId, SecretName,
    Slot, SourceName, TargetId,
};
pub use labels::{ALERT_NAME, Fingerprint, LabelPool, Labels, LabelsBuilder, METRIC_NAME, is_label_name};
pub use matcher::{MatchOp, Matcher, MatcherError, Patterns};
pub use notification::{
    GroupNotification, GroupStatus, NoticeNotification, Notification, NotifyReason, RollbackNote, RollbackNotification,
    RollbackOutcome,
};
pub use percent::{escape_path, escape_query, escape_url};
pub use place::{Place, Problem, Problems};
pub use regex::{anchored_regex, go_regex};
pub use relabel::{RelabelAction, RelabelError, RelabelRule, RelabelSpec, relabel, relabel_in_place};
pub use sample::{HistogramSample, STALE_NAN_BITS, Sample, is_stale, stale_nan};
pub use secret::SecretText;
pub use spelling::{did_you_mean, nearest};
pub use time::Timestamp;
