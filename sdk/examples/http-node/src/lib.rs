//! A node that calls a web service.

use chatboost_sdk::prelude::*;

/// Gets a quotation.
#[config]
struct Quote {
    /// What the quotation is about.
    topic: String,
    /// The variable that it is stored in.
    #[serde(default = "quote")]
    store_in: String,
}

/// The service's answer.
#[data]
struct Quotation {
    text: String,
    author: String,
}

fn quote() -> String {
    "quote".to_owned()
}

impl Node for Quote {
    type State = ();

    fn spec() -> NodeSpec {
        NodeSpec::new("quote", "Quotation").exit("found", "Found").exit("nothing", "Nothing found")
    }

    fn execute(&self, visit: &mut Visit) -> Result<Outcome> {
        let key = secrets::placeholder("QUOTES_KEY")?;
        let request = json!({ "topic": self.topic });
        let answer = http::post("https://quotes.example.com/v1/search").bearer(key).json(&request)?.send()?;
        if answer.status == 404 {
            return Ok(Outcome::next("nothing"));
        }
        let quotation: Quotation = answer.success()?.json()?;
        log::info!("found a quotation"; "author" = quotation.author);
        visit.set(&self.store_in, json!({ "text": quotation.text, "author": quotation.author }));
        Ok(Outcome::next("found"))
    }
}

plugin! {
    title: "Quotations",
    capabilities: Capabilities::none()
        .log()
        .http("quotes.example.com", &["POST"], &["/v1"])
        .secret("QUOTES_KEY", "The key from your account page"),
    nodes: [Quote],
}
