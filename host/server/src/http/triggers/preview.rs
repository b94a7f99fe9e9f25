//! `POST /triggers/preview-schedule`

use std::sync::Arc;

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use domain::{Schedule, TriggerRule};
use engine::triggers::schedule::{local_time, next_fires};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::rules;
use crate::{
    app::App,
    http::{auth::CurrentUser, body::Body, problem::Result},
};

/// How many fires are told unless the client says so.
const COUNT: i64 = 5;
/// Most fires that are told.
const COUNT_MAX: i64 = 100;

/// The fields of a schedule trigger that say when it fires.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what `read` reads")]
pub(in crate::http) struct PreviewInput {
    /// `once`, `daily`, `weekly`, `monthly` or `cron`.
    schedule_type: String,
    schedule_time: Option<String>,
    schedule_date: Option<String>,
    schedule_datetime: Option<String>,
    #[schema(value_type = Option<Object>)]
    schedule_day_of_week: Option<Value>,
    schedule_day_of_month: Option<i64>,
    cron_expression: Option<String>,
    /// IANA time zone.
    #[schema(default = "UTC")]
    schedule_timezone: Option<String>,
    /// How many fires to tell.
    #[schema(default = 5, minimum = 1, maximum = 100)]
    count: Option<i64>,
}

/// When a schedule will fire.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Preview {
    /// IANA time zone.
    schedule_timezone: String,
    /// None when it has passed.
    next_fires: Vec<Fire>,
}

/// A moment to come.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Fire {
    at: DateTime<Utc>,
    /// The same as a clock in the time zone shows it.
    local: String,
}

fn read(body: &mut Body) -> (Schedule, usize) {
    let mut schedule = Schedule::blank();
    rules::timetable(body, &mut schedule, true);
    let mut count = COUNT;
    body.integer("count").within(1, COUNT_MAX).set(&mut count, false);
    if body.is_sound() {
        body.faults(engine::triggers::check(&TriggerRule::Schedule(schedule.clone())));
    }
    (schedule, usize::try_from(count).unwrap_or_default())
}

/// See when a schedule would fire, without saving it.
#[utoipa::path(
    post, path = "/triggers/preview-schedule", tag = "triggers", operation_id = "preview_schedule",
    request_body = PreviewInput, responses((status = OK, body = Preview))
)]
pub(in crate::http) async fn preview(
    State(app): State<Arc<App>>,
    _current: CurrentUser,
    mut body: Body,
) -> Result<Json<Preview>> {
    let (schedule, count) = read(&mut body);
    body.finish()?;
    let fires = next_fires(&schedule, app.clock.now(), count);
    let next_fires = fires.into_iter().map(|at| Fire { at, local: local_time(&schedule, at) }).collect();
    Ok(Json(Preview { next_fires, schedule_timezone: schedule.schedule_timezone }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::assert_described;

    #[test]
    fn the_description_is_what_is_read() {
        assert_described::<PreviewInput>(|body| drop(read(body)));
    }
}
