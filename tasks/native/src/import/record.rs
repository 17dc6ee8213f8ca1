//! What a JSON object says of an image. Of anybody's JSON only what counts is kept: texts that were asked for, and numbers.

use std::{collections::BTreeMap, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::item::Names;

/// The member that names an image's file.
pub const FILE_NAME: &str = "file_name";

/// Texts and numbers by name. Of two members of one name the last counts.
#[derive(Debug, Default, PartialEq)]
pub struct Record {
    /// Texts.
    pub texts: BTreeMap<String, String>,
    /// Numbers.
    pub numbers: BTreeMap<String, f64>,
}

impl Record {
    /// Reads an object; or what is wrong with it.
    pub fn read(json: &[u8], names: &Names) -> Result<Self, serde_json::Error> {
        let mut from = serde_json::Deserializer::from_slice(json);
        let record = Object(names).deserialize(&mut from)?;
        from.end()?;
        Ok(record)
    }
}

struct Object<'a>(&'a Names<'a>);

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = Record;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Record, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = Record;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
        let mut record = Record::default();
        while let Some(name) = map.next_key::<String>()? {
            record.texts.remove(&name);
            record.numbers.remove(&name);
            let names = self.0;
            let counts = name == FILE_NAME || name == names.caption || names.synthetic.contains(&name);
            match map.next_value_seed(Value { counts })? {
                Plain::Text(text) => drop(record.texts.insert(name, text)),
                Plain::Number(number) => drop(record.numbers.insert(name, number)),
                Plain::Other => {}
            }
        }
        Ok(record)
    }
}

enum Plain {
    Text(String),
    Number(f64),
    Other,
}

/// A value whose text is kept where it counts.
struct Value {
    counts: bool,
}

impl<'de> DeserializeSeed<'de> for Value {
    type Value = Plain;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Plain, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value {
    type Value = Plain;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Plain, E> {
        Ok(if self.counts { Plain::Text(text.to_owned()) } else { Plain::Other })
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Plain, E> {
        Ok(Plain::Number(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Plain, E> {
        Ok(Plain::Number(number as f64))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Plain, E> {
        Ok(Plain::Number(number as f64))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Plain, E> {
        Ok(Plain::Other)
    }

    fn visit_unit<E: Error>(self) -> Result<Plain, E> {
        Ok(Plain::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Plain, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Plain::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Plain, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Plain::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_count_and_numbers_are_kept() {
        let synthetic = ["better".to_owned()];
        let names = Names { caption: "caption", synthetic: &synthetic };
        let read = |json: &str| Record::read(json.as_bytes(), &names);
        let json = r#"{"caption": "a \u00fc", "better": "b", "other": "c", "n": -3, "m": 18446744073709551615, "x": 0.5, "deep": [{"caption": 1}],
            "flag": true, "none": null}"#;
        let record = read(json).unwrap();
        let texts = [("better", "b"), ("caption", "a ü")].map(|(name, text)| (name.to_owned(), text.to_owned()));
        let numbers = [("m", u64::MAX as f64), ("n", -3.0), ("x", 0.5)].map(|(name, number)| (name.to_owned(), number));
        assert_eq!(record, Record { texts: BTreeMap::from(texts), numbers: BTreeMap::from(numbers) });
        // Of two members the last, whatever they are.
        let twice = read(r#"{"caption": "one", "n": 1, "caption": 2, "n": "two"}"#).unwrap();
        assert_eq!((twice.texts.len(), &twice.numbers), (0, &BTreeMap::from([("caption".to_owned(), 2.0)])));
        let deep = format!("{{\"x\": {}{}, \"n\": 1}}", "[".repeat(1 << 20), "]".repeat(1 << 20));
        assert_eq!(read(&deep).unwrap().numbers.len(), 1);
        for wrong in ["", "[]", "3", "{", r#"{"a": 1} {}"#, r#"{"a": 1e999}"#, r#"{"caption": "\ud800"}"#] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(Record::read(b"{\"caption\": \"\xff\"}", &names).is_err());
    }
}
