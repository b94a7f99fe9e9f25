//! What a contact must have been sent, and whether it was.

use std::collections::HashMap;

use emulator::Sent;

/// What one contact has written and must get.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    /// Who.
    pub(crate) phone: String,
    /// What it wrote to the bot that counts, in order. Each is answered with its number.
    pub(crate) written: Vec<String>,
    /// Whether it wrote without waiting for Meta's redeliveries, so that only the numbers have an order.
    pub(crate) hurried: bool,
    /// What else it must get, each once, in whatever order.
    pub(crate) once: Vec<String>,
}

/// What a transcript shows beside what it must.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Messages that came more than once, by their row, with the number of copies beyond the first.
    pub(crate) copies: HashMap<i64, i64>,
    /// Copies after which another message had come.
    pub(crate) late: usize,
    /// Meta's ids of each row.
    pub(crate) wamids: HashMap<i64, Vec<String>>,
}

impl Expected {
    /// How many messages the contact must get.
    pub(crate) fn total(&self) -> usize {
        self.written.len() + self.once.len()
    }

    /// Says how many are missing, by number alone; empty when none.
    pub(crate) fn missing(&self, sends: &[Sent]) -> Vec<String> {
        let mut rows: Vec<i64> = sends.iter().filter_map(row).collect();
        rows.sort_unstable();
        rows.dedup();
        let missing = self.total().saturating_sub(rows.len());
        vec![format!("{} has got {} of {}", self.phone, rows.len(), self.total()); missing]
    }

    /// Compares what was sent to the contact with what must have been. Copies of a message are not judged here.
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) fn compare(&self, sends: &[Sent]) -> Result<Seen, String> {
        let mut seen = Seen::default();
        let mut firsts: Vec<&str> = Vec::new();
        let mut last = None;
        for sent in sends {
            let row = row(sent).ok_or_else(|| format!("{:?} names no row", sent.text))?;
            let wamids = seen.wamids.entry(row).or_default();
            wamids.push(sent.wamid.clone());
            if wamids.len() == 1 {
                firsts.push(&sent.text);
            } else {
                *seen.copies.entry(row).or_default() += 1;
                seen.late += usize::from(last != Some(row));
            }
            last = Some(row);
        }
        let (answers, mut others): (Vec<&str>, Vec<&str>) = firsts.iter().partition(|text| text.starts_with(ANSWER));
        self.compare_answers(&answers)?;
        let mut once: Vec<&str> = self.once.iter().map(String::as_str).collect();
        once.sort_unstable();
        others.sort_unstable();
        if once == others { Ok(seen) } else { Err(format!("beside the answers, expected {once:?}, seen {others:?}")) }
    }

    fn compare_answers(&self, answers: &[&str]) -> Result<(), String> {
        let mut seen = Vec::new();
        for (index, answer) in answers.iter().enumerate() {
            let number = format!("{ANSWER}{} to ", index + 1);
            seen.push(answer.strip_prefix(&number).ok_or_else(|| format!("expected {number:?}…, seen {answer:?}"))?);
        }
        let mut written: Vec<&str> = self.written.iter().map(String::as_str).collect();
        if self.hurried {
            written.sort_unstable();
            seen.sort_unstable();
        }
        if written == seen { Ok(()) } else { Err(format!("expected answers to {written:?}, seen {seen:?}")) }
    }
}

/// What every answer of the bot that counts begins with.
pub(crate) const ANSWER: &str = "answer ";

/// The row of a message that was sent, as the server has told Meta.
fn row(sent: &Sent) -> Option<i64> {
    sent.body["biz_opaque_callback_data"].as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use domain::{Clock, SystemClock};
    use serde_json::json;

    use super::*;

    fn sent(row: i64, text: &str) -> Sent {
        Sent {
            seq: 0,
            received_at: SystemClock.now(),
            phone_number_id: "1".into(),
            to: "2".into(),
            to_phone: true,
            wamid: format!("wamid.{row}"),
            kind: "text".into(),
            text: text.into(),
            body: json!({ "biz_opaque_callback_data": row.to_string() }),
        }
    }

    fn expected() -> Expected {
        let written = vec!["message 1".to_owned(), "message 2".to_owned()];
        Expected { phone: "2".into(), written, hurried: false, once: vec!["timer".into()] }
    }

    fn talk() -> Vec<Sent> {
        vec![sent(1, "answer 1 to message 1"), sent(2, "timer"), sent(3, "answer 2 to message 2")]
    }

    #[test]
    fn what_must_come_may_come() {
        let seen = expected().compare(&talk()).unwrap();
        assert!(seen.copies.is_empty());
        assert!(expected().missing(&talk()).is_empty());
    }

    #[test]
    fn what_is_lost_doubled_or_out_of_order_is_found() {
        for index in 0..3 {
            let mut less = talk();
            less.remove(index);
            assert!(expected().compare(&less).is_err());
            assert_eq!(expected().missing(&less).len(), 1);
            let mut more = talk();
            more.push(sent(4, &talk()[index].text));
            assert!(expected().compare(&more).is_err());
        }
        let mut swapped = talk();
        swapped.swap(0, 2);
        assert!(expected().compare(&swapped).is_err());
        let mut foreign = talk();
        foreign.push(sent(9, "something else"));
        assert!(expected().compare(&foreign).is_err());
    }

    #[test]
    fn copies_are_counted_and_late_ones_apart() {
        let mut copied = talk();
        copied.insert(1, sent(1, "answer 1 to message 1"));
        let seen = expected().compare(&copied).unwrap();
        assert_eq!((seen.copies[&1], seen.late), (1, 0));
        copied.push(sent(1, "answer 1 to message 1"));
        let seen = expected().compare(&copied).unwrap();
        assert_eq!((seen.copies[&1], seen.late), (2, 1));
    }

    #[test]
    fn who_is_in_a_hurry_gets_numbers_in_order() {
        let hurried = Expected { hurried: true, ..expected() };
        let talk = [sent(1, "answer 1 to message 2"), sent(2, "timer"), sent(3, "answer 2 to message 1")];
        assert!(hurried.compare(&talk).is_ok());
        let talk = [sent(1, "answer 2 to message 2"), sent(2, "timer"), sent(3, "answer 1 to message 1")];
        assert!(hurried.compare(&talk).is_err());
    }
}
