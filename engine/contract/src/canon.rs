//! The canonical text: one text per value, whatever order or spelling it came in.
//!
//! It is JSON with fixed choices: members sorted by name, no white space, strings escaped only where JSON demands it, integers in
//! decimal, floats in shortest scientific form (`8.5e-4`, `1e0`), so that an integer and a float never share a text. A struct's
//! absent optional fields are left out, so that a new optional field changes no old key. What has no canonical form is refused: NaN and
//! the infinities, `f32` (0.1 would widen to 0.10000000149011612), raw bytes, 128-bit integers, names that are not strings.
//!
//! Texts are made from *typed* values: defaults, `1` against `1.0` and the order of a file are gone before they get here. Nothing relies on
//! the order in which a serializer's map happens to iterate.

use std::{collections::BTreeMap, fmt};

use serde::{Serialize, Serializer, ser};

/// Why a value has no canonical text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CanonError {
    /// NaN or an infinity.
    #[error("{0} has no canonical form; only finite numbers have")]
    NotFinite(String),
    /// A type that is refused, by name.
    #[error("{0} has no canonical form")]
    Unsupported(&'static str),
    /// A map's name that is not a string.
    #[error("a map has a name that is not a string")]
    NameNotString,
    /// Two members of one name.
    #[error("`{0}` stands twice in one map")]
    Twice(String),
    /// What a type's own `Serialize` complained of.
    #[error("{0}")]
    Custom(String),
}

impl ser::Error for CanonError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Custom(message.to_string())
    }
}

/// The canonical text of `value`.
pub fn text(value: &(impl Serialize + ?Sized)) -> Result<String, CanonError> {
    value.serialize(Canon)
}

/// The canonical form of `value` as an untyped value.
pub fn value(value: &(impl Serialize + ?Sized)) -> Result<serde_json::Value, CanonError> {
    let text = text(value)?;
    serde_json::from_str(&text).map_err(ser::Error::custom)
}

struct Canon;

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if u32::from(c) < 0x20 => out.extend(format!("\\u{:04x}", u32::from(c)).chars()),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn tagged(variant: &str, content: &str) -> String {
    format!("{{{}:{content}}}", quoted(variant))
}

macro_rules! integers {
    ($($method:ident $type:ty),*) => { $(
        fn $method(self, v: $type) -> Result<String, CanonError> {
            Ok(v.to_string())
        }
    )* };
}

impl Serializer for Canon {
    type Ok = String;
    type Error = CanonError;
    type SerializeSeq = List;
    type SerializeTuple = List;
    type SerializeTupleStruct = List;
    type SerializeTupleVariant = List;
    type SerializeMap = Members;
    type SerializeStruct = Members;
    type SerializeStructVariant = Members;

    integers!(serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64);
    integers!(serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64);

    fn serialize_bool(self, v: bool) -> Result<String, CanonError> {
        Ok(v.to_string())
    }

    fn serialize_f32(self, _: f32) -> Result<String, CanonError> {
        Err(CanonError::Unsupported("a 32-bit float"))
    }

    fn serialize_f64(self, v: f64) -> Result<String, CanonError> {
        if !v.is_finite() {
            return Err(CanonError::NotFinite(v.to_string()));
        }
        Ok(format!("{:e}", if v == 0.0 { 0.0 } else { v })) // one zero, not two
    }

