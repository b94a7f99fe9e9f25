//! A trigger that takes orders of a web shop.

mod signature;

use chatboost_sdk::{prelude::*, serde_json};
use signature::Signature;

/// How a shop sends its orders.
#[config]
struct Orders {
    /// The shop; `custom` for any that signs the body with HMAC-SHA256.
    shop: Shop,
    /// Where a shop of the kind `custom` puts its signature. Others know.
    #[serde(default)]
    signature: Option<Signature>,
    /// Which events start the flow, by the shop's names, e.g. `orders/create`; empty: all.
    #[serde(default)]
    topics: Vec<String>,
    /// JSON pointers to the customer's phone; the first that leads to something counts.
    #[serde(default = "phones")]
    phone: Vec<String>,
    /// JSON pointers to the parts of the customer's name.
    #[serde(default = "names")]
    name: Vec<String>,
}

/// A kind of shop.
#[config]
#[derive(Copy, PartialEq)]
enum Shop {
    Shopify,
    Woocommerce,
    Custom,
}

fn phones() -> Vec<String> {
    let known = [
        "/phone",
        "/customer/phone",
        "/shipping_address/phone",
        "/billing_address/phone",
        "/billing/phone",
        "/shipping/phone",
    ];
    known.map(str::to_owned).into()
}

fn names() -> Vec<String> {
    ["/customer/first_name", "/customer/last_name", "/billing/first_name", "/billing/last_name"]
        .map(str::to_owned)
        .into()
}

impl WebhookHandler for Orders {
    fn spec() -> TriggerSpec {
        TriggerSpec::new("order", "Order of a shop")
            .description("Starts the flow with the customer of an order; the order is in the variable `order`.")
    }

    fn handle(&self, _call: &TriggerCall, request: &HookRequest) -> Result<Handling> {
        let headers = self.headers()?;
        if request.method != "POST" {
            return Ok(Handling::refuse(405, "only POST is taken"));
        }
        if !headers.signature.fits(request)? {
            log::warn!("a request without a right signature was refused"; "header" = headers.signature.header);
            return Ok(Handling::refuse(401, "the signature is missing or wrong"));
        }
        let topic = headers.topic.and_then(|name| request.header(name));
        if !self.topics.is_empty() && !self.topics.iter().any(|wanted| Some(wanted.as_str()) == topic) {
            return Ok(Handling::nothing());
        }
        let order: Value = match serde_json::from_slice(&request.body) {
            Ok(order) => order,
            // WooCommerce tries a new hook with a form.
            Err(_) if self.shop == Shop::Woocommerce && request.body.starts_with(b"webhook_id=") => {
                return Ok(Handling::nothing());
            }
            Err(fault) => return Ok(Handling::refuse(422, format!("the body is no JSON: {fault}"))),
        };
        let Some(phone) = self.phone.iter().find_map(|pointer| text(&order, pointer)) else {
            log::info!("an order without a phone number was passed over"; "topic" = topic);
            return Ok(Handling::nothing());
        };
        let mut event = TriggerEvent::new(phone);
        let name: Vec<String> = self.name.iter().filter_map(|pointer| text(&order, pointer)).collect();
        if !name.is_empty() {
            event = event.named(once(name).join(" "));
        }
        if let Some(id) =
            headers.delivery.and_then(|name| request.header(name)).map(str::to_owned).or_else(|| text(&order, "/id"))
        {
            event = event.id(id);
        }
        Ok(Handling::start(event.with("order", order).with("topic", topic)))
    }
}

/// What a shop puts where.
struct Headers<'c> {
    signature: std::borrow::Cow<'c, Signature>,
    topic: Option<&'static str>,
    delivery: Option<&'static str>,
}

impl Orders {
    fn headers(&self) -> Result<Headers<'_>> {
        use std::borrow::Cow;

        if self.shop != Shop::Custom && self.signature.is_some() {
            return Err(Fault::config("/signature", "only the kind `custom` is told where the signature is"));
        }
        Ok(match (self.shop, &self.signature) {
            (Shop::Shopify, _) => Headers {
                signature: Cow::Owned(Signature::base64("x-shopify-hmac-sha256")),
                topic: Some("x-shopify-topic"),
                delivery: Some("x-shopify-webhook-id"),
            },
            (Shop::Woocommerce, _) => Headers {
                signature: Cow::Owned(Signature::base64("x-wc-webhook-signature")),
                topic: Some("x-wc-webhook-topic"),
                delivery: Some("x-wc-webhook-delivery-id"),
            },
            (Shop::Custom, Some(signature)) => {
                Headers { signature: Cow::Borrowed(signature), topic: Some("x-topic"), delivery: None }
            }
            (Shop::Custom, None) => return Err(Fault::config("/signature", "a shop of the kind `custom` needs it")),
        })
    }
}

/// A text or number that is not empty.
fn text(order: &Value, pointer: &str) -> Option<String> {
    match order.pointer(pointer)? {
        Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Without repetitions: shops name the same person in several places.
fn once(words: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = vec![];
    for word in words {
        if !kept.contains(&word) {
            kept.push(word);
        }
    }
    kept
}

plugin! {
    title: "Store webhook",
    capabilities: Capabilities::none().log().secret("WEBHOOK_SECRET", "The secret that the shop signs its requests with"),
    webhooks: [Orders],
}
