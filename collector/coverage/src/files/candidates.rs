//! Reads a file of places that may get a node.

use std::collections::HashMap;

use super::table::{Coordinates, Table};
use super::{FileError, FileText, MOST_SITES};
use crate::report::placement::GivenPlace;

/// The candidates of a file: `place`, and where given `latitude` and `longitude`, `cost` (in the unit of the objective) and
/// `capacity` (in the unit of the weights).
///
/// # Errors
/// The file is no such table; the error names file, line and column.
pub fn read_candidates(file: &FileText) -> Result<Vec<GivenPlace>, FileError> {
    let mut table = Table::open(file)?;
    let name = table.column("place")?;
    let both = ["latitude", "longitude"].map(|column| table.find(column));
    let place = match both {
        [Some(latitude), Some(longitude)] => Some((latitude, longitude)),
        [None, None] => None,
        [None, _] => Some((table.column("latitude")?, 0)),
        [_, None] => Some((0, table.column("longitude")?)),
    };
    let (cost, capacity) = (table.find("cost"), table.find("capacity"));
    for column in ["latitude", "longitude", "cost", "capacity"] {
        table.only_once(column)?;
    }
    let (mut all, mut lines) = (Vec::new(), HashMap::new());
    while let Some(row) = table.next_row()? {
        let called = row.name(name, "place")?.to_owned();
        row.once(&mut lines, called.clone(), "place", &called)?;
        let position = match place {
            Some((latitude, longitude)) => match row.coordinates(latitude, longitude)? {
                Coordinates::Given(position) => Some(position),
                Coordinates::Missing => None,
                Coordinates::OtherWayRound => Some(row.position(latitude, longitude)?),
            },
            None => None,
        };
        let amount = |column: Option<usize>, called| match column {
            Some(column) if !row.lacks(column) => row.amount(column, called).map(Some),
            _ => Ok(None),
        };
        all.push(GivenPlace {
            position,
            cost: amount(cost, "cost")?.unwrap_or(0.0),
            capacity: amount(capacity, "capacity")?,
            name: called,
        });
        if all.len() > MOST_SITES {
            return Err(row.too_many(MOST_SITES));
        }
    }
    match all.is_empty() {
        true => Err(table.no_rows()),
        false => Ok(all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<GivenPlace>, String> {
        read_candidates(&FileText::new("candidates.csv", text)).map_err(|error| error.to_string())
    }

    #[test]
    fn place_cost_and_capacity_are_read_and_what_is_empty_is_none() {
        let all =
            read("place,latitude,longitude,cost,capacity\n\"Lagos, NG\",,,1.5,\nour rack,-33.9,18.4,,2000\n")
                .unwrap();
        assert_eq!(
            (&*all[0].name, all[0].position, all[0].cost),
            ("Lagos, NG", None, 1.5)
        );
        assert_eq!(all[0].capacity, None);
        assert_eq!((all[1].cost, all[1].capacity), (0.0, Some(2000.0)));
        assert_eq!(all[1].position.unwrap().latitude(), -33.9);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line_and_column() {
        let wrong = |text: &str, words: &[&str]| {
            let said = read(text).unwrap_err();
            assert!(words.iter().all(|word| said.contains(word)), "{said}");
        };
        wrong("city\nLagos\n", &["candidates.csv", "place"]);
        wrong(
            "place,cost\n\"Lagos, NG\",-1\n",
            &["candidates.csv:2", "cost", "-1"],
        );
        wrong(
            "place,capacity\n\"Lagos, NG\",much\n",
            &["candidates.csv:2", "capacity", "much"],
        );
        wrong("place\nA\nA\n", &["candidates.csv:3", "A"]);
        wrong(
            "place,latitude,longitude\nA,104.0,14.0\n",
            &["candidates.csv:2", "latitude"],
        );
        wrong("place,latitude\nA,4.0\n", &["longitude"]);
        wrong("place\n", &["candidates.csv"]);
    }
}
