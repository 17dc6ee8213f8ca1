//! Tokens.

use isoflop_torch::tokens::{Convention, Tokenizer};
use serde_json::json;
use tch::Tensor;

use crate::{golden, reference};

#[test]
fn tokens_are_those_of_the_python_packages() {
    let reference = reference("tokens");
    let texts: Vec<String> = serde_json::from_value(reference["texts"].clone()).unwrap();
    let cases = [
        ("clip-77", "clip.json", Convention::Clip, Convention::Clip.length()),
        ("clip-12", "clip.json", Convention::Clip, 12),
        ("openclip-77", "clip.json", Convention::OpenClip, Convention::OpenClip.length()),
        ("openclip-12", "clip.json", Convention::OpenClip, 12),
        ("t5-120", "t5.json", Convention::T5, Convention::T5.length()),
        ("t5-9", "t5.json", Convention::T5, 9),
    ];
    for (name, file, convention, length) in cases {
        let tokenizer = Tokenizer::open(&golden("tokenizers").join(file), convention, length).unwrap();
        let tokens = tokenizer.encode(&texts).unwrap();
        let rows = |tensor: &Tensor| json!(Vec::<Vec<i64>>::try_from(tensor).unwrap());
        assert_eq!(rows(&tokens.ids), reference[name]["ids"], "{name}");
        assert_eq!(rows(&tokens.mask), reference[name]["mask"], "{name}");
    }
}

#[test]
fn a_tokenizer_of_another_kind_is_named() {
    let open = |file: &str, convention, length| {
        Tokenizer::open(&golden(file), convention, length)
            .unwrap_err()
            .to_string()
            .replace(&golden("").display().to_string(), "")
            .trim_start_matches('/')
            .to_owned()
    };
    let said = open("tokenizers/t5.json", Convention::Clip, 77);
    assert_eq!(said, "tokenizers/t5.json has no token `<|startoftext|>`, which this convention needs");
    assert!(open("reference.json", Convention::T5, 9).starts_with("reference.json is no tokenizer.json: "));
    assert_eq!(
        open("tokenizers/clip.json", Convention::Clip, 2),
        "2 tokens leave no room between a text's beginning and its end"
    );
}
