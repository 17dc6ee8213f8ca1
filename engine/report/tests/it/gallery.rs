//! Every figure of the catalogue, drawn twice to the same bytes, as golden digests filed by revision have them.
//!
//! `ISOFLOP_UPDATE=1` files the digests anew; `ISOFLOP_GALLERY=DIR` leaves the pictures there to be looked at.

use std::collections::BTreeMap;

use isoflop_contract::Digest;
use isoflop_report::{
    Figure, Width,
    color::Theme,
    draw::{self, REVISION},
    figure::Shape,
    raster, to_csv, to_pdf, to_png, to_svg_document, to_vega,
};

use crate::planted::{against, all, optimal, profiles, sensitivity, training};

/// Every form of one figure at one width.
fn forms(figure: &Figure, width: Width) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("svg", to_svg_document(figure, width).into_bytes()),
        ("png", to_png(figure, width).expect("a figure of a sensible size")),
        ("pdf", to_pdf(figure, width)),
    ]
}

#[test]
fn bytes_are_the_same_twice_and_as_filed() {
    let file = format!("{}/tests/golden/figures.r{REVISION}.json", env!("CARGO_MANIFEST_DIR"));
    let mut digests: BTreeMap<String, String> = BTreeMap::new();
    for (first, second) in all().iter().zip(&all()) {
        for (width, name) in [(Width::Double, "double"), (Width::Single, "single")] {
            for ((form, bytes), (_, again)) in forms(first, width).into_iter().zip(forms(second, width)) {
                assert_eq!(Digest::of(&bytes), Digest::of(&again), "{} as {form} is not the same twice", first.id);
                digests.insert(format!("{}-{name}.{form}", first.id), Digest::of(&bytes).to_string());
                if let Some(folder) = std::env::var_os("ISOFLOP_GALLERY") {
                    std::fs::write(std::path::Path::new(&folder).join(format!("{}-{name}.{form}", first.id)), &bytes)
                        .unwrap();
                }
            }
        }
        if let Some(folder) = std::env::var_os("ISOFLOP_GALLERY") {
            let dark = raster::to_png(&draw::scene(first, Width::Double), Theme::Dark).unwrap();
            std::fs::write(std::path::Path::new(&folder).join(format!("{}-dark.png", first.id)), dark).unwrap();
        }
        for (form, text) in [("vl.json", serde_json::to_string(&to_vega(first)).unwrap()), ("csv", to_csv(first))] {
            digests.insert(format!("{}.{form}", first.id), Digest::of(text.as_bytes()).to_string());
        }
    }
    let text = serde_json::to_string_pretty(&digests).unwrap() + "\n";
    if std::env::var_os("ISOFLOP_UPDATE").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let filed = std::fs::read_to_string(&file).unwrap_or_default();
    let filed: BTreeMap<String, String> = serde_json::from_str(&filed).unwrap_or_default();
    for (name, digest) in &digests {
        assert_eq!(filed.get(name), Some(digest), "{name} is drawn differently: bump draw::REVISION, and look at it");
    }
    assert_eq!(filed.len(), digests.len(), "{file} lists figures that are no more");
}

#[test]
fn data_files_hold_what_is_drawn() {
    let csv = to_csv(&sensitivity());
    assert!(csv.starts_with("series,label,a,choice,lower,upper,left,right\n"), "{csv}");
    assert!(csv.contains(",0.642,\"squares of L, 245 rows\",,,0.548,0.731\n"), "{csv}");
    let csv = to_csv(&optimal());
    assert!(
        csv.starts_with(
            "panel,horizontal,vertical,series,label,x,y,lower,upper,left,right\na,training compute (FLOP),parameters,"
        ),
        "{csv}"
    );
    assert!(
        csv.contains("\nb,training compute (FLOP),training tokens,target,5.76×10²³ FLOP,576000000000000000000000,"),
        "{csv}"
    );
}

#[test]
fn a_legend_tells_n_and_exponents_with_their_intervals() {
    for (figure, told) in [
        (training(), &["n = 24", "exponent 0.155 [0.149, 0.161]", "extrapolated", "90\u{202f}% band"][..]),
        (optimal(), &["parameters: 0.513 [0.489, 0.537], n = 8"]),
        (against(), &["Spearman ρ = ", "n = 8"]),
        (profiles(), &["n = 63 in 9 budgets"]),
    ] {
        for told in told {
            assert!(figure.legend.iter().any(|entry| entry.text.contains(told)), "{} lacks {told}", figure.id);
        }
        assert!(figure.told().len() > 60, "{} says little to those who cannot see it", figure.id);
    }
    assert!(training().panels[0].fitted.is_some() && training().panels[0].has(Shape::Dashed));
}

#[test]
fn a_pdf_is_read_by_another_reader() {
    // What any reader looks at first: header, cross-reference table, one page of the printed size.
    let bytes = to_pdf(&training(), Width::Double);
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.starts_with("%PDF-1.7") && text.trim_end().ends_with("%%EOF"));
    assert!(text.contains("/MediaBox [0 0 493.71"), "720 pixels are 174 mm");
    assert!(text.contains("/BaseFont /ISOFLP+Arimo") && text.contains("/ToUnicode"));
    assert!(!text.contains("/CreationDate"));
}
