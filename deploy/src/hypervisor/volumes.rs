//! Volumes: their XML, and moving bytes to and from them.

use super::connection::Connection;
use super::{HypervisorError, NewVolume};
use crate::mark::escape;
use virt::storage_vol::StorageVol;
use virt::stream::Stream;

/// What one call of a stream takes.
const CHUNK: usize = 256 << 10;

pub fn create(connection: &Connection, pool: &str, volume: &NewVolume) -> Result<(), HypervisorError> {
    let found = connection.pool(pool)?;
    let made = StorageVol::create_xml(&found, &volume_xml(volume), 0);
    connection.say(|| format!("making volume {}", volume.name), made).map(drop)
}

/// Only the space that is written is taken. The backing chain's files are used by several domains at once, and read only.
fn volume_xml(volume: &NewVolume) -> String {
    let capacity =
        volume.capacity.map(|bytes| format!("<capacity unit='bytes'>{bytes}</capacity>")).unwrap_or_default();
    let backing = volume.backing.as_ref().map(|(path, format)| {
        format!("<backingStore><path>{}</path><format type='{}'/></backingStore>", escape(path), format.as_str())
    });
    format!(
        "<volume><name>{}</name>{capacity}<allocation>0</allocation><target><format type='{}'/></target>{}</volume>",
        escape(&volume.name),
        volume.format.as_str(),
        backing.unwrap_or_default()
    )
}

pub fn write(
    connection: &Connection,
    pool: &str,
    name: &str,
    offset: u64,
    bytes: &[u8],
) -> Result<(), HypervisorError> {
    let doing = || format!("uploading volume {name}");
    let volume = connection.volume(pool, name)?;
    let stream = connection.say(doing, Stream::new(connection.raw(), 0))?;
    connection.say(doing, volume.upload(&stream, offset, bytes.len() as u64, 0))?;
    let mut rest = bytes;
    while !rest.is_empty() {
        let sent = match stream.send(&rest[..rest.len().min(CHUNK)]) {
            Ok(sent) => usize::try_from(sent).unwrap_or(0),
            Err(error) => {
                // The stream is of no use any more; the error that counts is the first one.
                let _ = stream.abort();
                return connection.say(doing, Err(error));
            }
        };
        rest = &rest[sent.min(rest.len())..];
    }
    connection.say(doing, stream.finish())
}

pub fn read(
    connection: &Connection,
    pool: &str,
    name: &str,
    offset: u64,
    length: u64,
) -> Result<Vec<u8>, HypervisorError> {
    let doing = || format!("reading volume {name}");
    let volume = connection.volume(pool, name)?;
    let stream = connection.say(doing, Stream::new(connection.raw(), 0))?;
    connection.say(doing, volume.download(&stream, offset, length, 0))?;
    let mut bytes = Vec::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = connection.say(doing, stream.recv(&mut buffer))?;
        let read = usize::try_from(read).unwrap_or(0);
        if read == 0 {
            break;
        }
        bytes.extend_from_slice(&buffer[..read]);
    }
    connection.say(doing, stream.finish())?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::Format;

    #[test]
    fn a_layer_names_what_it_is_on_and_takes_its_size() {
        let layer = NewVolume {
            name: "dev-c-root.qcow2".into(),
            format: Format::Qcow2,
            capacity: None,
            backing: Some(("/a&b/c.qcow2".into(), Format::Qcow2)),
        };
        assert_eq!(
            volume_xml(&layer),
            "<volume><name>dev-c-root.qcow2</name><allocation>0</allocation><target><format type='qcow2'/></target>\
             <backingStore><path>/a&amp;b/c.qcow2</path><format type='qcow2'/></backingStore></volume>"
        );
    }

    #[test]
    fn an_empty_disk_has_its_size() {
        let data = NewVolume { name: "d.raw".into(), format: Format::Raw, capacity: Some(4096), backing: None };
        assert_eq!(
            volume_xml(&data),
            "<volume><name>d.raw</name><capacity unit='bytes'>4096</capacity><allocation>0</allocation><target><format type='raw'/></target></volume>"
        );
    }
}
