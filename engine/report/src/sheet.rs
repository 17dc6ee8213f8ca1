//! A table as data, and its three files: CSV with every digit, Markdown and LaTeX rounded as prose is.

use crate::{
    figure::field,
    html::putln,
    number::{self, sig},
};

/// One table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sheet {
    /// A name unique in its report, of letters, digits and hyphens.
    pub id: String,
    /// What it lists, in one line.
    pub title: String,
    /// The names of its columns.
    pub columns: Vec<String>,
    /// Its rows, each as long as there are columns.
    pub rows: Vec<Vec<Slot>>,
}

/// What stands in one place of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Slot {
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// Nothing: it was not measured.
    Nothing,
}

impl Slot {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A number, or nothing.
    pub fn number(value: Option<f64>) -> Self {
        value.filter(|value| value.is_finite()).map_or(Self::Nothing, Self::Number)
    }

    /// As prose has it.
    pub(crate) fn rounded(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(value) => number::cell(*value).replace('-', "−"),
            Self::Nothing => "–".to_owned(),
        }
    }
}

impl Sheet {
    /// A table without rows.
    pub fn new(id: impl Into<String>, title: impl Into<String>, columns: &[&str]) -> Self {
        let columns = columns.iter().map(|name| (*name).to_owned()).collect();
        Self { id: id.into(), title: title.into(), columns, rows: Vec::new() }
    }

    /// Whether a column holds numbers: they stand to the right.
    fn is_number(&self, column: usize) -> bool {
        let mut slots =
            self.rows.iter().filter_map(|row| row.get(column)).filter(|slot| **slot != Slot::Nothing).peekable();
        slots.peek().is_some() && slots.all(|slot| matches!(slot, Slot::Number(_)))
    }

    /// As CSV (RFC 4180): numbers in the shortest form that reads back to the same bits.
    pub fn to_csv(&self) -> String {
        let line = |fields: Vec<String>| fields.join(",");
        let mut out = String::new();
        putln!(out, "{}", line(self.columns.iter().map(|name| field(name)).collect()));
        for row in &self.rows {
            let fields = row.iter().map(|slot| match slot {
                Slot::Text(text) => field(text),
                Slot::Number(value) => value.to_string(),
                Slot::Nothing => String::new(),
            });
            putln!(out, "{}", line(fields.collect()));
        }
        out
    }

    /// As a table of Markdown (GitHub's), under its title.
    pub fn to_markdown(&self) -> String {
        let escape = |text: &str| {
            let one_line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
            one_line
                .replace('\\', "\\\\")
                .replace('|', "\\|")
                .replace('<', "&lt;")
                .replace('*', "\\*")
                .replace('_', "\\_")
                .replace('`', "\\`")
        };
        let line = |fields: Vec<String>| format!("| {} |", fields.join(" | "));
        let mut out = format!("**{}**\n\n", escape(&self.title));
        putln!(out, "{}", line(self.columns.iter().map(|name| escape(name)).collect()));
        let rules = (0..self.columns.len()).map(|i| if self.is_number(i) { "---:" } else { "---" }.to_owned());
        putln!(out, "{}", line(rules.collect()));
        for row in &self.rows {
            putln!(out, "{}", line(row.iter().map(|slot| escape(&slot.rounded())).collect()));
        }
        out
    }

    /// As a table of LaTeX with the rules of the package booktabs.
    pub fn to_latex(&self) -> String {
        let form: String = (0..self.columns.len()).map(|i| if self.is_number(i) { 'r' } else { 'l' }).collect();
        let line = |fields: Vec<String>| format!("{} \\\\", fields.join(" & "));
        let mut out = format!(
            "% needs \\usepackage{{booktabs}}\n\\begin{{table}}\n  \\centering\n  \\caption{{{}}}\n",
            latex(&self.title)
        );
        putln!(out, "  \\label{{tab:{}}}\n  \\begin{{tabular}}{{{form}}}\n    \\toprule", self.id);
        putln!(out, "    {}\n    \\midrule", line(self.columns.iter().map(|name| latex(name)).collect()));
        for row in &self.rows {
            let fields = row.iter().map(|slot| match slot {
                Slot::Text(text) => latex(text),
                Slot::Number(value) => number_in_latex(*value),
                Slot::Nothing => "--".to_owned(),
            });
            putln!(out, "    {}", line(fields.collect()));
        }
        out.push_str("    \\bottomrule\n  \\end{tabular}\n\\end{table}\n");
        out
    }
}

