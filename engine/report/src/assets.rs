//! The files beside a report: every figure as SVG and PDF in both widths of a journal, PNG, Vega-Lite and CSV; every table as CSV, Markdown and LaTeX.

use crate::{
    Figure, Judged,
    catalogue::{exhibits, fits},
    draw::{Width, scene, to_pdf, to_png, to_svg_document},
    facts::Facts,
    figure::to_csv,
    html::putln,
    tables::tables,
    vega::to_vega,
};

/// Files of a report's figures and tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assets {
    /// Figures: name and bytes.
    pub figures: Vec<(String, Vec<u8>)>,
    /// Tables: name and bytes.
    pub tables: Vec<(String, Vec<u8>)>,
    /// Figures in whose pictures letters are boxes, and these letters.
    pub boxes: Vec<(String, String)>,
}

/// Draws and writes all of them, in memory.
pub fn assets(facts: &Facts, claims: &[Judged]) -> Assets {
    let index = facts.index();
    let fits = fits(facts);
    let mut assets = Assets::default();
    let mut list = String::from(
        "# Figures\n\nEach as SVG and PDF for a page (174 mm) and a column (85 mm), as PNG, as Vega-Lite to be restyled, and as CSV.\n\n",
    );
    for exhibit in exhibits(facts, &index, &fits) {
        putln!(
            list,
            "- `{}`: {} {}",
            exhibit.figure.id,
            exhibit.figure.title.replace('<', "&lt;"),
            exhibit.caption.replace('<', "&lt;")
        );
        let lacking: String = scene(&exhibit.figure, Width::Double).lacking().into_iter().collect();
        if !lacking.is_empty() {
            putln!(
                list,
                "  The letters {lacking} are boxes in its PNG and PDF, whose font lacks them; its SVG shows them."
            );
            assets.boxes.push((exhibit.figure.id.clone(), lacking));
        }
        assets.figures.extend(files(&exhibit.figure));
    }
    assets.figures.push(("README.md".to_owned(), list.into_bytes()));
    for sheet in tables(facts, claims, &fits) {
        for (ending, text) in [("csv", sheet.to_csv()), ("md", sheet.to_markdown()), ("tex", sheet.to_latex())] {
            assets.tables.push((format!("{}.{ending}", sheet.id), text.into_bytes()));
        }
    }
    assets
}

/// The files of one figure.
pub fn files(figure: &Figure) -> Vec<(String, Vec<u8>)> {
    let name = |ending: &str| format!("{}{ending}", figure.id);
    let mut spec =
        serde_json::to_vec_pretty(&to_vega(figure)).expect("a specification is made of maps with text for keys");
    spec.push(b'\n');
    let mut files = vec![
        (name(".svg"), to_svg_document(figure, Width::Double).into_bytes()),
        (name("-column.svg"), to_svg_document(figure, Width::Single).into_bytes()),
        (name(".pdf"), to_pdf(figure, Width::Double)),
        (name("-column.pdf"), to_pdf(figure, Width::Single)),
        (name(".vl.json"), spec),
        (name(".csv"), to_csv(figure).into_bytes()),
    ];
    files.extend(to_png(figure, Width::Double).map(|png| (name(".png"), png)));
    files
}
