//! Texts with variables in them, compiled.

use minijinja::{AutoEscape, Environment, Error, ErrorKind, Template, UndefinedBehavior, syntax::SyntaxConfig};
use serde_json::Value;

use crate::{
    issues::{Issues, member},
    limits::{TEMPLATE_FUEL, TEMPLATE_SOURCE_BYTES},
    path::Root,
};

/// The variable that takes the value of a template which is one expression.
pub(crate) const RESULT: &str = "chatboost_result";
/// Functions the template engine brings along; they look like variables until they are called.
const FUNCTIONS: [&str; 4] = ["range", "dict", "namespace", "debug"];

/// A text, perhaps with variables in it.
#[derive(Debug)]
pub(crate) enum Text {
    /// No template.
    Plain(String),
    /// A compiled template.
    Template(Named),
}

/// A compiled template.
#[derive(Debug)]
pub(crate) struct Named {
    /// Its name.
    pub(crate) name: String,
    /// What it may ask for.
    pub(crate) roots: Vec<Root>,
}

impl Named {
    fn new(name: String, source: &str) -> Self {
        // Its text has the name of whatever it asks for; `debug` shows everything.
        let shows_all = source.contains("debug");
        let roots = Root::all().filter(|root| shows_all || source.contains(root.name())).collect();
        Self { name, roots }
    }
}

/// A JSON value, perhaps with variables in its texts.
#[derive(Debug)]
pub(crate) enum Data {
    /// Nothing to fill in.
    Plain(Value),
    /// A text.
    Text(Text),
    /// A compiled template which leaves a value of any type in [`RESULT`].
    Expression(Named),
    /// A list.
    List(Vec<Data>),
    /// An object.
    Object(Vec<(String, Data)>),
}

/// What becomes of a text that is exactly one `{{ expression }}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A text like any other.
    Text,
    /// The value keeps its type.
    Native,
}

/// All templates of a flow, compiled.
#[derive(Debug)]
pub(crate) struct Templates {
    environment: Environment<'static>,
}

impl Templates {
    /// No templates yet.
    pub(crate) fn new() -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_formatter(|out, state, value| {
            let value = if value.is_none() { &minijinja::Value::UNDEFINED } else { value };
            minijinja::escape_formatter(out, state, value)
        });
        environment.set_fuel(Some(TEMPLATE_FUEL));
        environment.set_recursion_limit(50);
        // A line break at the end of a message was typed on purpose.
        if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
            environment.set_syntax(syntax);
        }
        Self { environment }
    }

    /// Compiles a text found at `pointer`; none when it is broken.
    pub(crate) fn compile_text(&mut self, pointer: &str, source: &str, issues: &mut Issues) -> Option<Text> {
        if !is_template(source) {
            return Some(Text::Plain(source.to_owned()));
        }
        self.add(pointer, source, issues)?;
        Some(Text::Template(Named::new(pointer.to_owned(), source)))
    }

    /// Compiles all texts of a JSON value found at `pointer`; none when one is broken.
    pub(crate) fn compile_data(
        &mut self,
        pointer: &str,
        value: &Value,
        mode: Mode,
        issues: &mut Issues,
    ) -> Option<Data> {
        match value {
            Value::String(source) => {
                let text = self.compile_text(pointer, source, issues)?;
                match (mode, one_expression(source)) {
                    (Mode::Native, Some(expression)) if self.environment.compile_expression(expression).is_ok() => {
                        let name = format!("{pointer}#value");
                        let setter = format!("{{% set {RESULT} = ({expression}) %}}");
                        match self.environment.add_template_owned(name.clone(), setter) {
                            Ok(()) => Some(Data::Expression(Named::new(name, source))),
                            Err(_) => Some(Data::Text(text)),
                        }
                    }
                    _ => Some(Data::Text(text)),
                }
            }
            Value::Array(items) => {
                let compiled: Vec<Option<Data>> = items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| self.compile_data(&format!("{pointer}/{index}"), item, mode, issues))
                    .collect();
                compiled.into_iter().collect::<Option<_>>().map(Data::List)
            }
            Value::Object(members) => {
                let compiled: Vec<Option<(String, Data)>> = members
                    .iter()
                    .map(|(name, item)| {
                        Some((name.clone(), self.compile_data(&member(pointer, name), item, mode, issues)?))
                    })
                    .collect();
                compiled.into_iter().collect::<Option<_>>().map(Data::Object)
            }
            plain => Some(Data::Plain(plain.clone())),
        }
    }

    /// A template added before.
    pub(crate) fn get(&self, template: &Named) -> Result<Template<'_, '_>, Error> {
        self.environment.get_template(&template.name)
    }

    fn add(&mut self, name: &str, source: &str, issues: &mut Issues) -> Option<()> {
        if source.len() > TEMPLATE_SOURCE_BYTES {
            issues.error("out_of_range", name, format!("has more than {TEMPLATE_SOURCE_BYTES} bytes"));
            return None;
        }
        // Positions of faults are only kept in debug mode, which has a price when templates run.
        self.environment.set_debug(true);
        let added = self.environment.add_template_owned(name.to_owned(), source.to_owned());
        self.environment.set_debug(false);
        if let Err(error) = added {
            issues.error("broken_template", name, format!("{}{}", describe(&error), place(&error, source)));
            return None;
        }
        let template = self.environment.get_template(name).ok()?;
        // Names of filters and functions are only looked up when a template runs, so it is tried on nothing.
        if let Err(error) = template.render(())
            && matches!(error.kind(), ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction)
        {
            issues.error("broken_template", name, format!("{}{}", describe(&error), place(&error, source)));
            return None;
        }
        let mut unknown: Vec<String> = template
            .undeclared_variables(false)
            .into_iter()
            .filter(|name| !Root::all().any(|root| root.name() == name) && !FUNCTIONS.contains(&name.as_str()))
            .collect();
        unknown.sort();
        for variable in unknown {
            let detail = format!("`{variable}` is always empty; did you mean `state.{variable}`?");
            issues.warning("unknown_variable", name, detail);
        }
        Some(())
    }
}

/// Whether there is anything to fill in.
pub(crate) fn is_template(source: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|mark| source.contains(mark))
}

/// The inside of a text that may be exactly one expression; whether it is, the compiler must say.
fn one_expression(source: &str) -> Option<&str> {
    let inside = source.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    let inside = inside.strip_prefix('-').unwrap_or(inside);
    Some(inside.strip_suffix('-').unwrap_or(inside))
}

/// What the template engine says of a fault, without where it is.
pub(crate) fn describe(error: &Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

/// Where in the source a fault is, counted in characters from 1.
fn place(error: &Error, source: &str) -> String {
    let before = error.range().and_then(|range| source.get(..range.start));
    match (before, error.line()) {
        (Some(before), _) => {
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            format!(" (line {line}, column {column})")
        }
        (None, Some(line)) => format!(" (line {line})"),
        (None, None) => String::new(),
    }
}