/// `$-0.0312$`, `$1.46 \times 10^{21}$`.
fn number_in_latex(value: f64) -> String {
    let whole = value.fract().abs() < f64::MIN_POSITIVE && value.abs() < 1e9;
    let text = if whole { number::cell(value) } else { sig(value, 4) };
    match text.split_once("×10") {
        Some((mantissa, _)) => {
            let scientific = format!("{value:.3e}");
            let exponent = scientific.split_once('e').map_or("0", |(_, exponent)| exponent);
            format!("${mantissa} \\times 10^{{{exponent}}}$")
        }
        None => format!("${}$", text.replace(',', "{,}")),
    }
}

/// A text with everything escaped that LaTeX takes for its own, and the signs of our texts that its fonts may lack.
fn latex(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\textbackslash{}"),
            '{' | '}' | '$' | '&' | '#' | '_' | '%' => {
                out.push('\\');
                out.push(c);
            }
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '<' => out.push_str("$<$"),
            '>' => out.push_str("$>$"),
            '≥' => out.push_str("$\\geq$"),
            '≤' => out.push_str("$\\leq$"),
            '±' => out.push_str("$\\pm$"),
            '×' => out.push_str("$\\times$"),
            '·' => out.push_str("$\\cdot$"),
            '−' => out.push_str("$-$"),
            'α' => out.push_str("$\\alpha$"),
            'β' => out.push_str("$\\beta$"),
            'γ' => out.push_str("$\\gamma$"),
            'δ' => out.push_str("$\\delta$"),
            'λ' => out.push_str("$\\lambda$"),
            'σ' => out.push_str("$\\sigma$"),
            '\u{202f}' | '\u{2009}' => out.push_str("\\,"),
            '\n' | '\r' | '\t' => out.push(' '),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet() -> Sheet {
        Sheet {
            rows: vec![
                vec![Slot::text("a_b & \"c\", |d|"), Slot::Number(0.034_781_234_567), Slot::Nothing],
                vec![Slot::text("=1+1"), Slot::Number(-1.46e21), Slot::text("α ≥ 1")],
            ],
            ..Sheet::new("params", "Parameters of 50 %", &["name", "value", "note"])
        }
    }

    #[test]
    fn csv_keeps_every_digit() {
        assert_eq!(
            sheet().to_csv(),
            "name,value,note\n\"a_b & \"\"c\"\", |d|\",0.034781234567,\n'=1+1,-1460000000000000000000,α ≥ 1\n"
        );
    }

    #[test]
    fn markdown_keeps_its_columns() {
        assert_eq!(
            sheet().to_markdown(),
            "**Parameters of 50 %**\n\n| name | value | note |\n| --- | ---: | --- |\n| a\\_b & \"c\", \\|d\\| | 0.03478 | – |\n| =1+1 | −1.460×10²¹ | α ≥ 1 |\n"
        );
    }

    #[test]
    fn latex_is_escaped() {
        let latex = sheet().to_latex();
        for expected in [
            "\\caption{Parameters of 50 \\%}",
            "{lrl}",
            "a\\_b \\& \"c\", |d| & $0.03478$ & -- \\\\",
            "$-1.460 \\times 10^{21}$ & $\\alpha$ $\\geq$ 1",
        ] {
            assert!(latex.contains(expected), "{expected} is not in\n{latex}");
        }
    }
}
