//! The world as a picture: outlines of its land, and where a place lies in it.

use std::f64::consts::PI;
use std::fmt::Write as _;

use isochrone_coverage::geo::Position;

/// Who made the outlines.
pub(crate) const ATTRIBUTION: &str = "land: Natural Earth (naturalearthdata.com), public domain";

/// The outlines made by `data/make_land.mjs`.
const LAND: &str = include_str!("../data/land.txt");
/// The file's coordinates are counted in this part of a degree.
const UNITS_PER_DEGREE: f64 = 20.0;

/// The rings of the world's land, Antarctica left out; each ring is closed by its first point.
fn outline() -> impl Iterator<Item = Vec<Position>> {
    LAND.lines().map(ring)
}

fn ring(line: &str) -> Vec<Position> {
    let mut numbers = line
        .split(' ')
        .map(|number| number.parse::<i32>().expect("a test reads every ring"));
    let (mut east, mut north, mut points) = (0, 0, Vec::new());
    while let (Some(dx), Some(dy)) = (numbers.next(), numbers.next()) {
        (east, north) = (east + dx, north + dy);
        let degrees = |units: i32| f64::from(units) / UNITS_PER_DEGREE;
        points.push(Position::new(degrees(north), degrees(east)).expect("a test reads every ring"));
    }
    points
}

/// The Equal Earth projection: areas are true to each other, so a map of dots does not flatter the north.
///
/// Its picture is [`WIDTH`](Self::WIDTH) × [`HEIGHT`](Self::HEIGHT) units and ends below South America.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EqualEarth;

impl EqualEarth {
    /// Width of the picture.
    pub(crate) const WIDTH: f64 = 1000.0;
    /// Height of the picture: from 84° north to 57° south.
    pub(crate) const HEIGHT: f64 = 439.0;
    /// Half the width of the projection in its own units, and where the picture's upper edge lies.
    const HALF_WIDTH: f64 = 2.7066299836960748;
    const TOP: f64 = 1.307;

    /// Where a place lies in the picture: right and down from its upper left corner.
    pub(crate) fn project(position: Position) -> (f64, f64) {
        const A: [f64; 4] = [1.340264, -0.081106, 0.000893, 0.003796];
        let (latitude, longitude) = (
            position.latitude() * PI / 180.0,
            position.longitude() * PI / 180.0,
        );
        let t = (3f64.sqrt() / 2.0 * latitude.sin()).asin();
        let (t2, t6) = (t * t, t.powi(6));
        let slope = A[0] + 3.0 * A[1] * t2 + t6 * (7.0 * A[2] + 9.0 * A[3] * t2);
        let x = 2.0 * 3f64.sqrt() * longitude * t.cos() / (3.0 * slope);
        let y = t * (A[0] + A[1] * t2 + t6 * (A[2] + A[3] * t2));
        let scale = Self::WIDTH / (2.0 * Self::HALF_WIDTH);
        ((x + Self::HALF_WIDTH) * scale, (Self::TOP - y) * scale)
    }

    /// The land as the `d` of one SVG path.
    pub(crate) fn land_path() -> String {
        let mut path = String::with_capacity(64 << 10);
        for ring in outline() {
            let mut last = (0, 0);
            for (index, position) in ring.into_iter().enumerate() {
                let (x, y) = Self::project(position);
                let (x, y) = ((x * 10.0).round() as i32, (y * 10.0).round() as i32);
                let step = (x - last.0, y - last.1);
                match index {
                    0 => write!(path, "M{} {}l", tenths(x), tenths(y)),
                    _ if step == (0, 0) => Ok(()),
                    _ => write!(path, "{} {} ", tenths(step.0), tenths(step.1)),
                }
                .expect("writing to a string cannot fail");
                last = (x, y);
            }
            path.truncate(path.trim_end().len());
            path.push('z');
        }
        path
    }
}

/// A number of tenths, as short as it can be written.
pub(crate) fn tenths(value: i32) -> String {
    let sign = if value < 0 { "-" } else { "" };
    match (value.unsigned_abs() / 10, value.unsigned_abs() % 10) {
        (whole, 0) => format!("{sign}{whole}"),
        (0, tenth) => format!("{sign}.{tenth}"),
        (whole, tenth) => format!("{sign}{whole}.{tenth}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ring_is_read() {
        let rings: Vec<_> = outline().collect();
        assert!(rings.len() > 100 && rings.iter().all(|ring| ring.len() >= 3));
        assert!(LAND.len() < 100_000);
    }

    #[test]
    fn picture_holds_what_is_north_of_its_lower_edge() {
        for (latitude, longitude) in [(84.0, 0.0), (-56.9, 0.0), (0.0, 180.0), (0.0, -180.0)] {
            let (x, y) = EqualEarth::project(Position::new(latitude, longitude).unwrap());
            assert!((-0.01..=EqualEarth::WIDTH + 0.01).contains(&x), "{x}");
            assert!(
                (-0.5..=EqualEarth::HEIGHT + 0.5).contains(&y),
                "{y} at {latitude}"
            );
        }
    }

    #[test]
    fn greenwich_on_the_equator_lies_half_way() {
        let (x, _) = EqualEarth::project(Position::new(0.0, 0.0).unwrap());
        assert!((x - 500.0).abs() < 1e-9);
    }

    #[test]
    fn tenths_are_short() {
        assert_eq!([0, 5, -5, 10, -123].map(tenths), ["0", ".5", "-.5", "1", "-12.3"]);
    }
}
