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
    #[expect(clippy::unwrap_used, reason = "part of a test")]
    mod stories;
    mod unknown;
    mod wired;
}
