//! Thrift's compact protocol, in which Parquet files describe themselves, walked through and not kept.
//!
//! The reader that comes after takes counts and sizes on trust. Here they are seen first, in memory that does not depend on them.

use std::io::{self, Read};

/// Values within values at most: a tenth of this is what formats need.
const NESTED: u32 = 32;

/// Bytes that a structure in a list takes at least, in any format that means something.
const STRUCTURE: u64 = 3;

/// What is met on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Met {
    /// The next entry of a list begins.
    Entry,
    /// A whole number, or a truth value as 0 or 1.
    Number(i64),
    /// A text of so many bytes.
    Text(u64),
}

/// Hears of everything by the numbers of the fields that lead to it; lists add nothing to them.
pub type Hear<'a> = dyn FnMut(&[i16], Met) + 'a;

/// A walk through at most so many bytes.
#[derive(Debug)]
pub struct Walk<R> {
    from: R,
    left: u64,
    nested: u32,
    path: Vec<i16>,
}

impl<R: Read> Walk<R> {
    /// Through `left` bytes of `from`.
    pub fn new(from: R, left: u64) -> Self {
        Self { from, left, nested: 0, path: Vec::new() }
    }

    /// Bytes that are left.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Through a structure; or what is wrong with it.
    pub fn structure(&mut self, hear: &mut Hear<'_>) -> Result<(), &'static str> {
        let mut field = 0_i16;
        loop {
            let head = self.byte()?;
            let kind = head & 15;
            if kind == 0 {
                return Ok(());
            }
            field = match i16::from(head >> 4) {
                0 => i16::try_from(self.number()?).map_err(|_| "a field has no such number")?,
                more => field.checked_add(more).ok_or("a field has no such number")?,
            };
            self.path.push(field);
            self.value(kind, false, hear)?;
            self.path.pop();
        }
    }

    fn value(&mut self, kind: u8, listed: bool, hear: &mut Hear<'_>) -> Result<(), &'static str> {
        match kind {
            1 | 2 if listed => drop(self.byte()?),
            1 | 2 => hear(&self.path, Met::Number(i64::from(kind == 1))),
            3 => {
                let byte = self.byte()?;
                hear(&self.path, Met::Number(i64::from(byte.cast_signed())));
            }
            4..=6 => {
                let number = self.number()?;
                hear(&self.path, Met::Number(number));
            }
            7 => self.skip(8)?,
            8 => {
                let length = self.varint()?;
                hear(&self.path, Met::Text(length));
                self.skip(length)?;
            }
            9..=12 => {
                self.nested += 1;
                if self.nested > NESTED {
                    return Err("values lie in one another too deeply");
                }
                match kind {
                    9 | 10 => self.list(hear)?,
                    11 => self.map(hear)?,
                    _ => self.structure(hear)?,
                }
                self.nested -= 1;
            }
            13 => self.skip(16)?,
            _ => return Err("a value is of no known kind"),
        }
        Ok(())
    }

    fn list(&mut self, hear: &mut Hear<'_>) -> Result<(), &'static str> {
        let head = self.byte()?;
        let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        let before = self.left;
        if count > before {
            return Err("a list says that it has more entries than there are bytes");
        }
        for _ in 0..count {
            hear(&self.path, Met::Entry);
            self.value(head & 15, true, hear)?;
        }
        let empty = head & 15 == 12 && before - self.left < STRUCTURE * count;
        if empty { Err("a list is of nothing") } else { Ok(()) }
    }

    fn map(&mut self, hear: &mut Hear<'_>) -> Result<(), &'static str> {
        let count = self.varint()?;
        if count > self.left {
            return Err("a map says that it has more entries than there are bytes");
        }
        let kinds = if count > 0 { self.byte()? } else { 0 };
        for _ in 0..count {
            self.value(kinds >> 4, true, hear)?;
            self.value(kinds & 15, true, hear)?;
        }
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, &'static str> {
        let mut byte = [0];
        if self.left == 0 || self.from.read_exact(&mut byte).is_err() {
            return Err("it ends too early");
        }
        self.left -= 1;
        Ok(byte[0])
    }

    fn skip(&mut self, count: u64) -> Result<(), &'static str> {
        let there = count <= self.left
            && io::copy(&mut self.from.by_ref().take(count), &mut io::sink()).is_ok_and(|read| read == count);
        self.left -= if there { count } else { 0 };
        if there { Ok(()) } else { Err("it ends too early") }
    }

    fn varint(&mut self) -> Result<u64, &'static str> {
        let mut number = 0;
        for place in 0..10 {
            let byte = self.byte()?;
            number |= u64::from(byte & 127) << (7 * place);
            if byte < 128 {
                return Ok(number);
            }
        }
        Err("a number has no end")
    }

    /// A number whose sign is in its last bit.
    fn number(&mut self) -> Result<i64, &'static str> {
        let raw = self.varint()?;
        Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(bytes: &[u8]) -> Result<Vec<(Vec<i16>, Met)>, &'static str> {
        let mut met = Vec::new();
        Walk::new(bytes, bytes.len() as u64).structure(&mut |path, what| met.push((path.to_vec(), what)))?;
        Ok(met)
    }

    #[test]
    fn fields_are_met_by_their_numbers() {
        // 1: i32 -3; 2: list of two structures {1: i32 1}, {1: text "ab"}; 20 (a long step): true; the end.
        let bytes = [0x15, 5, 0x19, 0x2c, 0x15, 2, 0, 0x18, 2, b'a', b'b', 0, 0x01, 40, 0];
        let met = walk(&bytes).unwrap();
        let wanted: [(&[i16], Met); 6] = [
            (&[1], Met::Number(-3)),
            (&[2], Met::Entry),
            (&[2, 1], Met::Number(1)),
            (&[2], Met::Entry),
            (&[2, 1], Met::Text(2)),
            (&[20], Met::Number(1)),
        ];
        assert!(met.iter().map(|(path, met)| (path.as_slice(), *met)).eq(wanted), "{met:?}");
        for length in 0..bytes.len() {
            assert!(walk(&bytes[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn what_is_said_is_not_believed() {
        let says = |bytes: &[u8]| walk(bytes).unwrap_err();
        // A list of 2^28 structures, a text of 2^63 bytes, a map of 2^28, a list of empty structures.
        assert!(says(&[0x19, 0xfc, 0x80, 0x80, 0x80, 0x80, 1, 0]).contains("more entries"));
        assert_eq!(says(&[0x18, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1]), "it ends too early");
        assert!(says(&[0x1b, 0x80, 0x80, 0x80, 0x80, 1, 0x55, 0]).contains("more entries"));
        assert_eq!(says(&[0x19, 0x4c, 0, 0, 0, 0, 0]), "a list is of nothing");
        assert_eq!(says(&[0x15, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]), "a number has no end");
        assert_eq!(says(&[0x1f, 0]), "a value is of no known kind");
        assert_eq!(says(&[0x1c; 1000]), "values lie in one another too deeply");
        assert_eq!(says(&[0x19; 1000]), "values lie in one another too deeply");
    }
}
