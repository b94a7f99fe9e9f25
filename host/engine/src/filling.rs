//! Filling in templates, within bounds.

use std::io;

use domain::Execution;
use minijinja::{Captured, Error, ErrorKind};
use serde_json::{Map, Value};

use crate::{
    limits::Limits,
    state,
    template::{Data, Named, RESULT, Templates, Text, describe},
    values,
    variables::Variables,
};

/// The work one sprint's templates may still do.
#[derive(Debug)]
pub(crate) struct Fuel {
    left: u64,
    most: u64,
}

impl Fuel {
    /// What a sprint begins with.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { left: limits.fuel_per_sprint, most: limits.fuel_per_sprint }
    }

    /// Takes some away. The error is a sentence for people.
    pub(crate) fn burn(&mut self, amount: u64) -> Result<(), String> {
        match self.left.checked_sub(amount) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(format!("the flow does too much work without waiting (more than {} units)", self.most)),
        }
    }
}

/// Templates and what they are filled in with. Errors are sentences for people.
pub(crate) struct Filler<'a, 'v> {
    /// The flow's templates.
    pub(crate) templates: &'a Templates,
    /// All variables.
    pub(crate) context: Context<'a, 'v>,
    /// What this sprint may use.
    pub(crate) limits: &'a Limits,
    /// What is left of it.
    pub(crate) fuel: &'a mut Fuel,
}

/// Variables that templates see.
pub(crate) enum Context<'a, 'v> {
    /// In the template engine's form.
    Ready(minijinja::Value),
    /// Those of an execution. Only what a template asks for is put into that form, which costs more than most of what a
    /// sprint does.
    Execution(&'a Variables<'v>, &'a Execution),
}

impl Context<'_, '_> {
    fn value(&self, template: &Named) -> minijinja::Value {
        match self {
            Self::Ready(value) => value.clone(),
            Self::Execution(variables, execution) => variables.context(execution, &template.roots),
        }
    }
}

impl Filler<'_, '_> {
    /// Fills in a text.
    pub(crate) fn text(&mut self, text: &Text) -> Result<String, String> {
        let template = match text {
            Text::Plain(text) => return Ok(text.clone()),
            Text::Template(template) => template,
        };
        let mut out = Bounded { bytes: Vec::new(), most: self.limits.template_output_bytes };
        let context = self.context.value(template);
        let rendered = self.templates.get(template).and_then(|template| template.render_captured_to(context, &mut out));
        self.pay(rendered)?;
        out.bytes.retain(|byte| *byte != 0);
        Ok(String::from_utf8_lossy(&out.bytes).into_owned())
    }

    /// Fills in a JSON value.
    pub(crate) fn json(&mut self, data: &Data) -> Result<Value, String> {
        match data {
            Data::Plain(value) => Ok(value.clone()),
            Data::Text(text) => self.text(text).map(Value::String),
            Data::Expression(template) => self.value(template),
            Data::List(items) => items.iter().map(|item| self.json(item)).collect(),
            Data::Object(members) => members
                .iter()
                .map(|(name, item)| Ok((name.clone(), self.json(item)?)))
                .collect::<Result<Map<_, _>, _>>()
                .map(Value::Object),
        }
    }

    fn value(&mut self, template: &Named) -> Result<Value, String> {
        let context = self.context.value(template);
        let rendered = self.templates.get(template).and_then(|template| template.render_captured(context));
        let captured = self.pay(rendered)?;
        let result = captured.state().lookup(RESULT).unwrap_or_default();
        let bounded = Bounded { bytes: Vec::new(), most: self.limits.template_output_bytes };
        // Measured before it is converted, because a value may be lazy and large.
        serde_json::to_writer(bounded, &result).map_err(|error| match error.is_io() {
            true => self.too_long(),
            false => format!("the template's value cannot be used: {error}"),
        })?;
        let mut value = serde_json::to_value(&result).map_err(|error| error.to_string())?;
        if state::deeper_than(&value, self.limits.state_depth) {
            return Err(format!("the template's value is nested more than {} deep", self.limits.state_depth));
        }
        state::scrub(&mut value);
        Ok(value)
    }

    fn pay<'s>(&mut self, rendered: Result<Captured<'s>, Error>) -> Result<Captured<'s>, String> {
        let captured = rendered.map_err(|error| match error.kind() {
            ErrorKind::OutOfFuel => "the template does too much work".to_owned(),
            ErrorKind::WriteFailure => self.too_long(),
            _ => values::cut(&format!("the template cannot be filled in: {}", describe(&error)), values::REASON_CHARS),
        })?;
        self.fuel.burn(captured.state().fuel_levels().map_or(0, |(consumed, _)| consumed))?;
        Ok(captured)
    }

    fn too_long(&self) -> String {
        format!("the template produces more than {} bytes", self.limits.template_output_bytes)
    }
}

/// A buffer that refuses to grow beyond a bound.
struct Bounded {
    bytes: Vec<u8>,
    most: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + buf.len() > self.most {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.bytes.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
