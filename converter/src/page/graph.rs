//! The model's graph: steps from top to bottom in the order in which they run, and beside them what is read later.

use crate::timeline::escape;
use mote_runtime::Model;
use std::fmt::Write;

/// Extents of a box, the room that it has from top to top, and the distance of lanes beside the boxes.
const WIDTH: usize = 230;
const HEIGHT: usize = 34;
const ROW: usize = 50;
const LANE: usize = 9;

/// A drawing of inputs and steps.
pub(super) fn section(page: &mut String, model: &Model<'_>) {
    let format = model.format();
    let mut boxes: Vec<(u16, String, String)> =
        (0..format.inputs()).filter_map(|id| Some((id, "input".to_owned(), label(model, id)?))).collect();
    let mut edges = Vec::new();
    for step in format.steps() {
        let to = boxes.len();
        for id in step.inputs.iter() {
            edges.extend(boxes.iter().position(|b| b.0 == id).map(|from| (from, to)));
        }
        boxes.push((step.output, step.op.name().to_owned(), label(model, step.output).unwrap_or_default()));
    }
    // An edge gets the first lane that is free where it passes.
    let mut lanes: Vec<usize> = Vec::new();
    let mut lines = String::new();
    for &(from, to) in &edges {
        let (bottom, top) = (from * ROW + HEIGHT + 2, to * ROW + 2);
        let middle = WIDTH / 2;
        if to == from + 1 {
            let _ = writeln!(lines, "<path d=\"M{middle} {bottom}V{top}\"/>");
            continue;
        }
        let lane = lanes.iter().position(|&end| end <= from).unwrap_or(lanes.len());
        lanes.resize(lanes.len().max(lane + 1), 0);
        lanes[lane] = to;
        let (x, from_y, to_y) = (WIDTH + LANE * (lane + 1), bottom - 8, top + 8);
        let _ = writeln!(lines, "<path d=\"M{WIDTH} {from_y}H{x}V{to_y}H{WIDTH}\"/>");
    }
    let (width, height) = (WIDTH + LANE * (lanes.len() + 1), boxes.len() * ROW);
    let _ = writeln!(
        page,
        "<h2>Graph</h2>\n<div class=\"wide\"><svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\
         <g fill=\"none\" stroke=\"#888\">\n{lines}</g>"
    );
    for (row, (_, op, text)) in boxes.iter().enumerate() {
        let (y, fill) = (row * ROW + 2, if op == "input" { "#dce6f2" } else { "#eaf3e8" });
        let _ = writeln!(
            page,
            "<rect x=\"1\" y=\"{y}\" width=\"{}\" height=\"{HEIGHT}\" rx=\"5\" style=\"fill:{fill};stroke:#999\"/>\
             <text x=\"8\" y=\"{}\" font-weight=\"bold\">{}</text><text x=\"8\" y=\"{}\">{}</text>",
            WIDTH - 1,
            y + 14,
            escape(op),
            y + 28,
            escape(text)
        );
    }
    page.push_str("</svg></div>\n");
}

/// A tensor's shape and the end of its name, which tells most.
fn label(model: &Model<'_>, id: u16) -> Option<String> {
    let tensor = model.format().tensor(id)?;
    let shape = tensor.shape.dims().iter().map(u32::to_string).collect::<Vec<_>>().join("×");
    let name = model.format().tensor_name(&tensor);
    let hidden = name.chars().count().saturating_sub(22);
    let end: String = name.chars().skip(hidden).collect();
    Some(format!("{shape}  {}{end}", if hidden > 0 { "…" } else { "" }))
}
