//! A figure as a Vega-Lite specification, version 5, with its data inside: for readers who want it restyled. Nothing here renders it.
//!
//! One data set a panel, a row a point, with the columns of the figure's model; a layer for each way in which something is drawn.

use serde_json::{Map, Value, json};

use crate::{
    axis::{Axis, Scale},
    figure::{Datum, Figure, Mark, Panel, Series, Shape},
};

/// Where the version's schema is published.
pub const SCHEMA: &str = "https://vega.github.io/schema/vega-lite/v5.json";

/// The specification.
pub fn to_vega(figure: &Figure) -> Value {
    let panels = figure.lettered();
    let several = panels.len() > 1;
    let mut views: Vec<Value> = panels
        .iter()
        .map(|(letter, panel)| {
            let mut view = view(panel, several);
            if let Some(letter) = letter {
                view.insert("title".to_owned(), json!(format!("{letter} {}", panel.title).trim_end()));
            }
            Value::Object(view)
        })
        .collect();
    let mut top = json!({"$schema": SCHEMA, "title": figure.title, "description": figure.told(), "usermeta": {"notes": figure.notes, "legend": legend(figure)}});
    let members = top.as_object_mut().expect("it was written as a map above");
    match (views.len(), views.pop()) {
        (1, Some(Value::Object(view))) => members.extend(view),
        (_, last) => {
            views.extend(last);
            let columns = if figure.columns == 0 { figure.side() } else { figure.columns };
            members.insert("concat".to_owned(), Value::Array(views));
            members.insert("columns".to_owned(), json!(columns));
        }
    }
    top
}

fn legend(figure: &Figure) -> Value {
    figure.legend.iter().map(|entry| json!({"group": entry.group, "text": entry.text})).collect()
}

fn view(panel: &Panel, small: bool) -> Map<String, Value> {
    let rows: Vec<Value> = panel.series.iter().flat_map(|series| rows(series, panel)).collect();
    let (width, height) = if small { (260, 190) } else { (480, 320) };
    let height = if panel.y.scale == Scale::Rows { 20 * panel.y.rows.len().max(2) } else { height };
    let mut layers: Vec<Value> = outside(panel);
    layers.extend(SHAPES.iter().filter_map(|name| layer(panel, name)));
    layers.extend(panel.rules.iter().map(|rule| {
        let axis = if rule.upright { "x" } else { "y" };
        json!({"data": {"values": [{"at": rule.at, "label": rule.label}]}, "mark": {"type": "rule", "strokeDash": [2, 3], "tooltip": true},
               "encoding": {axis: {"field": "at", "type": "quantitative"}, "tooltip": {"field": "label", "type": "nominal"}}})
    }));
    json!({"width": width, "height": height, "data": {"values": rows}, "layer": layers})
        .as_object()
        .cloned()
        .unwrap_or_default()
}

/// The names that shapes go by in the data.
const SHAPES: [&str; 8] = ["band", "area", "bars", "thin", "dotted", "dashed", "line", "marks"];

fn name(shape: Shape) -> &'static str {
    match shape {
        Shape::Band => "band",
        Shape::Area => "area",
        Shape::Bars => "bars",
        Shape::Thin => "thin",
        Shape::Dotted => "dotted",
        Shape::Dashed => "dashed",
        Shape::Line => "line",
        Shape::Marks(_) => "marks",
    }
}

fn mark(mark: Mark) -> &'static str {
    match mark {
        Mark::Disc | Mark::Ring => "circle",
        Mark::Faint => "stroke",
        Mark::Square => "square",
        Mark::Diamond => "diamond",
        Mark::Triangle => "triangle-up",
        Mark::Cross => "cross",
        Mark::Star => {
            "M0,-1L0.24,-0.32L0.95,-0.31L0.38,0.12L0.59,0.81L0,0.4L-0.59,0.81L-0.38,0.12L-0.95,-0.31L-0.24,-0.32Z"
        }
    }
}

/// Points with a number for both places; what is none ends a segment.
fn rows(series: &Series, panel: &Panel) -> Vec<Value> {
    // Areas that are rings have no form in Vega-Lite; their outlines are drawn as lines of their own.
    if series.shape == Shape::Area {
        return Vec::new();
    }
    let mut segment = 0;
    let mut out = Vec::new();
    for (i, Datum { x, y, low, high, across, label, name: beside }) in series.points.iter().enumerate() {
        if !x.is_finite() || !y.is_finite() {
            segment += 1;
            continue;
        }
        let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
        let row_name = panel.y.rows.get(*y as usize).filter(|_| panel.y.scale == Scale::Rows);
        let mut row =
            json!({"series": series.name, "shape": name(series.shape), "segment": segment, "order": i, "x": x});
        let members = row.as_object_mut().expect("it was written as a map above");
        members.insert("y".to_owned(), row_name.map_or_else(|| json!(y), |row| json!(row)));
        for (name, value) in [
            ("low", finite(*low)),
            ("high", finite(*high)),
            ("left", finite(across.map(|a| a.0))),
            ("right", finite(across.map(|a| a.1))),
        ] {
            if let Some(value) = value {
                members.insert(name.to_owned(), json!(value));
            }
        }
        for (name, text) in [("label", label), ("name", beside)] {
            if !text.is_empty() {
                members.insert(name.to_owned(), json!(text));
            }
        }
        out.push(row);
    }
    out
}

