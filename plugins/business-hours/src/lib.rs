//! A node that knows when somebody is there.

mod hours;

use chatboost_sdk::{prelude::*, time::Date};
use hours::Hours;

/// Opening hours, in the time zone of the bot.
#[config]
struct BusinessHours {
    /// When it is open. Days that are not named are closed.
    hours: Vec<Hours>,
    /// Days on which it is closed all the same, e.g. `2026-12-25`. Hours that began the day before still end.
    #[serde(default)]
    closed_on: Vec<String>,
    /// The variable that gets the next opening, e.g. `2026-12-28 09:00`, when it is closed; null when there is none within
    /// a year.
    #[serde(default)]
    store_next_opening_in: Option<String>,
}

impl Node for BusinessHours {
    type State = ();

    fn spec() -> NodeSpec {
        let weekdays = json!({ "hours": [
            { "days": ["monday", "tuesday", "wednesday", "thursday", "friday"], "from": "09:00", "to": "17:00" },
        ] });
        NodeSpec::new("business-hours", "Business hours")
            .description("Leaves by `open` during opening hours and by `closed` outside of them.")
            .category("Logic")
            .exit("open", "Open")
            .exit("closed", "Closed")
            .example(
                Example::new("Monday morning")
                    .config(weekdays.clone())
                    .context(json!({ "now": "2026-03-02T10:00:00+01:00" }))
                    .expect("open"),
            )
            .example(
                Example::new("Sunday")
                    .config(weekdays)
                    .context(json!({ "now": "2026-03-01T10:00:00+01:00" }))
                    .expect("closed"),
            )
    }

    fn execute(&self, visit: &mut Visit) -> Result<Outcome> {
        let Some(now) = visit.context().local_time() else {
            return Err(Fault::permanent("the server did not say what time it is").code("no_time"));
        };
        let spans = hours::read(&self.hours)?;
        let closed_on = self.holidays()?;
        if hours::is_open(&spans, &closed_on, now) {
            return Ok(Outcome::next("open"));
        }
        if let Some(variable) = &self.store_next_opening_in {
            let next = hours::next_opening(&spans, &closed_on, now).map(|time| time.to_string());
            visit.set(variable, next);
        }
        Ok(Outcome::next("closed"))
    }
}

impl BusinessHours {
    fn holidays(&self) -> Result<Vec<Date>> {
        let day = |(index, text): (usize, &String)| {
            Date::parse(text).ok_or_else(|| {
                Fault::config(format!("/closed_on/{index}"), format!("{text} is no day like 2026-12-25"))
            })
        };
        self.closed_on.iter().enumerate().map(day).collect()
    }
}

plugin! { title: "Business hours", capabilities: Capabilities::none().log(), nodes: [BusinessHours] }
