//! Where the tensors of a safetensors file are: its head read, its data left alone.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::Path,
};

use isoflop_contract::Value;
use serde::Deserialize;
use serde_json::json;

/// The longest head that is read, as in the format's own library.
const LONGEST_HEAD: u64 = 100_000_000;

/// The places of all tensors in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Where the data begins.
    pub data: u64,
    /// Tensors in the order of their data.
    pub tensors: Vec<Tensor>,
}

/// One tensor's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    dtype: String,
    shape: Vec<u64>,
    /// Its first byte, counted from where the data begins.
    pub begin: u64,
    /// The byte after its last.
    pub end: u64,
}

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

impl Layout {
    /// The layout of the file at `path`; nothing if it is no such file.
    pub fn read(path: &Path) -> io::Result<Option<Self>> {
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        let mut length = [0; 8];
        if size < 8 {
            return Ok(None);
        }
        file.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        if length > LONGEST_HEAD || length > size - 8 {
            return Ok(None);
        }
        let mut head = vec![0; length as usize];
        file.read_exact(&mut head)?;
        let Ok(mut members) = serde_json::from_slice::<BTreeMap<String, Value>>(&head) else { return Ok(None) };
        members.remove("__metadata__");
        let data = 8 + length;
        let tensor = |(name, value): (String, Value)| {
            let Entry { dtype, shape, data_offsets: [begin, end] } = serde_json::from_value(value).ok()?;
            let tensor = Tensor { name, dtype, shape, begin, end };
            let elements = tensor.shape.iter().try_fold(1_u64, |all, side| all.checked_mul(*side))?;
            let fits = begin <= end && end <= size - data && elements.checked_mul(tensor.width()) == Some(end - begin);
            fits.then_some(tensor)
        };
        let tensors: Option<Vec<Tensor>> = members.into_iter().map(tensor).collect();
        Ok(tensors.map(|mut tensors| {
            tensors.sort_by(|a, b| (a.begin, &a.name).cmp(&(b.begin, &b.name)));
            Self { data, tensors }
        }))
    }
}

impl Tensor {
    /// Its type and shape, as in `F32 [2, 3]`.
    pub fn describe(&self) -> String {
        format!("{} {:?}", self.dtype, self.shape)
    }

    /// Bytes an element. Types of less than a byte are taken as bytes, which makes their shapes not fit.
    pub fn width(&self) -> u64 {
        match self.dtype.as_str() {
            "F64" | "I64" | "U64" | "C64" => 8,
            "F32" | "I32" | "U32" => 4,
            "F16" | "BF16" | "I16" | "U16" => 2,
            _ => 1,
        }
    }

    /// The place of an element, one number a dimension.
    pub fn index(&self, mut element: u64) -> Vec<u64> {
        let mut index = vec![0; self.shape.len()];
        for (place, side) in index.iter_mut().zip(&self.shape).rev() {
            *place = element % side;
            element /= side;
        }
        index
    }

    /// The value of an element; its bits in hexadecimal where JSON has no number for it.
    pub fn value(&self, bytes: &[u8]) -> Value {
        let bits = || json!(bytes.iter().rev().fold("0x".to_owned(), |text, byte| format!("{text}{byte:02x}")));
        let float = |value: f64| if value.is_finite() { json!(value) } else { json!(value.to_string()) };
        match (self.dtype.as_str(), bytes) {
            ("F64", &[a, b, c, d, e, f, g, h]) => float(f64::from_le_bytes([a, b, c, d, e, f, g, h])),
            ("F32", &[a, b, c, d]) => float(f64::from(f32::from_le_bytes([a, b, c, d]))),
            // The upper half of a single.
            ("BF16", &[a, b]) => float(f64::from(f32::from_le_bytes([0, 0, a, b]))),
            ("F16", &[a, b]) => float(half(u16::from_le_bytes([a, b]))),
            ("I64", &[a, b, c, d, e, f, g, h]) => json!(i64::from_le_bytes([a, b, c, d, e, f, g, h])),
            ("U64", &[a, b, c, d, e, f, g, h]) => json!(u64::from_le_bytes([a, b, c, d, e, f, g, h])),
            ("I32", &[a, b, c, d]) => json!(i32::from_le_bytes([a, b, c, d])),
            ("U32", &[a, b, c, d]) => json!(u32::from_le_bytes([a, b, c, d])),
            ("I16", &[a, b]) => json!(i16::from_le_bytes([a, b])),
            ("U16", &[a, b]) => json!(u16::from_le_bytes([a, b])),
            ("I8", &[a]) => json!(i8::from_le_bytes([a])),
            ("U8", &[a]) => json!(a),
            ("BOOL", &[a]) => json!(a != 0),
            _ => bits(),
        }
    }
}

/// A half-precision number (IEEE 754 binary16).
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), bits & 1023);
    let share = f64::from(fraction) / 1024.0;
    sign * match exponent {
        0 => share * 2_f64.powi(-14),
        31 if fraction == 0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + share) * 2_f64.powi(exponent - 15),
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these come out exactly")]
mod tests {
    use super::*;

    fn tensor(dtype: &str) -> Tensor {
        Tensor { name: "t".into(), dtype: dtype.into(), shape: vec![2, 3, 4], begin: 0, end: 0 }
    }

    #[test]
    fn elements_have_places_and_values() {
        assert_eq!(tensor("F32").index(0), [0, 0, 0]);
        assert_eq!(tensor("F32").index(23), [1, 2, 3]);
        assert_eq!(tensor("F32").index(17), [1, 1, 1]);
        assert_eq!(tensor("F32").value(&1.5_f32.to_le_bytes()), json!(1.5));
        assert_eq!(tensor("F32").value(&f32::NAN.to_le_bytes()), json!("NaN"));
        assert_eq!(tensor("BF16").value(&[0x80, 0xbf]), json!(-1.0));
        assert_eq!(tensor("I64").value(&(-7_i64).to_le_bytes()), json!(-7));
        assert_eq!(tensor("BOOL").value(&[1]), json!(true));
        assert_eq!(tensor("F8_E4M3").value(&[0x3a]), json!("0x3a"));
    }

    /// Values of the standard: the least, the greatest below one, the greatest.
    #[test]
    fn halves_are_read() {
        assert_eq!(half(0x0001), 5.960_464_477_539_063e-8);
        assert_eq!(half(0x3bff), 0.999_511_718_75);
        assert_eq!((half(0x7bff), half(0xc000), half(0x3555)), (65504.0, -2.0, 0.333_251_953_125));
        assert!(half(0x7c00).is_infinite() && half(0x7e00).is_nan());
    }

    #[test]
    fn what_is_no_such_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let mut lying = 24_u64.to_le_bytes().to_vec();
        lying.extend(br#"{"t":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}"#);
        for bytes in [&b""[..], b"short", &u64::MAX.to_le_bytes(), b"\x02\0\0\0\0\0\0\0[]", &lying] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(Layout::read(&path).unwrap(), None, "{bytes:?}");
        }
    }
}
