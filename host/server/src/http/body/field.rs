//! One field on its way from a body into a variable.

use domain::Fault;

/// What a body has under a name.
#[derive(Debug)]
pub(super) enum State<T> {
    Absent,
    Null,
    Faulty,
    Given(T),
}

/// One field: narrow it down with the checks, then take it with one of the last methods.
#[derive(Debug)]
#[must_use = "a field must be taken"]
pub struct Field<'a, T> {
    state: State<T>,
    pointer: String,
    faults: &'a mut Vec<Fault>,
}

impl<'a, T> Field<'a, T> {
    pub(super) fn new(state: State<T>, pointer: String, faults: &'a mut Vec<Fault>) -> Self {
        Self { state, pointer, faults }
    }

    /// Turns the value into another.
    pub fn map<U>(self, turn: impl FnOnce(T) -> U) -> Field<'a, U> {
        self.and_then(|value| Ok(turn(value)))
    }

    /// Turns the value into another, or says what is wrong with it.
    pub fn and_then<U>(self, turn: impl FnOnce(T) -> Result<U, String>) -> Field<'a, U> {
        let state = match self.state {
            State::Given(value) => match turn(value) {
                Ok(value) => State::Given(value),
                Err(detail) => {
                    self.faults.push(Fault::new(self.pointer.clone(), detail));
                    State::Faulty
                }
            },
            State::Absent => State::Absent,
            State::Null => State::Null,
            State::Faulty => State::Faulty,
        };
        Field { state, pointer: self.pointer, faults: self.faults }
    }

    /// Lets only some values pass.
    pub fn check(self, check: impl FnOnce(&T) -> Result<(), String>) -> Self {
        self.and_then(|value| check(&value).map(|()| value))
    }

    /// Whether there is no such field at all.
    pub fn is_absent(&self) -> bool {
        matches!(self.state, State::Absent)
    }

    fn missing(self) -> Option<T> {
        let detail = match self.state {
            State::Absent => "is missing",
            State::Null => "must not be null",
            _ => return None,
        };
        self.faults.push(Fault::new(self.pointer, detail));
        None
    }

    /// The value, or nothing when it is absent, null or faulty.
    pub fn optional(self) -> Option<T> {
        match self.state {
            State::Given(value) => Some(value),
            _ => None,
        }
    }

    /// The value; its absence is a fault, and then there is none.
    pub fn needed(self) -> Option<T> {
        match self.state {
            State::Given(value) => Some(value),
            _ => self.missing(),
        }
    }

    /// Nothing when absent, `Some(None)` for null.
    pub fn patch(self) -> Option<Option<T>> {
        match self.state {
            State::Given(value) => Some(Some(value)),
            State::Null => Some(None),
            State::Absent | State::Faulty => None,
        }
    }

    /// Writes the value where it belongs; what is absent is kept, or is a fault when `is_required`.
    pub fn set(self, target: &mut T, is_required: bool) {
        match self.state {
            State::Given(value) => *target = value,
            State::Absent if !is_required => {}
            _ => drop(self.missing()),
        }
    }

    /// Writes the value where it belongs; null clears, what is absent is kept.
    pub fn set_optional(self, target: &mut Option<T>) {
        if let Some(value) = self.patch() {
            *target = value;
        }
    }
}

impl<T: Default> Field<'_, T> {
    /// The value; its absence is a fault. After a fault anything comes back, which [`finish`](super::Body::finish)
    /// keeps from being used.
    pub fn required(self) -> T {
        self.needed().unwrap_or_default()
    }
}

impl Field<'_, String> {
    /// At most this many characters.
    pub fn max(self, chars: usize) -> Self {
        self.check(|text| match text.chars().count() {
            n if n > chars => Err(format!("must have at most {chars} characters, not {n}")),
            _ => Ok(()),
        })
    }

    /// At least this many characters.
    pub fn min(self, chars: usize) -> Self {
        self.check(|text| match text.chars().count() {
            n if n < chars => Err(format!("must have at least {chars} characters")),
            _ => Ok(()),
        })
    }

    /// No line breaks or other control characters; spaces around are dropped.
    pub fn one_line(self) -> Self {
        self.map(|text| text.trim().to_owned()).check(|text| {
            if text.chars().any(char::is_control) { Err("must not contain control characters".into()) } else { Ok(()) }
        })
    }

    /// An empty text counts as null, as web forms send it.
    pub fn or_empty(mut self) -> Self {
        if matches!(&self.state, State::Given(text) if text.trim().is_empty()) {
            self.state = State::Null;
        }
        self
    }
}

impl Field<'_, i64> {
    /// From `least` to `most`, both included.
    pub fn within(self, least: i64, most: i64) -> Self {
        self.check(|n| {
            if (least..=most).contains(n) { Ok(()) } else { Err(format!("must be from {least} to {most}, not {n}")) }
        })
    }
}
