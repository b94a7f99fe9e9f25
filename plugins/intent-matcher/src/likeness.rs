//! How like a message is to a phrase.

/// Words of a message beyond these are not looked at: nobody hides what they want that far back.
const WORDS_MAX: usize = 100;
/// Letters of a word beyond these are not looked at.
const LETTERS_MAX: usize = 32;

/// What words that are not of the phrase take away, at most.
const CHATTER_COSTS: f64 = 0.1;

/// Words in small letters without accents; everything else separates them.
pub(crate) fn words(text: &str) -> Vec<Vec<char>> {
    let plain: String = text.chars().flat_map(char::to_lowercase).map(plain).collect();
    let words = plain.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.take(WORDS_MAX).map(|word| word.chars().take(LETTERS_MAX).collect()).collect()
}

/// From 0 to 1: how well the words of a phrase are found among those that were said, in any order, each said word serving
/// once; long words count more. Other words take away a little.
pub(crate) fn likeness(wanted: &[Vec<char>], said: &[Vec<char>]) -> f64 {
    let mut free: Vec<&Vec<char>> = said.iter().collect();
    let (mut found, mut whole) = (0.0, 0.0);
    for word in wanted {
        let weight = word.len() as f64;
        whole += weight;
        let scored = free.iter().enumerate().map(|(index, candidate)| (index, resemblance(word, candidate)));
        let Some((index, score)) = scored.max_by(|(_, one), (_, other)| one.total_cmp(other)) else { continue };
        if score > 0.0 {
            free.remove(index);
            found += weight * score;
        }
    }
    let other_words = free.len() as f64 / said.len().max(1) as f64;
    (found / whole.max(1.0)) * (1.0 - CHATTER_COSTS * other_words)
}

/// From 0 to 1 for two words; 0 as soon as they are no longer one word with typing errors.
fn resemblance(one: &[char], other: &[char]) -> f64 {
    let longer = one.len().max(other.len());
    // Three letters take no error, up to seven take one, longer ones two.
    let errors_max = match longer {
        0..=3 => 0,
        4..=7 => 1,
        _ => 2,
    };
    let errors = distance(one, other);
    if errors > errors_max { 0.0 } else { 1.0 - 0.6 * errors as f64 / longer.max(1) as f64 }
}

/// Letters to insert, leave out, replace, or swap with their neighbour, to make one word of the other.
fn distance(one: &[char], other: &[char]) -> usize {
    let mut rows = vec![(0..=other.len()).collect::<Vec<usize>>()];
    for i in 1..=one.len() {
        let mut row = vec![i];
        for j in 1..=other.len() {
            let same = usize::from(one[i - 1] != other[j - 1]);
            let mut least = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + same);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

/// A small letter without its accent.
fn plain(letter: char) -> char {
    match letter {
        'à'..='å' | 'ā' | 'ă' | 'ą' => 'a',
        'ç' | 'ć' | 'č' => 'c',
        'ď' | 'đ' => 'd',
        'è'..='ë' | 'ē' | 'ę' | 'ě' => 'e',
        'ğ' => 'g',
        'ì'..='ï' | 'ī' | 'ı' => 'i',
        'ł' | 'ľ' => 'l',
        'ñ' | 'ń' | 'ň' => 'n',
        'ò'..='ö' | 'ø' | 'ō' | 'ő' => 'o',
        'ř' => 'r',
        'ś' | 'š' | 'ş' | 'ș' => 's',
        'ť' | 'ț' | 'ţ' => 't',
        'ù'..='ü' | 'ū' | 'ů' | 'ű' => 'u',
        'ý' | 'ÿ' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(word: &str) -> Vec<char> {
        word.chars().collect()
    }

    #[test]
    fn a_swap_of_neighbours_is_one_error() {
        assert_eq!(distance(&letters("order"), &letters("odrer")), 1);
        assert_eq!(distance(&letters("order"), &letters("ordr")), 1);
        assert_eq!(distance(&letters(""), &letters("abc")), 3);
        assert_eq!(distance(&letters("ca"), &letters("abc")), 3);
    }

    #[test]
    fn short_words_are_taken_as_they_are() {
        assert!(resemblance(&letters("no"), &letters("yo")) == 0.0);
        assert!(resemblance(&letters("ship"), &letters("shop")) > 0.8);
        assert!(resemblance(&letters("menu"), &letters("money")) == 0.0);
    }

    #[test]
    fn case_accents_and_punctuation_do_not_matter() {
        assert_eq!(words("¿Dónde ESTÁ mi pedido?!"), words("donde esta mi pedido"));
        assert_eq!(words("…"), Vec::<Vec<char>>::new());
    }
}
