//! Memory and times over the run, as SVG.

use std::{collections::BTreeMap, time::Duration};

use harness::quantile;
use plotters::{coord::Shift, prelude::*};

use crate::{
    Result,
    samples::{Sample, Span, Taken},
};

const SIZE: (u32, u32) = (900, 900);
const FONT: (&str, u32) = ("sans-serif", 14);

/// The plot. Portals fail from this time on.
///
/// # Errors
/// It cannot be drawn.
pub fn svg(taken: &Taken, faults_from: Duration) -> Result<String> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let processes = |value: fn(&Sample) -> f64| {
            let line = |samples: &[Sample]| {
                let point = |sample: &Sample| (minutes(sample.at), value(sample));
                samples.iter().map(point).collect::<Vec<_>>()
            };
            let [one, other] = taken.pair.each_ref().map(|samples| line(samples));
            [
                ("shard b, one process", line(&taken.long_lived)),
                ("shard a, first process", one),
                ("shard a, second process", other),
            ]
        };
        let times = [
            ("shard b", by_minute(&taken.looks[1])),
            (
                "shard a, whose leader is ended every minute",
                by_minute(&taken.looks[0]),
            ),
        ];
        let [memory, descriptors, answers] = &root.split_evenly((3, 1))[..] else {
            return Err("a plot without three panels".into());
        };
        let resident = processes(|sample| sample.resident);
        draw(memory, "resident memory, MiB", faults_from, &resident)?;
        let open = processes(|sample| sample.descriptors as f64);
        draw(descriptors, "open file descriptors", faults_from, &open)?;
        let title = "request to answer of healthy objects, p99 of each minute, s";
        draw(answers, title, faults_from, &times)?;
        root.present()?;
    }
    Ok(text)
}

fn minutes(time: Duration) -> f64 {
    time.as_secs_f64() / 60.0
}

fn by_minute(looks: &[Span]) -> Vec<(f64, f64)> {
    let mut times = BTreeMap::<u64, Vec<Duration>>::new();
    for look in looks {
        times.entry(look.at.as_secs() / 60).or_default().push(look.took);
    }
    let p99 =
        |(minute, times): (u64, Vec<Duration>)| Some((minute as f64, quantile(&times, 0.99)?.as_secs_f64()));
    times.into_iter().filter_map(p99).collect()
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn draw(
    area: &Area<'_>,
    title: &str,
    faults_from: Duration,
    lines: &[(&str, Vec<(f64, f64)>)],
) -> Result<()> {
    let points = || lines.iter().flat_map(|(_, points)| points);
    let last = points().map(|point| point.0).fold(1.0, f64::max);
    let most = points().map(|point| point.1).fold(0.1, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(title, FONT)
        .margin(10)
        .x_label_area_size(30)
        .y_label_area_size(50)
        .build_cartesian_2d(0.0..last, 0.0..most * 1.1)?;
    chart
        .configure_mesh()
        .x_desc("minutes")
        .label_style(FONT)
        .light_line_style(TRANSPARENT)
        .draw()?;
    let begin = minutes(faults_from);
    let border = LineSeries::new([(begin, 0.0), (begin, most * 1.1)], BLACK.mix(0.5));
    chart.draw_series(border)?.label("portals begin to fail");
    for ((name, points), colour) in lines.iter().zip([BLUE, RED, GREEN]) {
        let drawn = chart.draw_series(LineSeries::new(points.iter().copied(), colour))?;
        drawn
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.8))
        .label_font(FONT)
        .draw()?;
    Ok(())
}
