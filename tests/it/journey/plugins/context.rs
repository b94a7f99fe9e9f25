//! What nodes are told of where they are, as the engine tells it.

use domain::{Effect, ExecutionId};
use serde_json::{Value, json};
use tests::each_database;

use super::{
    ADA, PluginStage, Stage,
    troubles::{Held, answer},
};
use crate::contract::schema;

impl Stage {
    /// The context of the call that an execution waits for.
    async fn context_of(&self, execution: &Value) -> Value {
        let id = ExecutionId(execution["id"].as_i64().unwrap());
        let row = self.app.db().read().await.unwrap().execution(id).await.unwrap().unwrap();
        match row.execution.effect {
            Some(Effect::Plugin(call)) => call.context,
            other => panic!("no call: {other:?}"),
        }
    }
}

/// Everything that is wrong with a context: also that something is told which the schema does not know.
fn faults(context: &Value) -> Vec<String> {
    let schema = schema("context");
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let mut faults: Vec<_> =
        validator.iter_errors(context).map(|error| format!("{}: {error}", error.instance_path())).collect();
    let known = |place: &Value, told: &Value, at: &str| -> Vec<String> {
        let names = told.as_object().into_iter().flatten().map(|(name, _)| name);
        names.filter(|name| place["properties"].get(name).is_none()).map(|name| format!("{at}/{name}")).collect()
    };
    faults.extend(known(&schema, context, ""));
    for part in ["bot", "contact", "flow", "execution"] {
        faults.extend(known(&schema["properties"][part], &context[part], part));
    }
    faults.extend(known(&schema["$defs"]["message"], &context["message"], "message"));
    faults
}

each_database! {
    async fn what_a_node_is_told_is_what_the_schema_says(stage: PluginStage) {
        let stage = stage.0;
        let held = Held::new().await;
        stage.plugin("errands", Some(held.grant())).await;
        stage.api.put(&format!("/bots/{}", stage.bot), json!({ "timezone": "Asia/Kolkata" })).await;
        let flow = stage.flow("label", json!([
            { "type": "errands/label", "config": { "url": held.url, "label": "gold", "exits": { "error": 1 } } },
            { "type": "end", "config": {} },
        ])).await;
        // By a message, with all that can be known of a contact.
        stage.api.post("/flows/contacts/", json!({
            "bot_id": stage.bot, "phone": ADA, "name": "Ada Lovelace", "first_name": "Ada", "last_name": "Lovelace",
            "email": "ada@example.com", "language": "en-GB", "timezone": "Europe/London", "tags": ["vip"],
            "attributes": { "shoe": 38 }, "source": "fair",
        })).await;
        stage.say("label").await;
        let first = held.asked().await;
        let told = stage.context_of(&stage.executions().await[0]).await;
        assert_eq!(faults(&told), Vec::<String>::new(), "{told:#}");
        assert_eq!((&told["message"]["text"], &told["contact"]["email"]), (&json!("label"), &json!("ada@example.com")));
        assert_eq!(told["bot"]["timezone"], "Asia/Kolkata");
        assert!(told["now"].as_str().unwrap().ends_with("+05:30"), "{told}");
        answer(first, "200 OK", "").await;
        // By the API, with a contact of whom nothing but the number is known.
        let start = json!({ "flow_id": flow, "contact_phone": "16505550303", "bot_id": stage.bot, "initial_state": { "n": 1 } });
        let execution = stage.api.post("/flows/execute", start).await;
        let _second = held.asked().await;
        let told = stage.context_of(&execution).await;
        assert_eq!(faults(&told), Vec::<String>::new(), "{told:#}");
        assert_eq!((&told["variables"], told.get("message")), (&json!({ "n": 1 }), None));
    }
}
