//! The request header `range`, as Argus' file server reads it.

use hyper::HeaderMap;
use hyper::header::RANGE;

/// What a request's `range` means for an object of a given size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The whole object: no range, one that is not understood, or several.
    Whole,
    /// One range, both ends included.
    Part { first: u64, last: u64 },
    /// Nothing of the object lies in it.
    Unsatisfiable,
}

pub(super) fn asked(headers: &HeaderMap, size: u64) -> Asked {
    let Some(value) = headers.get(RANGE).and_then(|value| value.to_str().ok()) else {
        return Asked::Whole;
    };
    let Some(range) = value.trim().strip_prefix("bytes=") else {
        return Asked::Whole;
    };
    if range.contains(',') {
        return Asked::Whole;
    }
    let Some((first, last)) = range.split_once('-') else {
        return Asked::Whole;
    };
    match (first.trim().parse::<u64>().ok(), last.trim().parse::<u64>().ok()) {
        (Some(first), _) if first >= size => Asked::Unsatisfiable,
        (Some(first), Some(last)) if last < first => Asked::Unsatisfiable,
        (Some(first), Some(last)) => Asked::Part {
            first,
            last: last.min(size - 1),
        },
        (Some(first), None) if last.trim().is_empty() => Asked::Part {
            first,
            last: size - 1,
        },
        (None, Some(tail)) if first.trim().is_empty() && tail > 0 && size > 0 => Asked::Part {
            first: size.saturating_sub(tail),
            last: size - 1,
        },
        (None, Some(0)) if first.trim().is_empty() => Asked::Unsatisfiable,
        _ => Asked::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    fn of(range: &str, size: u64) -> Asked {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, HeaderValue::from_str(range).unwrap());
        asked(&headers, size)
    }

    #[test]
    fn ranges_are_read_as_the_file_server_reads_them() {
        assert_eq!(of("bytes=0-99", 5000), Asked::Part { first: 0, last: 99 });
        assert_eq!(of("bytes=0-9999", 5000), Asked::Part { first: 0, last: 4999 });
        assert_eq!(
            of("bytes=100-", 5000),
            Asked::Part {
                first: 100,
                last: 4999
            }
        );
        assert_eq!(
            of("bytes=-100", 5000),
            Asked::Part {
                first: 4900,
                last: 4999
            }
        );
        assert_eq!(of("bytes=5000-", 5000), Asked::Unsatisfiable);
        assert_eq!(of("bytes=0-1", 0), Asked::Unsatisfiable);
        assert_eq!(of("bytes=-5", 0), Asked::Whole);
        assert_eq!(of("bytes=0-1,5-9", 5000), Asked::Whole);
        assert_eq!(of("items=0-1", 5000), Asked::Whole);
        assert_eq!(asked(&HeaderMap::new(), 5), Asked::Whole);
    }

    proptest! {
        #[test]
        fn any_part_lies_inside_the_object(range in "bytes=[0-9]{0,4}-[0-9]{0,4}", size in 0u64..3000) {
            if let Asked::Part { first, last } = of(&range, size) {
                prop_assert!(first <= last && last < size);
            }
        }
    }
}
