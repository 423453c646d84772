//! The checksum that stands at the end of every row, over its table, its key and its value: a bit that changed on the
//! disk is found when the row is read, wherever in it that bit stands.

/// Bytes at the end of each row.
pub(crate) const SEAL_BYTES: usize = 4;

fn checksum(table: &str, key: &[u8], value: &[u8]) -> [u8; SEAL_BYTES] {
    let of_table = crc32c::crc32c(table.as_bytes());
    let with_key = crc32c::crc32c_append(of_table, key);
    crc32c::crc32c_append(with_key, value).to_be_bytes()
}

/// Appends the checksum to a value.
pub(crate) fn seal(table: &str, key: &[u8], value: &mut Vec<u8>) {
    let checksum = checksum(table, key, value);
    value.extend_from_slice(&checksum);
}

/// The value of a row; `None` if the row is not what was written.
pub(crate) fn unseal<'a>(table: &str, key: &[u8], row: &'a [u8]) -> Option<&'a [u8]> {
    let (value, found) = row.split_last_chunk::<SEAL_BYTES>()?;
    (*found == checksum(table, key, value)).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_flipped_bit_of_key_value_or_checksum_is_found() {
        let (key, mut row) = ([7_u8; 24], b"a value of some length".to_vec());
        seal("epochs", &key, &mut row);
        assert_eq!(unseal("epochs", &key, &row), Some(&b"a value of some length"[..]));
        assert_eq!(unseal("hours", &key, &row), None, "a row of another table");
        for bit in 0..row.len() * 8 {
            row[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unseal("epochs", &key, &row), None, "bit {bit}");
            row[bit / 8] ^= 1 << (bit % 8);
        }
        for bit in 0..key.len() * 8 {
            let mut key = key;
            key[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unseal("epochs", &key, &row), None, "bit {bit} of the key");
        }
        for length in 0..row.len() {
            assert_eq!(unseal("epochs", &key, &row[..length]), None);
        }
    }
}
