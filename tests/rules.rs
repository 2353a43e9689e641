//! Rules in virtual time: what they record, what they tell of alerts, their limits, what is asked of remote sources, and
//! what a reload keeps.

mod rules {
    pub(crate) mod world;

    mod behind;
    mod limits;
    mod many;
    mod recording;
    mod reload;
    mod remote;
    mod retained;
    mod unknown;
    mod wired;
}