    fn serialize_char(self, v: char) -> Result<String, CanonError> {
        self.serialize_str(v.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, v: &str) -> Result<String, CanonError> {
        Ok(quoted(v))
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<String, CanonError> {
        Err(CanonError::Unsupported("a raw byte string"))
    }

    fn serialize_none(self) -> Result<String, CanonError> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<String, CanonError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<String, CanonError> {
        Ok("null".to_owned())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<String, CanonError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<String, CanonError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<String, CanonError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<String, CanonError> {
        Ok(tagged(variant, &text(value)?))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List, CanonError> {
        Ok(List::default())
    }

    fn serialize_tuple(self, _: usize) -> Result<List, CanonError> {
        Ok(List::default())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<List, CanonError> {
        Ok(List::default())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<List, CanonError> {
        Ok(List { variant: Some(variant), ..List::default() })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Members, CanonError> {
        Ok(Members::default())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Members, CanonError> {
        Ok(Members::default())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Members, CanonError> {
        Ok(Members { variant: Some(variant), ..Members::default() })
    }
}

/// A list under way.
#[derive(Default)]
struct List {
    variant: Option<&'static str>,
    items: Vec<String>,
}

impl List {
    fn push<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), CanonError> {
        self.items.push(text(item)?);
        Ok(())
    }

    fn close(self) -> String {
        let list = format!("[{}]", self.items.join(","));
        self.variant.map_or_else(|| list.clone(), |variant| tagged(variant, &list))
    }
}

macro_rules! list {
    ($($trait:ident $method:ident),*) => { $(
        impl ser::$trait for List {
            type Ok = String;
            type Error = CanonError;
            fn $method<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), CanonError> {
                self.push(item)
            }
            fn end(self) -> Result<String, CanonError> {
                Ok(self.close())
            }
        }
    )* };
}
list!(SerializeSeq serialize_element, SerializeTuple serialize_element, SerializeTupleStruct serialize_field, SerializeTupleVariant serialize_field);

/// A map or a struct under way.
#[derive(Default)]
struct Members {
    variant: Option<&'static str>,
    name: Option<String>,
    texts: BTreeMap<String, String>,
}

impl Members {
    fn insert(&mut self, name: String, text: String) -> Result<(), CanonError> {
        match self.texts.insert(name.clone(), text) {
            None => Ok(()),
            Some(_) => Err(CanonError::Twice(name)),
        }
    }

    fn close(self) -> String {
        let members: Vec<String> = self.texts.iter().map(|(name, text)| format!("{}:{text}", quoted(name))).collect();
        let map = format!("{{{}}}", members.join(","));
        self.variant.map_or_else(|| map.clone(), |variant| tagged(variant, &map))
    }
}

impl ser::SerializeMap for Members {
    type Ok = String;
    type Error = CanonError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), CanonError> {
        // A string's text is quoted; anything else would make two names collide (`1` and `"1"`), so only strings pass.
        let quoted = text(key)?;
        self.name = Some(serde_json::from_str(&quoted).map_err(|_| CanonError::NameNotString)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CanonError> {
        let name = self.name.take().expect("serde gives a map's name before its value");
        self.insert(name, text(value)?)
    }

    fn end(self) -> Result<String, CanonError> {
        Ok(self.close())
    }
}

macro_rules! members {
    ($($trait:ident),*) => { $(
        impl ser::$trait for Members {
            type Ok = String;
            type Error = CanonError;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), CanonError> {
                match text(value)? {
                    absent if absent == "null" => Ok(()),
                    present => self.insert(name.to_owned(), present),
                }
            }
            fn end(self) -> Result<String, CanonError> {
                Ok(self.close())
            }
        }
    )* };
}
members!(SerializeStruct, SerializeStructVariant);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Serialize)]
    struct Spec {
        steps: u64,
        rate: f64,
        #[serde(rename = "model")]
        shape: Shape,
        note: Option<&'static str>,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "kebab-case")]
    enum Shape {
        Plain,
        Sized { width: u32, depth: (u8, u8) },
        Named(String),
    }

    #[test]
    fn a_struct_has_sorted_members_typed_numbers_and_no_absent_fields() {
        let spec = Spec { steps: 10, rate: 8.5e-4, shape: Shape::Sized { width: 8, depth: (1, 2) }, note: None };
        assert_eq!(text(&spec).unwrap(), r#"{"model":{"sized":{"depth":[1,2],"width":8}},"rate":8.5e-4,"steps":10}"#);
        let spec = Spec { steps: 0, rate: 1.0, shape: Shape::Plain, note: Some("a\"\n") };
        assert_eq!(text(&spec).unwrap(), r#"{"model":"plain","note":"a\"\u000a","rate":1e0,"steps":0}"#);
        let spec = Spec { steps: 0, rate: -0.0, shape: Shape::Named("ü".into()), note: None };
        assert_eq!(text(&spec).unwrap(), r#"{"model":{"named":"ü"},"rate":0e0,"steps":0}"#);
    }

    #[test]
    fn what_has_no_canonical_form_is_refused() {
        assert_eq!(text(&f64::NAN), Err(CanonError::NotFinite("NaN".into())));
        assert_eq!(text(&[1.0, f64::INFINITY]), Err(CanonError::NotFinite("inf".into())));
        assert_eq!(text(&0.1_f32), Err(CanonError::Unsupported("a 32-bit float")));
        assert_eq!(text(&BTreeMap::from([(1, 2)])), Err(CanonError::NameNotString));
    }

    #[test]
    fn the_text_is_json_that_reads_back_to_itself() {
        let tree = json!({"b": [1, 1.0, 1e-7, 123_456_789.5, true, null], "a": {"z": "\u{1}\\", "y": {}}, "c": -3, "max": u64::MAX});
        let once = text(&tree).unwrap();
        let again: serde_json::Value = serde_json::from_str(&once).unwrap();
        assert_eq!(again, tree);
        assert_eq!(text(&again).unwrap(), once);
    }
}