fn outside(panel: &Panel) -> Vec<Value> {
    let Some((low, high)) = panel.fitted else { return Vec::new() };
    let fitted = json!({"data": {"values": [{"low": low, "high": high}]}, "mark": {"type": "rect", "color": "#e3e7ec", "opacity": 0.35},
           "encoding": {"x": {"field": "low", "type": "quantitative"}, "x2": {"field": "high"}, "tooltip": {"value": "fitted range"}}});
    vec![fitted]
}

fn layer(panel: &Panel, shape: &str) -> Option<Value> {
    let there: Vec<&Series> =
        panel.series.iter().filter(|s| name(s.shape) == shape && s.shape != Shape::Area).collect();
    let points = || there.iter().flat_map(|series| &series.points);
    points().next()?;
    let names: Vec<&str> = unique(there.iter().map(|series| series.name.as_str()));
    let inks: Vec<&str> = names
        .iter()
        .filter_map(|name| there.iter().find(|series| series.name == *name))
        .map(|series| series.ink.light())
        .collect();
    let color = json!({"field": "series", "type": "nominal", "scale": {"domain": names, "range": inks}, "legend": {"title": null}});
    let (x, y) = (channel(&panel.x, "x"), channel(&panel.y, "y"));
    let line = |mark: Value| {
        json!({"mark": mark, "encoding": {"x": x, "y": y, "color": color, "order": {"field": "order", "type": "quantitative"},
               "detail": [{"field": "segment", "type": "nominal"}]}})
    };
    let drawn = match shape {
        "band" => {
            json!({"mark": {"type": "area", "opacity": 0.2}, "encoding": {"x": x, "y": with_field(&y, "low"), "y2": {"field": "high"}, "color": color}})
        }
        "bars" => {
            json!({"mark": {"type": "rect", "opacity": 0.75}, "encoding": {"x": with_field(&x, "left"), "x2": {"field": "right"}, "y": y, "y2": {"datum": 0}, "color": color}})
        }
        "thin" => line(json!({"type": "line", "strokeWidth": 1.15, "opacity": 0.85})),
        "dotted" => line(json!({"type": "line", "strokeWidth": 1.3, "strokeDash": [1.6, 2.8]})),
        "dashed" => line(json!({"type": "line", "strokeWidth": 2, "strokeDash": [6, 4]})),
        "line" => line(json!({"type": "line", "strokeWidth": 2})),
        _ => {
            let forms: Vec<&str> = names
                .iter()
                .filter_map(|name| there.iter().find(|series| series.name == *name))
                .map(|series| if let Shape::Marks(form) = series.shape { mark(form) } else { "circle" })
                .collect();
            let shape = json!({"field": "series", "type": "nominal", "scale": {"domain": names, "range": forms}, "legend": null});
            let mut layers = Vec::new();
            if points().any(|point| point.low.is_some()) {
                layers.push(json!({"mark": "rule", "encoding": {"x": x, "y": with_field(&y, "low"), "y2": {"field": "high"}, "color": color}}));
            }
            if points().any(|point| point.across.is_some()) {
                layers.push(json!({"mark": "rule", "encoding": {"x": with_field(&x, "left"), "x2": {"field": "right"}, "y": y, "color": color}}));
            }
            layers.push(json!({"mark": {"type": "point", "filled": true, "opacity": 1, "tooltip": {"content": "data"}}, "encoding": {"x": x, "y": y, "color": color, "shape": shape}}));
            if points().any(|point| !point.name.is_empty()) {
                layers.push(json!({"mark": {"type": "text", "align": "left", "dx": 7, "fontSize": 9}, "encoding": {"x": x, "y": y, "text": {"field": "name", "type": "nominal"}}}));
            }
            json!({"layer": layers})
        }
    };
    let mut drawn = drawn;
    drawn["transform"] = json!([{"filter": format!("datum.shape === '{shape}'")}]);
    Some(drawn)
}

fn unique<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut out: Vec<&str> = Vec::new();
    for name in names {
        if !out.contains(&name) {
            out.push(name);
        }
    }
    out
}

fn channel(axis: &Axis, field: &str) -> Value {
    let title = if axis.label.is_empty() { Value::Null } else { json!(axis.text()) };
    if axis.scale == Scale::Rows {
        return json!({"field": field, "type": "nominal", "title": title, "sort": axis.rows, "axis": {"labelLimit": 260}});
    }
    let mut scale = json!({"type": if axis.scale == Scale::Log { "log" } else { "linear" }, "zero": false});
    if let Some((low, high)) = axis.range {
        scale["domain"] = json!([low, high]);
    }
    if axis.scale == Scale::Log {
        // `zero` is for scales that can hold it.
        scale = json!({"type": "log"});
        if let Some((low, high)) = axis.range {
            scale["domain"] = json!([low, high]);
        }
    }
    json!({"field": field, "type": "quantitative", "title": title, "scale": scale})
}

fn with_field(channel: &Value, field: &str) -> Value {
    let mut channel = channel.clone();
    channel["field"] = json!(field);
    channel
}
