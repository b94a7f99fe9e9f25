//! The words by which people opt out and in again.

use std::collections::{BTreeMap, HashSet};

use crate::triggers::fold::folded;

/// Most characters of a word.
pub const WORD_CHARS: usize = 50;
/// Most words of one kind, over all languages.
pub const WORDS: usize = 500;

/// What somebody says with one of the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// To get nothing more that was not asked for.
    Stop,
    /// To get it again.
    Start,
}

/// Words by language.
pub type WordLists = BTreeMap<String, Vec<String>>;

/// A bot's words, ready to be compared with messages. The words of all languages count for everybody: a person says it
/// in whatever language comes to mind.
#[derive(Debug, Default)]
pub struct Words {
    stop: HashSet<String>,
    start: HashSet<String>,
}

impl Words {
    /// Makes them ready. A word in both lists means stop.
    pub fn new(stop: &WordLists, start: &WordLists) -> Self {
        let fold = |lists: &WordLists| lists.values().flatten().map(|word| folded(word)).collect();
        Self { stop: fold(stop), start: fold(start) }
    }

    /// What a message of this type and text says. Only what was typed and a template's quick reply count; what the
    /// buttons of a flow mean is for the flow to say.
    pub fn wish(&self, message_type: &str, text: Option<&str>) -> Option<Wish> {
        if !["text", "button"].contains(&message_type) {
            return None;
        }
        // Cheap for the many messages that are none.
        let text = text.filter(|text| text.len() <= 8 * WORD_CHARS)?;
        let text = folded(text);
        if self.stop.contains(&text) { Some(Wish::Stop) } else { self.start.contains(&text).then_some(Wish::Start) }
    }
}

/// The stop words that come along.
pub fn stop_words() -> WordLists {
    lists(&STOP)
}

/// The start words that come along.
pub fn start_words() -> WordLists {
    lists(&START)
}

fn lists(words: &[(&str, &[&str])]) -> WordLists {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    words.iter().map(|(language, words)| ((*language).to_owned(), owned(words))).collect()
}

/// Words that hardly anybody sends for another reason: `cancel`, `end` and `quit` are left to the flows.
const STOP: [(&str, &[&str]); 18] = [
    ("ar", &["إيقاف", "ايقاف", "إلغاء الاشتراك", "الغاء الاشتراك"]),
    ("de", &["stopp", "abmelden", "abbestellen"]),
    ("en", &["stop", "stop all", "stopall", "unsubscribe", "opt out", "opt-out", "optout"]),
    ("es", &["baja", "darme de baja", "dar de baja", "desuscribir", "cancelar suscripción"]),
    ("fr", &["arrêt", "arret", "désabonner", "se désabonner", "désinscription"]),
    ("he", &["הסר", "הסרה"]),
    ("hi", &["रोकें", "बंद करें"]),
    ("id", &["berhenti", "berhenti berlangganan"]),
    ("it", &["disiscrivimi", "annulla iscrizione", "disiscrizione"]),
    ("ja", &["配信停止", "登録解除"]),
    ("ko", &["수신거부", "수신 거부"]),
    ("nl", &["afmelden", "uitschrijven"]),
    ("pl", &["rezygnuję", "wypisz", "wypisz mnie"]),
    ("pt", &["parar", "sair", "descadastrar", "cancelar inscrição"]),
    ("ru", &["стоп", "отписаться"]),
    ("tr", &["abonelikten çık", "aboneliği iptal et"]),
    ("uk", &["відписатися"]),
    ("zh", &["退订", "退訂", "取消订阅", "取消訂閱"]),
];

const START: [(&str, &[&str]); 18] = [
    ("ar", &["بدء", "اشتراك"]),
    ("de", &["anmelden", "abonnieren"]),
    ("en", &["start", "unstop", "subscribe", "resubscribe", "opt in", "opt-in", "optin"]),
    ("es", &["alta", "darme de alta", "suscribir", "suscribirme"]),
    ("fr", &["démarrer", "s'abonner", "m'abonner", "inscription"]),
    ("he", &["הרשמה"]),
    ("hi", &["शुरू करें"]),
    ("id", &["mulai", "berlangganan"]),
    ("it", &["iscrivimi", "iscrizione"]),
    ("ja", &["配信再開", "登録"]),
    ("ko", &["수신동의", "수신 동의"]),
    ("nl", &["aanmelden", "inschrijven"]),
    ("pl", &["zapisz mnie", "subskrybuj"]),
    ("pt", &["começar", "inscrever", "voltar a receber"]),
    ("ru", &["старт", "подписаться"]),
    ("tr", &["başla", "abone ol"]),
    ("uk", &["підписатися"]),
    ("zh", &["订阅", "訂閱"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_compared_as_people_write_them() {
        let words = Words::new(&stop_words(), &start_words());
        for text in ["stop", " STOP\n", "Stop", "\u{200b}stop", "ARRÊT", "Opt Out", "Стоп", "退订", "Darme de baja"]
        {
            assert_eq!(words.wish("text", Some(text)), Some(Wish::Stop), "{text}");
        }
        for text in ["START", "Début", "s'abonner", "Anmelden"] {
            let wish = if text == "Début" { None } else { Some(Wish::Start) };
            assert_eq!(words.wish("text", Some(text)), wish, "{text}");
        }
        for text in ["stop it", "don't stop", "", "bus stop?", "cancel", "no"] {
            assert_eq!(words.wish("text", Some(text)), None, "{text}");
        }
        assert_eq!(words.wish("text", Some(&"stop ".repeat(1_000))), None);
        assert_eq!(words.wish("text", None), None);
    }

    #[test]
    fn only_what_was_typed_and_quick_replies_of_templates_count() {
        let words = Words::new(&stop_words(), &start_words());
        assert_eq!(words.wish("button", Some("Stop")), Some(Wish::Stop));
        assert_eq!(words.wish("interactive", Some("Stop")), None);
        assert_eq!(words.wish("image", Some("stop")), None);
    }

    #[test]
    fn a_bot_may_have_its_own_words_or_none() {
        let list =
            |words: &[&str]| WordLists::from([("xx".to_owned(), words.iter().map(|w| (*w).to_owned()).collect())]);
        let words = Words::new(&list(&["Genug!", "both"]), &list(&["both", "Mehr"]));
        assert_eq!(words.wish("text", Some("genug!")), Some(Wish::Stop));
        assert_eq!(words.wish("text", Some("BOTH")), Some(Wish::Stop));
        assert_eq!(words.wish("text", Some("mehr")), Some(Wish::Start));
        assert_eq!(words.wish("text", Some("stop")), None);
        assert_eq!(Words::default().wish("text", Some("stop")), None);
    }

    #[test]
    fn the_words_that_come_along_keep_the_limits_and_do_not_collide() {
        let (stop, start) = (stop_words(), start_words());
        for lists in [&stop, &start] {
            assert!(lists.values().map(Vec::len).sum::<usize>() <= WORDS);
            assert!(lists.values().flatten().all(|word| word.chars().count() <= WORD_CHARS));
        }
        let stop: HashSet<String> = stop.values().flatten().map(|word| folded(word)).collect();
        assert!(start.values().flatten().all(|word| !stop.contains(&folded(word))));
    }
}
