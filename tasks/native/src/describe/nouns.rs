//! Nouns of a text in English, by rule: no tagger was said to have made the paper's counts, and a model would be one more thing to trust.
//!
//! A word is taken for a noun unless it is a word of grammar, a listed adjective or verb, or ends like an adverb, an adjective or a verb form; a
//! capital inside a caption makes it a proper noun whatever it ends with. Plurals count as their singular.

use std::collections::BTreeSet;

/// Articles, pronouns, prepositions, conjunctions, auxiliaries, numerals and the like.
const GRAMMAR: &str = "a about above across after against all along also although am among an and another any are around as at be because been \
    before behind being below beneath beside besides between beyond both but by can could did do does doing down during each eight either \
    eleven every few five for four from had has have having he her here hers him his how hundred i if in inside into is it its itself just like \
    many me might mine more most much must my near nearly neither next nine no none nor not now of off on once one only onto or other others our out \
    outside over own per same seven several shall she should since six so some such ten than that the their them then there these they this those \
    though three through thousand till to too toward towards twelve two under until up upon us very via was we were what when where which while \
    who whom whose why will with within without would yet you your yours";
/// Frequent adjectives that do not look it.
const ADJECTIVES: &str = "bad bare best better big black blank blond blonde blue bold brave brief bright broad brown calm cheap clean clear close cold \
    cool crisp cute damp dark deep different dirty dry dull dusty early easy empty fair fancy far fast fat fine first flat foggy free fresh front full fun funny \
    furry fuzzy good gray green grey happy hard hazy heavy high hot huge icy large last late lazy left light little lone long loud low lucky mini modern \
    muddy narrow natural neat new nice old open orange pale pink plain pretty proper purple quick quiet rare raw ready real red rich right ripe rough round rusty \
    sad safe salty same scary second shallow sharp shiny short shy silly simple single slim slow small smart smooth snowy soft solid sour square stale steep \
    stormy straight strange strong sunny super sure sweet tall tan tasty thick thin third tidy tight tiny top tough true ugly urban usual vast \
    warm weak wet white whole wide wild windy wise wooden woolen worn worse worst yellow young";
/// Frequent verbs in forms that do not look it.
const VERBS: &str = "am are ate be been began bring brings built buy came carry carries catch come comes cut cuts eat eats fall falls fell find flew fly flies get gets give \
    gives go goes got grow grows hang hangs has have held hold holds hung keep keeps kept know lay lays lean leans leave leaves lie lies made make makes made met put puts \
    ran read reads ride rides run runs sat saw say says see seen sees sell sells sit sits sold stand stands stood swim swims take takes taken talk talks \
    think took wear wears went wore write writes written";
/// Nouns that end like something else.
const NOUNS: &str = "animal ball balloon bed bell belly bird blossom building bus butterfly ceiling cereal clothing coral crystal evening family ferry field fish \
    flag fly glass grass hospital jewelry jelly king lens lily meal medal metal missile morning painting pedal petal railing ring seed shed signal \
    spring string table thing vegetable wall wedding weed wing bread head thread";
/// Ends of adverbs, adjectives and verb forms.
const ENDS: &[&str] = &[
    "ly", "ing", "ed", "ous", "ful", "able", "ible", "ive", "ish", "less", "ical", "ional", "ier", "iest", "ized",
    "ised",
];

fn listed(list: &str, word: &str) -> bool {
    list.split_ascii_whitespace().any(|one| one == word)
}

/// The distinct nouns of a text, in lower case and singular.
pub fn nouns(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut begins = true;
    for raw in text.split(|c: char| c.is_whitespace() || "/,;:|()[]{}\"…—–+&=<>*#".contains(c)) {
        let word = raw.trim_matches(|c: char| !c.is_alphanumeric());
        let word = word.strip_suffix("'s").or(word.strip_suffix("’s")).unwrap_or(word);
        let letters = word.chars().filter(|c| c.is_alphabetic()).count();
        if letters >= 2 && word.chars().all(|c| c.is_alphanumeric() || "-'’.".contains(c)) {
            // Numbers of models and files ("x100b") are no words.
            if word.chars().any(char::is_numeric) {
                begins = false;
                continue;
            }
            let proper = !begins && word.starts_with(char::is_uppercase);
            let lower = word.to_lowercase();
            if is_noun(&lower, proper) {
                found.insert(singular(&lower));
            }
            begins = false;
        }
        begins |= raw.ends_with(['.', '!', '?']);
    }
    found
}

fn is_noun(word: &str, proper: bool) -> bool {
    if listed(GRAMMAR, word) {
        return false;
    }
    if proper || listed(NOUNS, word) || listed(NOUNS, &singular(word)) {
        return true;
    }
    !(listed(ADJECTIVES, word)
        || listed(VERBS, word)
        || ENDS.iter().any(|end| word.len() > end.len() + 2 && word.ends_with(end)))
}

/// A noun's singular, by the regular rules.
fn singular(word: &str) -> String {
    let fixed = [
        ("men", "man"),
        ("women", "woman"),
        ("children", "child"),
        ("people", "person"),
        ("feet", "foot"),
        ("leaves", "leaf"),
    ];
    if let Some((_, one)) = fixed.iter().find(|(many, _)| *many == word) {
        return (*one).to_owned();
    }
    let cut = |end: &str| word.strip_suffix(end).filter(|stem| stem.len() > 1);
    if let Some(stem) = cut("ies").filter(|stem| stem.len() > 2) {
        return format!("{stem}y");
    }
    if ["sses", "shes", "ches", "xes", "zes"].iter().any(|end| word.ends_with(end)) {
        return word[..word.len() - 2].to_owned();
    }
    let kept = ["ss", "us", "is"].iter().any(|end| word.ends_with(end));
    cut("s").filter(|_| !kept).unwrap_or(word).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        nouns(text).into_iter().collect()
    }

    /// Captions in the manner of photographs' ones, tagged by hand.
    #[test]
    fn captions_tagged_by_hand() {
        for (text, wanted) in [
            ("A man riding a wave on top of a surfboard.", "man surfboard wave"),
            ("Two dogs are playing with a red ball in the park", "ball dog park"),
            ("a plate of food with broccoli, rice and meat", "broccoli food meat plate rice"),
            ("Several people standing near the Eiffel Tower in Paris", "eiffel paris person tower"),
            ("A beautifully painted wooden table beside two glasses of water", "glass table water"),
            ("Vintage 1950s Kodak camera – free stock photo IMG_2041.jpg", "camera kodak photo stock vintage"),
            ("the woman's butterflies flew quickly", "butterfly woman"),
            ("", ""),
        ] {
            assert_eq!(of(text).join(" "), wanted, "{text}");
        }
    }

    #[test]
    fn any_text_is_taken() {
        assert_eq!(of("犬 и кошка ¿perro? 🐶").len(), 2);
        assert!(of("' '' ... -- s's").is_empty());
    }
}
