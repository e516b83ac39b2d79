//! A small plot: lines over a logarithmic axis of sizes, as SVG.

use std::path::Path;

use plotters::prelude::{
    BLACK, ChartBuilder, Circle, Color, IntoDrawingArea, IntoLogRange, LineSeries, Palette, Palette99,
    PathElement, SVGBackend, SeriesLabelPosition, WHITE,
};

use crate::Failure;

/// A line of a plot.
pub struct Line<'l> {
    /// What its sizes count.
    pub name: &'l str,
    /// Size and value.
    pub points: &'l [(usize, f64)],
}

/// Writes a plot of `lines` to `file`; values are in `unit` and start at zero.
///
/// # Errors
///
/// A file that cannot be written.
pub fn plot(file: &Path, title: &str, unit: &str, lines: &[Line<'_>]) -> Result<(), Failure> {
    let sizes = || lines.iter().flat_map(|line| line.points).map(|(size, _)| *size as f64);
    let top = lines.iter().flat_map(|line| line.points).map(|(_, value)| *value).fold(0.0, f64::max);
    let (least, most) = (sizes().fold(f64::INFINITY, f64::min), sizes().fold(1.0, f64::max));
    let area = SVGBackend::new(file, (720, 420)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d((least..most * 1.2).log_scale(), 0.0..top * 1.15)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(BLACK.mix(0.12))
        .y_desc(unit)
        .x_label_formatter(&|size| format!("{size:.0}"))
        .y_label_formatter(&|value| format!("{value:.0}"))
        .draw()?;
    for (at, line) in lines.iter().enumerate() {
        let color = Palette99::pick(at).to_rgba();
        let points = || line.points.iter().map(|(size, value)| (*size as f64, *value));
        chart
            .draw_series(LineSeries::new(points(), color.stroke_width(2)))?
            .label(line.name)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], color.stroke_width(2)));
        chart.draw_series(points().map(|point| Circle::new(point, 3, color.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}
