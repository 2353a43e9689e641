//! Who is told, with what, when; and what was told.
//!
//! `route` finds the receivers of an alert, `group` gathers alerts that are told together and keeps their timers,
//! `dedup` decides whether there is anything new to say, `delivery` is one notification on its way to one integration.
//! `join` holds the state of all of them; `pipeline` is a flush, `carry` sees deliveries through, with retries, in order,
//! and `rehome` goes on when the configuration has changed. `forward` sends alerts to Alertmanagers, beside all this.
//! Dispatch keeps a list of the rows it has touched, so that a step's records are whole rows of the state as it is.

mod carry;
mod dedup;
mod delivery;
mod forward;
mod group;
mod join;
mod pipeline;
mod rehome;
mod route;

pub use dedup::{Told, needs_update};
pub use delivery::{Delivery, DeliveryState, Ending, Finished, Lane, LaneKey, backoff};
pub use forward::{Forward, ForwardSpec, ForwardTarget, ForwardView, Forwarded, RESEND_DELAY};
pub use group::{Group, GroupRow, MemberRow};
pub use join::{Dispatch, DispatchRecord, DispatchRows, DispatchSpec, Sending};
pub use route::{GroupBy, Route, RouteSpec, RouteTree};
