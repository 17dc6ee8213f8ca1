//! Accesses: `owner.name` and `owner[key]` at the end of an expression, and what the owner has when it lacks the one asked for.

use minijinja::value::{Value as Dynamic, ValueKind};

use crate::suggest;

/// The last access of an expression.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Access<'t> {
    /// The expression before it.
    pub(crate) owner: &'t str,
    member: Member<'t>,
}

#[derive(Debug, PartialEq, Eq)]
enum Member<'t> {
    Name(&'t str),
    /// An expression between brackets.
    Key(&'t str),
}

impl<'t> Access<'t> {
    /// The access that a chain ends with. `None` of a mere name.
    pub(crate) fn of(chain: &'t str) -> Option<Self> {
        if let Some(inside) = chain.strip_suffix(']') {
            let at = inside.rfind('[')?;
            return Some(Self { owner: &chain[..at], member: Member::Key(inside[at + 1..].trim()) });
        }
        chain.rsplit_once('.').map(|(owner, name)| Self { owner, member: Member::Name(name) })
    }

    /// What `owner` has instead; `evaluate` gives the value of a key.
    pub(crate) fn hint(&self, owner: &Dynamic, evaluate: impl Fn(&str) -> Option<Dynamic>) -> Option<String> {
        let of = self.owner;
        match owner.kind() {
            ValueKind::Map => {
                let keys: Vec<String> = owner.try_iter().ok()?.map(|key| key.to_string()).collect();
                let asked = match self.member {
                    Member::Name(name) => name.to_owned(),
                    Member::Key(key) => evaluate(key)?.to_string(),
                };
                match (suggest::nearest(&asked, keys.iter().map(String::as_str)), &self.member) {
                    (Some(near), Member::Name(_)) => Some(format!("did you mean `{of}.{near}`?")),
                    (near, Member::Key(key)) => {
                        let told = if key.trim_matches(['\'', '"']) == asked {
                            String::new()
                        } else {
                            format!("`{key}` is `{asked}` here; ")
                        };
                        Some(match near {
                            Some(near) => format!("{told}did you mean `{near}`?"),
                            None => format!("{told}{}", has(of, &keys)),
                        })
                    }
                    (None, Member::Name(_)) => Some(has(of, &keys)),
                }
            }
            ValueKind::Seq => {
                let length = owner.len()?;
                let noun = if length == 1 { "item" } else { "items" };
                Some(format!("`{of}` is a list of {length} {noun}, counted from 0"))
            }
            ValueKind::Number | ValueKind::String | ValueKind::Bool | ValueKind::None => {
                Some(format!("`{of}` is `{owner}`, which has nothing inside"))
            }
            _ => None,
        }
    }
}

/// The names in an expression that something is asked of, each with all its accesses. A key with brackets or quoted brackets in it ends one.
pub(crate) fn chains(text: &str) -> Vec<&str> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (mut chains, mut at, mut quote) = (Vec::new(), 0, None);
    while let Some(c) = text[at..].chars().next() {
        let begins = quote.is_none() && (c.is_ascii_alphabetic() || c == '_');
        if !begins || text[..at].ends_with(|c| part(c) || c == '.') {
            quote = match quote {
                None if matches!(c, '\'' | '"') => Some(c),
                Some(open) if open == c => None,
                quote => quote,
            };
            at += c.len_utf8();
            continue;
        }
        let rest = &text[at..];
        let mut end = rest.find(|c| !part(c)).unwrap_or(rest.len());
        let name = end;
        while let Some(length) = access(&rest[end..]) {
            end += length;
        }
        if end > name {
            chains.push(&rest[..end]);
        }
        at += name; // what stands between brackets may hold chains of its own
    }
    chains
}

/// How long the access is that a text begins with.
fn access(text: &str) -> Option<usize> {
    if let Some(name) = text.strip_prefix('.') {
        let length = name.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(name.len());
        return (length > 0).then_some(1 + length);
    }
    let inside = text.strip_prefix('[')?;
    let end = inside.find(['[', ']', ':'])?;
    inside[end..].starts_with(']').then_some(end + 2)
}

fn has(of: &str, keys: &[String]) -> String {
    let has = format!("`{of}` has");
    suggest::listed(keys.iter().map(String::as_str), &has, &has).unwrap_or_else(|| format!("`{of}` is empty"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_found_and_their_last_access_taken_off() {
        for (text, found) in [
            ("model.rate", &["model.rate"][..]),
            (" model.blocks[0].rate + 2.5 * width", &["model.blocks[0].rate"]),
            ("models[sizes.last]['a.b']", &["models[sizes.last]['a.b']", "sizes.last"]),
            ("f(x).a if 'b.c' else (d).e", &[]),
            ("items[1:2] ~ \"it's\" ~ a.b", &["a.b"]),
        ] {
            assert_eq!(chains(text), found, "{text}");
        }
        let name = |owner, name| Some(Access { owner, member: Member::Name(name) });
        let key = |owner, key| Some(Access { owner, member: Member::Key(key) });
        assert_eq!(Access::of("model.blocks[0].rate"), name("model.blocks[0]", "rate"));
        assert_eq!(Access::of("models[ size ]"), key("models", "size"));
        assert_eq!(Access::of("models"), None);
    }
}
