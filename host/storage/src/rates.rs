//! How hosts that send from one number share its rate, without a lock for each message.
//!
//! A number has one point in time, up to which its rate is given away. A host that wants to send asks for as many
//! messages as it has, at most a fraction of a second's worth, and moves the point on by the time that these take; they
//! are its own from where the point was before.

use std::collections::BTreeMap;

use domain::Time;

use crate::{Result, Tx, db::on};

impl Tx {
    /// Gives parts of the rates of numbers away: for each number so many microseconds, from `since` on at the earliest
    /// where nothing is given away beyond it. Returns from when on each part counts, in the same order.
    ///
    /// Parts that are lost in a crash of the database are sent by nobody else, so it is not waited for the disk.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn take_turns(&mut self, parts: &BTreeMap<String, i64>, since: Time) -> Result<Vec<Time>> {
        self.commit_lazily().await?;
        let mut turns = Vec::with_capacity(parts.len());
        for (number, microseconds) in parts {
            let until: i64 = on!(self, c => sqlx::query_scalar(
                "INSERT INTO number_rates (phone_number_id, due_us) VALUES ($1, CAST($2 AS BIGINT) + CAST($3 AS BIGINT))
                 ON CONFLICT (phone_number_id) DO UPDATE SET due_us =
                     CASE WHEN number_rates.due_us > $2 THEN number_rates.due_us ELSE $2 END + $3
                 RETURNING due_us")
                .bind(number).bind(since.timestamp_micros()).bind(microseconds).fetch_one(c).await)?;
            turns.push(Time::from_timestamp_micros(until - microseconds).unwrap_or(since));
        }
        Ok(turns)
    }
}
